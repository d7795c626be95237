// SPDX-License-Identifier: MIT
#include "uses.hpp"

double from_first() { return one_call(); }
