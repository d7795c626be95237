// SPDX-License-Identifier: MIT
#pragma once
#include "../files/file.hpp"
#include "../names.hpp"
#include "../nn/embedding.hpp"
#include "../nn/mix.hpp"
#include "checkpoint.hpp"
#include "language_model.hpp"

/// From a body, which is a model over nn's operations, to a language_model. A body has
///   parameters()                              std::shared_ptr<const nn::parameter_list>
///   hidden(tape, ids)                         the activations of which logits are made (rows, D)
///   logits(tape, x)                           those logits (rows, V)
///   using mixers = list<mixer_use<M, Heads>..>  the mixers of its layers
///   mixer_of(layer)                           which of them a layer has
namespace coefdyn::models {
struct forward_threads;
}  // namespace coefdyn::models
namespace coefdyn::nn {
template <>
inline constexpr bool goes_back<device::cpu<models::forward_threads>> = false;
}  // namespace coefdyn::nn

namespace coefdyn::models {

/// Threads of a device that only goes forward.
struct forward_threads : openmp {};
/// The device of published models: the host, forward; models/cuda.cuh has another.
using forward_device = device::cpu<forward_threads>;
/// Weights that such a device reads.
template <class On>
using weights_on = std::conditional_t<nn::loops<On>::is_host, nn::weights<float>, nn::weights<float, On>>;
/// The device with so many threads, where it has any.
template <class On>
On device_of(int threads) {
  if constexpr (nn::loops<On>::is_host) return On{forward_threads{{threads}}};
  else return On{};
}

/// One of a body's mixers, and how its heads are shared.
template <class M, class Heads = heads::grouped_queries>
struct mixer_use {
  using mixer = M;
  using heads_type = Heads;
};

namespace detail {
/// A stream of tokens as an array of doubles. A stream of q's or k's heads is repeated where values have more.
template <class Need, class X>
files::array<double> array_of(const X& x, int heads) {
  const auto& from = x.template of<Need>();
  files::array<double> out;
  out.name = Need::tag::name;
  constexpr int rank = Need::rank, axis = Need::timed ? 2 : 0;
  idx size[5] = {};
  for (int a = 0; a < rank; ++a) size[a] = from.extents[a];
  const idx own = Need::headed ? size[axis] : 1, times = Need::headed && heads > own ? heads / own : 1;
  if (Need::headed) size[axis] *= times;
  idx count = 1;
  for (int a = 0; a < rank; ++a) out.shape.push_back(size[a]), count *= size[a];
  out.values.reserve(static_cast<std::size_t>(count));
  for (idx i = 0; i < count; ++i) {
    idx at = 0, rest = i;
    for (int a = rank - 1; a >= 0; --a) {
      const idx c = rest % size[a];
      rest /= size[a];
      at += (Need::headed && a == axis ? c / times : c) * from.strides[a];
    }
    out.values.push_back(double(from.data[at]));
  }
  return out;
}
inline void expect_ids(std::span<const std::int64_t> ids, idx batch, idx time) {
  if (batch < 1 || time < 1 || idx(ids.size()) != batch * time)
    throw invalid_input("ids", "batch times time token ids, at least one",
                        std::to_string(ids.size()) + " ids for " + std::to_string(batch) + " times " + std::to_string(time));
}
}  // namespace detail

/// A body's decoding.
template <class Body, class On>
class decoding_of final : public decoding {
 public:
  decoding_of(const Body& body, const weights_on<On>& w, idx capacity, int threads)
      : body_(body), tape_(w, nullptr, device_of<On>(threads)), past_(1, capacity), vocabulary_(body.vocabulary()) {}
  std::span<const float> prefill(std::span<const std::int64_t> ids) override {
    detail::expect_ids(ids, 1, idx(ids.size()));
    tape_.begin(past_, 1, idx(ids.size()));
    const nn::value<float> x = body_.hidden(tape_, nn::token_ids{ids.data(), 1, idx(ids.size())});
    const nn::value<float> last{x.data + (x.rows() - 1) * x.stride, nullptr, 1, 1, x.columns, x.stride};
    const nn::value<float> y = body_.logits(tape_, last);
    past_.end();
    logits_.resize(static_cast<std::size_t>(vocabulary_));
    tape_.read(y.data, vocabulary_, logits_.data());
    return logits_;
  }
  idx length() const override { return past_.length(); }
  idx capacity() const override { return past_.capacity(); }
  void clear() override { past_.clear(), logits_.clear(); }
  std::span<const float> logits() const override { return logits_; }
  void save(const std::string& path) const override { files::write_file(path, past_.bytes(std::as_bytes(logits()))); }
  void load(const std::string& path) override {
    const files::mapped_file file(path);
    if (!past_.has_places()) {  // their sizes are the model's: one token makes them
      prefill(std::vector<std::int64_t>{0});
      clear();
    }
    std::vector<float> last(static_cast<std::size_t>(vocabulary_));
    past_.take(file.bytes(), path, std::as_writable_bytes(std::span(last)));
    logits_ = std::move(last);
  }

