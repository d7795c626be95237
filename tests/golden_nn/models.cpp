// SPDX-License-Identifier: MIT
#include <functional>

#include "case.hpp"

/// Models' files name no constructor: the type follows from the names of their tensors, sizes from the shapes. What neither says (heads
/// where no tensor has them, RoPE, psi) is as these files are made, or in the metadata under the constructor's own word.
namespace golden_nn {
namespace {

class shapes {
 public:
  shapes(const tensors& in, std::string prefix) : in_(in), prefix_("param." + std::move(prefix)) {}
  bool has(const std::string& name) const { return in_.contains(prefix_ + name); }
  idx of(const std::string& name, std::size_t axis) const {
    const auto t = in_.find(prefix_ + name);
    if (t == in_.end() || t->second.shape.size() <= axis)
      throw std::runtime_error("the model's layer is not known: it has no " + prefix_ + name);
    return t->second.shape[axis];
  }
  std::string text(const std::string& name, std::size_t axis) const { return std::to_string(of(name, axis)); }

 private:
  const tensors& in_;
  std::string prefix_;
};
struct call {
  std::string layer;
  arguments named;
};
std::string text(idx value) { return std::to_string(value); }

call delta_rule(const shapes& s, const std::string& D) {
  const idx dv = s.of("o_norm.weight", 0), V = s.of("o_proj.weight", 1), K = s.of("q_proj.weight", 0), H = V / dv;
  const std::string width = s.text("q_conv1d.weight", 2);
  if (s.has("f_proj.0.weight"))
    return {"KDA", {{"D", D}, {"H", s.text("A_log", 0)}, {"dk", text(K / s.of("A_log", 0))}, {"dv", text(dv)}, {"width", width}}};
  if (!s.has("a_proj.weight"))
    return {"DeltaNet", {{"D", D}, {"H", text(H)}, {"width", width}, {"gate", s.has("g_proj.weight") ? "True" : "False"}}};
  if (const idx m = s.of("k_proj.weight", 0) / K; m > 1)
    return {"GatedDeltaProduct", {{"D", D}, {"H", text(H)}, {"dk", text(K / H)}, {"dv", text(dv)}, {"m", text(m)}, {"width", width}}};
  return {"GatedDeltaNet", {{"D", D}, {"H", text(H)}, {"Hv", text(H)}, {"dk", text(K / H)}, {"dv", text(dv)}, {"width", width}}};
}
/// A layer with q_proj, k_proj, v_proj and no more than norms and gates.
call projected(const shapes& s, const std::string& D, bool positions) {
  if (s.has("norm.weight")) return {"LinearAttention", {{"D", D}, {"H", text(s.of("v_proj.weight", 0) / s.of("norm.weight", 0))}}};
  if (s.has("w_proj.0.weight"))
    return {"PaTH",
            {{"D", D}, {"H", s.text("bt_proj.bias", 0)}, {"rank", s.text("w_proj.0.weight", 0)}, {"width", s.text("w_conv1d.weight", 2)}}};
  if (s.has("g_norm_swish_gate.weight")) {
    const idx V = s.of("v_proj.weight", 0), H = V / s.of("g_norm_swish_gate.weight", 0);
    if (s.has("gk_proj.0.weight"))
      return {"GLA",
              {{"D", D},
               {"H", text(H)},
               {"rank", s.text("gk_proj.0.weight", 0)},
               {"expand_k", std::to_string(double(s.of("k_proj.weight", 0)) / std::stod(D))},
               {"expand_v", std::to_string(double(V) / std::stod(D))}}};
    if (s.has("gk_proj.weight")) return {"SimpleGLA", {{"D", D}, {"H", text(H)}, {"width", s.text("q_conv1d.weight", 2)}}};
    return {"Retention", {{"D", D}, {"H", text(H)}, {"expand_v", text(V / std::stoll(D))}}};
  }
  return {"Attention", {{"D", D}, {"H", "2"}, {"rope", positions ? "None" : "half"}, {"bias", s.has("q_proj.bias") ? "True" : "False"}}};
}
call layer_in(const shapes& s, const std::string& D, bool positions) {
  if (s.has("r_k"))
    return {"RWKV7",
            {{"D", D},
             {"H", s.text("r_k", 0)},
             {"rw", s.text("w_lora.lora.0.weight", 0)},
             {"rg", s.text("g_lora.lora.0.weight", 0)},
             {"ra", s.text("a_lora.lora.0.weight", 0)}}};
  if (s.has("x_bias"))
    return {"RWKV6",
            {{"D", D},
             {"H", s.text("bonus", 0)},
             {"r", text(s.of("x_proj.2.weight", 1) / 5)},
             {"rw", s.text("w_proj.linear.lora.0.weight", 0)},
             {"expand_k", std::to_string(double(s.of("k_proj.linear.weight", 0)) / std::stod(D))}}};
  if (s.has("in_proj.weight")) {
    const idx H = s.of("A_log", 0), I = s.of("out_proj.weight", 1);
    return {"Mamba2",
            {{"D", D},
             {"H", text(H)},
             {"expand", text(I / std::stoll(D))},
             {"width", s.text("conv1d.weight", 2)},
             {"n", text((s.of("conv1d.weight", 0) - I) / 2)}}};
  }
  if (s.has("igate_preact.bias"))
    return {"MLSTM",
            {{"D", D}, {"H", s.text("igate_preact.bias", 0)}, {"qk_factor", std::to_string(double(s.of("q.weight", 0)) / std::stod(D))}}};
  if (s.has("f_proj.weight")) return {"HGRN2", {{"D", D}, {"H", "2"}, {"lower_bound", s.has("lower_bound") ? "given" : "None"}}};
  if (s.has("o_norm.weight") && s.has("q_conv1d.weight")) return delta_rule(s, D);
  return projected(s, D, positions);
}
call paper_attention(const shapes& s, const std::string& D, const std::string& name, bool pooled) {
  const idx width = s.has("conv1d.weight") ? s.of("conv1d.weight", 2) : 0;
  if (s.has("inner_attn.offset")) {
    const idx H = s.of("inner_attn.offset", 0), Dqk = (s.of("Wvqkn.weight", 0) - std::stoll(D) - H) / 2;
    return {"PaperAttention", {{"D", D}, {"Dqk", text(Dqk)}, {"H", text(H)}, {"kind", "norm"}, {"width", text(width)}}};
  }
  const idx Dqk = (s.of("Wqkv.weight", 0) - std::stoll(D)) / 2;
  return {"PaperAttention",
          {{"D", D},
           {"Dqk", text(Dqk)},
           {"H", pooled ? "2" : "1"},
           {"kind", name.find("linear") != std::string::npos ? "linear" : "softmax"},
           {"width", text(width)}}};
}
call paper_ssd(const shapes& s, const std::string& D) {
  const bool lti = s.has("A");
  const idx H = s.of("D", 0), rest = s.of("in_proj.weight", 0) - std::stoll(D) - (lti ? 1 : H);
  return {"PaperSSD",
          {{"D", D},
           {"H", text(H)},
           {"n", text(rest / 2)},
           {"width", s.has("conv1d.weight") ? s.text("conv1d.weight", 2) : "None"},
           {"lti", lti ? "True" : "False"}}};
}
int blocks(const tensors& in, const std::string& prefix) {
  int count = 0;
  const auto any = [&](const std::string& start) {
    const auto t = in.lower_bound("param." + start);
    return t != in.end() && t->first.starts_with("param." + start);
  };
  while (any(prefix + "." + text(count) + ".")) ++count;
  return count;
}

}  // namespace

void describe_model(const arguments& metadata, job& out) {
  const shapes all(out.in, "");
  auto& z = out.as_model.size;
  const auto& logits = out.in.at("logits").shape;
  z.outputs = logits.back(), z.pooled = logits.size() == 2, z.positions = 0;
  call layer;
  if (all.has("embeddings.weight")) {
    out.model = "language_model";
    z.vocabulary = all.of("embeddings.weight", 0), z.width = all.of("embeddings.weight", 1), z.tied = !all.has("lm_head.weight");
    if (all.has("position_embeddings.weight")) z.positions = all.of("position_embeddings.weight", 0);
    z.layers = blocks(out.in, "layers");
    if (all.has("layers.0.mlp.up_proj.weight")) z.hidden = all.of("layers.0.mlp.up_proj.weight", 0);
    layer = layer_in(shapes(out.in, "layers.0.attn."), text(z.width), z.positions > 0);
    if (all.has("lower_bounds")) layer.named["lower_bound"] = "of the model";
    const shapes second(out.in, "layers.1.attn.");
    if (layer.layer == "RWKV7" && second.has("v_lora.lora.0.weight")) layer.named["rv"] = second.text("v_lora.lora.0.weight", 0);
  } else if (all.has("unembed.lm_head.weight")) {
    out.model = "mad_language_model";
    z.vocabulary = all.of("token_embeds.weight", 0), z.width = all.of("token_embeds.weight", 1);
    if (all.has("position_embeds")) z.positions = all.of("position_embeds", 0);
    const bool feeds = all.has("model.1.layer.up_proj.weight");
    if (feeds) z.hidden = all.of("model.1.layer.up_proj.weight", 0);
    z.layers = blocks(out.in, "model") / (feeds ? 2 : 1);
    layer = layer_in(shapes(out.in, "model.0.layer."), text(z.width), z.positions > 0);
  } else if (all.has("token_embeds.weight")) {
    out.model = "autoencoder";
    z.vocabulary = all.of("token_embeds.weight", 0), z.width = all.of("token_embeds.weight", 1);
    const bool feeds = all.has("encoder.1.1.up_proj.weight");
    if (feeds) z.hidden = all.of("encoder.1.1.up_proj.weight", 0);
    z.layers = blocks(out.in, "encoder") / (feeds ? 2 : 1);
    layer = layer_in(shapes(out.in, "encoder.0.1."), text(z.width), false);
  } else {
    const bool table = all.has("encoder.word_embeddings.weight");
    z.width = table ? all.of("encoder.word_embeddings.weight", 1) : all.of("encoder.weight", 0);
    if (table) z.vocabulary = all.of("encoder.word_embeddings.weight", 0);
    else z.inputs = all.of("encoder.weight", 1);
    if (all.has("encoder.position_embeddings.weight")) z.positions = all.of("encoder.position_embeddings.weight", 0);
    const std::string D = text(z.width);
    z.norm_first = table;  // of images, whose tokens are numbers, the norm comes after
    if (all.has("blocks.0.glu.linear.weight")) {
      out.model = "paper_mamba", z.layers = blocks(out.in, "blocks");
      layer = paper_ssd(shapes(out.in, "blocks.0.mamba."), D);
    } else if (all.has("layers.0.out1.weight")) {
      out.model = "paper_ssm", z.layers = blocks(out.in, "layers");
      if (out.in.contains("ids")) z.vocabulary = z.inputs;
      const shapes s(out.in, "layers.0.seq.");
      layer = s.has("nu_log") ? call{"LRU", {{"D", D}, {"N", s.text("nu_log", 0)}}} : call{"S4", {{"D", D}, {"N", s.text("Lambda_re", 1)}}};
    } else {
      out.model = "paper_transformer", z.layers = blocks(out.in, "layers");
      z.gated = all.has("layers.0.Wz.weight");
      if (all.has("layers.0.mixer.encoder.weight")) z.hidden = all.of("layers.0.mixer.encoder.weight", 0);
      if (all.has("classifier.encoder.weight")) z.head = all.of("classifier.encoder.weight", 0);
      layer = paper_attention(shapes(out.in, "layers.0.attention."), D, out.name, z.pooled);
    }
  }
  for (const char* word : {"H", "Hkv", "rope", "theta", "phi", "eta", "psi", "feature", "kind", "groups", "negative", "tau"})
    if (const auto m = metadata.find(word); m != metadata.end()) layer.named[word] = m->second;
  if (const auto m = metadata.find("prenorm"); m != metadata.end()) z.norm_first = m->second == "True" || m->second == "true";
  if (out.layer.empty()) describe_layer(layer.layer, {}, layer.named, out);
  z.layer = out.as_layer.size;
}

}  // namespace golden_nn
