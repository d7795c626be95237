// SPDX-License-Identifier: MIT
#include "drive.hpp"

void demo::run_delta(const corpus& text, sink& out) { drive(delta_mixers{}, text, out); }
