// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>
#include <unistd.h>

#include <coefdyn/files/safetensors.hpp>
#include <coefdyn/names.hpp>
#include <coefdyn/nn/layers/attention.hpp>
#include <coefdyn/nn/layers/delta_rule.hpp>
#include <coefdyn/nn/layers/gated_linear.hpp>
#include <coefdyn/nn/layers/state_space.hpp>
#include <coefdyn/nn/models/language_model.hpp>
#include <coefdyn/nn/published.hpp>
#include <cstdlib>
#include <filesystem>

// Small models that Hugging Face transformers 5.17 made and ran, with random weights: loaded by the maps of published.hpp they give its
// logits. The files are data/checkpoints/hf_tiny_a.tar.gz, a tar of a tar for each model; where they are absent nothing is compared.

namespace {
using namespace coefdyn;
namespace fs = std::filesystem;

/// The files of one model, unpacked into a folder of the test's own.
class published_model {
 public:
  explicit published_model(const std::string& name) : folder_(fs::temp_directory_path() / ("coefdyn-hf-" + std::to_string(::getpid()))) {
    const std::string archive = std::string(COEFDYN_TEST_DATA) + "/checkpoints/hf_tiny_a.tar.gz";
    if (!fs::exists(archive)) {
      MESSAGE("skipped: there is no ", archive);
      return;
    }
    fs::create_directories(folder_);
    const std::string command = "tar -xzOf '" + archive + "' " + name + ".tar | tar -x -C '" + folder_.string() + "'";
    REQUIRE(std::system(command.c_str()) == 0);
    model = files::safetensors::read((folder_ / name / "model.safetensors").string());
    seen = files::safetensors::read((folder_ / name / "io.safetensors").string());
    is_there = true;
  }
  published_model(const published_model&) = delete;
  published_model& operator=(const published_model&) = delete;
  ~published_model() { fs::remove_all(folder_); }

  bool is_there = false;
  files::safetensors model, seen;  // the weights; ids, logits and hidden states

  /// Numbers of a tensor of the model, for load_published.
  auto find() const {
    return [this](const std::string& name) {
      const auto bytes = model.at(name).bytes;
      return std::span<const float>(reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float));
    };
  }
  std::vector<std::int64_t> ids() const { return seen.load<std::int64_t>("ids").values; }

 private:
  fs::path folder_;
};
/// The largest difference over the largest number.
template <class R>
double distance(const nn::value<R>& got, const std::vector<double>& want) {
  REQUIRE(idx(want.size()) == got.rows() * got.columns);
  double worst = 0, size = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double d = std::abs(double(got.data[i]) - want[i]);
    worst = d <= worst ? worst : d, size = std::max(size, std::abs(want[i]));
  }
  return worst / size;
}
constexpr idx B = 2, T = 75;

template <class Layer, class R>
void compare_logits(const published_model& p, const nn::model_sizes& z, const std::vector<nn::same_rows>& map, double cap = 0) {
  const nn::language_model<Layer> model(z);
  nn::weights<R> w(model.parameters());
  std::fill_n(w.data(), w.size(), R(NAN));
  nn::load_published(w, "", map, p.find());
  nn::tape<R> t(w, nullptr, 1);
  t.begin();
  const auto ids = p.ids();
  const nn::value<R> logits = model(t, nn::token_ids{ids.data(), B, T});
  if (cap > 0)
    for (idx i = 0; i < logits.rows() * logits.columns; ++i) logits.data[i] = R(cap * std::tanh(double(logits.data[i]) / cap));
  const double far = distance(logits, p.seen.load<double>("logits").values);
  MESSAGE(name_of<R>(), ": largest difference of logits ", far);
  CHECK(far < 1e-5);
}
nn::model_sizes small() {
  nn::model_sizes z;
  z.width = 64, z.layers = 2, z.vocabulary = 256;
  return z;
}
}  // namespace

TEST_CASE("a published Llama gives its logits") {
  const published_model p("llama");
  if (!p.is_there) return;
  nn::model_sizes z = small();
  z.hidden = 96, z.norm_eps = 1e-6, z.layer.heads = 4, z.layer.key_heads = 2;
  compare_logits<nn::attention<>, float>(p, z, nn::llama_rows(z));
  compare_logits<nn::attention<>, double>(p, z, nn::llama_rows(z));
}

