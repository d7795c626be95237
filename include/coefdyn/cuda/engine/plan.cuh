// SPDX-License-Identifier: MIT
#pragma once
#include <string>

#include "../memory.cuh"
#include "frame.cuh"

/// What the plans of the generic engine share: they serve every call of their form, and take care of states that leave where they came in.
namespace coefdyn::cuda::generic {

/// Final states that lie where the initial ones do, which other blocks may still read: what a block does not own alone (z and m;
/// all of it in the parallel form) leaves through the workspace.
template <class M, class Types, bool whole>
struct detour {
  using E = typename mutable_state<M, Types>::element_type;
  using R = typename mutable_state<M, Types>::real_type;
  mutable_state<M, Types> staged, wanted;
  detour(memory& a, const extents& e) {
    if constexpr (traits<M>::linear) {
      const idx N = e.sequences, H = e.states, n = e.n, d = e.d;
      if (whole) staged.S = view<E, 4>(a.take<E>(N * H * n * d), N, H, n, d);
      if (traits<M>::needs_sum) staged.z = view<E, 3>(a.take<E>(N * H * n), N, H, n);
      if (traits<M>::stabilised) staged.m = view<R, 2>(a.take<R>(N * H), N, H);
    }
  }
  void turn(carry_view<M, Types>& c) {
    const auto one = [](auto& out, const auto& in, const auto& there, auto& home) {
      if (out.data && there.data && out.data == in.data) home = out, out = there;
    };
    one(c.final.S, c.initial.S, staged.S, wanted.S), one(c.final.z, c.initial.z, staged.z, wanted.z);
    one(c.final.m, c.initial.m, staged.m, wanted.m);
  }
  void finish(cudaStream_t stream) const {
    const auto one = [&](const auto& from, const auto& to) {
      if (to.data) copy(stream, from, to);
    };
    one(staged.S, wanted.S), one(staged.z, wanted.z), one(staged.m, wanted.m);
  }
};

/// Base of a plan that serves any sizes, outputs and states, keeps nothing for backward and has no gradients. `whole`: other blocks than a
/// state's owner read it.
template <class X, bool whole = false>
struct engine_plan {
  using M = typename X::mixer_type;
  static constexpr bool exists = true, gives_gradients = false;
  extents e;
  idx longest;
  idx fast = 0, slow = 0, items = 0, blocks = 0;  // bytes of a block's shared memory and of its part of the workspace

  engine_plan(const extents& e_, idx longest_) : e(e_), longest(longest_) {}
  bool fits() const { return true; }
  template <class Y, class Carry>
  bool takes(const Y&, const Carry&) const {
    return true;
  }
  idx kept_bytes() const { return 0; }

 protected:
  using detour_type = detour<M, typename X::types_type, whole>;
  /// Of states that leave where they came in.
  idx detour_bytes() const {
    memory a;
    detour_type(a, e);
    return a.slow_used;
  }
  /// f(a carry from which nothing leaves that another block still reads, the rest of the workspace).
  template <class Carry, class F>
  void with_states_apart(cudaStream_t stream, const X& x, Carry c, std::byte* ws, F f) const {
    memory a{nullptr, ws};
    detour_type around(a, e);
    around.turn(c);
    with_positions_apart(stream, x, e, c, [&](const Carry& own) { f(own, ws + a.slow_used); });
    around.finish(stream);
  }
};

}  // namespace coefdyn::cuda::generic
