// SPDX-License-Identifier: MIT
#pragma once
#include "config.hpp"
#if defined(_OPENMP)
#include <omp.h>
#endif

namespace coefdyn {

/// Runs items one after the other.
struct serial {
  int workers() const { return 1; }
  template <class F>
  void operator()(idx count, F f) const {
    for (idx i = 0; i < count; ++i) f(i, 0);
  }
};
/// Runs items on OpenMP's threads, where the program is compiled with it; otherwise one after the other. `limit`: 0 takes all.
struct openmp {
  int limit = 0;
  int workers() const {
#if defined(_OPENMP)
    return limit > 0 ? limit : omp_get_max_threads();
#else
    return 1;
#endif
  }
  template <class F>
  void operator()(idx count, F f) const {
#if defined(_OPENMP)
#pragma omp parallel for schedule(dynamic, 1) num_threads(workers())
    for (idx i = 0; i < count; ++i) f(i, omp_get_thread_num());
#else
    serial{}(count, f);
#endif
  }
};

namespace device {
/// The host. An executor of the caller's has `int workers() const` and runs `f(item, worker)` for all items; the results have
/// the same bits for any executor, since every item owns what it writes.
template <class Executor = openmp>
struct cpu {
  Executor executor{};
};
template <class Executor>
cpu(Executor) -> cpu<Executor>;
cpu() -> cpu<openmp>;
}  // namespace device

}  // namespace coefdyn
