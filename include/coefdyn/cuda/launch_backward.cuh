// SPDX-License-Identifier: MIT
#pragma once
#include "../backward.hpp"
#include "engine/chunkwise_backward.cuh"
#include "engine/definition_backward.cuh"
#include "engine/parallel_backward.cuh"
#include "engine/recurrent_backward.cuh"
#include "launch.cuh"

/// The backward kernels, form by form: a block has a group of heads that share a key head, sums are in a fixed order.
namespace coefdyn::cuda::generic {

/// A block's memory; those that go by chunks take their length.
template <class Block>
COEFDYN_HD Block lay_block(memory& a, const extents& e, idx longest, int length) {
  if constexpr (std::is_constructible_v<Block, memory&, const extents&, idx, int>) return Block(a, e, longest, length);
  else return Block(a, e, longest);
}
/// What the kernel takes: the call, and each block's memory, `slots` for the gradients of streams without time.
template <class R, class X, class Call>
struct backward_arguments {
  X x;
  extents e;
  idx longest;
  Call call;
  int length;
  std::byte* slow;
  idx slow_bytes, fast_bytes;
  R* slots;
  idx items;
  form::weight_dropout drop;
};
template <class Block, class M, class R, class X, class Call>
__global__ void __launch_bounds__(Block::threads) backward_kernel(const __grid_constant__ backward_arguments<R, X, Call> in) {
  extern __shared__ __align__(16) std::byte fast[];
  const X& x = in.x;
  const extents& e = in.e;
  memory a{fast, in.slow + idx(blockIdx.x) * in.slow_bytes, in.fast_bytes};
  Block w = lay_block<Block>(a, e, in.longest, in.length);
  if constexpr (requires { w.f.draws; }) w.f.draws.drop = in.drop;
  const int members = cpu::states_per_group(e), readers = cpu::readers_per_state(e);
  const int state_numbers = constant_numbers(w.grads.state), reader_numbers = constant_numbers(w.grads.reader(0));
  R* const reader_slots = in.slots + e.sequences * e.states * state_numbers;
  each_item(in.items, [&](idx group) {
    for (int member = 0; member < members; ++member) {
      head_place head;
      head.index = group / e.keys, head.s = sequence_at(x, e, head.index), head.state = int(group % e.keys) * members + member;
      head.readers = readers, head.first_reader = head.state * readers;
      const idx tokens = head.tokens();
      w.grads.clear(member > 0, tokens);
      w.go(x, e, head, in.call);
      scatter<M>(x, in.call.g, e, head.s, head.at(0), tokens, member == members - 1, w.grads.state, w.raw);
      keep_constants(w.grads.state, in.slots + (head.index * e.states + head.state) * state_numbers);
      for (int r = 0; r < readers; ++r) {
        scatter<M>(x, in.call.g, e, head.s, head.at(r), tokens, member == members - 1, w.grads.reader(r), w.raw);
        keep_constants(w.grads.reader(r), reader_slots + (head.index * e.readers + head.first_reader + r) * reader_numbers);
      }
      __syncthreads();
    }
  });
}

template <class M, class R, class X, class Block>
struct backward_plan {
  static constexpr bool exists = true, gives_gradients = true;
  extents e;
  idx longest, fast = 0, slow = 0, items = 0, blocks = 0, slots = 0;
  int length = 0, state_numbers = 0, reader_numbers = 0;
  form::weight_dropout drop{};
  template <class Form>
  backward_plan(Form f, const X&, const extents& e_, idx longest_) : e(e_), longest(longest_) {
    if constexpr (requires { f.length; }) length = f.length;
    if constexpr (requires { f.drop; }) drop = f.drop;
    if (length <= 0) length = tuning_for<M, R>(e.n, e.d).chunk;
    if (length > longest) length = longest > 0 ? int(longest) : 1;
    memory a{nullptr, nullptr, largest_shared()};
    const Block w = lay_block<Block>(a, e, longest, length);
    fast = a.fast_used, slow = a.slow_used;
    items = e.sequences * e.keys;
    blocks = blocks_for(items, slow);
    state_numbers = constant_numbers(w.grads.state), reader_numbers = constant_numbers(w.grads.reader(0));
    slots = (idx(sizeof(R)) * e.sequences * (idx(e.states) * state_numbers + idx(e.readers) * reader_numbers) + 15) / 16 * 16;
  }
  bool fits() const { return true; }
  template <class Call>
  bool takes_gradients(const Call&, bool) const {
    return true;
  }
  idx backward_bytes(bool) const { return slots + slow * blocks; }
  /// Where a gradient adds several items into one element, one block takes them all, in their order; items of a key head are a multiple
  /// of its divisors apart, and so are those of a block.
  idx blocks_of(coefdyn::detail::at_once groups) const {
    using coefdyn::detail::at_once;
    if (groups != at_once::heads) return groups == at_once::all || blocks <= 1 ? blocks : 1;
    idx count = e.keys < blocks ? e.keys : blocks;
    while (count > 1 && e.keys % count != 0) --count;
    return count;
  }
  template <class Call>
  void run_backward(cudaStream_t stream, const X& x, const Call& call, std::byte* ws, const std::byte*, tensor) const {
    using G = std::remove_cvref_t<decltype(call.g)>;
    clear_gradients(stream, call.g, typename X::needs{});
    R* const slot = reinterpret_cast<R*>(ws);
    launch(stream, backward_kernel<Block, M, R, X, Call>, "backward_kernel",
           blocks_of(coefdyn::detail::groups_at_once<typename X::needs>(call.g)), Block::threads, std::size_t(fast),
           backward_arguments<R, X, Call>{.x = x,
                                          .e = e,
                                          .longest = longest,
                                          .call = call,
                                          .length = length,
                                          .slow = ws + slots,
                                          .slow_bytes = slow,
                                          .fast_bytes = fast,
                                          .slots = slot,
                                          .items = items,
                                          .drop = drop});
    if (state_numbers)
      launch(stream, add_constants<M, R, X, G, false>, "add_constants", 64, 256, 0, call.g, e, static_cast<const R*>(slot), state_numbers);
    if (reader_numbers)
      launch(stream, add_constants<M, R, X, G, true>, "add_constants", 64, 256, 0, call.g, e,
             static_cast<const R*>(slot + e.sequences * e.states * state_numbers), reader_numbers);
  }
};

/// Which block serves a form's backward; a linear readout's definition has the recurrence's gradient.
template <class M, class R, class X, class Form>
struct backward_of {
  using block = recurrent_backward_block<M, R, X>;
};
template <class M, class R, class X>
  requires(!traits<M>::linear)
struct backward_of<M, R, X, form::definition> {
  using block = definition_backward_block<M, R, X>;
};
template <class M, class R, class X>
struct backward_of<M, R, X, form::chunkwise> {
  using block = chunkwise_backward_block<M, R, X>;
};
template <class M, class R, class X>
struct backward_of<M, R, X, form::parallel> {
  using block = parallel_backward_block<M, R, X>;
};

}  // namespace coefdyn::cuda::generic

