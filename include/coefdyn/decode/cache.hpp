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
namespace coefdyn {

/// error   invalid_input where tokens do not fit: capacity, heads, n, d, batch
template <class M, class Types = float, class Heads = heads::grouped_queries, field Over = field::real>
class cache {
 public:
  using tokens_type = tokens<M, Types, Heads, Over>;

  cache(idx batch, int state_heads, int key_heads, int n, int d, idx capacity) : capacity_(capacity) {
    size_.batch = batch, size_.time = capacity, size_.states = state_heads, size_.keys = key_heads, size_.n = n, size_.d = d;
    if (batch < 0 || state_heads < 0 || key_heads < 0 || n < 0 || d < 0 || capacity < 0)
      detail::refuse({"cache"}, {"sizes (batch, heads, heads of k, n, d, capacity) of at least 0"},
                     {"(", batch, ", ", state_heads, ", ", key_heads, ", ", n, ", ", d, ", ", capacity, ")"});
    allocate(state_side{});
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
  owned_streams<types_type, state_side> held_;

  template <class Need>
  static idx per_token() {
    return Need::time == ticks::write ? traits<M>::writes : 1;
  }
  template <class Need>
  idx row_size() const {
    return idx(size_.heads_of(Need::heads)) * inner_size<Need>(size_.n, size_.d, traits<M>::micro);
  }
  template <class... Need>
  void allocate(list<Need...>) {
    (
        [&] {
          if (Need::timed)
            held_.template of<Need>().resize(static_cast<std::size_t>(size_.batch * capacity_ * per_token<Need>() * row_size<Need>()));
        }(),
        ...);
  }
  template <class... Need>
  void append(const tokens_type& x, const extents& e, list<Need...>) {
    (
        [&] {
          if (!Need::timed) return;
          const auto& v = x.template of<Need>();
          auto* out = held_.template of<Need>().data();
          const idx rows = e.time * per_token<Need>(), first = length_ * per_token<Need>(), all = capacity_ * per_token<Need>();
          idx inner[2] = {};
          inner_extents<Need>(e.n, e.d, traits<M>::micro, inner);
          constexpr int head_axis = 2, inner_axis = Need::headed ? 3 : 2;
          const idx heads_here = Need::headed ? v.extents[Need::headed ? head_axis : 0] : 1;
          for (idx b = 0; b < e.batch; ++b)
            for (idx r = 0; r < rows; ++r)
              for (idx h = 0; h < heads_here; ++h)
                for (idx i = 0; i < inner[0]; ++i)
                  for (idx j = 0; j < inner[1]; ++j) {
                    idx from = b * v.strides[0] + r * v.strides[1];
                    if constexpr (Need::headed) from += h * v.strides[head_axis];
                    if constexpr (Need::inner_rank > 0) from += i * v.strides[inner_axis];
                    if constexpr (Need::inner_rank > 1) from += j * v.strides[inner_axis + 1];
                    out[((b * all + first + r) * heads_here + h) * inner[0] * inner[1] + i * inner[1] + j] = v.data[from];
                  }
        }(),
        ...);
  }
  template <class... Need>
  void bind(tokens_type& all, list<Need...>) {
    (
        [&] {
          if constexpr (Need::timed) {
            auto v = all.template of<Need>();
            v.data = held_.template of<Need>().data();
            v.extents[1] = length_ * per_token<Need>();
            idx stride = 1;
            for (int a = Need::rank - 1; a >= 0; --a) {
              v.strides[a] = stride;
              stride *= a == 1 ? capacity_ * per_token<Need>() : v.extents[a];
            }
            all.template set<Need>(v);
          }
        }(),
        ...);
  }
};

}  // namespace coefdyn
