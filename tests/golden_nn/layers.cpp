// SPDX-License-Identifier: MIT
#include <algorithm>

#include "case.hpp"

namespace golden_nn {
namespace {

/// Arguments under their parameters' names, with a note of which were asked for.
class call_of {
 public:
  call_of(const std::string& layer, std::vector<std::string> names, const std::vector<std::string>& args, const arguments& named)
      : given_(named) {
    if (args.size() > names.size()) throw std::runtime_error(layer + " takes at most " + std::to_string(names.size()) + " arguments");
    for (std::size_t i = 0; i < args.size(); ++i) given_[names[i]] = args[i];
    for (const auto& [name, text] : given_)
      if (std::find(names.begin(), names.end(), name) == names.end()) throw std::runtime_error(layer + " has no argument " + name);
  }
  std::string text(const std::string& name, const std::string& otherwise) const {
    const auto a = given_.find(name);
    return a == given_.end() ? otherwise : a->second;
  }
  double number(const std::string& name, double otherwise) const {
    const auto a = given_.find(name);
    return a == given_.end() || a->second == "None" ? otherwise : std::stod(a->second);
  }
  int whole(const std::string& name, int otherwise = 0) const { return int(number(name, otherwise)); }
  bool flag(const std::string& name, bool otherwise) const { return text(name, otherwise ? "True" : "False") == "True"; }