namespace coefdyn::cuda {

/// One backward call: which plan serves it, its bytes, its launches.
template <class Form, class X, class DY, class G>
struct backward_call {
  using M = typename X::mixer_type;
  using R = typename X::real;
  using Types = typename X::types_type;
  using Call = generic::backward_call<M, Types, G, DY>;
  const device::cuda& on;
  Form form_;
  const backward_pass<X, DY, G>& pass;
  const kept_forward* kept;

  idx bytes() const {
    const idx chosen = choose([&](const auto& plan) { return plan.backward_bytes(keeps()); });
    const idx other = pass.any && numbers::constant_streams<X> ? engine(form_, pass.x, pass.e, pass.longest).backward_bytes(false) : 0;
    return tables(nullptr).bytes + (chosen > other ? chosen : other);
  }
  void run(std::byte* ws) const {
    const auto there = tables(ws);
    choose([&](const auto& plan) {
      plan.run_backward(on.stream, there.x, call(), ws + there.bytes, keeps() ? kept->memory.data() : nullptr,
                        keeps() ? kept->y : tensor{});
    });
  }

 private:
  using engine = generic::backward_plan<M, R, X, typename generic::backward_of<M, R, X, Form>::block>;
  struct takes_gradients {
    const Call& call;
    bool any;  // counted for any outputs that the copy engine takes
    template <class Plan>
    static constexpr bool admits = Plan::exists && Plan::gives_gradients;
    template <gradient_plan<Form, X, Call> Plan>
    bool operator()(const Plan& p) const {
      if constexpr (requires { p.gradients_fit(); })
        if (!p.gradients_fit()) return false;
      return any || p.takes_gradients(call, coefdyn::detail::repeats(call.g, typename X::needs{}));
    }
  };
  template <class F>
  decltype(auto) choose(F f) const {
    static_assert(gradient_plan<engine, Form, X, Call>);
    using plans = concatenated<fast_plans_for<X, Form>, list<engine>>;
    return first_plan(plans{}, form_, pass.x, pass, takes_gradients{call(), pass.any}, f);
  }
  Call call() const {
    return {.g = pass.g, .dy = pass.dy, .initial = pass.c.initial, .final_gradient = pass.s.final, .initial_gradient = pass.s.initial};
  }
  bool keeps() const { return kept && kept->filled; }
  generic::placed_tables<X> tables(std::byte* ws) const { return {on, pass.x, carried<M, Types>{.initial = pass.c.initial}, ws}; }
};

}  // namespace coefdyn::cuda
