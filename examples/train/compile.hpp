// SPDX-License-Identifier: MIT
#pragma once
#include "gpu.hpp"
#include "layers.hpp"
#include "unit.hpp"

/// A unit: one model of one layer, compiled when it is asked for, and kept.
namespace train_command {

struct unit_source {
  known_layer layer;
  std::string model;    // "language_model"
  std::string include;  // a header of the user's, or none
  gpu card;             // that it trains on; without a compiler the CPU
};
/// Compiles it, unless that has been done since the headers changed, and loads it.
///
/// error   std::runtime_error, a sentence, where the type does not compile
const unit& compiled(const unit_source& source);

}  // namespace train_command
