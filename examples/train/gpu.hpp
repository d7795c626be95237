// SPDX-License-Identifier: MIT
#pragma once
#include <string>

/// What `--device cuda` needs: a compiler, and a card to compile for.
namespace train_command {

struct gpu {
  std::string nvcc;          // a path
  std::string architecture;  // "90a"
};
/// nvcc by CUDACXX, in PATH or where CUDA is installed, and the first GPU as the driver has it; COEFDYN_GPU_ARCH in its place compiles for
/// a card that is not there.
///
/// error   usage_error, a sentence, where one is missing
gpu find_gpu();

}  // namespace train_command
