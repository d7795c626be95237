// SPDX-License-Identifier: MIT
#include <malloc.h>

#include <cstdlib>
#include <new>

#include "support.hpp"

/// operator new and delete of this program count what they hand out.
namespace {
std::size_t now = 0, peak = 0;

void* counted(void* p) {
  if (!p) throw std::bad_alloc();
  now += ::malloc_usable_size(p);
  if (now > peak) peak = now;
  return p;
}
void give_back(void* p) {
  now -= ::malloc_usable_size(p);
  std::free(p);
}
}  // namespace

std::size_t file_tests::memory_now() { return now; }
std::size_t file_tests::memory_peak() { return peak; }
void file_tests::restart_peak() { peak = now; }

void* operator new(std::size_t size) { return counted(std::malloc(size ? size : 1)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto a = static_cast<std::size_t>(alignment);
  return counted(std::aligned_alloc(a, (size + a - 1) / a * a + (size == 0 ? a : 0)));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  void* const p = std::malloc(size ? size : 1);
  return p ? counted(p) : nullptr;
}
void operator delete(void* p) noexcept {
  if (p) give_back(p);
}
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { operator delete(p); }
void operator delete(void* p, std::align_val_t) noexcept { operator delete(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { operator delete(p); }
