// SPDX-License-Identifier: MIT
#pragma once
#include "../spectrum/closed_form.hpp"
#include "../spectrum/histogram.hpp"
#include "eta.cuh"
#include "memory.cuh"

/// eig(Lambda_i) = (eta_{i-1} / eta_i) eig(A_i) of spectrum/eigenvalues.hpp on a GPU, where eig(A_i) is a formula
/// (spectrum/closed_form.hpp); computed in double whatever the tokens are. For a nonlinear phi with A != I the degree-one part.
///
/// ```cuda statements with device
/// spectrum::eigenvalues(device::cuda{stream}, x, out, memory);                       // out (B, T, H_q, n), complex of float or double
/// spectrum::eigenvalue_histograms(device::cuda{stream}, x, bins, counters, memory);  // (N, H_q, bins.radius.bins().counters()) integers
/// spectrum::eigenvalues(device::cuda{stream}, x, out);                               // allocates its workspace on the stream
/// ```
///
/// A sequence's first token has no Lambda: its row of `out` is NaN, as is one without a ratio; histograms leave it out. Numbers
/// that the CPU refuses give NaN or infinity, and NaN has a counter of its own.
///
/// error   invalid_input before anything is queued; cuda_error with CUDA's words
/// source  arXiv:2510.09379
namespace coefdyn {

namespace spectrum {
/// The only compile-time error of a spectrum on a device.
template <class M>
consteval void closed_form_theorem() {
  static_assert(formula_of<typename M::evolution> != formula::none,
                "coefdyn: eigenvalues on a device are read off where A_t is diagonal, a rotation at one radius, lambda_t I plus a rank-one "
                "part, or a product of two Householders. Use spectrum::eigenvalues(x, visit) on the CPU for this evolution.");
}

/// Counters of eigenvalue_histograms in device memory, overwritten: (N, H_q, bins().counters()), the bins, then beside_bins.
/// histogram::add_counted takes a row of them.
struct histogram_counters {
  view<std::uint64_t, 3> radius, phase;
};
}  // namespace spectrum

namespace cuda::generic {

/// Eigenvalues of a window of tokens to the caller's array.
template <class R>
struct store_eigenvalues {
  view<complex<R>, 4> out;
  template <class Value>
  __device__ void operator()(const head_place& head, int reader, idx t0, int count, int n, const spectrum::eta_ratio* ratio,
                             Value value) const {
    each2_unsynced(count, n, [&](int i, int c) {
      const complex<double> z = ratio[i].exists ? ratio[i].value * value(i, c) : complex<double>(NAN, NAN);
      out(head.s.batch, head.s.begin + t0 + i, reader, c) = {R(z.re), R(z.im)};
    });
  }
};
/// Counts them instead: a window in shared memory, then added to the caller's counters. Integer sums have no order.
struct count_eigenvalues {
  struct bin_table {
    static constexpr int most = 64;
    double edges[most + 1];
    int bins;
    double snap;
    spectrum::edge_rule rule;
    bin_table(const char* name, const spectrum::histogram& h) : bins(h.bins().bins), snap(h.bins().snap), rule(h.bins().rule) {
      if (bins > most) COEFDYN_THROW invalid_input(name, "at most " + std::to_string(most) + " bins on a device", std::to_string(bins));
      for (int i = 0; i <= most; ++i) edges[i] = i <= bins ? h.edges()[std::size_t(i)] : 0;
    }
    COEFDYN_HD spectrum::binning binning() const { return {edges, bins, snap, rule}; }
  };
  bin_table radius, phase;
  spectrum::histogram_counters out;

