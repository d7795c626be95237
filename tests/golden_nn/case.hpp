// SPDX-License-Identifier: MIT
#pragma once
#include "coefdyn/files/safetensors.hpp"
#include "unit.hpp"

namespace golden_nn {

/// What a file asks for: the layer's type as text, the headers that it needs, a model's template if it is one, sizes.
struct job {
  std::string name, layer, model;
  std::vector<std::string> headers;
  tensors in;
  layer_call as_layer{};
  model_call as_model{};
  bool keys_bias_is_free = false;  // softmax over keys with a bias: its gradient is 0, so that an optimiser steps on rounding noise

  /// The unit's name: the same for all files of one layer type.
  std::string unit() const;
};

/// Reads a case. Layers say their constructor in the metadata; a model's is read from its tensors' names and shapes, or from the same
/// entries (`layer`, `args`, `kwargs`) where the metadata has them.
/// error   std::runtime_error, one sentence, for what this runner does not know
job read_job(const std::string& path);

/// The layer constructors by name: arguments by position, then by name, to type and sizes.
using arguments = std::map<std::string, std::string>;
void describe_layer(const std::string& layer, const std::vector<std::string>& args, const arguments& named, job& out);
/// From the names and shapes of a model's tensors.
void describe_model(const arguments& metadata, job& out);

}  // namespace golden_nn
