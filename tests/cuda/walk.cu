// SPDX-License-Identifier: MIT
// The kernel for whole sequences of a small state.
#include "coefdyn/cuda/small/step.cuh"
#include "direct_calls.cuh"

namespace gpu_test {
namespace {

struct walk_kernel_under_test {
  static constexpr const char* name = "walk";
  template <class M, class R, class X>
  static constexpr bool has = cuda::small::walk_plan<M, R, X>::exists;
  template <class M, class R, class X>
  using plan = cuda::small::walk_plan<M, R, X>;
  static const std::vector<config>& sizes() {
    static const std::vector<config> all = {
        {"16 x 16, T130", 2, 130, 16, 16, true, false, {}, 0}, {"32 x 32, T65", 2, 65, 32, 32, true, false, {}, 0},
        {"32 x 32, T16", 1, 16, 32, 32, false, false, {}, 0},  {"22 x 27, T37 strided", 2, 37, 22, 27, false, true, {}, 0},
        {"1 x 1, T40", 1, 40, 1, 1, true, false, {}, 0},       {"packed", 1, 90, 20, 12, true, false, {0, 17, 17, 18, 51, 90}, 0},
        {"cache", 1, 41, 16, 8, false, false, {}, 18},
    };
    return all;
  }
};
}  // namespace
}  // namespace gpu_test

void walks() {
  using namespace gpu_test;
  try {
    each_case<walk_kernel_under_test, float, 3, 6, 10, 13, 14, 16, 17, 20, 22, 23, 27>();
    each_case<walk_kernel_under_test, bf16, 6, 13>();
  } catch (const std::exception& error) {
    ++total.failed;
    std::printf("FAIL walks: %s\n", error.what());
  }
}