  template <class Value>
  __device__ void operator()(const head_place& head, int reader, idx t0, int count, int n, const spectrum::eta_ratio* ratio,
                             Value value) const {
    constexpr int most = bin_table::most + spectrum::counters_beside_bins;
    __shared__ unsigned radii[most], phases[most];
    each(most, [&](int k) { radii[k] = phases[k] = 0; });
    const auto in_radius = radius.binning(), in_phase = phase.binning();
    const int first = t0 == 0;
    each2_unsynced(count - first, n, [&](int k, int c) {
      const spectrum::eta_ratio f = ratio[first + k];
      if (!f.exists) return;
      const complex<double> z = f.value * value(first + k, c);
      in_radius(::hypot(z.re, z.im), [&](int counter) { atomicAdd(&radii[counter], 1u); });
      in_phase(spectrum::phase_of(z.re, z.im), [&](int counter) { atomicAdd(&phases[counter], 1u); });
    });
    each_unsynced(count - first, [&](int k) {
      if (ratio[first + k].exists) return;
      atomicAdd(&radii[in_radius.at(spectrum::beside_bins::excluded)], 1u);
      atomicAdd(&phases[in_phase.at(spectrum::beside_bins::excluded)], 1u);
    });
    __syncthreads();
    each_unsynced(in_radius.counters(), [&](int k) { add(out.radius, head.index, reader, k, radii[k]); });
    each_unsynced(in_phase.counters(), [&](int k) { add(out.phase, head.index, reader, k, phases[k]); });
  }
  static __device__ void add(const view<std::uint64_t, 3>& to, idx sequence, int reader, int counter, unsigned count) {
    if (count) atomicAdd(reinterpret_cast<unsigned long long*>(&to(sequence, reader, counter)), static_cast<unsigned long long>(count));
  }
};
static __global__ void clear_counters(const __grid_constant__ view<std::uint64_t, 3> out) {
  each_item(out.extents[0] * out.extents[1], [&](idx item) {
    each_unsynced(int(out.extents[2]), [&](int k) { out(item / out.extents[1], item % out.extents[1], k) = 0; });
  });
}

/// The streams of A_t for a window of one state head's tokens, and what all eigenvalues of a token share.
template <class M, class X>
struct spectrum_block {
  using form = spectrum::closed_form<typename M::evolution>;
  spectrum::detail::evolution_frame<M, X::over> in;
  form* forms = nullptr;                 // (window)
  spectrum::eta_ratio* ratio = nullptr;  // (window), of one reader
  double *work = nullptr, *raw = nullptr;
  idx work_size = 0;
  COEFDYN_HD spectrum_block(memory& a, const extents& e) : work_size(idx(form::work_size(e.n))) {
    const int window = spectrum_window(e);
    forms = a.take<form>(window), ratio = a.take<spectrum::eta_ratio>(window);
    lay(a, in, {e.n, e.d, e.d, window});
    raw = a.take<double>(traits<M>::has_feature ? idx(window) * traits<M>::writes * e.n : 0);
    work = a.take<double>(work_size * window);
  }
};
template <class M, class X, class Out>
__global__ void __launch_bounds__(spectrum_threads)
    spectrum_kernel(const __grid_constant__ X x, const __grid_constant__ extents e, const __grid_constant__ eta_rows eta,
                    const __grid_constant__ Out out, window_arguments g) {
  extern __shared__ __align__(16) std::byte fast[];
  memory a{fast, g.slow + idx(blockIdx.x) * g.slow_bytes, g.fast_bytes};
  const spectrum_block<M, X> w(a, e);
  const int window = spectrum_window(e);
  each_item(g.items, [&](idx item) {
    const head_place head = head_at(x, e, item / g.windows);
    const idx t0 = item % g.windows * window, left = head.tokens() - t0;
    if (left <= 0) return;
    const int count = int(left < window ? left : window);
    gather<M>(x, e, head.s, head.at(0), t0, 0, count, w.in, w.raw);
    each(count, [&](int i) { w.forms[i] = typename spectrum_block<M, X>::form(w.in, i, t0 + i, w.work + i * w.work_size); });
    for (int reader = head.first_reader; reader < head.first_reader + head.readers; ++reader) {
      each(count, [&](int i) { w.ratio[i] = eta.ratio(head.s, t0 + i, reader); });
      out(head, reader, t0, count, e.n, w.ratio, [&](int i, int c) { return w.forms[i](w.in.at(i, 0, t0 + i), c); });
      __syncthreads();
    }
  });
}

/// One call: eta, then every window of tokens.
template <class X>
struct spectrum_call : eta_call<X> {
  using Base = eta_call<X>;
  using M = typename X::mixer_type;
  using Base::on, Base::x, Base::e, Base::longest, Base::Base;

