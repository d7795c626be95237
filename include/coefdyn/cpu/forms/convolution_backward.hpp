// SPDX-License-Identifier: MIT
#pragma once
#include "../stages/impulse_backward.hpp"
#include "convolution.hpp"

/// Backward of the convolution.
///
///   dv_j = sum_{i>=j} K_(i-j) dy_i,   dK_t = sum over sequences, columns and i of dy_i v_(i-t)
///
/// as transforms: dv^ = conj(K^) dy^, dK^ = conj(v^) dy^.
namespace coefdyn::cpu {

template <class M, class R, class X>
struct convolution_backward_head {
  convolution_head<M, R, X> f;
  impulse_gradients<M, R, X> grads;
  complex<R>* given = nullptr;     // (bins)
  complex<R>* dkernels = nullptr;  // of each reader (readers, bins)

  convolution_backward_head(arena& a, const extents& e, idx longest) : f(a, e, longest), grads(a, e, f.response) {
    given = a.take<complex<R>>(f.bins), dkernels = a.take<complex<R>>(idx(readers_per_state(e)) * f.bins);
  }
};

/// One sequence of a state head whose kernels are there: dv, and what it gives the kernels.
template <class M, class R, class X, class DY, class DV>
void convolve_back(const X& x, const extents& e, const head_place& head, const DY& dy, const DV& dv,
                   convolution_backward_head<M, R, X>& w) {
  auto& f = w.f;
  const idx tokens = head.tokens();
  if (tokens == 0) return;
  for (int u = 0; u < e.d; ++u) {
    f.transform_column(column_at(x.v, head.s, 0, head.state, u), tokens, f.one);
    complex<R>* const sum = f.product;  // of all readers
    clear(sum, f.bins);
    for (int r = 0; r < head.readers; ++r) {
      const complex<R>* const kernel = f.kernels + r * f.bins;
      complex<R>*const out = w.dkernels + r * f.bins, *const given = w.given;
      f.transform_column(column_at(dy, head.s, 0, head.first_reader + r, u), tokens, given);
      for (idx i = 0; i < f.bins; ++i) {
        sum[i] += conj(kernel[i]) * given[i];
        out[i] += conj(f.one[i]) * given[i];
      }
    }
    if (!dv.data) continue;
    transform_back(f.length, sum, f.row);
    const auto to = column_at(dv, head.s, 0, head.state, u);
    for (idx t = 0; t < tokens; ++t) {
      auto& at = to.p[t * to.stride];
      at = converted<std::remove_reference_t<decltype(at)>>(converted<R>(at) + f.row[t]);
    }
  }
}
/// Backward of item `item` of convolution_items, of which this is a worker's memory; constant streams stay in `slots`, the rest is added.
template <class M, class R, class X, class DY, class G, class Slots>
void convolution_backward(const X& x, const extents& e, idx item, const DY& dy, const G& g, Slots& slots,
                          convolution_backward_head<M, R, X>& w) {
  const bool shared = shares_kernel(x);
  const int members = states_per_group(e);
  auto& grads = w.grads;
  G but_values = g;
  but_values.v.data = nullptr;
  for (int member = 0; member < members; ++member) {
    const head_place head = head_of_group(x, e, item, member);
    grads.grads.clear(member > 0);
    if (!shared && head.tokens() == 0) continue;
    grads.open();
    w.f.prepare(x, e, head);
    clear(w.dkernels, idx(head.readers) * w.f.bins);
    for (idx s = head.index; s < (shared ? e.sequences : head.index + 1); ++s)
      convolve_back<M, R>(x, e, in_sequence(x, e, head, s), dy, g.v, w);
    for (int r = 0; r < head.readers; ++r) {
      if (head.readers > 1) w.f.response.read(x, e, head, r);  // the last one's is there
      transform_back(w.f.length, w.dkernels + r * w.f.bins, w.f.row);
      grads.read(r, w.f.row);
    }
    grads.write();
    grads.grads.leave(x, but_values, e, head, 0, 1, {.shared = member == members - 1}, w.f.response.scratch);
    slots.keep(e, head, grads.grads);
  }
}

}  // namespace coefdyn::cpu
