// SPDX-License-Identifier: MIT
#pragma once
#include "../kernels.hpp"
#include "walk_item.cuh"

/// Backward of the linear recurrence for small states, one kernel: a block of two warps has the heads that share a key head. It goes
/// forward once, keeping the state at the start of every window of at most 16 rows, then back, window by window: the window's states again,
/// its gradients, and these to the streams. Nothing is divided by a decay, and every sum has a fixed order.
namespace coefdyn::cuda::small {

template <class M, class R, class X, class Call, int N>
__global__ void __launch_bounds__(64, N == 16 ? 10 : 6)
    walk_backward_kernel(const __grid_constant__ X x, const __grid_constant__ extents e,
                         const __grid_constant__ walk_block<M, R, X, N> there, const __grid_constant__ Call call,
                         const __grid_constant__ walk_memory<R> g) {
  {
    const walk_block<M, R, X, N> w = there.here();
    w.o.clear(), w.d.clear();  // operands behind n: zero, once and for all
    for (int r = 0; r < w.readers; ++r) {
      const auto reader = w.reader(r);
      clear(reader.Q, w.rows * w.ln), clear(reader.dY, w.tokens * w.ln);
    }
  }
  each_item(g.items, [&](idx group) { walk_item<M, R, X, Call, N>{x, e, there, call, g}.go(group); });
}

/// The backward calls of a plan for small states.
template <class M, class R, class X>
struct walk_backward {
  /// Whether the lowered state is real and does not turn, and all streams with time have heads.
  static constexpr bool exists = has_walk_backward<M> && X::over == field::real && std::is_same_v<R, float>;
  const extents& e;
  idx longest;

  /// f(the block for these sizes); false where they are too large for all.
  template <class F>
  bool with_block(F f) const {
    const int wide = math::max(traits<M>::lowered(e.n), value_width<M>(e.d));
    if (e.n <= 0 || e.d <= 0 || wide > 32) return false;
    return wide <= 16 ? f(walk_block<M, R, X, 16>::fitting(e)) : f(walk_block<M, R, X, 32>::fitting(e));
  }
  bool fits() const {
    return with_block([](const auto& block) { return block.fits; });
  }
  idx bytes() const {
    idx all = 0;
    with_block([&]<int N>(const walk_block<M, R, X, N>& block) {
      const sizes<N> s(*this, block);
      all = s.slots + s.slow * s.blocks;
      return true;
    });
    return all;
  }
  template <class Call>
  void run(cudaStream_t stream, const X& x, const Call& call, std::byte* ws) const {
    using G = std::remove_cvref_t<decltype(call.g)>;
    with_block([&]<int N>(const walk_block<M, R, X, N>& block) {
      const sizes<N> s(*this, block);
      R* const slots = reinterpret_cast<R*>(ws);
      R* const reader_slots = slots + e.sequences * e.states * s.state_numbers;
      clear_constants(stream, call.g, typename X::needs{});
      launch(stream, walk_backward_kernel<M, R, X, Call, N>, "walk_backward_kernel", s.blocks, block.threads, std::size_t(block.bytes), x,
             e, block, call,
             walk_memory<R>{ws + s.slots, s.slow, slots, reader_slots, s.state_numbers, s.reader_numbers, s.windows, s.items});
      if (s.state_numbers)
        launch(stream, add_constants<M, R, X, G, false>, "add_constants", 64, 256, 0, call.g, e, static_cast<const R*>(slots),
               s.state_numbers);
      if (s.reader_numbers)
        launch(stream, add_constants<M, R, X, G, true>, "add_constants", 64, 256, 0, call.g, e, static_cast<const R*>(reader_slots),
               s.reader_numbers);
      return true;
    });
  }

 private:
  template <int N>
  struct sizes {
    int state_numbers, reader_numbers;
    idx windows, items, slots, slow, blocks;
    sizes(const walk_backward& p, const walk_block<M, R, X, N>& block)
        : state_numbers(constant_numbers(block.gradient)),
          reader_numbers(constant_numbers(block.first.gradient)),
          windows((p.longest + block.tokens - 1) / block.tokens),
          items(p.e.sequences * p.e.keys),
          slots((idx(sizeof(R)) * p.e.sequences * (idx(p.e.states) * state_numbers + idx(p.e.readers) * reader_numbers) + 15) / 16 * 16),
          slow(idx(sizeof(R)) * cpu::states_per_group(p.e) * walk_item<M, R, X, int, N>::numbers(windows, block.rows)),
          blocks(blocks_for(items, slow)) {}
  };
  template <class G, class... Need>
  static void clear_constants(cudaStream_t stream, const G& g, list<Need...>) {
    const auto one = [&]<class N>(N) {
      const auto& v = g.template of<N>();
      if constexpr (!N::timed) clear_view_of(stream, static_cast<const view<std::remove_pointer_t<decltype(v.data)>, N::rank>&>(v));
    };
    if (!g.accumulate) (one(Need{}), ...);
  }
};

}  // namespace coefdyn::cuda::small
