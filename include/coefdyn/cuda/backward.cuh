// SPDX-License-Identifier: MIT
#pragma once
#include "../backward.hpp"
#include "launch_backward.cuh"
#include "run.cuh"

/// The calls of backward.hpp on a GPU.
///
/// ```cuda statements with device
/// backward(device::cuda{stream}, form::chunkwise{}, x, dy, g, carry<M>{}, state_gradients<M>{}, memory);  // queued, nothing allocated
/// backward(device::cuda{stream}, form::chunkwise{}, x, dy, g);                                            // allocates on the stream
/// ```
namespace coefdyn {

namespace detail {
/// One backward call: which plan serves it, its bytes, its launches.
template <class M, class X, class Form, class G, class DY>
struct cuda_backward_call {
  using R = typename X::real;
  using Types = typename X::types_type;
  const device::cuda& on;
  Form form_;
  const X& x;
  const extents& e;
  idx longest;
  cuda::generic::backward_call<M, Types, G, DY> call;
  const cuda::kept_forward* kept;
  bool any;  // counted for any outputs that the copy engine takes

  template <class F, class H>
  decltype(auto) choose(F f, H h) const {
    return cuda::first_plan<true>(
        typename cuda::fast_plans<M, R, X, Form>::type{}, form_, x, e, longest,
        [&](const auto& plan) { return any || plan.takes_gradients(call, repeats(call.g, typename X::needs{})); }, f,
        [&] { return h(cuda::generic::plan_backward<M, R, X>(form_, e, longest)); });
  }
  bool keeps() const { return kept && kept->filled; }
  idx bytes() const {
    const auto generic = [](const auto& plan) { return plan.bytes(); };
    const idx other = any && cuda::numbers::constant_streams<X> ? generic(cuda::generic::plan_backward<M, R, X>(form_, e, longest)) : 0;
    const idx chosen = choose([&](const auto& plan) { return plan.backward_bytes(keeps()); }, generic);
    return tables(nullptr, nullptr) + (chosen > other ? chosen : other);
  }
  void run(std::byte* ws) const {
    X moved = x;
    const idx used = tables(ws, &moved);
    choose(
        [&](const auto& plan) {
          plan.run_backward(on.stream, moved, call, ws + used, keeps() ? kept->memory.data() : nullptr, keeps() ? kept->y : cuda::tensor{});
        },
        [&](const auto& plan) { plan.run(on.stream, moved, e, longest, call, ws + used, repeats(call.g, typename X::needs{})); });
  }

 private:
  idx tables(std::byte* ws, X* moved) const {
    cuda::generic::memory a{nullptr, ws};
    X copy = x;
    const carried<M, Types> none{call.initial, {}, {}, {}};
    auto there = cuda::generic::view_of(none);
    cuda::generic::place_tables(on, moved ? *moved : copy, none, there, a);
    return a.slow_used;
  }
};
template <class Form, class X, class DY, class G, class F>
decltype(auto) with_backward(const device::cuda& on, Form form_, const X& x, const view<DY, 4>& dy, const G& g,
                             const carried<typename X::mixer_type, typename X::types_type>& c,
                             const carried_gradients<typename X::mixer_type, typename X::types_type>& s, const cuda::kept_forward* kept,
                             bool any, F f) {
  using M = typename X::mixer_type;
  check_form(form_);
  const extents e = cuda::checked_extents(on, x);
  const idx longest = cuda::longest_sequence(on, x, e);
  return cuda::with_form<M>(form_, e, longest, [&](auto h) {
    return f(
        cuda_backward_call<M, X, decltype(h), G, view<DY, 4>>{on, h, x, e, longest, {g, dy, c.initial, s.final, s.initial}, kept, any});
  });
}
template <class X>
using gradients_of = gradients<typename X::mixer_type, typename X::types_type, typename X::heads_type, X::over>;
}  // namespace detail

/// Bytes of device memory that `backward` needs in its workspace, where dy and the gradients of q, k and v are all there, have
/// 16-byte aligned rows and are not added to; the query below is for any call. `kept`: what `run` has filled, or null.
template <class Form, class X>
std::size_t backward_workspace_bytes(const device::cuda& on, Form form_, const X& x, const cuda::kept_forward* kept = nullptr) {
  theorem<Form, typename X::mixer_type>();
  if constexpr (form_exists<Form, typename X::mixer_type>)
    return detail::with_backward(on, form_, x, view<const typename X::types_type::storage, 4>{}, detail::gradients_of<X>{}, {}, {}, kept,
                                 true, [](const auto& call) { return std::size_t(call.bytes()); });
  else return 0;
}
/// Bytes of the workspace that `backward` on a GPU takes.
template <class Form, class X, class DY, class G>
std::size_t backward_workspace_bytes(const device::cuda& on, Form form_, const X& x, const view<DY, 4>& dy, const G& g,
                                     const carried<typename X::mixer_type, typename X::types_type>& c = {},
                                     const carried_gradients<typename X::mixer_type, typename X::types_type>& s = {},
                                     const cuda::kept_forward* kept = nullptr) {
  theorem<Form, typename X::mixer_type>();
  if constexpr (form_exists<Form, typename X::mixer_type>)
    return detail::with_backward(on, form_, x, dy, g, c, s, kept, false, [](const auto& call) { return std::size_t(call.bytes()); });
  else return 0;
}

/// `kept`: filled by the forward call on the same inputs, whose y is still there; null: all is made again.
template <class Form, class X, class DY, class G>
void backward(const device::cuda& on, Form form_, const X& x, const view<DY, 4>& dy, const G& g,
              const carried<typename X::mixer_type, typename X::types_type>& c,
              const carried_gradients<typename X::mixer_type, typename X::types_type>& s, workspace ws,
              const cuda::kept_forward* kept = nullptr) {
  using M = typename X::mixer_type;
  theorem<Form, M>();
  if constexpr (form_exists<Form, M>)
    detail::with_backward(on, form_, x, dy, g, c, s, kept, false, [&](const auto& call) {
      detail::check_backward(x, call.e, dy, g, c, s, ws);
      detail::check_workspace(ws, std::size_t(call.bytes()), "backward_workspace_bytes");
      call.run(ws.data());
    });
}
/// The same on a GPU: work is queued on the stream.
template <class Form, class X, class DY, class G>
void backward(const device::cuda& on, Form form_, const X& x, const view<DY, 4>& dy, const G& g,
              const carried<typename X::mixer_type, typename X::types_type>& c = {},
              const carried_gradients<typename X::mixer_type, typename X::types_type>& s = {}) {
  const std::size_t bytes = backward_workspace_bytes(on, form_, x, dy, g, c, s);
  cuda::stream_memory memory(on.stream, bytes);
  backward(on, form_, x, dy, g, c, s, workspace(memory.data, bytes));
}

}  // namespace coefdyn
