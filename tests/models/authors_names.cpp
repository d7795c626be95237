// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "sample.hpp"

// RWKV by its authors' names: RWKV-7 against its definition in double, since no published sample is at hand.

namespace {
using namespace sample;
using vec = std::vector<double>;
constexpr idx D = 12, H = 3, N = 4, V = 11, F = 9, L = 2;

/// Random tensors in one file, and their numbers.
class file_of_tensors {
 public:
  std::map<std::string, files::array<float>> tensors;
  const std::string path = (fs::temp_directory_path() / ("coefdyn-authors-" + std::to_string(::getpid()) + ".safetensors")).string();
  ~file_of_tensors() { fs::remove(path); }
  void add(const std::string& name, std::vector<idx> shape, double scale, double mean = 0) {
    files::array<float>& a = tensors[name];
    idx size = 1;
    for (const idx e : shape) size *= e;
    random_stream r(3, 5, tensors.size(), 1);
    for (idx i = 0; i < size; ++i) a.values.push_back(float(mean + scale * r.normal()));
    a.shape = std::move(shape);
  }
  std::unique_ptr<models::language_model> open() const {
    files::safetensors_writer to;
    for (const auto& [name, a] : tensors) to.add(name, a);
    to.save(path);
    return models::open(path, 1);
  }
  const std::vector<float>& operator()(const std::string& name) const { return tensors.at(name).values; }
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
/// W x, W [rows, columns].
vec product(const std::vector<float>& W, const vec& x) {
  vec y(W.size() / x.size());
  for (std::size_t i = 0; i < y.size(); ++i)
    for (std::size_t j = 0; j < x.size(); ++j) y[i] += double(W[i * x.size() + j]) * x[j];
  return y;
}
/// x W, W [rows, columns], as the authors write low-rank projections.
vec product_from_left(const vec& x, const std::vector<float>& W) {
  vec y(W.size() / x.size());
  for (std::size_t j = 0; j < y.size(); ++j)
    for (std::size_t i = 0; i < x.size(); ++i) y[j] += x[i] * double(W[i * y.size() + j]);
  return y;
}
/// Layer norm of each of `groups` parts.
vec normed(const vec& x, const std::vector<float>& w, const std::vector<float>& b, double eps, std::size_t groups = 1) {
  vec y(x.size());
  const std::size_t n = x.size() / groups;
  for (std::size_t g = 0; g < groups; ++g) {
    double mean = 0, square = 0;
    for (std::size_t c = g * n; c < (g + 1) * n; ++c) mean += x[c] / double(n);
    for (std::size_t c = g * n; c < (g + 1) * n; ++c) square += (x[c] - mean) * (x[c] - mean) / double(n);
    for (std::size_t c = g * n; c < (g + 1) * n; ++c) y[c] = (x[c] - mean) / std::sqrt(square + eps) * double(w[c]) + double(b[c]);
  }
  return y;
}

/// RWKV-7, token by token, as its authors' code says it.
class rwkv7_by_definition {
 public:
  explicit rwkv7_by_definition(const file_of_tensors& w) : w_(w) {}
  vec operator()(std::int64_t id) {
    const auto& emb = w_("emb.weight");
    vec x(emb.begin() + id * D, emb.begin() + (id + 1) * D), first_v;
    x = normed(x, w_("blocks.0.ln0.weight"), w_("blocks.0.ln0.bias"), 1e-5);
    for (idx i = 0; i < L; ++i) {
      const std::string at = "blocks." + std::to_string(i) + ".";
      const vec y = attention(i, normed(x, w_(at + "ln1.weight"), w_(at + "ln1.bias"), 1e-5), first_v);
      for (std::size_t c = 0; c < x.size(); ++c) x[c] += y[c];
      const vec u = normed(x, w_(at + "ln2.weight"), w_(at + "ln2.bias"), 1e-5);
      vec k = product(w_(at + "ffn.key.weight"), blend(u, before_[std::size_t(2 * i + 1)], at + "ffn.x_k"));
      for (double& one : k) one = one > 0 ? one * one : 0;
      before_[std::size_t(2 * i + 1)] = u;
      const vec z = product(w_(at + "ffn.value.weight"), k);
      for (std::size_t c = 0; c < x.size(); ++c) x[c] += z[c];
    }
    return product(w_("head.weight"), normed(x, w_("ln_out.weight"), w_("ln_out.bias"), 1e-5));
  }

