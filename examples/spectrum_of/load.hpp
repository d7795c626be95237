// SPDX-License-Identifier: MIT
#pragma once
#include "known.hpp"

/// Arrays as files have them, on their way to an analysis.
namespace spectrum_of {

struct layout {
  std::string prefix;        // of the names of a .safetensors file that are meant
  bool heads_first = false;  // (B, H, T, ...), as PyTorch's attention has them
};

/// Adds the arrays of FILE.safetensors, or NAME=FILE.npy. Names of other code mean the streams: g log_decay, dt delta, w log_decay, ...
void load(arrays& in, const std::string& argument, const layout& how);
/// What a file holds, a line a tensor.
void list(const std::string& argument);
/// Streams that fit `k`: heads of q and k are repeated where v has several for each. Throws where numbers or shapes cannot be the streams:
/// a log decay above 0, fewer tokens than heads; says on stderr where keys are not of length 1 and the family asks for it.
void prepare(arrays& in, const known& k);

}  // namespace spectrum_of
