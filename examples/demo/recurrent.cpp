// SPDX-License-Identifier: MIT
#include "drive.hpp"

void demo::run_recurrent(const corpus& text, sink& out) { drive(recurrent_mixers{}, text, out); }
