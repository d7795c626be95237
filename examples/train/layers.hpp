// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/nn/sizes.hpp>
#include <string>
#include <vector>

/// The layers that `train` knows by name.
namespace train_command {

struct known_layer {
  std::string name, type, header;  // "gla", "nn::gla", "nn/layers/gated_linear.hpp"
  std::string about;
  void (*published)(coefdyn::nn::sizes&) = nullptr;  // what the papers have where it is not width / heads; or none
  bool has_heads = true;
  bool has_dynamics = false;  // parameters that --ssm-rate is for
};
const std::vector<known_layer>& known_layers();

/// The one of that name, or a type given as text (a mixer's or a layer's), which needs < or :: in it or a header of the user's.
///
/// error   std::invalid_argument, a sentence with the nearest name
known_layer layer_of(const std::string& text, bool with_header);

/// The words that are nearest to one, for "did you mean": empty where none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& words);

}  // namespace train_command
