// SPDX-License-Identifier: MIT
// The vector targets of this program: the laws hold on what the machine would really run.
#include <coefdyn/cpu/targets.hpp>
