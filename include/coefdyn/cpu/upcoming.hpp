// SPDX-License-Identifier: MIT
#pragma once

#include <coefdyn/core/config.hpp>

/// Rows that a form reads next, fetched behind the products it runs now. Asked for at once, the rows of a chunk would stop the
/// machine, which keeps a few dozen cache lines on their way; so each tile of a product asks for a few.
namespace coefdyn::cpu {

class upcoming_rows {
 public:
  void clear() { first_ = end_ = 0; }
  /// `count` rows of `bytes` each, `stride` bytes apart. What does not fit is left to its reader.
  void add(const void* p, idx stride, idx count, idx bytes) {
    if (end_ < capacity && count > 0) runs_[end_++] = {static_cast<const char*>(p), stride, count, bytes};
  }
  /// Asks for the next few rows, if any.
  void fetch_some() {
    if (first_ < end_) fetch_rows();
  }

 private:
  static constexpr int capacity = 16;
  static constexpr idx line = 64, at_once = 16 * line;  // bytes
  struct run {
    const char* p;
    idx stride, count, bytes;
  };
  run runs_[capacity];
  int first_, end_;

  void fetch_rows() {
#if defined(__GNUC__)
    for (idx fetched = 0; fetched < at_once && first_ < end_;) {
      run& r = runs_[first_];
      for (idx i = 0; i < r.bytes; i += line) __builtin_prefetch(r.p + i, 0, 2);
      fetched += r.bytes;
      r.p += r.stride;
      if (--r.count == 0) ++first_;
    }
#endif
  }
};

/// A worker's own: products know nothing of streams. Stale rows cost a fetch, no more.
inline constinit thread_local upcoming_rows upcoming{};
/// Lets the products that run next fetch rows.
inline constexpr auto fetch_behind = [](const void* p, idx stride, idx count, idx bytes) { upcoming.add(p, stride, count, bytes); };

}  // namespace coefdyn::cpu
