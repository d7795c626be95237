// SPDX-License-Identifier: MIT
// The generic engine's chunkwise form.
#include "call.cuh"

namespace engines {
using mixer_type = mixers::gated_deltanet;
template void both<form::chunkwise>(const tokens<mixer_type, float>&, const rows_of<mixer_type, float>&,
                                    const gradients<mixer_type, float>&);
}  // namespace engines
