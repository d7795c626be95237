// SPDX-License-Identifier: MIT
// The step kernel, and the generic engine behind it.
#include "call.cuh"

namespace engines {
using mixer_type = mixers::gated_deltanet;
template void forward<form::step>(const tokens<mixer_type>&, const rows_of<mixer_type, float>&);
}  // namespace engines
