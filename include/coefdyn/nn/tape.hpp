// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "../core/arena.hpp"
#include "../core/state.hpp"
#include "../cpu/device.hpp"
#include "parameter.hpp"
#include "past.hpp"

/// A step's memory: activations, their gradients, and how to go back. An operation computes when it is called, and leaves its backward.
namespace coefdyn::nn {

/// An activation: batch x time rows of `columns` numbers, `stride` apart; stride 0 is one row for all. No gradient: none is wanted.
template <class R>
struct value {
  R* data = nullptr;
  R* gradient = nullptr;
  idx batch = 1, time = 1, columns = 0, stride = 0;
  constexpr idx rows() const { return batch * time; }
  /// Some of its columns, in the same memory.
  constexpr value part(idx first, idx count) const {
    return {data + first, gradient ? gradient + first : nullptr, batch, time, count, stride};
  }
};

/// What dropout draws from in a step of training.
struct dropout_draws {
  std::uint64_t seed = 0, step = 0;
};

/// Memory that is taken piece by piece and given back at once; it grows while a first step runs, and not again for the same sizes.
class step_memory {
 public:
  void* take(std::size_t bytes) {
    bytes = (bytes + line - 1) / line * line;
    while (at_ < blocks_.size() && used_ + bytes > blocks_[at_].size()) ++at_, used_ = 0;
    if (at_ == blocks_.size()) blocks_.emplace_back(bytes > least ? bytes : least);
    std::byte* const p = blocks_[at_].data() + used_;
    used_ += bytes;
    taken_ += bytes;
    most_ = std::max(most_, taken_);
    return p;
  }
  void reset() { at_ = used_ = taken_ = most_ = 0; }
  /// Where the next piece comes from; all that was taken since is given back by going there.
  struct place {
    std::size_t at, used, taken;
  };
  place here() const { return {at_, used_, taken_}; }
  void go_back(const place& p) { at_ = p.at, used_ = p.used, taken_ = p.taken; }
  /// The most bytes that were out at once since the last reset.
  std::size_t most() const { return most_; }

 private:
  static constexpr std::size_t line = 64, least = std::size_t(1) << 20;
  std::vector<buffer<std::byte>> blocks_;
  std::size_t at_ = 0, used_ = 0, taken_ = 0, most_ = 0;
};

/// Runs operations over a model's weights and goes back through them; every sum is in an order that no number of threads changes.
///
/// Given no place for gradients it keeps nothing for backward. `begin` starts a step, `backward` goes back through it.
///
/// ```cpp statements
/// #include <coefdyn/nn/linear.hpp>
/// #include <coefdyn/nn/weights.hpp>
/// nn::parameter_list names;
/// const auto W = nn::scope(names).matrix("W", 2, 3, nn::start::fan_in(3));
/// const auto b = nn::scope(names).vector("b", 2, nn::start::constant(0));
/// nn::weights<float> w(std::make_shared<const nn::parameter_list>(names)), dw(w.parameters());
/// nn::tape<float> t(w, &dw);
/// t.begin();
/// const auto x = t.make(1, 5, 3);     // one sequence of five tokens
/// const auto y = nn::linear(t, x, W, b);
/// y.gradient[0] = 1;                  // of a loss
/// t.backward();                       // adds to dw and to x.gradient
/// ```
template <class R>
class tape {
 public:
  device::cpu<openmp> on;

  template <class Weights>
  explicit tape(const Weights& w, std::type_identity_t<Weights>* dw = nullptr, int threads = 0)
      : on{openmp{threads}}, weights_(w.data()), gradients_(dw ? dw->data() : nullptr) {}
  tape(const tape&) = delete;
  tape& operator=(const tape&) = delete;

  bool records() const { return gradients_ != nullptr && !forgets_; }
  /// Starts a step: forgets the one before. Dropout keeps everything, as an evaluation wants it, unless it is given draws.
  void begin(std::optional<dropout_draws> draws = {}) {
    memory_.reset();
    last_ = nullptr;
    draws_ = draws, sites_ = 0;
    before_ = nullptr, forgets_ = false;
  }
  /// Starts a step that goes on after the tokens of `before` with `tokens` more of each sequence.
  void begin(past& before, idx batch, idx tokens) {
    if (records()) throw invalid_input("tape of a decoding step", "one without gradients", "one with");
    begin();
    before.begin(batch, tokens);
    before_ = &before;
  }
  /// What the model keeps of the tokens before this step's, or none.
  past* before() const { return before_; }
  /// The stream of the next call of dropout, if this step has draws.
  std::optional<random_stream> next_draws() {
    if (!draws_) return {};
    return random_stream(draws_->seed, 102, draws_->step, sites_++);
  }
  /// From now on f(x) sees the tokens x of every mixer of that type as it runs, layer after layer: for spectra and coefficients of a
  /// model. X is tokens<M, R, Heads, Over>; its views last until the next step. An empty f ends it.
  template <class X>
  void watch(std::function<void(const X&)> f) {
    watched_ = f ? &key_of<X> : nullptr;
    watcher_ = [f = std::move(f)](const void* x) { f(*static_cast<const X*>(x)); };
  }
  template <class X>
  void show(const X& x) const {
    if (watched_ == &key_of<X>) watcher_(&x);
  }
  /// Goes back through all operations since `begin`.
  void backward() {
    for (const node* n = last_; n; n = n->before) n->run(n->object, *this);
    last_ = nullptr;
  }
  /// f(*this, x), of x's shape, of which the result alone is kept: what f makes is given back at once, and made again when `backward` comes
  /// to it, with the same draws of dropout, so that every bit is the same. What f captures has to be there then.
  template <class F>
  value<R> recomputed(const value<R>& x, F f) {
    if (!records()) return f(*this, x);
    const value<R> y = make(x.batch, x.time, x.columns);
    const std::uint64_t site = sites_;
    const auto start = memory_.here();
    forgets_ = true;
    const value<R> once = f(*this, x);
    forgets_ = false;
    for (idx i = 0; i < y.rows(); ++i) std::copy_n(once.data + i * once.stride, y.columns, y.data + i * y.stride);
    memory_.go_back(start);
    record([=](tape& back) { back.backward_again(x, y, site, f); });
    return y;
  }
  /// The most bytes of activations, gradients and records that the step has had at once so far.
  std::size_t bytes() const { return memory_.most(); }

