// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <cstdlib>
#include <new>

/// Counts what operator new hands out in this program; included by one of its files.
inline std::atomic<long> allocations{0};

[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size ? size : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
