// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>

/// How often operator new was called, in a program of which one file includes allocations.hpp.
inline std::atomic<long> allocations{0};
