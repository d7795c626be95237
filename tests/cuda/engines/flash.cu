// SPDX-License-Identifier: MIT
// The flash kernels, and the generic engine behind them.
#include "call.cuh"

namespace engines {
using mixer_type = mixers::softmax_attention;
template void both<form::parallel>(const tokens<mixer_type, bf16>&, const rows_of<mixer_type, bf16>&, const gradients<mixer_type, bf16>&);
}  // namespace engines
