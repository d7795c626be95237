// SPDX-License-Identifier: MIT
#include "drive.hpp"

void demo::run_linear(const corpus& text, sink& out) { drive(linear_mixers{}, text, out); }
