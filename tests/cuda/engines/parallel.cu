// SPDX-License-Identifier: MIT
// The generic engine's parallel form.
#include "call.cuh"

namespace engines {
using mixer_type = mixers::simple_gla;
template void both<form::parallel>(const tokens<mixer_type, float>&, const rows_of<mixer_type, float>&,
                                   const gradients<mixer_type, float>&);
}  // namespace engines
