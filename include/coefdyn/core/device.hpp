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

/// What the names device::cpu and device::cuda find where their headers have not been included.
namespace device {
namespace without_its_header {
/// Says which header device::cpu comes with.
template <class = void>
struct cpu {
  static constexpr bool is_device = true, is_absent = true;
  template <class... A>
  constexpr cpu(A&&...) {
    static_assert(sizeof...(A) > 99,
                  "coefdyn: device::cpu comes with its header: #include <coefdyn/cpu/run.hpp>, cpu/backward.hpp for gradients, or "
                  "coefdyn.hpp for all.");
  }
};
template <class... A>
cpu(A&&...) -> cpu<>;
/// Says which header device::cuda comes with.
struct cuda {
  static constexpr bool is_device = true, is_absent = true;
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

/// Whether T says that it is a device (`static constexpr bool is_device = true`); call.hpp lists what stands beside one.
template <class T>
concept is_device = requires { requires T::is_device; };

}  // namespace coefdyn
