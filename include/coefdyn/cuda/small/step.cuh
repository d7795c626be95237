// SPDX-License-Identifier: MIT
#pragma once
#include "../engine/plan.cuh"
#include "../kernels.hpp"
#include "../plan.cuh"
#include "step_kernel.cuh"
#include "walk_backward.cuh"

/// The plans of the step kernel: a few tokens of any state, and whole sequences of a small one.
namespace coefdyn::cuda::small {

template <class M, class R, class X>
struct step_engine : engine_plan<X> {
  static constexpr bool exists = has_step<M> && std::is_same_v<R, float>;
  using engine_plan<X>::engine_plan, engine_plan<X>::e;
  idx bytes() const { return 0; }

 protected:
  template <class Tile, class Y, class Carry>
  void run_tile(cudaStream_t stream, const X& x, const Y& y, const Carry& c, int window) const {
    with_positions_apart(stream, x, e, c, [&](const Carry& own) {
      const step_block<M, R, X, Tile> block(e, window);
      const idx items = e.sequences * e.states * slices_of(e.d, Tile::columns);
      launch(stream, step_kernel<M, R, X, Y, Carry, Tile>, "step_kernel", items, Tile::threads, std::size_t(block.bytes), x, e, block, y,
             own, int(items));
    });
  }
};

/// Up to `longest_step` tokens; a block has a slice of columns of a state.
template <class M, class R, class X>
struct step_plan : step_engine<M, R, X> {
  using step_engine<M, R, X>::e, step_engine<M, R, X>::longest;
  template <class Form>
  step_plan(Form, const X&, const extents& e_, idx longest_) : step_engine<M, R, X>(e_, longest_) {}
  std::string name() const { return "step"; }
  bool fits() const {
    return longest > 0 && longest <= longest_step && e.d <= widest_step &&
           with_step_tile<M>(e, [&](auto tile) { return tile_fits<M, R, X, decltype(tile)>(e); });
  }
  template <class Y, class Carry>
  void run(cudaStream_t stream, const X& x, const Y& y, const Carry& c, std::byte*, std::byte*) const {
    with_step_tile<M>(e, [&](auto tile) {
      using Tile = decltype(tile);
      this->template run_tile<Tile>(stream, x, y, c, step_window<M, R, X, Tile>(e, longest));
    });
  }
};

/// Whole sequences over a state of at most 32 x 32: a block of two warps has a head-sequence, whose state is in registers but between
/// windows of 16 tokens.
template <class M, class R, class X>
struct walk_plan : step_engine<M, R, X> {
  using step_engine<M, R, X>::e, step_engine<M, R, X>::longest;
  template <class Form>
  walk_plan(Form, const X&, const extents& e_, idx longest_) : step_engine<M, R, X>(e_, longest_) {}
  static constexpr bool gives_gradients = walk_backward<M, R, X>::exists;
  std::string name() const { return "walk"; }
  bool fits() const { return longest > 0 && e.d <= walk_tile::columns && tile_fits<M, R, X, walk_tile>(e); }
  /// Where it is the faster.
  template <class Y, class Carry>
  bool takes(const Y&, const Carry&) const {
    return slow_in_chunks || longest <= longest_scalar_walk;
  }
  template <class Y, class Carry>
  void run(cudaStream_t stream, const X& x, const Y& y, const Carry& c, std::byte*, std::byte*) const {
    this->template run_tile<walk_tile>(stream, x, y, c, step_window<M, R, X, walk_tile>(e, longest < walk_window ? longest : walk_window));
  }
  bool gradients_fit() const { return backward().fits(); }
  template <class Call>
  bool takes_gradients(const Call&, bool repeats) const {
    return !repeats;
  }
  idx backward_bytes(bool) const { return backward().bytes(); }
  template <class Call>
  void run_backward(cudaStream_t stream, const X& x, const Call& call, std::byte* ws, const std::byte*, tensor) const {
    backward().run(stream, x, call, ws);
  }

 private:
  walk_backward<M, R, X> backward() const { return {e, longest}; }
  static constexpr bool slow_in_chunks =
      traits<M>::structure.decay == decaying::channel || traits<M>::structure.correction != rank_one::none;
};

}  // namespace coefdyn::cuda::small
