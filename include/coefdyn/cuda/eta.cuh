// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>

#include "../spectrum/eta.hpp"
#include "run.cuh"

/// spectrum/eta.hpp on the device: log |eta_i| and its sign for every read of a call, sums by the mixer's own fast form with values of
/// 1, in double; and windows of tokens, which the spectrum's kernels share.
namespace coefdyn::cuda::generic {

/// log |eta| and its sign, (B, T, H_q); a null sign is 1 everywhere.
struct eta_rows {
  double *log_abs = nullptr, *sign = nullptr;
  idx time = 0;
  int readers = 0;
  COEFDYN_HD idx at(const sequence& s, idx t, int reader) const { return (s.batch * time + s.begin + t) * readers + reader; }
  __device__ spectrum::eta_ratio ratio(const sequence& s, idx t, int reader) const {
    if (t == 0) return {};
    const idx now = at(s, t, reader), before = at(s, t - 1, reader);
    const auto sign_at = [&](idx i) { return sign ? spectrum::detail::sign_of_probe(sign[i]) : 1; };
    return spectrum::ratio_of(log_abs[before], sign_at(before), log_abs[now], sign_at(now));
  }
};
/// Tokens that a block takes at once: about 16 kB of a stream of width n.
COEFDYN_HD inline int spectrum_window(const extents& e) {
  constexpr int numbers = 2048, most = 32;
  return e.n * most <= numbers ? most : e.n < numbers ? numbers / e.n : 1;
}
/// What a kernel over windows is given beside its tensors.
struct window_arguments {
  std::byte* slow;
  idx slow_bytes, fast_bytes, windows, items;
};
constexpr int spectrum_threads = 128;
/// Windows of a call's sequences and blocks' memory for a block type.
template <class Block>
struct window_plan {
  idx fast = 0, slow = 0, windows = 0, items = 0, blocks = 0;
  window_plan(const extents& e, idx longest, int heads) {
    memory a{nullptr, nullptr, shared_limit};
    Block(a, e);
    fast = a.fast_used, slow = a.slow_used;
    const idx window = spectrum_window(e);
    windows = (longest + window - 1) / window;
    items = e.sequences * heads * windows;
    blocks = blocks_for(items, slow);
  }
  idx bytes() const { return slow * blocks; }
  template <class Kernel, class... Argument>
  void launch_over(cudaStream_t stream, Kernel kernel, const char* name, std::byte* rest, const Argument&... arguments) const {
    launch(stream, kernel, name, blocks, spectrum_threads, std::size_t(fast), arguments...,
           window_arguments{rest, slow, fast, windows, items});
  }
};

/// eta of a normalization without a sum, from a reader's streams.
template <class M, class X>
struct eta_block {
  reader_frame_of<M, double, X> in;
  double* raw = nullptr;
  COEFDYN_HD eta_block(memory& a, const extents& e) {
    const int window = spectrum_window(e);
    lay(a, in, {e.n, e.d, e.d, window});
    raw = a.take<double>(traits<M>::has_feature ? idx(window) * e.n : 0);
  }
};
template <class M, class X>
__global__ void __launch_bounds__(spectrum_threads)
    eta_kernel(const __grid_constant__ X x, const __grid_constant__ extents e, const __grid_constant__ eta_rows out, window_arguments g) {
  using Eta = typename M::normalization;
  extern __shared__ __align__(16) std::byte fast[];
  memory a{fast, g.slow + idx(blockIdx.x) * g.slow_bytes, g.fast_bytes};
  const eta_block<M, X> w(a, e);
  const int window = spectrum_window(e);
  each_item(g.items, [&](idx item) {
    const idx row = item / g.windows, t0 = item % g.windows * window;
    const int reader = int(row % e.readers);
    const sequence s = sequence_at(x, e, row / e.readers);
    const idx left = s.end - s.begin - t0;
    if (left <= 0) return;
    const int count = int(left < window ? left : window);
    gather<M>(x, e, s, {reader / cpu::readers_per_state(e), reader}, t0, 0, count, w.in, w.raw);
    each_unsynced(count, [&](int i) {
      const auto at = w.in.at(i, 0, t0 + i);
      const idx to = out.at(s, t0 + i, reader);
      out.log_abs[to] = log_eta<Eta>(0.0, 0.0, at);
      out.sign[to] = eta_sign<Eta>(0.0, 0.0, at);
    });
  });
}
template <class S>
__global__ void put_one(S* out) {
  *out = S(1.0f);
}

/// eta of one call.
template <class X>
struct eta_call {
  using M = typename X::mixer_type;
  using S = typename X::types_type::storage;
  static constexpr bool sums = traits<M>::needs_sum, is_signed = sums && !traits<M>::needs_max;
  static constexpr idx one_bytes = 16;  // of a probe's value, before its workspace
  const device::cuda& on;
  const X& x;
  extents e;
  idx longest;

  eta_call(const device::cuda& on_, const X& x_) : on(on_), x(x_), e(checked_extents(on_, x_)), longest(longest_sequence(on_, x_, e)) {
    spectrum::detail::expect_every_read(e);
  }
  eta_rows rows(memory& a) const {
    const idx count = e.batch * e.time * e.readers;
    eta_rows out{a.take<double>(count), nullptr, e.time, e.readers};
    if (!sums || is_signed) out.sign = a.take<double>(count);
    return out;
  }
  window_plan<eta_block<M, X>> eta_plan() const { return {e, longest, e.readers}; }
  std::size_t scratch_bytes() const {
    if constexpr (!sums) return std::size_t(eta_plan().bytes());
    std::size_t most = 0;
    if constexpr (sums) most = probe_bytes<spectrum::detail::reads_log_eta>();
    if constexpr (is_signed) most = std::max(most, probe_bytes<spectrum::detail::reads_eta_sign>());
    return most;
  }
  /// `moved`: x with its table of offsets on the device.
  void fill(const X& moved, const eta_rows& out, std::byte* scratch) const {
    if constexpr (!sums) eta_plan().launch_over(on.stream, eta_kernel<M, X>, "eta_kernel", scratch, moved, e, out);
    if constexpr (sums) probe<spectrum::detail::reads_log_eta>(out.log_abs, scratch);
    if constexpr (is_signed) probe<spectrum::detail::reads_eta_sign>(out.sign, scratch);
  }

 private:
  view<double, 4> probe_view(double* out) const { return {out, e.batch, e.time, idx(e.readers), idx(1)}; }
  template <template <class> class Probe>
  std::size_t probe_bytes() const {
    const S unread{};
    return one_bytes + workspace_bytes(on, form::automatic{}, spectrum::detail::probe_of<Probe>(x, &unread), {}, probe_view(nullptr));
  }
  template <template <class> class Probe>
  void probe(double* out, std::byte* scratch) const {
    S* const one = reinterpret_cast<S*>(scratch);
    launch(on.stream, put_one<S>, "put_one", 1, 1, 0, one);
    run(on, form::automatic{}, spectrum::detail::probe_of<Probe>(x, one), probe_view(out), {},
        workspace(scratch + one_bytes, probe_bytes<Probe>() - one_bytes));
  }
};

}  // namespace coefdyn::cuda::generic
