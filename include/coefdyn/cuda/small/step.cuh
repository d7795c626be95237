// SPDX-License-Identifier: MIT
#pragma once
#include "../engine/plan.cuh"
#include "../kernels.hpp"
#include "step_kernel.cuh"

/// The plan of the step kernel.
namespace coefdyn::cuda::small {

template <class M, class R, class X>
struct step_plan : engine_plan<X> {
  static constexpr bool exists = has_step<M> && std::is_same_v<R, float>;
  using engine_plan<X>::e;
  int window = 0;
  template <class Form>
  step_plan(Form, const X&, const extents& e_, idx longest_) : engine_plan<X>(e_, longest_) {
    if (fits()) window = with_step_tile<M>(e, [&](auto tile) { return step_window<M, R, X, decltype(tile)>(e, longest_); });
  }
  std::string name() const { return "step"; }
  bool fits() const { return this->longest > 0 && step_fits<M, R, X>(e, this->longest); }
  idx bytes() const { return 0; }
  template <class Y, class Carry>
  void run(cudaStream_t stream, const X& x, const Y& y, const Carry& c, std::byte*, std::byte*) const {
    with_positions_apart(stream, x, e, c, [&](const Carry& own) {
      with_step_tile<M>(e, [&](auto tile) {
        using Tile = decltype(tile);
        const step_block<M, R, X, Tile> block(e, window);
        const idx items = e.sequences * e.states * slices_of(e.d, Tile::columns);
        launch(stream, step_kernel<M, R, X, Y, Carry, Tile>, "step_kernel", items, Tile::threads, std::size_t(block.bytes), x, e, block, y,
               own, int(items));
      });
    });
  }
};

}  // namespace coefdyn::cuda::small
