// SPDX-License-Identifier: MIT
// The kernels for a few tokens (step) and for states of one column (scan).
#include "coefdyn/cuda/small/scan.cuh"
#include "coefdyn/cuda/small/step.cuh"
#include "direct_calls.cuh"

namespace gpu_test {
namespace {

/// One kernel's plan.
struct step_kernel_under_test {
  static constexpr const char* name = "step";
  template <class M, class R, class X>
  static constexpr bool has = cuda::small::step_plan<M, R, X>::exists;
  template <class M, class R, class X>
  using plan = cuda::small::step_plan<M, R, X>;
  static const std::vector<config>& sizes() {
    static const std::vector<config> all = {
        {"128 x 128, T1", 2, 1, 128, 128, true, false, {}, 0},
        {"128 x 128, T8", 1, 8, 128, 128, true, false, {}, 0},
        {"64 x 64, T3", 2, 3, 64, 64, true, false, {}, 0},
        {"64 x 64, T1", 2, 1, 64, 64, false, false, {}, 0},
        {"38 x 27, T5 strided", 2, 5, 38, 27, false, true, {}, 0},
        {"packed", 1, 12, 20, 12, true, false, {0, 3, 3, 4, 12}, 0},
        {"cache", 1, 7, 16, 8, false, false, {}, 3},
        {"130 x 72, T2", 1, 2, 130, 72, true, false, {}, 0},
        {"96 x 140, T4", 1, 4, 96, 140, true, false, {}, 0},
    };
    return all;
  }
};
struct scan_kernel_under_test {
  static constexpr const char* name = "scan";
  template <class M, class R, class X>
  static constexpr bool has = cuda::small::scan_plan<M, R, X>::exists;
  template <class M, class R, class X>
  using plan = cuda::small::scan_plan<M, R, X>;
  static const std::vector<config>& sizes() {
    static const std::vector<config> all = {
        {"16 x 1, T300", 2, 300, 16, 1, true, false, {}, 0},
        {"64 x 1, T130", 2, 130, 64, 1, false, false, {}, 0},
        {"64 x 1, T520", 2, 520, 64, 1, false, false, {}, 0},
        {"1 x 1, T270 strided", 2, 270, 1, 1, false, true, {}, 0},
        {"5 x 3, T33", 2, 33, 5, 3, true, false, {}, 0},
        {"100 x 2, T5", 1, 5, 100, 2, true, false, {}, 0},
        {"packed", 1, 700, 12, 1, true, false, {0, 3, 3, 260, 700}, 0},
        {"cache", 1, 290, 16, 1, false, false, {}, 150},
    };
    return all;
  }
};

}  // namespace
}  // namespace gpu_test

void steps() {
  using namespace gpu_test;
  try {
    each_case<step_kernel_under_test, float, 3, 10, 13, 14, 16, 17, 20, 22, 23, 27>();
    each_case<step_kernel_under_test, bf16, 13>();
    each_case<scan_kernel_under_test, float, 5, 6, 9, 25, 27>();
    each_case<scan_kernel_under_test, bf16, 6>();
  } catch (const std::exception& error) {
    ++total.failed;
    std::printf("FAIL steps: %s\n", error.what());
  }
}
