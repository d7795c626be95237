// SPDX-License-Identifier: MIT
#pragma once
#include "known.hpp"

/// Every layer of a published model on a text.
namespace spectrum_of {

struct model_request {
  std::string path, text, tokenizer;
  long tokens = 256;
  int threads = 0;
};

/// A folder layer-I for each layer whose mixer is compiled in, and a table of all: printed, and model.json. The exit code.
int of_model(const model_request& r, const options& how);

}  // namespace spectrum_of
