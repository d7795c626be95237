// SPDX-License-Identifier: MIT
#include "uses.hpp"

int main() { return from_first() == from_second() && from_first() == one_call() ? 0 : 1; }