 private:
  arguments given_;
};

std::string word(const std::map<std::string, std::string>& words, const std::string& name, const std::string& what) {
  const auto w = words.find(name);
  if (w == words.end()) throw std::runtime_error("there is no " + what + " called '" + name + "'");
  return w->second;
}
const std::map<std::string, std::string> readouts{{"exp", "exponential"},    {"linear", "linear"},     {"relu", "relu"},
                                                  {"relu2", "relu_squared"}, {"softplus", "softplus"}, {"sigmoid", "sigmoid"},
                                                  {"tanh", "tanh"},          {"elu1", "elu_plus_one"}, {"silu", "silu"}};
const std::map<std::string, std::string> etas{{"sum", "sum"}, {"one", "one"}, {"None", "one"}, {"count", "count"}};
const std::map<std::string, std::string> features{
    {"elu1", "elu_plus_one"}, {"linear", "identity"}, {"none", "identity"}, {"relu", "relu"}, {"exp", "exponential"}};
const std::map<std::string, std::string> psis{
    {"identity", "identity"}, {"exp", "exponential"}, {"softplus", "softplus"}, {"elu", "elu"}, {"sigmoid", "sigmoid"}};

void use(job& j, const std::string& type, std::vector<std::string> headers) {
  j.layer = type;
  for (std::string& h : headers) h = "nn/layers/" + h + ".hpp";
  j.headers = std::move(headers);
}

void attention(const call_of& c, job& j) {
  auto& z = j.as_layer.size;
  z.heads = c.whole("H"), z.key_heads = c.whole("Hkv"), z.theta = c.number("theta", 1e4);
  const std::string rope = c.text("rope", "None"), phi = c.text("phi", "exp"), eta = c.text("eta", "sum");
  j.keys_bias_is_free = rope == "None" && phi == "exp" && eta == "sum";
  const std::string A = rope == "None" ? "identity" : "rotation<evolution::pairing::" + rope + ">";
  use(j,
      "nn::attention<mixer<readout::" + word(readouts, phi, "readout") + ", evolution::" + A +
          ", scaling::inverse_sqrt_dim, normalization::" + word(etas, eta, "normalization") +
          ">, nn::bias::" + (c.flag("bias", false) ? "yes" : "no") + ">",
      {"attention"});
  j.headers.push_back("readout/" + word(readouts, phi, "readout") + ".hpp");
}
void linear_attention(const call_of& c, job& j) {
  auto& z = j.as_layer.size;
  z.heads = c.whole("H"), z.eps = c.number("eps", 0);
  const std::string feature = word(features, c.text("feature", "elu1"), "feature map of linear attention");
  use(j,
      "nn::linear_attention<mixer<readout::linear, evolution::identity, scaling::one, normalization::" +
          std::string(c.flag("normalize", true) ? "sum" : "one") + ", feature::" + feature + ">>",
      {"attention"});
  j.headers.push_back("feature/" + feature + ".hpp");
}
void paper_attention(const call_of& c, job& j) {
  auto& z = j.as_layer.size;
  z.heads = c.whole("H"), z.n = c.whole("Dqk") / z.heads, z.d = c.whole("D") / z.heads;
  const int width = c.whole("width");
  if (width > 0) z.convolution = width;
  const std::string kind = c.text("kind", "softmax");
  std::string mixer_text;
  if (kind == "softmax") mixer_text = "mixers::softmax_attention", j.keys_bias_is_free = width == 0;
  else if (kind == "linear") mixer_text = "mixers::linear_attention_elu1";
  else if (kind == "norm")
    mixer_text =
        "mixer<readout::linear, evolution::identity, scaling::" + std::string(c.flag("scale_b", true) ? "inverse_sqrt_dim" : "one") +
        ", normalization::gate<normalization::psi::" + word(psis, c.text("psi", "softplus"), "psi") +
        ", normalization::offset::yes>, feature::" + word(features, c.text("feature", "none"), "feature map") + ">";
  else throw std::runtime_error("there is no paper attention of kind '" + kind + "'");
  use(j, "nn::paper_attention<" + mixer_text + ", nn::convolution::" + (width > 0 ? "yes" : "no") + ">", {"attention"});
}
void retention(const call_of& c, job& j) {
  auto& z = j.as_layer.size;
  z.heads = c.whole("H"), z.d = c.whole("D") * c.whole("expand_v", 2) / z.heads, z.eps = c.number("eps", 0);
  use(j, "nn::retention", {"gated_linear"});
}
void gla(const call_of& c, job& j) {
  auto& z = j.as_layer.size;
  z.heads = c.whole("H"), z.rank = c.whole("rank", 16), z.tau = c.number("tau", 16), z.eps = c.number("eps", 0);
  z.n = int(c.number("D", 0) * c.number("expand_k", 0.5)) / z.heads, z.d = int(c.number("D", 0) * c.number("expand_v", 1)) / z.heads;
  use(j, "nn::gla", {"gated_linear"});
}
void simple_gla(const call_of& c, job& j) {
  auto& z = j.as_layer.size;
  z.heads = c.whole("H"), z.convolution = c.whole("width", 4), z.tau = c.number("tau", 16), z.eps = c.number("eps", 0);
  use(j, "nn::simple_gla", {"gated_linear"});
}
void hgrn2(const call_of& c, job& j) {
  auto& z = j.as_layer.size;
  z.heads = c.whole("H"), z.eps = c.number("eps", 0);
  const std::string bound = c.text("lower_bound", "None");
  use(j, bound == "None" ? "nn::hgrn2" : bound == "of the model" ? "nn::hgrn2_rising_bound" : "nn::hgrn2_lower_bound", {"gated_linear"});
}
void mamba2(const call_of& c, job& j) {
  auto& z = j.as_layer.size;
  z.heads = c.whole("H"), z.key_heads = c.whole("groups", 1), z.n = c.whole("n"), z.convolution = c.whole("width", 4);
  z.d = c.whole("D") * c.whole("expand", 2) / z.heads, z.eps = c.number("eps", 0);
  use(j, "nn::mamba2", {"state_space"});
}
void paper_ssd(const call_of& c, job& j) {
  auto& z = j.as_layer.size;
  z.heads = c.whole("H"), z.key_heads = 1, z.n = c.whole("n");
  const int width = c.text("width", "4") == "None" ? 0 : c.whole("width", 4);
  if (width > 0) z.convolution = width;
  use(j,
      std::string(c.flag("lti", false) ? "nn::paper_ssd_lti" : "nn::paper_ssd") + "<nn::convolution::" + (width > 0 ? "yes" : "no") + ">",
      {"state_space"});
}
void mlstm(const call_of& c, job& j) {
  auto& z = j.as_layer.size;
  z.heads = c.whole("H"), z.cap = c.number("cap", 15), z.eps = c.number("eps", 0);
  z.n = int(c.number("D", 0) * c.number("qk_factor", 0.5)) / z.heads, z.d = int(c.number("D", 0) * c.number("v_factor", 1)) / z.heads;
  use(j, "nn::mlstm", {"gated_linear"});
}
void deltanet(const call_of& c, job& j) {
  auto& z = j.as_layer.size;
  z.heads = c.whole("H"), z.convolution = c.whole("width", 4), z.strongest = c.flag("negative", false) ? 2 : 1, z.eps = c.number("eps", 0);
  z.n = int(c.number("D", 0) * c.number("expand_k", 1)) / z.heads, z.d = int(c.number("D", 0) * c.number("expand_v", 1)) / z.heads;
  use(j, c.flag("gate", false) ? "nn::deltanet_gated" : "nn::deltanet", {"delta_rule"});
}
void gated_deltanet(const call_of& c, job& j) {
  auto& z = j.as_layer.size;
  z.key_heads = c.whole("H"), z.heads = c.whole("Hv", z.key_heads), z.n = c.whole("dk"), z.d = c.whole("dv");
  z.convolution = c.whole("width", 4), z.strongest = c.flag("negative", false) ? 2 : 1, z.eps = c.number("eps", 0);
  use(j, "nn::gated_deltanet", {"delta_rule"});
}
void kda(const call_of& c, job& j) {
  auto& z = j.as_layer.size;
  z.heads = c.whole("H"), z.n = c.whole("dk"), z.d = c.whole("dv"), z.convolution = c.whole("width", 4), z.eps = c.number("eps", 0);
  use(j, "nn::kda", {"delta_rule"});
}
void gated_deltaproduct(const call_of& c, job& j) {
  auto& z = j.as_layer.size;
  z.heads = c.whole("H"), z.n = c.whole("dk"), z.d = c.whole("dv"), z.convolution = c.whole("width", 4), z.eps = c.number("eps", 0);
  z.strongest = c.flag("negative", true) ? 2 : 1;
  use(j, "nn::gated_deltaproduct<" + std::to_string(c.whole("m", 2)) + ">", {"delta_rule"});
}
void rwkv7(const call_of& c, job& j) {
  auto& z = j.as_layer.size;
  z.heads = c.whole("H"), z.layer = c.whole("layer"), z.eps = c.number("eps", 0);
  z.decay_rank = c.whole("rw", 8), z.gate_rank = c.whole("rg", 8), z.rate_rank = c.whole("ra", 8), z.value_rank = c.whole("rv", 8);
  use(j, "nn::rwkv7", {"rwkv"});
}
void rwkv6(const call_of& c, job& j) {
  auto& z = j.as_layer.size;
  z.heads = c.whole("H"), z.n = int(c.number("D", 0) * c.number("expand_k", 0.5)) / z.heads;
  z.rank = c.whole("r", 8), z.decay_rank = c.whole("rw", 8), z.eps = c.number("eps", 0);
  use(j, "nn::rwkv6", {"rwkv"});
}
void path(const call_of& c, job& j) {
  auto& z = j.as_layer.size;
  z.heads = c.whole("H"), z.rank = c.whole("rank", 32), z.convolution = c.whole("width", 3);
  use(j, "nn::path_attention", {"delta_rule"});
}
void lru(const call_of& c, job& j) {
  j.as_layer.size.n = c.whole("N");
  use(j, "nn::lru", {"complex_state_space"});
}
void s4(const call_of& c, job& j) {
  j.as_layer.size.n = c.whole("N");
  use(j, "nn::s4", {"complex_state_space"});
}
void coefficient(const call_of& c, job& j) {
  auto& z = j.as_layer.size;
  z.heads = c.whole("H"), z.tau = c.number("tau", 16), z.eps = c.number("eps", 0);
  const std::string A = c.text("A", "scalar"), gate = c.text("gate", "gla"), beta = c.text("beta", "learned");
  if (A == "scalar" || A == "diagonal") {
    if (gate != "gla" && gate != "mamba2") throw std::runtime_error("there is no gate called '" + gate + "'");
    use(j, "nn::coefficient_" + gate + "<evolution::" + A + ">", {"coefficient"});
  } else if (A == "householder" || A == "householder_z") {
    use(j, "nn::coefficient_" + A + "<nn::strength_is::" + (beta == "learned" ? "learned" : "one") + ">", {"coefficient"});
  } else throw std::runtime_error("there is no evolution called '" + A + "' in Coefficient");
}

struct constructor {
  std::vector<std::string> names;
  void (*describe)(const call_of&, job&);
};
const std::map<std::string, constructor> constructors{
    {"Attention", {{"D", "H", "Hkv", "rope", "theta", "phi", "eta", "bias"}, attention}},
    {"LinearAttention", {{"D", "H", "feature", "normalize", "eps"}, linear_attention}},
    {"PaperAttention", {{"D", "Dqk", "H", "kind", "psi", "feature", "scale_b", "width"}, paper_attention}},
    {"Retention", {{"D", "H", "expand_v", "eps"}, retention}},
    {"GLA", {{"D", "H", "expand_k", "expand_v", "rank", "tau", "eps"}, gla}},
    {"SimpleGLA", {{"D", "H", "width", "tau", "eps"}, simple_gla}},
    {"HGRN2", {{"D", "H", "lower_bound", "eps"}, hgrn2}},
    {"Mamba2", {{"D", "H", "n", "expand", "groups", "width", "eps"}, mamba2}},
    {"PaperSSD", {{"D", "H", "n", "width", "lti"}, paper_ssd}},
    {"MLSTM", {{"D", "H", "qk_factor", "v_factor", "cap", "eps"}, mlstm}},
    {"DeltaNet", {{"D", "H", "expand_k", "expand_v", "width", "gate", "negative", "eps"}, deltanet}},
    {"GatedDeltaNet", {{"D", "H", "dk", "dv", "Hv", "width", "negative", "eps"}, gated_deltanet}},
    {"KDA", {{"D", "H", "dk", "dv", "width", "eps"}, kda}},
    {"GatedDeltaProduct", {{"D", "H", "dk", "dv", "m", "width", "negative", "eps"}, gated_deltaproduct}},
    {"RWKV7", {{"D", "H", "layer", "rw", "rg", "ra", "rv", "eps"}, rwkv7}},
    {"RWKV6", {{"D", "H", "expand_k", "r", "rw", "eps"}, rwkv6}},
    {"PaTH", {{"D", "H", "rank", "width"}, path}},
    {"LRU", {{"D", "N"}, lru}},
    {"S4", {{"D", "N"}, s4}},
    {"Coefficient", {{"D", "H", "A", "gate", "beta", "tau", "eps"}, coefficient}},
};

}  // namespace

void describe_layer(const std::string& layer, const std::vector<std::string>& args, const arguments& named, job& out) {
  const auto c = constructors.find(layer);
  if (c == constructors.end()) throw std::runtime_error("there is no layer called '" + layer + "'");
  const call_of call(layer, c->second.names, args, named);
  out.as_layer.size.width = call.whole("D");
  c->second.describe(call, out);
}

}  // namespace golden_nn
