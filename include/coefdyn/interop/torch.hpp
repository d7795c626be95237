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
/// beside bfloat16 and float16.
///
/// error   ValueError with the library's sentence
namespace coefdyn::interop {

/// Registers M as coefdyn::NAME. `Over`: the field of q and k; `Form`: the form of its calls.
template <class M, field Over = field::real, class Form = form::automatic>
struct torch_operator {
  explicit torch_operator(const char* name) {
    static const mixer_table table = table_of<M, Over, Form>(name);
    register_operator(table);
  }
};

}  // namespace coefdyn::interop

/// COEFDYN_TORCH_OPERATOR(name, mixer type): the operator torch.ops.coefdyn.name, registered when the library is loaded. At file scope.
#define COEFDYN_TORCH_OPERATOR(NAME, ...) static const ::coefdyn::interop::torch_operator<__VA_ARGS__> coefdyn_operator_##NAME{#NAME};
