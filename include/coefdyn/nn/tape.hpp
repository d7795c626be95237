// SPDX-License-Identifier: MIT
// Above 300 lines: one class.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "loops.hpp"
#include "parameter.hpp"
#include "past.hpp"

/// Activations, their gradients, and the way back: an operation computes when called and leaves its backward.
namespace coefdyn::nn {

/// An activation: batch x time rows of `columns` numbers, `stride` apart; stride 0 is one row for all. No gradient: none is wanted.
template <class R>
struct value {
  R* data = nullptr;
  R* gradient = nullptr;
  idx batch = 1, time = 1, columns = 0, stride = 0;
  COEFDYN_HD constexpr idx rows() const { return batch * time; }
  /// Some of its columns, in the same memory.
  COEFDYN_HD constexpr value part(idx first, idx count) const {
    return {data + first, gradient ? gradient + first : nullptr, batch, time, count, stride};
  }
};

/// What `backward` leaves of the gradients of activations: those of a step that trains are dropped as soon as they have been used, and
/// their memory cleared while it is still in the cache.
enum class activation_gradients { kept, dropped };

/// What dropout draws from in a step of training. Where a tape has a part of the step's batch: which of the batch's sequences is its first.
struct dropout_draws {
  std::uint64_t seed = 0, step = 0;
  idx first_sequence = 0;
  bool is_part = false;
};

/// Whether tapes of a device go back. One that only goes forward is compiled in half the time: specialise it for a device of yours.
template <class On>
constexpr bool goes_back = true;

namespace detail {
/// A recorded step of a device that records none.
struct no_recording {};
template <class Loops>
struct recording_of {
  using type = no_recording;
};
template <class Loops>
  requires requires { typename Loops::recording; }
struct recording_of<Loops> {
  using type = typename Loops::recording;
};
/// Rows of one part of a sum.
template <class F>
struct row_block {
  F f;
  idx rows, together;
  template <class Sum>
  COEFDYN_HD void operator()(idx part, idx first, idx last, Sum&& sum) const {
    const idx end = (part + 1) * together;
    for (idx i = part * together; i < (end < rows ? end : rows); ++i) f(i, first, last, sum);
  }
};
template <class R>
struct copied_row {
  value<R> from, to;
  COEFDYN_HD void operator()(idx i, idx first, idx last) const {
    between(first, last, to.data + i * to.stride, [x = from.data + i * from.stride](idx c) COEFDYN_IN_LOOP { return x[c]; });
  }
};
template <class R>
struct added_gradients {
  value<R> from, to;
  COEFDYN_HD void operator()(idx i, idx first, idx last) const {
    R* const dx = to.gradient + i * to.stride;
    between(first, last, dx, [dx, dy = from.gradient + i * from.stride](idx c) COEFDYN_IN_LOOP { return dx[c] + dy[c]; });
  }
};
/// sum[c] += dy[c] of a row, and of the row's further copies of so many columns.
template <class R>
struct column_sums {
  value<R> y;
  idx own;
  template <class Sum>
  COEFDYN_HD void operator()(idx i, idx first, idx last, Sum&& sum) const {
    for (idx copy = 0; copy < y.columns; copy += own) {
      const R* const dy = y.gradient + i * y.stride + copy;
      between(first, last, sum, [&](idx c) COEFDYN_IN_LOOP { return sum[c] + dy[c]; });
    }
  }
};
}  // namespace detail

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
template <class R, class On = device::cpu<openmp>>
class tape {
 public:
  const On on;
  /// Memory of activations is the host's: operations may read and write it.
  static constexpr bool is_host = loops<On>::is_host;

  /// `w` and `dw` are in the memory of that device.
  template <class Weights>
  explicit tape(const Weights& w, std::type_identity_t<Weights>* dw = nullptr, const On& on_ = {})
      : on(on_),
        products_(on_),
        memory_(made_for<memory>(on_)),
        inputs_(made_for<inputs>(on_)),
        weights_(w.data()),
        gradients_(dw ? dw->data() : nullptr) {}
  template <class Weights>
    requires std::is_same_v<On, device::cpu<openmp>>
  tape(const Weights& w, std::type_identity_t<Weights>* dw, int threads) : tape(w, dw, On{openmp{threads}}) {}
  tape(const tape&) = delete;
  tape& operator=(const tape&) = delete;

