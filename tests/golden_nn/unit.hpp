// SPDX-License-Identifier: MIT
#pragma once
#include <map>
#include <string>
#include <vector>

#include "coefdyn/nn/models/model.hpp"

/// The interface between the runner and a unit: one compiled layer type, and models of it. A unit is a shared object with
///   extern "C" const golden_nn::unit* golden_nn_unit();
namespace golden_nn {

using coefdyn::idx;

struct tensor {
  std::vector<idx> shape;
  std::vector<double> values;
};
using tensors = std::map<std::string, tensor>;

/// A layer's case: sizes; u, grad_o and param.* in; o, grad.u and grad.* out.
struct layer_call {
  coefdyn::nn::sizes size;
  const tensors* in;
};
/// A model's case: ids or x, targets and param.* in; logits and grad.* of the first step, loss, norm, lr and after.* of all out.
struct model_call {
  coefdyn::nn::model_sizes size;
  const tensors* in;
  double beta1, beta2, eps, decay, clip, rate, least;
  long warmup, total, steps;
  std::vector<std::string> no_decay;  // what must not decay, as the file says
};

template <class Call>
struct in_both {
  tensors (*in_double)(const Call&) = nullptr;
  tensors (*in_float)(const Call&) = nullptr;
  tensors (*in_bf16)(const Call&) = nullptr;  // factors of projections; on a GPU
};
struct unit {
  in_both<layer_call> layer;
  std::map<std::string, in_both<model_call>> models;  // by the model's template: "language_model"
};
using unit_function = const unit* (*)();

}  // namespace golden_nn
