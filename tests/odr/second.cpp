// SPDX-License-Identifier: MIT
#include "uses.hpp"

double from_second() { return one_call(); }
