// SPDX-License-Identifier: MIT
#pragma once
#include "../run.hpp"
#include "launch.cuh"

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
  return x.cu_seqlens && on.trusted > 0 ? on.trusted : cpu::longest_sequence(x, e);
}
}  // namespace cuda

namespace detail {
/// f(the call with the form that runs).
template <class Form, class X, class Y, class F>
decltype(auto) with_call(const device::cuda& on, Form form_, const X& x, const Y& y,
                         const carried<typename X::mixer_type, typename X::types_type>& c, F f) {
  using M = typename X::mixer_type;
  check_form(form_);
  const extents e = cuda::checked_extents(on, x);
  const idx longest = cuda::longest_sequence(on, x, e);
  return cuda::with_form<M>(
      form_, e, longest, [&](auto g) { return f(cuda::forward_call<M, typename X::real, X, decltype(g), Y>{on, g, x, e, longest, y, c}); });
}
template <class X>
using output_view = view<typename X::types_type::storage, 4>;
/// Refuses a workspace that is too small, or not aligned as CUDA's own allocations are. `query`: what says the bytes.
inline void check_workspace(const workspace& ws, std::size_t need, const char* query) {
  if (ws.size() < need)
    COEFDYN_THROW invalid_input("workspace", std::to_string(need) + " bytes of device memory (" + query + ")", std::to_string(ws.size()));
  if (reinterpret_cast<std::uintptr_t>(ws.data()) % 16)
    COEFDYN_THROW invalid_input("workspace", "an address that is a multiple of 16",
                                std::to_string(reinterpret_cast<std::uintptr_t>(ws.data())));
}
}  // namespace detail

/// Bytes of device memory that `run` needs in its workspace. `c` and `y`: of the call. Without them the query stands for a call
/// without captured states whose states are dense and whose y has 16-byte aligned rows of the storage type; others may need more.
template <class Form, class X, class Y = detail::output_view<X>>
std::size_t workspace_bytes(const device::cuda& on, Form form_, const X& x,
                            const carried<typename X::mixer_type, typename X::types_type>& c = {}, const Y& y = {}) {
  theorem<Form, typename X::mixer_type>();
  if constexpr (form_exists<Form, typename X::mixer_type>)
    return detail::with_call(on, form_, x, y, c, [](const auto& call) { return std::size_t(call.bytes()); });
  else return 0;
}
/// Bytes of device memory with which `run` spares `backward` work (kept_forward); 0 where there is nothing to keep.
template <class Form, class X, class Y = detail::output_view<X>>
std::size_t kept_bytes(const device::cuda& on, Form form_, const X& x,
                       const carried<typename X::mixer_type, typename X::types_type>& c = {}, const Y& y = {}) {
  theorem<Form, typename X::mixer_type>();
  if constexpr (form_exists<Form, typename X::mixer_type>)
    return detail::with_call(on, form_, x, y, c, [](const auto& call) { return std::size_t(call.kept_bytes()); });
  else return 0;
}

/// The same on a GPU, in a workspace of the caller's: work is queued on the stream.
template <class Form, class X, class Out>
void run(const device::cuda& on, Form form_, const X& x, const view<Out, 4>& y,
         const carried<typename X::mixer_type, typename X::types_type>& c, workspace ws, cuda::kept_forward* kept = nullptr) {
  using M = typename X::mixer_type;
  theorem<Form, M>();
  if constexpr (form_exists<Form, M> && detail::is_written<Out>())
    detail::with_call(on, form_, x, y, c, [&](const auto& call) {
      detail::check_call<Form>(x, y, c, call.e, ws);
      detail::check_workspace(ws, std::size_t(call.bytes()), "workspace_bytes");
      call.run(ws.data(), kept);
    });
}
/// The same, allocating its workspace on the stream.
template <class Form, class X, class Out>
void run(const device::cuda& on, Form form_, const X& x, const view<Out, 4>& y,
         const carried<typename X::mixer_type, typename X::types_type>& c = {}) {
  const std::size_t bytes = workspace_bytes(on, form_, x, c, y);
  cuda::stream_memory memory(on.stream, bytes);
  run(on, form_, x, y, c, workspace(memory.data, bytes));
}
/// Which kernel runs, and with what lengths; `c` and `y` as for workspace_bytes.
template <class Form, class X, class Y = detail::output_view<X>>
std::string chosen_kernel(const device::cuda& on, Form form_, const X& x,
                          const carried<typename X::mixer_type, typename X::types_type>& c = {}, const Y& y = {}) {
  theorem<Form, typename X::mixer_type>();
  return detail::with_call(on, form_, x, y, c, [](const auto& call) { return call.name(); });
}

}  // namespace coefdyn
