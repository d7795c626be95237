// SPDX-License-Identifier: MIT
// The generic engine's definition.
#include "call.cuh"

namespace engines {
using mixer_type = mixers::gated_deltanet;
template void both<form::definition>(const tokens<mixer_type, float>&, const rows_of<mixer_type, float>&,
                                     const gradients<mixer_type, float>&);
}  // namespace engines
