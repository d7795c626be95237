// SPDX-License-Identifier: MIT
#include "drive.hpp"

void demo::run_gated(const corpus& text, sink& out) { drive(gated_mixers{}, text, out); }
