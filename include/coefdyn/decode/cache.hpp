// SPDX-License-Identifier: MIT
#pragma once
#include "../core/check.hpp"
#include "../core/streams.hpp"

/// The state of a mixer whose readout is not linear: keys as written, values and the evolution's streams, evolved on read.
/// Any tokens<M> with first_read > 0 is such a cache in the caller's own buffers; cache<M> is one that owns them.
///
/// ```cpp statements with call
/// cache<M> past(batch, state_heads, key_heads, n, d, capacity);
/// run(device::cpu{}, form::step{}, past.extend(x), y);  // x: the new tokens; y: their outputs
/// past.truncate(past.length() - j);                     // takes the last j tokens back
/// ```
///
/// `Space` says where it lies: where the device of the call reads (memory_of<Device>).
namespace coefdyn {

/// Keys, values and the streams of the evolution of the tokens so far, in memory of its own.
///
/// error   invalid_input where tokens do not fit: capacity, heads, n, d, batch
template <class M, class Types = float, class Heads = heads::grouped_queries, field Over = field::real, memory_space Space = memory::host>
class cache {
 public:
  using tokens_type = tokens<M, Types, Heads, Over>;

  cache(idx batch, int state_heads, int key_heads, int n, int d, idx capacity, const Space& where = {}) : capacity_(capacity) {
    size_.batch = batch, size_.time = capacity, size_.states = state_heads, size_.keys = key_heads, size_.n = n, size_.d = d;
    if (batch < 0 || state_heads < 0 || key_heads < 0 || n < 0 || d < 0 || capacity < 0)
      detail::refuse({"cache"}, {"sizes (batch, heads, heads of k, n, d, capacity) of at least 0"},
                     {"(", batch, ", ", state_heads, ", ", key_heads, ", ", n, ", ", d, ", ", capacity, ")"});
    allocate(where, state_side{});
  }
  idx length() const { return length_; }
  idx capacity() const { return capacity_; }

  /// Appends the new tokens and returns the whole: the cache's past with the new tokens' reads. Valid until the next call.
  tokens_type extend(const tokens_type& x) {
    const extents e = check(x);
    if (x.first_read != 0 || x.cu_seqlens)
      COEFDYN_THROW invalid_input("x", "new tokens alone, of plain batch rows", "first_read or cu_seqlens");
    const auto same = [](const char* what, idx want, idx given) {
      if (want != given) COEFDYN_THROW invalid_input(what, std::to_string(want) + " as in the cache", std::to_string(given));
    };
    same("batch", size_.batch, e.batch), same("heads of v", size_.states, e.states), same("heads of k", size_.keys, e.keys);
    same("n", size_.n, e.n), same("d", size_.d, e.d);
    if (length_ + e.time > capacity_)
      COEFDYN_THROW invalid_input("cache", "room for " + std::to_string(length_ + e.time) + " tokens",
                                  "a capacity of " + std::to_string(capacity_));
    append(x, e, state_side{});
    tokens_type all = x;
    all.first_read = length_;
    length_ += e.time;
    bind(all, state_side{});
    return all;
  }
  /// f(bytes) of each part of its memory that the tokens so far fill, in an order that the sizes alone say: for saving them, and, after
  /// `expect_length` of an empty cache, for taking them back.
  template <class F>
  void each_filled(F f) {
    each_filled(f, state_side{});
  }
  /// Says that the first `length` tokens are there, which `each_filled` then shows to be written.
  /// error   invalid_input for more than the capacity
  void expect_length(idx length) {
    if (length < 0 || length > capacity_)
      COEFDYN_THROW invalid_input("cache", "a length from 0 to " + std::to_string(capacity_), std::to_string(length));
    length_ = length;
  }
  /// Forgets all but the first `length` tokens.
  void truncate(idx length) {
    if (length < 0 || length > length_)
      COEFDYN_THROW invalid_input("cache", "a length from 0 to " + std::to_string(length_), std::to_string(length));
    length_ = length;
  }

 private:
  using state_side = state_needs<needs_of<M, Over>>;
  using types_type = typename tokens_type::types_type;
  extents size_;
  idx capacity_ = 0, length_ = 0;
  owned_streams<types_type, state_side, Space> held_;

  template <class Need>
  static idx per_token() {
    return Need::time == ticks::write ? traits<M>::writes : 1;
  }
  template <class Need>
  idx row_size() const {
    return idx(size_.heads_of(Need::heads)) * inner_size<Need>(size_.n, size_.d, traits<M>::micro);
  }
  /// Tokens first .. first + count of a stream whose other extents are those of `like`.
  template <class Need, class Like>
  auto rows(const Like& like, idx first, idx count) {
    auto& held = held_.template of<Need>();
    view<std::remove_pointer_t<decltype(held.data())>, Need::rank> out;
    idx stride = 1;
    for (int a = Need::rank - 1; a >= 0; --a) {
      out.extents[a] = a == 1 ? count * per_token<Need>() : like.extents[a];
      out.strides[a] = stride;
      stride *= a == 1 ? capacity_ * per_token<Need>() : like.extents[a];
    }
    out.data = held.data();
    if (out.data) out.data += first * per_token<Need>() * out.strides[1];
    return out;
  }
  template <class... Need>
  void allocate(const Space& where, list<Need...>) {
    (
        [&] {
          auto& held = held_.template of<Need>();
          if constexpr (Need::timed)
            held = std::remove_reference_t<decltype(held)>(
                static_cast<std::size_t>(size_.batch * capacity_ * per_token<Need>() * row_size<Need>()), where);
        }(),
        ...);
  }
  template <class F, class... Need>
  void each_filled(F& f, list<Need...>) {
    (
        [&] {
          if constexpr (Need::timed) {
            auto& held = held_.template of<Need>();
            const idx row = per_token<Need>() * row_size<Need>();
            for (idx b = 0; b < size_.batch; ++b)
              f(std::as_writable_bytes(std::span(held.data() + b * capacity_ * row, static_cast<std::size_t>(length_ * row))));
          }
        }(),
        ...);
  }
  template <class... Need>
  void append(const tokens_type& x, const extents& e, list<Need...>) {
    (
        [&] {
          if constexpr (Need::timed) {
            const auto& from = x.template of<Need>();
            const auto to = rows<Need>(from, length_, e.time);
            if (to.size() > 0) held_.template of<Need>().where().copy(to, from);
          }
        }(),
        ...);
  }
  template <class... Need>
  void bind(tokens_type& all, list<Need...>) {
    (
        [&] {
          if constexpr (Need::timed) all.template set<Need>(rows<Need>(all.template of<Need>(), 0, length_));
        }(),
        ...);
  }
};

}  // namespace coefdyn
