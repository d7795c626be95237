// SPDX-License-Identifier: MIT
// One file of a program adds the AVX2 and AVX-512 (or NEON) products; the machine chooses among them at run time.
#include <coefdyn/cpu/targets.hpp>
