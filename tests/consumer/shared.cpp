// SPDX-License-Identifier: MIT
#include "problem.hpp"

using namespace coefdyn;

std::string chosen_by_a_library() {
  const problem p;
  return chosen_kernel(device::cpu{}, form::chunkwise{}, p.x);
}
