// SPDX-License-Identifier: MIT
#pragma once
#include <type_traits>

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

/// What the name device::cuda finds where cuda/device.cuh has not been included.
namespace without_its_header {
struct cuda {
  template <class... A>
  constexpr cuda(A&&...) {
    static_assert(sizeof...(A) > 99,
                  "coefdyn: device::cuda comes with its header: #include <coefdyn/cuda/run.cuh>, cuda/backward.cuh for gradients, in a "
                  "file that nvcc compiles.");
  }
};
}  // namespace without_its_header
using namespace without_its_header;
}  // namespace device

/// Whether T is a device that calls take.
template <class T>
constexpr bool is_device = std::is_same_v<T, device::without_its_header::cuda>;
template <class Executor>
constexpr bool is_device<device::cpu<Executor>> = true;

}  // namespace coefdyn