  bool records() const { return goes_back<On> && gradients_ != nullptr && !forgets_; }
  /// Starts a step: forgets the one before. One of training has draws; without, dropout keeps all and a batch norm has its running numbers.
  void begin(std::optional<dropout_draws> draws = {}) {
    clear_gradients_since({});
    memory_.reset(), zeros_.reset(), records_.reset(), inputs_.reset();
    last_ = nullptr, made_ = {};
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
  /// Whether the step is one of training: it has draws.
  bool trains() const { return draws_.has_value(); }
  /// What the model keeps of the tokens before this step's, or none.
  past* before() const { return before_; }
  /// The number of the next call of dropout, if this step has draws; and its stream, where the device reads it.
  std::optional<std::uint64_t> next_site() {
    if (!draws_) return {};
    return sites_++;
  }
  /// Which sequence of the step's batch is the tape's first.
  idx first_sequence() const { return draws_ ? draws_->first_sequence : 0; }
  bool has_part_of_batch() const { return draws_ && draws_->is_part; }
  const random_stream* draws_of(std::uint64_t site) {
    return from_host<random_stream>(
        1, [this, site](random_stream* to) { std::construct_at(to, draws_->seed, std::uint64_t(102), draws_->step, site); });
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
  /// A device can record a step and run it again, with what the host's arrays then hold: a GPU does, as a CUDA graph.
  using recording = typename detail::recording_of<loops<On>>::type;
  static constexpr bool can_record = !std::is_same_v<recording, detail::no_recording>;
  /// Records what f() queues without running it: a whole step, `begin` included, of which an equal one has run before. Pieces of
  /// `from_host` and `here` are taken anew for each run, from where the host's arrays lie now.
  template <class F>
  auto recorded(F f)
    requires can_record
  {
    begin();
    recording r(on, inputs_, memory_);
    f();
    last_ = nullptr, records_.go_back({});
    r.finish();
    return r;
  }
  /// Whether a recorded step's memory is still there: a larger step may have moved it.
  bool runs(const recording& r) const
    requires can_record
  {
    return r.runs(inputs_, memory_);
  }
  /// Queues a recorded step, with dropout's draws of it; behind another or behind `begin`.
  void run(recording& r, const std::optional<dropout_draws>& draws = {})
    requires can_record
  {
    draws_ = draws;
    r.run(inputs_);
  }
  /// Goes back through all operations since `begin`.
  void backward(activation_gradients after = activation_gradients::kept) {
    drops_ = after == activation_gradients::dropped;
    go_through();
  }
  /// f(*this, x), of x's shape, of which the result alone is kept: what f makes is given back at once, and made again when `backward` comes
  /// to it, with the same draws of dropout, so that every bit is the same. What f captures has to be there then.
  template <class F>
  value<R> recomputed(const value<R>& x, F f) {
    if (!records()) return f(*this, x);
    const value<R> y = make(x.batch, x.time, x.columns);
    const std::uint64_t site = sites_;
    const places start = here_now();
    forgets_ = true;
    const value<R> once = f(*this, x);
    forgets_ = false;
    elements(y.rows(), y.columns, detail::copied_row<R>{once, y});
    go_back(start);
    record([=](tape& back) { back.backward_again(x, y, site, f); });
    return y;
  }
  /// The most bytes of activations, gradients and records that the step has had at once so far.
  std::size_t bytes() const { return memory_.most() + zeros_.most() + records_.most() + inputs_.most(); }

  const R* weights(const parameter& p) const { return weights_ + p.offset; }
  R* gradients(const parameter& p) const { return goes_back<On> && gradients_ ? gradients_ + p.offset : nullptr; }
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
    const idx count = batch * time * columns;
    value<R> v{take<R>(count), nullptr, batch, time, columns, columns};
    if (!records()) return v;
    if constexpr (is_host) v.gradient = static_cast<R*>(zeros_.take(sizeof(R) * static_cast<std::size_t>(count)));
    else v.gradient = zeros<R>(count);
    return v;
  }
  template <class T>
  T* zeros(idx count) {
    return static_cast<T*>(memory_.take_zeros(sizeof(T) * static_cast<std::size_t>(count)));
  }
  /// `count` numbers that fill(T*) writes in the host's memory, where the device reads them, until the next step begins. A recorded step
  /// calls `fill` each time it is run.
  template <class T, class F>
  const T* from_host(idx count, const F& fill) {
    return inputs_.template take<T>(count, fill);
  }
  /// The host's numbers where the device reads them: copied as they are now, or there already.
  template <class T>
  const T* here(const T* host, idx count) {
    return inputs_.here(host, count);
  }
  /// The device's numbers in the host's memory, once all that was queued is done.
  template <class T>
  void read(const T* from, idx count, T* host) const {
    with().read(from, count, host);
  }
  /// Leaves what `backward` calls: f(tape).
  template <class F>
  void record(F f) {
    static_assert(std::is_trivially_destructible_v<F> && std::is_trivially_copyable_v<F>);
    if constexpr (goes_back<On>) keep(f);
  }
  /// Scratch memory of one operation, `bytes` at least; what was there before is lost.
  workspace scratch(std::size_t bytes) { return workspace(memory_.scratch(bytes), bytes); }
  /// Where its arrays lie.
  auto space() const { return with().space(); }
  /// What the device's matrix products keep between calls.
  typename loops<On>::products& products() { return products_; }

  // ---- loops: nn/loops.hpp says what f is; on a GPU a struct at namespace scope ---------------------------------------------
  template <class F>
  void each(idx count, F f) const {
    with().each(count, f);
  }
  template <class F>
  void by_rows(idx rows, F f, idx together = loops<On>::rows_together) const {
    with().by_rows(rows, f, together);
  }
  template <class F>
  void elements(idx rows, idx columns, F f) const {
    with().elements(rows, columns, f);
  }
  template <class F>
  void groups(idx rows, idx count, F f, idx together = loops<On>::rows_together) const {
    with().groups(rows, count, f, together);
  }
  template <class T, class F>
  void sums(idx parts, idx columns, T* total, F f) {
    T* const partial = reinterpret_cast<T*>(scratch(sizeof(T) * static_cast<std::size_t>(parts * columns)).data());
    with().sums(parts, columns, partial, total, f);
  }
  /// total[c] += the sum over rows i of what f(i, first, last, sum) adds to sum[c], first <= c < last; in blocks of rows, in their order.
  template <class T, class F>
  void sum_by_rows(idx rows, idx columns, T* total, F f) {
    constexpr idx together = loops<On>::rows_together;
    sums((rows + together - 1) / together, columns, total, detail::row_block<F>{f, rows, together});
  }

 private:
  template <class F>
  void keep(F f) {
    if (!records()) return;
    F* const object = new (records_.take(sizeof(F))) F(f);
    last_ = new (records_.take(sizeof(node))) node{[](void* o, tape& t) { (*static_cast<F*>(o))(t); }, object, last_, made_};
    made_ = zeros_.here();
  }
  struct node {
    void (*run)(void*, tape&);
    void* object;
    const node* before;
    step_memory::place made;  // where gradients of what was made for this operation begin: none before it knows them
  };
  void go_through() {
    for (const node* n = last_; n; n = n->before) {
      n->run(n->object, *this);
      if (drops_) clear_gradients_since(n->made);
    }
    last_ = nullptr;
  }
  void clear_gradients_since(const step_memory::place& p) {
    if constexpr (is_host) {
      zeros_.since(p, [this](std::byte* at, std::size_t bytes) { with().clear(at, bytes); });
      zeros_.go_back(p);
    }
  }
  /// Makes what gave y from x again, and goes back through it.
  template <class F>
  void backward_again(const value<R>& x, const value<R>& y, std::uint64_t site, F f) {
    const places start = here_now();
    const node* const rest = std::exchange(last_, nullptr);
    made_ = start.gradients;
    const std::uint64_t sites = std::exchange(sites_, site);
    const value<R> again = f(*this, x);
    elements(y.rows(), y.columns, detail::added_gradients<R>{y, again});
    go_through();
    last_ = rest, sites_ = sites;
    go_back(start);
  }
  using memory = typename loops<On>::step_memory_type;
  using inputs = typename loops<On>::step_inputs_type;
  template <class Memory>
  static Memory made_for(const On& on) {
    if constexpr (std::is_default_constructible_v<Memory>) return {};
    else return Memory(on);
  }
  struct places {
    decltype(std::declval<const memory&>().here()) numbers;
    step_memory::place gradients, records;
  };
  places here_now() const { return {memory_.here(), zeros_.here(), records_.here()}; }
  void go_back(const places& p) {
    memory_.go_back(p.numbers), records_.go_back(p.records);
    clear_gradients_since(p.gradients);
  }
  loops<On> with() const { return {on}; }
  template <class>
  static constexpr char key_of = 0;  // its address is the type's
  typename loops<On>::products products_;
  memory memory_;
  inputs inputs_;
  step_memory zeros_;  // gradients of activations, on the host: all is zeros but what a step has taken
  step_memory records_;
  const R* weights_;
  R* gradients_;
  const node* last_ = nullptr;
  step_memory::place made_{};
  bool drops_ = false;
  std::optional<dropout_draws> draws_;
  std::uint64_t sites_ = 0;
  bool forgets_ = false;  // runs what will be run again
  past* before_ = nullptr;
  const void* watched_ = nullptr;
  std::function<void(const void*)> watcher_;
};

}  // namespace coefdyn::nn