  const R* weights(const parameter& p) const { return weights_ + p.offset; }
  R* gradients(const parameter& p) const { return gradients_ ? gradients_ + p.offset : nullptr; }
  /// A vector of parameters as one row for all.
  value<R> shared(const parameter& p) const {
    return {const_cast<R*>(weights(p)), gradients(p), 1, 1, p.size(), 0};  // operations never write their arguments' data
  }

  template <class T>
  T* take(idx count) {
    return static_cast<T*>(memory_.take(sizeof(T) * static_cast<std::size_t>(count)));
  }
  /// A new activation; its gradient starts at 0.
  value<R> make(idx batch, idx time, idx columns) {
    value<R> v{take<R>(batch * time * columns), nullptr, batch, time, columns, columns};
    if (records()) v.gradient = zeros(batch * time * columns);
    return v;
  }
  R* zeros(idx count) {
    R* const p = take<R>(count);
    std::memset(p, 0, sizeof(R) * static_cast<std::size_t>(count));
    return p;
  }
  /// Leaves what `backward` calls: f(tape).
  template <class F>
  void record(F f) {
    static_assert(std::is_trivially_destructible_v<F> && std::is_trivially_copyable_v<F>);
    if (!records()) return;
    F* const object = new (memory_.take(sizeof(F))) F(f);
    last_ = new (memory_.take(sizeof(node))) node{[](void* o, tape& t) { (*static_cast<F*>(o))(t); }, object, last_};
  }
  /// Scratch memory of one operation, `bytes` at least; what was there before is lost.
  workspace scratch(std::size_t bytes) {
    if (scratch_.size() < bytes) scratch_ = buffer<std::byte>(bytes);
    return workspace(scratch_.data(), bytes);
  }

  /// f(item, worker) for all items, each of which owns what it writes; one alone starts no threads.
  template <class F>
  void each(idx count, F f) const {
    if (count == 1) f(idx(0), 0);
    else on.executor(count, f);
  }
  /// f(begin, end) for blocks of rows whose boundaries depend on nothing but their number.
  template <class F>
  void by_rows(idx rows, F f) const {
    each((rows + block - 1) / block, [&](idx i, int) { f(i * block, std::min(rows, (i + 1) * block)); });
  }
  /// total[c] += the sum of f(begin, end, partial) over blocks of rows, added in their order; partial starts at 0.
  template <class F>
  void sum_by_rows(idx rows, idx columns, R* total, F f) {
    const idx blocks = (rows + block - 1) / block;
    R* const partial = reinterpret_cast<R*>(scratch(sizeof(R) * static_cast<std::size_t>(blocks * columns)).data());
    std::memset(partial, 0, sizeof(R) * static_cast<std::size_t>(blocks * columns));
    by_rows(rows, [&](idx begin, idx end) { f(begin, end, partial + begin / block * columns); });
    for (idx b = 0; b < blocks; ++b)
      for (idx c = 0; c < columns; ++c) total[c] += partial[b * columns + c];
  }

 private:
  struct node {
    void (*run)(void*, tape&);
    void* object;
    const node* before;
  };
  static constexpr idx block = 64;
  /// Makes what gave y from x again, and goes back through it.
  template <class F>
  void backward_again(const value<R>& x, const value<R>& y, std::uint64_t site, F f) {
    const auto start = memory_.here();
    const node* const rest = std::exchange(last_, nullptr);
    const std::uint64_t sites = std::exchange(sites_, site);
    const value<R> again = f(*this, x);
    for (idx i = 0; i < y.rows(); ++i)
      for (idx c = 0; c < y.columns; ++c) again.gradient[i * again.stride + c] += y.gradient[i * y.stride + c];
    backward();
    last_ = rest, sites_ = sites;
    memory_.go_back(start);
  }
  template <class>
  static constexpr char key_of = 0;  // its address is the type's
  const R* weights_;
  R* gradients_;
  step_memory memory_;
  buffer<std::byte> scratch_;
  const node* last_ = nullptr;
  std::optional<dropout_draws> draws_;
  std::uint64_t sites_ = 0;
  past* before_ = nullptr;
  bool forgets_ = false;  // runs what will be run again
  const void* watched_ = nullptr;
  std::function<void(const void*)> watcher_;
};

}  // namespace coefdyn::nn
