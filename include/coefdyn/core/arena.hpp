// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <span>

#include "config.hpp"

namespace coefdyn {

/// Hands out pieces of one block of memory. Over no memory it only counts: a form's workspace query is the same code that
/// lays the workspace out.
struct arena {
  std::byte* base = nullptr;
  std::size_t size = 0;
  std::size_t used = 0;

  template <class T>
  T* take(idx count) {
    constexpr std::size_t line = 64;
    used = (used + line - 1) / line * line;
    T* p = base ? reinterpret_cast<T*>(base + used) : nullptr;
    used += sizeof(T) * static_cast<std::size_t>(count > 0 ? count : 0);
    return p;
  }
  /// The next `bytes`, as an arena of its own.
  arena part(std::size_t bytes) {
    std::byte* p = take<std::byte>(idx(bytes));
    return {p, bytes, 0};
  }
};

/// A caller's scratch memory; `workspace_bytes(device, form, x)` says how much a call needs.
using workspace = std::span<std::byte>;

namespace detail {
/// The first cache line that begins at `p` or after it.
inline std::byte* aligned_to_line(std::byte* p) { return p + (64 - reinterpret_cast<std::uintptr_t>(p) % 64) % 64; }
}  // namespace detail

}  // namespace coefdyn
