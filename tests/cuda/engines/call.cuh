// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/cuda/backward.cuh>
#include <coefdyn/cuda/run.cuh>
#include <coefdyn/mixers/all.hpp>

/// One mixer for each engine, compiled and run nowhere, so that a change which breaks a template is seen without a GPU. Where there is one,
/// tests/cuda/run.sh runs all.
namespace engines {
using namespace coefdyn;

template <class M, class Types>
using rows_of = view<typename tokens<M, Types>::types_type::storage, 4>;

/// Instantiates a form's forward pass.
template <class Form, class M, class Types = float>
void forward(const tokens<M, Types>& x, const rows_of<M, Types>& y) {
  run(device::cuda{}, Form{}, x, y);
}
/// Instantiates a form's forward and backward pass.
template <class Form, class M, class Types = float>
void both(const tokens<M, Types>& x, const rows_of<M, Types>& y, const gradients<M, Types>& g) {
  forward<Form, M, Types>(x, y);
  backward(device::cuda{}, Form{}, x, y, g);
}
}  // namespace engines
