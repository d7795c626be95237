// SPDX-License-Identifier: MIT
#pragma once
#if !__has_include( \
    <torch/headeronly/version.h>) && !__has_include(<torch/csrc/api/include/torch/version.h>) && !__has_include(<torch/version.h>)
#error coefdyn: interop/torch.hpp needs the headers of PyTorch 2.4 or newer: -I of torch.utils.cpp_extension.include_paths()
#endif
#include "torch/operators.hpp"

/// Any mixer as an operator of PyTorch, with gradients: one line in a unit that is linked into a library, which torch.ops.load_library
/// loads.
///
/// ```text
/// COEFDYN_TORCH_OPERATOR(my_mixer, mixer<readout::linear, evolution::gated_householder<>, scaling::beta, normalization::one>)
/// ```
///
/// From Python: y, S, position = torch.ops.coefdyn.my_mixer(q, k, v, log_decay, beta, final=True). Arguments are the mixer's streams in
/// the order of its policies; then cu_seqlens, the initial state's S, z, m and position as far as the mixer has them, and whether the final
/// state is wanted. float64, float32, bfloat16 and float16 rows (complex ones of complex64 and complex128), any strides; gates of float32
/// beside bfloat16 and float16. Tensors lie on one device; cu_seqlens is read on the host.
///
/// Tensors on CUDA need a second line, in a unit that nvcc compiles and that needs no header of PyTorch:
///
/// ```text
/// COEFDYN_TORCH_OPERATOR_WITH_CUDA(my_mixer, mixer<..>)    // unit.cpp, <coefdyn/interop/torch.hpp>
/// COEFDYN_CUDA_CALLS(my_mixer, mixer<..>)                  // unit.cu, <coefdyn/interop/table.cuh>
/// ```
///
/// error   ValueError with the library's sentence; RuntimeError with CUDA's words
namespace coefdyn::interop {

/// Registers M as coefdyn::NAME. `Over`: the field of q and k; `Form`: the form of its calls.
template <class M, field Over = field::real, class Form = form::automatic>
struct torch_operator {
  /// `add`: gives the table its calls on a GPU.
  explicit torch_operator(const char* name, void (*add)(mixer_table&) = nullptr) {
    mixer_table& table = *new mixer_table(table_of<M, Over, Form>(name));  // registrations last until the program ends
    if (add) add(table);
    register_operator(table);
  }
};

}  // namespace coefdyn::interop

/// COEFDYN_TORCH_OPERATOR(name, mixer type): the operator torch.ops.coefdyn.name, registered when the library is loaded. At file scope.
#define COEFDYN_TORCH_OPERATOR(NAME, ...) static const ::coefdyn::interop::torch_operator<__VA_ARGS__> coefdyn_operator_##NAME{#NAME};
/// The same with calls on a GPU, which COEFDYN_CUDA_CALLS(name, mixer type) of another unit makes.
#define COEFDYN_TORCH_OPERATOR_WITH_CUDA(NAME, ...)                       \
  void coefdyn_cuda_calls_##NAME(::coefdyn::interop::mixer_table& table); \
  static const ::coefdyn::interop::torch_operator<__VA_ARGS__> coefdyn_operator_##NAME{#NAME, coefdyn_cuda_calls_##NAME};