 private:
  const Body& body_;
  nn::tape<float, On> tape_;
  nn::past past_;
  idx vocabulary_;
  std::vector<float> logits_;
};

/// A body with its weights as a language_model. Streams of mixers are the host's to show.
template <class Body, class On>
class model_of final : public language_model {
 public:
  model_of(description about, Body body, weights_on<On> w, int threads)
      : language_model(std::move(about)), body_(std::move(body)), w_(std::move(w)), threads_(threads) {}
  std::vector<float> logits(std::span<const std::int64_t> ids, idx batch, idx time) const override {
    detail::expect_ids(ids, batch, time);
    nn::tape<float, On> t(w_, nullptr, device_of<On>(threads_));
    t.begin();
    const nn::value<float> y = body_.logits(t, body_.hidden(t, nn::token_ids{ids.data(), batch, time}));
    std::vector<float> rows(std::size_t((y.rows() - 1) * y.stride + y.columns));
    t.read(y.data, idx(rows.size()), rows.data());
    if (y.stride == y.columns) return rows;
    std::vector<float> out(std::size_t(batch * time * y.columns));
    for (idx i = 0; i < y.rows(); ++i) std::copy_n(rows.data() + i * y.stride, y.columns, out.data() + i * y.columns);
    return out;
  }
  std::unique_ptr<decoding> start(idx capacity) const override {
    return std::make_unique<decoding_of<Body, On>>(body_, w_, capacity, threads_);
  }
  void visit_mixers(std::span<const std::int64_t> ids, const std::function<void(const layer_streams&)>& f) const override {
    detail::expect_ids(ids, 1, idx(ids.size()));
    if constexpr (nn::loops<On>::is_host) {
      std::map<idx, layer_streams> seen;
      watch(ids, seen, typename Body::mixers{});
      for (const auto& [layer, streams] : seen) f(streams);
    } else {
      throw invalid_input("streams of a model", "one in the host's memory", "one in a device's");
    }
  }

 private:
  /// Runs the text once for each type of mixer and keeps its layers' streams.
  template <class... Use>
  void watch(std::span<const std::int64_t> ids, std::map<idx, layer_streams>& seen, list<Use...>) const {
    int which = 0;
    (watch_one<Use>(ids, seen, which++), ...);
  }
  template <class Use>
  void watch_one(std::span<const std::int64_t> ids, std::map<idx, layer_streams>& seen, int which) const {
    using M = typename Use::mixer;
    using X = tokens<M, float, typename Use::heads_type>;
    std::vector<idx> layers;
    for (idx i = 0; i < about().layers; ++i)
      if (body_.mixer_of(i) == which) layers.push_back(i);
    if (layers.empty()) return;
    nn::tape<float, On> t(w_, nullptr, device_of<On>(threads_));
    std::size_t at = 0;
    t.template watch<X>([&](const X& x) {
      if (at >= layers.size()) return;
      layer_streams one{layers[at++], name_of<M>(), {}};
      const extents e = check(x);
      const int heads = std::is_same_v<typename Use::heads_type, heads::grouped_values> ? e.states : 0;
      for_each_need(typename X::needs{}, [&]<class N>(N) { one.stream[N::tag::name] = detail::array_of<N>(x, heads); });
      seen[one.layer] = std::move(one);
    });
    t.begin();
    body_.hidden(t, nn::token_ids{ids.data(), 1, idx(ids.size())});
  }
  Body body_;
  weights_on<On> w_;
  int threads_;
};

/// Makes a body's model: fills the parameters as `map` says, strictly; then, where one is given, by more(body, weights, map).
template <class On = forward_device, class Body, class More = std::nullptr_t>
std::unique_ptr<language_model> filled(description about, Body body, tensor_map& map, int threads, More more = {}) {
  map.finish();
  nn::weights<float> w(body.parameters());
  map.fill(w);
  if constexpr (!std::is_null_pointer_v<More>) more(body, w, map);
  about.parameters = body.parameters()->count();
  if constexpr (nn::loops<On>::is_host) {
    return std::make_unique<model_of<Body, On>>(std::move(about), std::move(body), std::move(w), threads);
  } else {
    weights_on<On> there(body.parameters(), device_of<On>(threads));
    there.copy_from(w);
    return std::make_unique<model_of<Body, On>>(std::move(about), std::move(body), std::move(there), threads);
  }
}

}  // namespace coefdyn::models
