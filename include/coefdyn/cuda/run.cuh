// SPDX-License-Identifier: MIT
#pragma once
#include "../chosen.hpp"
#include "../run.hpp"
#include "launch.cuh"
#include "memory.cuh"

/// The calls of run.hpp on a GPU: the same arguments, views of device memory.
///
/// ```cuda statements with device
/// run(device::cuda{stream}, form::chunkwise{}, x, y, carry<M>{}, memory);         // queued; nothing allocated, nothing waited for
/// run(device::cuda{stream}, form::chunkwise{}, x, y);                             // allocates its workspace on the stream
/// run(device::cuda{stream}, form::chunkwise{}, x, y, carry<M>{}, memory, &kept);  // keeps for backward what it would make again
/// chosen_kernel(device::cuda{}, form::automatic{}, x);                            // "sweep, sm_90a, chunks of 64"
/// ```
///
/// error   invalid_input before anything is queued; cuda_error with CUDA's words
namespace coefdyn {

namespace cuda {
/// Extents of a call after its checks; trusted offsets are not read.
template <class X>
extents checked_extents(const device::cuda& on, const X& x) {
  if (on.trusted < 0)
    COEFDYN_THROW invalid_input("device::cuda trusted", "a number of tokens, or 0 for offsets on the host", std::to_string(on.trusted));
  if (!x.cu_seqlens || on.trusted <= 0) return check(x);
  X plain = x;
  plain.cu_seqlens = {};
  extents e = check(plain);
  if (e.batch != 1) COEFDYN_THROW invalid_input("cu_seqlens", "B = 1 beside packed sequences", "B = " + std::to_string(e.batch));
  if (e.first_read != 0) COEFDYN_THROW invalid_input("first_read", "0 beside packed sequences", std::to_string(e.first_read));
  e.sequences = x.cu_seqlens.count - 1;
  return e;
}
template <class X>
idx longest_sequence(const device::cuda& on, const X& x, const extents& e) {
  return x.cu_seqlens && on.trusted > 0 ? on.trusted : coefdyn::longest_sequence(x, e);
}
/// Refuses a workspace that is not aligned as CUDA's own allocations are.
inline void expect_aligned(const workspace& ws) {
  if (reinterpret_cast<std::uintptr_t>(ws.data()) % 16)
    COEFDYN_THROW invalid_input("workspace", "an address that is a multiple of 16",
                                std::to_string(reinterpret_cast<std::uintptr_t>(ws.data())));
}
}  // namespace cuda

namespace device {

/// Sizes, and the longest sequence; trusted offsets are not read.
template <class X>
call_size size_of(const device::cuda& on, const X& x) {
  const extents e = coefdyn::cuda::checked_extents(on, x);
  return {e, coefdyn::cuda::longest_sequence(on, x, e)};
}
/// The form itself, but automatic, step, and what a size or a map without structure rules out, by (mixer, n, d, T).
template <class Form, class Pass>
auto chosen(const device::cuda&, Form form_, [[maybe_unused]] const Pass& pass) {
  using M = typename std::remove_cvref_t<decltype(pass.x)>::mixer_type;
  using step = step_form<M, form::step>;
  constexpr bool chunks = traits<M>::linear && traits<M>::structured;
  [[maybe_unused]] const bool wide =
      pass.e.n > coefdyn::cuda::generic::widest_chunkwise || pass.e.d > coefdyn::cuda::generic::widest_chunkwise;
  if constexpr (std::is_same_v<Form, form::automatic> && chunks) {
    using any = form::one_of<form::chunkwise, step>;
    return pass.longest >= coefdyn::cuda::generic::shortest_chunkwise && !wide ? any(form::chunkwise{}) : any(step{});
  } else if constexpr (is_one_of<Form, form::automatic, form::step>) {
    return step{};
  } else if constexpr (std::is_same_v<Form, form::convolution>) {
    static_assert(sizeof(M) == 0, "coefdyn: form::convolution runs on device::cpu; on device::cuda use form::automatic.");
    return step{};
  } else if constexpr (std::is_same_v<Form, form::chunkwise> && chunks) {
    using any = form::one_of<form::chunkwise, form::recurrent>;
    return wide ? any(form::recurrent{}) : any(form_);
  } else if constexpr (std::is_same_v<Form, form::chunkwise>) {
    return form::recurrent{};
  } else {
    return form_;
  }
}
/// Memory on the stream.
inline buffer<std::byte, memory::cuda> allocated(const device::cuda& on, std::size_t bytes) {
  return {without_values{}, bytes, memory::cuda{on.stream}};
}
/// Of the plan that serves, and of its tables.
template <class Form, class X, class Y>
std::size_t bytes(const device::cuda& on, Form f, const forward_pass<X, Y>& pass) {
  return std::size_t(coefdyn::cuda::forward_call<Form, X, Y>{on, f, pass}.bytes());
}
/// `kept`: what the pass leaves for the backward pass, or null.
template <class Form, class X, class Y>
void launch(const device::cuda& on, Form f, const forward_pass<X, Y>& pass, workspace ws, coefdyn::cuda::kept_forward* kept = nullptr) {
  coefdyn::cuda::expect_aligned(ws);
  coefdyn::cuda::forward_call<Form, X, Y>{on, f, pass}.run(ws.data(), kept);
}
/// The plan that serves, with its lengths.
template <class Form, class X, class Y>
std::string kernel_name(const device::cuda& on, Form f, const forward_pass<X, Y>& pass) {
  return coefdyn::cuda::forward_call<Form, X, Y>{on, f, pass}.name();
}

}  // namespace device

/// Bytes of device memory with which `run` spares `backward` work (kept_forward); 0 where there is nothing to keep. `c` and `y` as for
/// workspace_bytes.
template <class Form, class X, class Y = detail::output_view<X>>
std::size_t kept_bytes(const device::cuda& on, Form form_, const X& x, const detail::carried_of<X>& c = {}, const Y& y = {}) {
  theorem<Form, typename X::mixer_type>();
  if constexpr (form_exists<Form, typename X::mixer_type>)
    return detail::with_pass(on, form_, x, y, c, [&](auto f, const auto& pass) {
      return std::size_t(cuda::forward_call<decltype(f), X, Y>{on, f, pass}.kept_bytes());
    });
  else return 0;
}
/// `run` that keeps for `backward` what that would make again.
template <class Form, class X, class Out>
void run(const device::cuda& on, Form form_, const X& x, const view<Out, 4>& y, const detail::carried_of<X>& c, workspace ws,
         cuda::kept_forward* kept) {
  detail::run_with<false>(on, form_, x, y, c, ws, kept);
}

}  // namespace coefdyn
