// SPDX-License-Identifier: MIT
#pragma once
#include <cstdlib>
#include <new>

#include "allocation_count.hpp"

/// Counts what operator new hands out in this program; included by one of its files.

[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size ? size : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
