// SPDX-License-Identifier: MIT
// One mixer's laws in one type; run.sh compiles this once for each pair.
#include "law.cuh"
#include "mixers.cuh"

#define COEFDYN_NAME2(number, type) case_##number##_##type
#define COEFDYN_NAME(number, type) COEFDYN_NAME2(number, type)
namespace {
using f32 = float;
using f64 = double;
using coefdyn::bf16;
using f16 = coefdyn::half;
}  // namespace
void COEFDYN_NAME(CASE, TYPE)() { gpu_test::law<gpu_test::subject<CASE>, TYPE>{}(); }
