// SPDX-License-Identifier: MIT
// The sweep and segment kernels, and the generic engine behind them.
#include "call.cuh"

namespace engines {
using mixer_type = mixers::simple_gla;
template void both<form::chunkwise>(const tokens<mixer_type, bf16>&, const rows_of<mixer_type, bf16>&, const gradients<mixer_type, bf16>&);
}  // namespace engines
