// SPDX-License-Identifier: MIT
// expects: coefdyn: this library is C++20: compile with -std=c++20
// expects: coefdyn: this library is C++20: compile with -std=c++20
// expects: coefdyn: this library is C++20: compile with -std=c++20
// flags: -std=c++17
#ifndef COEFDYN_MUST_FAIL
#include <coefdyn/coefdyn.hpp>
#elif COEFDYN_MUST_FAIL == 1
#include <coefdyn/coefdyn.hpp>
#elif COEFDYN_MUST_FAIL == 2
#include <coefdyn/mixers/attention.hpp>
#elif COEFDYN_MUST_FAIL == 3
#include <coefdyn/files/state_file.hpp>
#endif
