// SPDX-License-Identifier: MIT
// The scan kernels, and those of a step behind them.
#include "call.cuh"

namespace engines {
using mixer_type = mixers::gla;
template void forward<form::step>(const tokens<mixer_type>&, const rows_of<mixer_type, float>&);
}  // namespace engines
