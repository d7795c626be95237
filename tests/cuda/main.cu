// SPDX-License-Identifier: MIT
// Runs the laws of all mixers and the files that are linked in, or those whose numbers (with or without _TYPE) or names are given; ends
// with the counts.
#include <cstdlib>

#include "law.cuh"

// clang-format off
#define COEFDYN_CASES(DO) \
  DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) \
  DO(11) DO(12) DO(13) DO(14) DO(15) DO(16) DO(17) DO(18) DO(19) DO(20) DO(21) \
  DO(22) DO(23) DO(24) DO(25) DO(26) DO(27) DO(28) DO(29) DO(30) DO(31) DO(32) \
  DO(33) DO(34) DO(35) DO(36) DO(37) DO(38) DO(39) DO(40) DO(41) DO(42) DO(43) DO(44) DO(45) DO(46)
// clang-format on
#define COEFDYN_DECLARE(NUMBER)                      \
  void case_##NUMBER##_f32() __attribute__((weak));  \
  void case_##NUMBER##_f64() __attribute__((weak));  \
  void case_##NUMBER##_bf16() __attribute__((weak)); \
  void case_##NUMBER##_f16() __attribute__((weak));
COEFDYN_CASES(COEFDYN_DECLARE)
void calls() __attribute__((weak));
void fast_calls() __attribute__((weak));
void steps() __attribute__((weak));
void walks() __attribute__((weak));
void walk_gradients() __attribute__((weak));
void spectra() __attribute__((weak));
void kernels() __attribute__((weak));
void delta_rules() __attribute__((weak));
void channel_decays() __attribute__((weak));
void long_rotations() __attribute__((weak));
void decode() __attribute__((weak));
void nn_pieces() __attribute__((weak));
void nn_attention() __attribute__((weak));
void nn_delta() __attribute__((weak));
void nn_gated() __attribute__((weak));
void nn_rwkv() __attribute__((weak));
void nn_state_space() __attribute__((weak));
void nn_train() __attribute__((weak));

int main(int count, char** arguments) {
  using gpu_test::total;
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::printf("no GPU\n0 passed, 0 failed, 1 skipped\n");
    return 0;
  }
  gpu_test::small = std::getenv("COEFDYN_GPU_SMALL") != nullptr;
#define COEFDYN_ENTRY(NUMBER) {case_##NUMBER##_f32, case_##NUMBER##_f64, case_##NUMBER##_bf16, case_##NUMBER##_f16},
  void (*const cases[][4])() = {COEFDYN_CASES(COEFDYN_ENTRY)};
  const int all = int(sizeof(cases) / sizeof(cases[0]));
  for (int k = 0; k < all; ++k) {
    const auto wanted = [&](const std::string& name) {
      bool any = count < 2;
      for (int a = 1; a < count; ++a) any = any || name == arguments[a];
      return any;
    };
    const bool all_types = wanted(std::to_string(k));
    const char* const types[] = {"f32", "f64", "bf16", "f16"};
    for (int t = 0; t < 4; ++t)
      if (cases[k][t] && (all_types || wanted(std::to_string(k) + "_" + types[t]))) cases[k][t]();
    if (!all_types) continue;
    if (!cases[k][0]) ++total.skipped;
  }
  const struct {
    const char* name;
    void (*run)();
  } files[] = {{"calls", calls},
               {"fast_calls", fast_calls},
               {"step", steps},
               {"walk", walks},
               {"walk_gradients", walk_gradients},
               {"spectrum", spectra},
               {"kernels", kernels},
               {"delta", delta_rules},
               {"channel", channel_decays},
               {"long_rotations", long_rotations},
               {"decode", decode},
               {"nn", nn_pieces},
               {"nn_attention", nn_attention},
               {"nn_delta", nn_delta},
               {"nn_gated", nn_gated},
               {"nn_rwkv", nn_rwkv},
               {"nn_state_space", nn_state_space},
               {"nn_train", nn_train}};
  for (const auto& file : files) {
    bool wanted = count < 2;
    for (int a = 1; a < count; ++a) wanted = wanted || !std::strcmp(arguments[a], file.name);
    if (file.run && wanted) file.run();
  }
  std::printf("%d passed, %d failed, %d skipped\n", total.passed, total.failed, total.skipped);
  return total.failed ? 1 : 0;
}