  /// The call's own pieces of the workspace; behind them what one kernel after another uses. Over no memory they are counted only.
  struct pieces {
    X moved;  // with its table on the device
    eta_rows eta;
    idx bytes = 0;
  };
  pieces lay_out(std::byte* ws) const {
    memory a{nullptr, ws};
    pieces p{x};
    carry_view<M, typename X::types_type> no_states;
    place_tables(on, p.moved, carried<M, typename X::types_type>{}, no_states, a);
    p.eta = Base::rows(a);
    p.bytes = a.slow_used;
    return p;
  }
  window_plan<spectrum_block<M, X>> plan() const { return {e, longest, e.states}; }
  std::size_t bytes() const {
    const std::size_t first = Base::scratch_bytes(), second = std::size_t(plan().bytes());
    return std::size_t(lay_out(nullptr).bytes) + (first < second ? second : first);
  }
  void expect_room(workspace ws) const {
    if (ws.size() < bytes())
      COEFDYN_THROW invalid_input("workspace", std::to_string(bytes()) + " bytes of device memory (eigenvalue_workspace_bytes)",
                                  std::to_string(ws.size()));
  }
  template <class Out>
  void operator()(const Out& out, workspace ws) const {
    const pieces p = lay_out(ws.data());
    std::byte* const rest = ws.data() + p.bytes;
    Base::fill(p.moved, p.eta, rest);
    plan().launch_over(on.stream, spectrum_kernel<M, X, Out>, "spectrum_kernel", rest, p.moved, e, p.eta, out);
  }
};

template <class T, int Rank>
void expect_output(const char* name, const view<T, Rank>& v, const idx (&want)[Rank]) {
  bool same = true;
  for (int a = 0; a < Rank; ++a) same = same && v.extents[a] == want[a];
  if (!same)
    COEFDYN_THROW invalid_input(name, "shape " + coefdyn::detail::shape_text(want, Rank),
                                "shape " + coefdyn::detail::shape_text(v.extents, Rank));
  if (!v.data && v.size() > 0) COEFDYN_THROW invalid_input(name, "a tensor of shape " + coefdyn::detail::shape_text(want, Rank), "none");
}

}  // namespace cuda::generic

namespace spectrum {

/// Bytes of device memory that `eigenvalues` and `eigenvalue_histograms` need in their workspace.
template <class X>
std::size_t eigenvalue_workspace_bytes(const device::cuda& on, const X& x) {
  closed_form_theorem<typename X::mixer_type>();
  return cuda::generic::spectrum_call<X>(on, x).bytes();
}

/// Every eigenvalue of Lambda: out (B, T, H_q, n), in the CPU's order; packed sequences stand behind each other as their tokens do.
template <class X, class R>
void eigenvalues(const device::cuda& on, const X& x, const view<complex<R>, 4>& out, workspace ws) {
  closed_form_theorem<typename X::mixer_type>();
  const cuda::generic::spectrum_call<X> call(on, x);
  cuda::generic::expect_output("eigenvalues", out, {call.e.batch, call.e.time, call.e.readers, call.e.n});
  call.expect_room(ws);
  call(cuda::generic::store_eigenvalues<R>{out}, ws);
}
/// The same, allocating its workspace.
template <class X, class R>
void eigenvalues(const device::cuda& on, const X& x, const view<complex<R>, 4>& out) {
  buffer<std::byte, memory::cuda> room(without_values{}, eigenvalue_workspace_bytes(on, x), memory::cuda{on.stream});
  eigenvalues(on, x, out, workspace(room.data(), room.size()));
}

/// Histograms of radius and phase, one for each sequence and reading head, in the bins of `bins`, whose own counts do not matter.
template <class X>
void eigenvalue_histograms(const device::cuda& on, const X& x, const spectrum_histogram& bins, const histogram_counters& out,
                           workspace ws) {
  closed_form_theorem<typename X::mixer_type>();
  const cuda::generic::spectrum_call<X> call(on, x);
  const cuda::generic::count_eigenvalues count{{"radius", bins.radius}, {"phase", bins.phase}, out};
  cuda::generic::expect_output("radius", out.radius, {call.e.sequences, call.e.readers, bins.radius.bins().counters()});
  cuda::generic::expect_output("phase", out.phase, {call.e.sequences, call.e.readers, bins.phase.bins().counters()});
  call.expect_room(ws);
  for (const auto& counters : {out.radius, out.phase})
    cuda::launch(on.stream, cuda::generic::clear_counters, "clear_counters", counters.extents[0] * counters.extents[1],
                 cuda::generic::spectrum_threads, 0, counters);
  call(count, ws);
}
/// The same, allocating its workspace.
template <class X>
void eigenvalue_histograms(const device::cuda& on, const X& x, const spectrum_histogram& bins, const histogram_counters& out) {
  buffer<std::byte, memory::cuda> room(without_values{}, eigenvalue_workspace_bytes(on, x), memory::cuda{on.stream});
  eigenvalue_histograms(on, x, bins, out, workspace(room.data(), room.size()));
}

}  // namespace spectrum
}  // namespace coefdyn