TEST_CASE("a published Mamba-2 of two groups gives its logits") {
  const published_model p("mamba2");
  if (!p.is_there) return;
  nn::model_sizes z = small();
  z.layer.heads = 8, z.layer.key_heads = 2, z.layer.n = z.layer.d = 16;
  compare_logits<nn::mamba2_one_norm, float>(p, z, nn::mamba2_rows(z));
  compare_logits<nn::mamba2_one_norm, double>(p, z, nn::mamba2_rows(z));
}

TEST_CASE("a published xLSTM gives its logits") {
  const published_model p("xlstm");
  if (!p.is_there) return;
  nn::model_sizes z = small();
  z.hidden = 192, z.norm_eps = 1e-6, z.layer.heads = 4, z.layer.n = 8, z.layer.eps = 1e-6;
  compare_logits<nn::mlstm, float>(p, z, nn::xlstm_rows(z), 30);
  compare_logits<nn::mlstm, double>(p, z, nn::xlstm_rows(z), 30);
}

// ---- Qwen3-Next: three layers of the gated delta rule, then one of attention, said with parts ------------------------------
namespace {
/// rms of each head, one weight for all heads.
template <label Name, class From>
struct normed_heads {
  From from;
  nn::parameter weight;
  normed_heads(const nn::scope& s, const nn::sizes& z, const nn::stream_shape& want)
      : from(s, z, want), weight(s.vector(Name + ".weight", z.n, nn::start::constant(1))) {}
  template <class R, class On>
  nn::value<R> operator()(nn::context<R, On>& c) const {
    return nn::normalise<nn::norm::rms>(c.t, c(from), c.size.n, 1e-6, weight);
  }
};
/// RoPE of the first quarter of a head's channels, which stand as pairs (m, m + n / 2) here.
struct rope_of_a_quarter {
  struct angle {
    double n;
    COEFDYN_HD double operator()(idx m) const { return double(m) < n / 8 ? std::pow(1e4, -2.0 * double(m) / (n / 4)) : 0; }
  };
  rope_of_a_quarter(const nn::scope&, const nn::sizes&, const nn::stream_shape&) {}
  template <class R, class On>
  nn::value<R> operator()(nn::context<R, On>& c) const {
    return nn::constants(c.t, c.size.n / 2, angle{double(c.size.n)});
  }
};
using qwen3_attention = nn::layer<mixers::softmax_rope_half, nn::give<stream::q, normed_heads<"q_norm", nn::projection<"q_proj">>>,
                                  nn::give<stream::k, normed_heads<"k_norm", nn::projection<"k_proj">>>,
                                  nn::give<stream::v, nn::projection<"v_proj">>, nn::give<stream::theta, rope_of_a_quarter>,
                                  nn::after<nn::gated<nn::sigmoid, nn::projection<"g_proj">>, nn::projected<"o_proj">>>;

template <class Layer>
struct qwen3_block {
  nn::norm_parameters layer_norm, feed_norm;
  Layer layer;
  nn::swiglu feed_forward;
  qwen3_block(const nn::scope& s, const nn::model_sizes& z, int i)
      : layer_norm(s, "attn_norm", z.width, false),
        feed_norm(s, "mlp_norm", z.width, false),
        layer(s.part("attn"), z.layer_sizes(i)),
        feed_forward(s.part("mlp"), z.width, z.hidden, z.layers) {}
  template <class R>
  nn::value<R> operator()(nn::tape<R>& t, nn::value<R> x) const {
    nn::across_layers<R> across;
    x = nn::add(t, x, layer(t, layer_norm.rms(t, x, 1e-6), across));
    return nn::add(t, x, feed_forward(t, feed_norm.rms(t, x, 1e-6)));
  }
};
/// The four layers, and the maps of their names.
struct qwen3_next {
  std::shared_ptr<nn::parameter_list> list = std::make_shared<nn::parameter_list>();
  nn::model_sizes z;
  nn::parameter table, head;
  std::vector<qwen3_block<nn::gated_deltanet>> linear;
  std::vector<qwen3_block<qwen3_attention>> attention;
  nn::norm_parameters norm;
  qwen3_next() {
    z.width = 64, z.layers = 4, z.vocabulary = 256, z.hidden = 96;
    z.layer.heads = 4, z.layer.key_heads = 2, z.layer.n = z.layer.d = 16, z.layer.eps = 1e-6;
    const nn::scope root(*list);
    table = root.matrix("embeddings.weight", 256, 64, nn::start::constant(0));
    head = root.matrix("lm_head.weight", 256, 64, nn::start::constant(0));
    norm = nn::norm_parameters(root, "norm", 64, false);
    for (int i = 0; i < 3; ++i) linear.emplace_back(root.part("layers." + std::to_string(i)), z, i);
    attention.emplace_back(root.part("layers.3"), z, 3);
  }
  template <class R>
  void load(nn::weights<R>& w, const published_model& p) const {
    std::vector<nn::same_rows> map{{"model.embed_tokens.weight", "embeddings.weight"},
                                   {"model.norm.weight", "norm.weight", 0, 0, 0, 1},
                                   {"lm_head.weight", "lm_head.weight"}};
    for (int i = 0; i < 4; ++i) {
      const std::string from = "model.layers." + std::to_string(i) + ".", to = "layers." + std::to_string(i) + ".";
      map.push_back({from + "input_layernorm.weight", to + "attn_norm.weight", 0, 0, 0, 1});
      map.push_back({from + "post_attention_layernorm.weight", to + "mlp_norm.weight", 0, 0, 0, 1});
      for (const std::string name : {"mlp.gate_proj.weight", "mlp.up_proj.weight", "mlp.down_proj.weight"})
        map.push_back({from + name, to + name});
    }
    add_attention(map);
    nn::load_published(w, "", map, p.find());
    for (int i = 0; i < 3; ++i)
      nn::load_published(
          w, "layers." + std::to_string(i) + ".attn.", nn::qwen3_next_rows(z.layer_sizes(i)),
          [&, i](const std::string& name) { return p.find()("model.layers." + std::to_string(i) + ".linear_attn." + name); });
  }
  /// q_proj has for each head its queries, then its gate. Channels 0, 1, 2, 3 turn as pairs (0, 2), (1, 3), which here are (0, 8), (1, 9):
  /// channels 2 and 3 change places with 8 and 9.
  void add_attention(std::vector<nn::same_rows>& map) const {
    const std::string from = "model.layers.3.self_attn.", to = "layers.3.attn.";
    const auto place = [](idx c) { return c == 2 || c == 3 ? c + 6 : c == 8 || c == 9 ? c - 6 : c; };
    for (idx c = 0; c < 16; ++c) {
      for (const std::string name : {"q_norm.weight", "k_norm.weight"}) map.push_back({from + name, to + name, c, place(c), 1, 1});
      for (idx h = 0; h < 4; ++h) map.push_back({from + "q_proj.weight", to + "q_proj.weight", h * 32 + c, h * 16 + place(c), 1});
      for (idx h = 0; h < 2; ++h) map.push_back({from + "k_proj.weight", to + "k_proj.weight", h * 16 + c, h * 16 + place(c), 1});
    }
    for (idx h = 0; h < 4; ++h) map.push_back({from + "q_proj.weight", to + "g_proj.weight", h * 32 + 16, h * 16, 16});
    map.push_back({from + "v_proj.weight", to + "v_proj.weight"}), map.push_back({from + "o_proj.weight", to + "o_proj.weight"});
  }
};
template <class R>
void compare_qwen3_next(const published_model& p) {
  const qwen3_next m;
  nn::weights<R> w(m.list);
  std::fill_n(w.data(), w.size(), R(NAN));
  m.load(w, p);
  nn::tape<R> t(w, nullptr, 1);
  t.begin();
  const auto ids = p.ids();
  nn::value<R> x = nn::embed(t, nn::token_ids{ids.data(), B, T}, m.table);
  double worst = 0;
  for (int i = 0; i < 3; ++i) {
    x = m.linear[std::size_t(i)](t, x);
    worst = std::max(worst, distance(x, p.seen.load<double>("hidden_" + std::to_string(i + 1)).values));
  }
  const nn::value<R> logits = nn::linear(t, m.norm.rms(t, m.attention.front()(t, x), 1e-6), m.head);
  const double far = distance(logits, p.seen.load<double>("logits").values);
  MESSAGE(name_of<R>(), ": largest difference of hidden states ", worst, ", of logits ", far);
  CHECK(worst < 1e-5);
  CHECK(far < 1e-5);
}
}  // namespace

TEST_CASE("a published Qwen3-Next, of fused projections, gives its hidden states and logits") {
  const published_model p("qwen3_next");
  if (!p.is_there) return;
  compare_qwen3_next<float>(p);
  compare_qwen3_next<double>(p);
}
