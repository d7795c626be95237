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
  table.cuda_forward = detail::calls_of<detail::on_gpu, M, Over, Form>::forward;
  table.cuda_backward = detail::calls_of<detail::on_gpu, M, Over, Form>::backward;
}

}  // namespace coefdyn::interop
