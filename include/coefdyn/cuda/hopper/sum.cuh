// SPDX-License-Identifier: MIT
#pragma once
#include "segments.cuh"
#include "sum_kernels.cuh"

/// Sums of rows beside the sweeps, and the gradients that go through them: a call's pieces and launches.
namespace coefdyn::cuda::sums {

/// z as states of one column, for state_copy.
inline extents one_column(extents e) {
  e.d = 1;
  return e;
}
template <class V>
auto column_of(const V& s) {
  using T = std::remove_pointer_t<decltype(s.z.data)>;
  struct {
    view<T, 4> S;
  } column;
  const auto& z = s.z;
  if (s.S.data && z.data)
    column.S = view<T, 4>(z.data, {z.extents[0], z.extents[1], z.extents[2], 1}, {z.strides[0], z.strides[1], z.strides[2], 1});
  return column;
}
/// States of the units (units, P, n), those that enter them after the scan, and the products of their decays.
struct unit_states {
  int64_t unit = 0, owners = 0;
  float *states = nullptr, *totals = nullptr;
  unit_states(generic::memory& a, const extents& e, const sweep_shape& s, int64_t unit_) : unit(unit_) {
    owners = sweep::unit_count(sweep::make_sizes(s, 64, unit)) * e.readers;
    states = a.take<float>(owners * e.n), totals = a.take<float>(owners);
  }
  template <int n, bool reverse>
  void make(cudaStream_t stream, const sweep_shape& s, const inputs& in, const float* slopes, const float* first) const {
    launch(stream, summary_kernel<n, reverse>, "summary_kernel", owners, n / 2, 0, in, slopes, states, totals);
    segments::scan<n, 1>(s, unit, reverse, states, totals, first, stream);
  }
};
template <class F>
void with_n(int n, F f) {
  n == 128 ? f.template operator()<128>() : f.template operator()<64>();
}

/// The sums of a call's rows and their factors, fp32 [B, T, P]; the z that enters and leaves.
template <class M>
struct row_sums {
  extents e;
  unit_states units;
  float *sums = nullptr, *factor = nullptr;
  hopper::state_copy initial, final;
  row_sums(generic::memory& a, const extents& e_, const sweep_shape& s, idx longest)
      : e(e_), units(a, e, s, unit_length(longest)), initial(a, one_column(e), true), final(a, one_column(e), true) {
    sums = a.take<float>(e.batch * e.time * e.readers), factor = a.take<float>(e.batch * e.time * e.readers);
  }
  template <class Initial, class Final>
  void make(cudaStream_t stream, const sweep_shape& s, const inputs& in, const Initial& from, const Final& to) const {
    const auto z = column_of(from);
    const auto last = column_of(to);
    const float* const first = initial.in(stream, z, one_column(e), false);
    with_n(e.n, [&]<int n>() {
      units.make<n, false>(stream, s, in, nullptr, first);
      launch(stream, sum_kernel<n>, "sum_kernel", units.owners, n / 2, 0, in, units.states, sums, final.place(last));
    });
    const idx count = e.batch * e.time * e.readers;
    launch(stream, factor_kernel<M>, "factor_kernel", (count + 255) / 256, 256, 0, numbers::sizes_of(e), sums, factor, count);
    final.out(stream, last, one_column(e), false);
  }
};

/// What goes back through the sums, after the sweeps have given the gradients of the factors.
template <class M>
struct sum_gradients {
  extents e;
  unit_states units;
  float *d_factor = nullptr, *slope = nullptr, *flux = nullptr;
  hopper::state_copy final, initial;
  sum_gradients(generic::memory& a, const extents& e_, const sweep_shape& s, idx longest)
      : e(e_), units(a, e, s, unit_length(longest)), final(a, one_column(e), true), initial(a, one_column(e), true) {
    d_factor = a.take<float>(e.batch * e.time * e.readers), slope = a.take<float>(e.batch * e.time * e.readers);
    flux = a.take<float>(units.owners);
  }
  /// `dq`, `dk`: of the sweeps, added to. `d`: gradients of the numbers, those that are wanted.
  template <class Call>
  void add(cudaStream_t stream, const sweep_shape& s, const inputs& in, const row_sums<M>& forward, const Call& call, const tensor& dq,
           const tensor& dk, const numbers::arrays& d) const {
    const auto last = column_of(call.final_gradient);
    const auto first = column_of(call.initial_gradient);
    const idx count = e.batch * e.time * e.readers;
    launch(stream, slope_kernel<M>, "slope_kernel", (count + 255) / 256, 256, 0,
           lifted_token<float, void, seed::none, list<>>{{0, e.n, e.d, 0}}, forward.sums, forward.factor, d_factor, slope, count);
    const float* const behind = final.in(stream, last, one_column(e), true);
    with_n(e.n, [&]<int n>() {
      units.make<n, true>(stream, s, in, slope, behind);
      launch(stream, query_kernel<n>, "query_kernel", units.owners, n / 2, 0, in, row_gradients{forward.factor, d_factor, slope},
             forward.units.states, units.states, dq, flux);
      launch(stream, key_kernel<n>, "key_kernel", units.owners, n / 2, 0, in, forward.sums, slope, units.states, flux, dk, d.scale,
             d.log_decay, initial.place(first));
    });
    initial.out(stream, first, one_column(e), true);
  }
};

}  // namespace coefdyn::cuda::sums