 private:
  vec blend(const vec& u, const vec& before, const std::string& mu) const {
    vec out(u);
    for (std::size_t c = 0; c < u.size(); ++c) out[c] += ((before.empty() ? 0 : before[c]) - u[c]) * double(w_(mu)[c]);
    return out;
  }
  /// f(x W1) W2 + w0.
  template <class G>
  vec low_rank(const std::string& at, const std::string& name, const vec& x, G f) const {
    vec middle = product_from_left(x, w_(at + name + "1"));
    for (double& m : middle) m = f(m);
    vec out = product_from_left(middle, w_(at + name + "2"));
    if (name != "g")
      for (std::size_t c = 0; c < out.size(); ++c) out[c] += double(w_(at + name + "0")[c]);
    return out;
  }
  vec attention(idx layer, const vec& u, vec& first_v) {
    const std::string at = "blocks." + std::to_string(layer) + ".att.";
    const vec before = before_[std::size_t(2 * layer)];
    before_[std::size_t(2 * layer)] = u;
    const auto mixed = [&](const char* mu) { return blend(u, before, at + mu); };
    const auto same = [](double m) { return m; };
    const vec r = product(w_(at + "receptance.weight"), mixed("x_r"));
    vec k = product(w_(at + "key.weight"), mixed("x_k")), v = product(w_(at + "value.weight"), mixed("x_v"));
    vec w = low_rank(at, "w", mixed("x_w"), [](double m) { return std::tanh(m); });
    vec a = low_rank(at, "a", mixed("x_a"), same);
    const vec g = low_rank(at, "g", mixed("x_g"), sigmoid);
    if (layer == 0) first_v = v;
    else {
      const vec gate = low_rank(at, "v", mixed("x_v"), same);
      for (std::size_t c = 0; c < v.size(); ++c) v[c] += (first_v[c] - v[c]) * sigmoid(gate[c]);
    }
    vec kk(k);
    for (std::size_t c = 0; c < k.size(); ++c) {
      w[c] = std::exp(-std::exp(-0.5) * sigmoid(w[c])), a[c] = sigmoid(a[c]);
      kk[c] *= double(w_(at + "k_k")[c]);
      k[c] *= 1 + (a[c] - 1) * double(w_(at + "k_a")[c]);
    }
    vec y = read_and_write(layer, r, w, k, v, kk, a);
    y = normed(y, w_(at + "ln_x.weight"), w_(at + "ln_x.bias"), 64e-5, std::size_t(H));
    for (std::size_t h = 0; h < std::size_t(H); ++h) {
      double along = 0;
      for (std::size_t c = h * N; c < (h + 1) * N; ++c) along += r[c] * k[c] * double(w_(at + "r_k")[c]);
      for (std::size_t c = h * N; c < (h + 1) * N; ++c) y[c] = (y[c] + along * v[c]) * g[c];
    }
    return product(w_(at + "output.weight"), y);
  }
  /// S = S (diag(w) - kk (kk a)') + v k', y = S r; S holds values in rows.
  vec read_and_write(idx layer, const vec& r, const vec& w, const vec& k, const vec& v, vec kk, const vec& a) {
    vec& S = state_[std::size_t(layer)];
    S.resize(std::size_t(H * N * N));
    vec y(r.size());
    for (std::size_t h = 0; h < std::size_t(H); ++h) {
      double square = 0;
      for (std::size_t c = h * N; c < (h + 1) * N; ++c) square += kk[c] * kk[c];
      for (std::size_t c = h * N; c < (h + 1) * N; ++c) kk[c] /= std::max(std::sqrt(square), 1e-12);
      for (std::size_t i = 0; i < std::size_t(N); ++i) {
        double* const row = S.data() + (h * N + i) * N;
        double removed = 0;
        for (std::size_t c = 0; c < std::size_t(N); ++c) removed += row[c] * kk[h * N + c];
        for (std::size_t c = 0; c < std::size_t(N); ++c) {
          const std::size_t at = h * N + c;
          row[c] = row[c] * w[at] - removed * kk[at] * a[at] + v[h * N + i] * k[at];
          y[h * N + i] += row[c] * r[at];
        }
      }
    }
    return y;
  }
  const file_of_tensors& w_;
  vec before_[2 * L], state_[L];
};

void add_rwkv(file_of_tensors& f, const char* first_norm) {
  f.add("emb.weight", {V, D}, 1), f.add("head.weight", {V, D}, 0.4);
  for (const std::string name : {"ln_out", first_norm, "blocks.0.ln1", "blocks.0.ln2", "blocks.1.ln1", "blocks.1.ln2"})
    f.add(name + ".weight", {D}, 0.2, 1), f.add(name + ".bias", {D}, 0.2);
}

TEST_CASE("models: xLSTM's fused weights are those of its parts, rows after rows") {
  const sample::model parts(sample::architectures().at("xlstm"));
  sample::model fused(sample::architectures().at("xlstm"));
  fused.config["weight_mode"] = "fused";
  const auto join = [&](const std::string& name, const std::vector<std::string>& from) {
    files::array<float> all = fused.tensors.at(from[0]);
    for (std::size_t i = 1; i < from.size(); ++i) {
      const auto& more = fused.tensors.at(from[i]);
      all.shape[0] += more.shape[0];
      all.values.insert(all.values.end(), more.values.begin(), more.values.end());
    }
    for (const std::string& one : from) fused.tensors.erase(one);
    fused.tensors[name] = all;
  };
  for (const std::string at : {"backbone.blocks.0.", "backbone.blocks.1."}) {
    const std::string m = at + "mlstm_layer.", f = at + "ffn.";
    join(m + "qkv_opreact.weight", {m + "q.weight", m + "k.weight", m + "v.weight", m + "ogate_preact.weight"});
    for (const std::string end : {".weight", ".bias"})
      join(m + "ifgate_preact" + end, {m + "igate_preact" + end, m + "fgate_preact" + end});
    join(f + "proj_up_gate_z.weight", {f + "proj_up_gate.weight", f + "proj_up.weight"});
  }
  const auto ids = sample::ids(18, 17);
  CHECK(fused.open()->logits(ids, 2, 9) == parts.open()->logits(ids, 2, 9));
}
}  // namespace

TEST_CASE("models: RWKV-7 by its authors' names gives what its definition gives, whole and token by token") {
  file_of_tensors f;
  add_rwkv(f, "blocks.0.ln0");
  for (const std::string at : {"blocks.0.", "blocks.1."}) {
    for (const char* name : {"x_r", "x_w", "x_k", "x_v", "x_a", "x_g", "w0", "a0", "v0", "k_k", "k_a"})
      f.add(at + "att." + name, {1, 1, D}, 0.6, 0.4);
    for (const auto& [name, rank] : {std::pair("w", 3), std::pair("a", 2), std::pair("v", 5), std::pair("g", 4)})
      f.add(at + "att." + name + "1", {D, rank}, 0.4), f.add(at + "att." + name + "2", {rank, D}, 0.6);
    f.add(at + "att.r_k", {H, N}, 0.3);
    for (const char* name : {"receptance", "key", "value", "output"}) f.add(at + "att." + name + ".weight", {D, D}, 0.35);
    f.add(at + "att.ln_x.weight", {D}, 0.2, 1), f.add(at + "att.ln_x.bias", {D}, 0.2);
    f.add(at + "ffn.x_k", {1, 1, D}, 0.5, 0.4), f.add(at + "ffn.key.weight", {F, D}, 0.35), f.add(at + "ffn.value.weight", {D, F}, 0.35);
  }
  const auto model = f.open();
  CHECK(model->about().architecture == "rwkv7");
  CHECK(model->about().layers == L);
  const auto text = ids(21, V);
  const auto whole = model->logits(text, 1, 21);
  const auto d = model->start(1);
  rwkv7_by_definition definition(f);
  double worst = 0, of_steps = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const vec want = definition(text[i]);
    const auto step = d->step(text[i]);
    for (std::size_t c = 0; c < std::size_t(V); ++c) {
      worst = std::max(worst, std::abs(double(whole[i * V + c]) - want[c]));
      of_steps = std::max(of_steps, std::abs(double(step[c]) - want[c]));
    }
  }
  CHECK(worst < 1e-4);
  CHECK(of_steps < 1e-4);
  f.add("blocks.1.att.x_z", {D}, 1);
  CHECK_THROWS_WITH_AS(f.open(), doctest::Contains("tensor 'blocks.1.att.x_z': expected no tensor of this name"), files::file_error);
}

TEST_CASE("models: RWKV-4 by its authors' names is the model by those of transformers") {
  sample::model m(
      R"({"model_type":"rwkv","hidden_size":10,"intermediate_size":11,"num_hidden_layers":2,"vocab_size":17,"rescale_every":0})");
  file_of_tensors f;
  const std::pair<std::string, std::string> words[] = {{"rwkv.embeddings", "emb"},
                                                       {"rwkv.", ""},
                                                       {"attention", "att"},
                                                       {"feed_forward", "ffn"},
                                                       {"pre_ln", "ln0"},
                                                       {"time_mix_key", "time_mix_k"},
                                                       {"time_mix_value", "time_mix_v"},
                                                       {"time_mix_receptance", "time_mix_r"}};
  for (const auto& [name, a] : m.tensors) {
    std::string by = name;
    for (const auto& [word, other] : words)
      if (const auto at = by.find(word); at != std::string::npos) by.replace(at, word.size(), other);
    f.tensors[by] = a;
  }
  const auto text = ids(9, 17);
  CHECK(f.open()->logits(text, 1, 9) == m.open()->logits(text, 1, 9));
}
