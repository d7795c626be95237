// SPDX-License-Identifier: MIT
#pragma once
#include "frame.hpp"

/// The way back of `gather`: rows of a gradient frame into the caller's tensors, through the adjoint of the feature map.
namespace coefdyn::cpu {

/// dx = psi'(x)' dy; `y` is scratch of n.
template <class Psi, class R>
COEFDYN_HD void feature_backward(const R* x, const R* dy, R* dx, R* y, int n) {
  if constexpr (maps_channels<Psi>) {
    by_channel(n, dx, [&](int c) { return along(dy[c], Psi::apply(dual<R>(x[c], R(1))).d); });
  } else if constexpr (requires { Psi::pull_back(x, x, dy, dx, n); }) {
    Psi::apply(x, y, n);
    Psi::pull_back(x, static_cast<const R*>(y), dy, dx, n);
  } else {
    static_assert(
        requires { Psi::pull_back(x, x, dy, dx, n); },
        "coefdyn: a feature map of whole vectors needs pull_back(x, y, dy, dx, n) for gradients.");
  }
}
/// Which gradients of a frame are written to memory now. Heads shared by several states wait until the last state has added to them.
struct leaving {
  bool timed = true, constants = false;  // streams with a row in time, and those without
  bool shared = true;                    // of the timed ones, also those of heads that states share
  bool write_only = false;               // the destination is uninitialised: write instead of add
};
template <class Need>
constexpr bool is_shared = Need::heads == owner::key || Need::heads == owner::query;
/// Streams of which every row gets its gradient in one piece, as far as the caller's axes do not repeat.
template <class Need>
constexpr bool arrives_once = Need::timed && Need::headed;

/// One row of a stream, at `from` without gaps, to the caller's at `to`: added, or written.
template <class Need, class E, class Stored>
void add_row(const E* from, const idx (&size)[2], const idx (&inner)[2], bool write, Stored* to) {
  constexpr bool matrix = Need::inner_rank == 2;
  const int outer = matrix ? static_cast<int>(size[0]) : 1, count = static_cast<int>(size[matrix ? 1 : 0]);
  const idx stride = inner[matrix ? 1 : 0];
  for (int i = 0; i < outer; ++i) {
    Stored* out = to + i * inner[0];
    const E* add = from + idx(i) * count;
    if (write)
      for (int c = 0; c < count; ++c) out[c * stride] = converted<Stored>(E{} + add[c]);
    else if (stride == 1) by_channel(count, out, [&](int c) { return converted<Stored>(converted<E>(out[c]) + add[c]); });
    else
      for (int c = 0; c < count; ++c) out[c * stride] = converted<Stored>(converted<E>(out[c * stride]) + add[c]);
  }
}

/// Adds rows of a gradient frame to the caller's gradients. `raw`: 3 n numbers of scratch for the feature map's adjoint.
template <class M, class R, class X, class G, class... Need>
void scatter(const X& x, const G& g, const extents& e, const sequence& s, const head_index& h, idx t, idx tokens, leaving which,
             const frame<M, R, list<Need...>>& d, R* raw) {
  for_each_need(list<Need...>{}, [&]<class N>(N) {
    if (N::timed ? !which.timed || (is_shared<N> && !which.shared) : !which.constants) return;
    const auto& v = g.template of<N>();
    if (!v.data) return;
    using E = element_of<N, R>;
    const auto& b = d.template of<N>();
    idx size[2] = {};
    inner_extents<N>(e.n, e.d, d.micro, size);
    const int head = head_of<N>(h, e);
    const idx first = first_row<N>(s, e, t, d.writes);
    for (idx r = 0; r < d.template rows<N>(tokens); ++r) {
      idx inner[2];
      auto* p = row_pointer<N>(v, s.batch, first + r, head, inner);
      const E* from = b.p + r * b.stride;
      if constexpr (N::timed)
        if (r + rows_ahead < d.template rows<N>(tokens)) fetch<true>(p + rows_ahead * v.strides[1], size[0]);
      if constexpr (traits<M>::has_feature && is_featured<N> && std::is_same_v<E, R>) {
        idx in[2];
        const auto* q = row_pointer<N>(x.template of<N>(), s.batch, first + r, head, in);
        for (int c = 0; c < e.n; ++c) raw[c] = converted<R>(q[c * in[0]]);
        feature_backward<typename M::feature_map>(raw, from, raw + e.n, raw + 2 * e.n, e.n);
        from = raw + e.n;
      }
      add_row<N>(from, size, inner, which.write_only && arrives_once<N>, p);
    }
  });
}
/// Gradients start from zero unless the caller accumulates; `written_later`: but for those that arrive once.
template <class X, class G, class... Need>
void clear_gradients(const G& g, bool written_later, list<Need...>) {
  if (g.accumulate) return;
  for_each_need(list<Need...>{}, [&]<class N>(N) {
    const auto& v = g.template of<N>();
    if (!v.data || (written_later && arrives_once<N>)) return;
    constexpr int rank = N::rank;
    idx at[5] = {};
    if (v.size() == 0) return;
    bool by_row = false;
    idx count = 1;
    if constexpr (rank > 0)
      if (v.strides[rank - 1] == 1) by_row = true, count = v.extents[rank - 1];
    for (;;) {
      idx offset = 0;
      for (int a = 0; a < rank; ++a) offset += at[a] * v.strides[a];
      cpu::clear(v.data + offset, count);
      int a = by_row ? rank - 2 : rank - 1;
      for (; a >= 0; --a) {
        if (++at[a] < v.extents[a]) break;
        at[a] = 0;
      }
      if (a < 0) break;
    }
  });
}

}  // namespace coefdyn::cpu
