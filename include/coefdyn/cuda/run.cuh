// SPDX-License-Identifier: MIT
#pragma once
#include "../run.hpp"
#include "launch.cuh"

/// The calls of run.hpp on a GPU: the same arguments, views of device memory.
///
///   run(device::cuda{stream}, form::chunkwise{}, x, y, carry, workspace);       queued; nothing allocated, nothing waited for
///   run(device::cuda{stream}, form::chunkwise{}, x, y);                         allocates its workspace on the stream
///   chosen_kernel(device::cuda{}, form::automatic{}, x)                         "chunkwise, generic, 64 tokens"
///
/// error   invalid_input before anything is queued; cuda_error with CUDA's words
namespace coefdyn {

namespace cuda {
/// Extents of a call after its checks; trusted offsets are not read.
template <class X>
extents checked_extents(const device::cuda& on, const X& x) {
  if (!x.cu_seqlens || on.trusted <= 0) return check(x);
  X plain = x;
  plain.cu_seqlens = {};
  extents e = check(plain);
  if (e.batch != 1) throw invalid_input("cu_seqlens", "B = 1 beside packed sequences", "B = " + std::to_string(e.batch));
  if (e.first_read != 0) throw invalid_input("first_read", "0 beside packed sequences", std::to_string(e.first_read));
  e.sequences = x.cu_seqlens.count - 1;
  return e;
}
template <class X>
idx longest_sequence(const device::cuda& on, const X& x, const extents& e) {
  return x.cu_seqlens && on.trusted > 0 ? on.trusted : cpu::longest_sequence(x, e);
}
}  // namespace cuda

/// Bytes of device memory that `run` needs in its workspace; `c`: the carry of the call, where it captures states.
template <class Form, class X>
std::size_t workspace_bytes(const device::cuda& on, Form form_, const X& x,
                            const carried<typename X::mixer_type, typename X::types_type>& c = {}) {
  using M = typename X::mixer_type;
  theorem<Form, M>();
  if constexpr (form_exists<Form, M>) {
    const extents e = cuda::checked_extents(on, x);
    const idx longest = cuda::longest_sequence(on, x, e);
    return cuda::with_form<M>(form_, e, longest,
                              [&](auto f) { return std::size_t(cuda::generic::forward_bytes<M, typename X::real, X>(f, x, e, longest)); }) +
           cuda::generic::table_bytes(x, c, on.trusted);
  } else {
    return 0;
  }
}

template <class Form, class X, class Out>
void run(const device::cuda& on, Form form_, const X& x, const view<Out, 4>& y,
         const carried<typename X::mixer_type, typename X::types_type>& c, workspace ws) {
  using M = typename X::mixer_type;
  theorem<Form, M>();
  if constexpr (form_exists<Form, M>) {
    const extents e = cuda::checked_extents(on, x);
    const idx longest = cuda::longest_sequence(on, x, e);
    detail::check_call<Form, M>(y, c, e);
    const std::size_t need = workspace_bytes(on, form_, x, c);
    if (ws.size() < need)
      throw invalid_input("workspace", std::to_string(need) + " bytes of device memory (workspace_bytes)", std::to_string(ws.size()));
    cuda::with_form<M>(form_, e, longest,
                       [&](auto f) { cuda::generic::forward<M, typename X::real>(on, f, x, e, longest, y, c, ws.data()); });
  }
}
/// The same, allocating its workspace on the stream.
template <class Form, class X, class Out>
void run(const device::cuda& on, Form form_, const X& x, const view<Out, 4>& y,
         const carried<typename X::mixer_type, typename X::types_type>& c = {}) {
  const std::size_t bytes = workspace_bytes(on, form_, x, c);
  cuda::stream_memory memory(on.stream, bytes);
  run(on, form_, x, y, c, workspace(memory.data, bytes));
}
/// Which kernel runs, and with what lengths.
template <class Form, class X>
std::string chosen_kernel(const device::cuda& on, Form form_, const X& x) {
  using M = typename X::mixer_type;
  theorem<Form, M>();
  const extents e = cuda::checked_extents(on, x);
  return cuda::with_form<M>(form_, e, cuda::longest_sequence(on, x, e),
                            [&](auto f) { return cuda::generic::kernel_name<M, typename X::real>(f, e); });
}

}  // namespace coefdyn
