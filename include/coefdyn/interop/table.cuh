// SPDX-License-Identifier: MIT
#pragma once
#include "../cuda/backward.cuh"
#include "table.hpp"

/// A table's calls on a GPU, in a unit that nvcc compiles. Arrays lie in the GPU's memory, offsets of packed sequences on the host.
///
/// ```cuda statements
/// interop::mixer_table table = interop::table_of<mixers::gla>("gla");
/// interop::add_cuda<mixers::gla>(table);
/// ```
namespace coefdyn::interop {

namespace detail {
/// The device of a call: the current GPU, on the call's stream.
struct on_gpu {
  static device::cuda device_of(const table_call& c) { return {.stream = static_cast<cudaStream_t>(c.stream)}; }
};
}  // namespace detail

/// Gives a table of M its calls on a GPU.
template <class M, field Over = field::real, class Form = form::automatic>
void add_cuda(mixer_table& table) {
  using calls = detail::calls_of<detail::on_gpu, M, Over, Form>;
  table.on_gpu = [](const mixer_table&, number) { return gpu_calls{calls::forward, calls::backward}; };
}
/// The calls of M in one type of numbers: `gpu_calls_of<M, bf16>().forward(call)`. For units of less code than a whole table's.
template <class M, class T, field Over = field::real, class Form = form::automatic>
gpu_calls gpu_calls_of() {
  using calls = detail::typed_calls<detail::on_gpu, M, T, Over, Form>;
  return {calls::forward, calls::backward};
}

}  // namespace coefdyn::interop

/// COEFDYN_CUDA_CALLS(name, mixer type) in a unit that nvcc compiles: what COEFDYN_TORCH_OPERATOR_WITH_CUDA(name, mixer type) of
/// interop/torch.hpp looks for. At file scope, outside namespaces.
#define COEFDYN_CUDA_CALLS(NAME, ...) \
  void coefdyn_cuda_calls_##NAME(::coefdyn::interop::mixer_table& table) { ::coefdyn::interop::add_cuda<__VA_ARGS__>(table); }
