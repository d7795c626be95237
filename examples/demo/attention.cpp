// SPDX-License-Identifier: MIT
#include "drive.hpp"

void demo::run_attention(const corpus& text, sink& out) { drive(attention_mixers{}, text, out); }
