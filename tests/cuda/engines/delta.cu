// SPDX-License-Identifier: MIT
// The kernels of delta rules, and the generic engine behind them.
#include "call.cuh"

namespace engines {
using mixer_type = mixers::gated_deltanet;
template void both<form::chunkwise>(const tokens<mixer_type, bf16>&, const rows_of<mixer_type, bf16>&, const gradients<mixer_type, bf16>&);
}  // namespace engines
