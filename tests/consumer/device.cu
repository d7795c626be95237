// SPDX-License-Identifier: MIT
// A file for nvcc with no flag of its own.
#include <coefdyn/cuda/run.cuh>

#include "problem.hpp"

std::string chosen_by_a_device() {
  const problem p;
  return chosen_kernel(coefdyn::device::cuda{}, coefdyn::form::automatic{}, p.x);
}
