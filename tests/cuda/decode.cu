// SPDX-License-Identifier: MIT
// The law of support/decoding.hpp on a GPU: state, history, cache and streams have the types of the CPU, in the GPU's memory; on a stream
// that the legacy one does not wait for.
#include "../support/decoding.hpp"
#include "coefdyn/cuda/memory.cuh"
#include "coefdyn/mixers/all.hpp"
#include "law.cuh"

namespace gpu_test {
namespace {

void holds(const char* name, const decoding::outcome& o) {
  const bool good = o.y <= 1e-5 && o.state <= 1e-5 && o.same_again && o.counted;
  ++(good ? total.passed : total.failed);
  std::printf("%s decode %-32s y %.0e S %.0e%s%s\n", good ? "ok  " : "FAIL", name, o.y, o.state,
              o.same_again ? "" : ", other bits after a roll back", o.counted ? "" : ", other positions");
  std::fflush(stdout);
}

}  // namespace
}  // namespace gpu_test

void decode() {
  using namespace gpu_test;
  cudaStream_t stream = nullptr;
  try {
    cuda::checked(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    const device::cuda on{stream};
    const memory::cuda there{stream};
    holds("gla, state", decoding::with_state<mixers::gla>(on, there, 1));
    holds("mlstm, state", decoding::with_state<mixers::mlstm>(on, there, 2));
    holds("gated deltaproduct 2, state", decoding::with_state<mixers::gated_deltaproduct_2>(on, there, 3));
    holds("softmax attention, cache", decoding::with_cache<mixers::softmax_attention>(on, there, 4));
    holds("path attention, cache", decoding::with_cache<mixers::path_attention>(on, there, 5));
  } catch (const std::exception& error) {
    ++total.failed;
    std::printf("FAIL decode: %s\n", error.what());
  }
  if (stream) cudaStreamDestroy(stream);
}
