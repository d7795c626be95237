// SPDX-License-Identifier: MIT
// Time-invariant state space layers in training: tokens per second of forward and backward of one layer alone, on one thread and of its
// time, by convolution and token by token.
//
//   bench_state_space [WIDTH [BATCH]]
#include <time.h>

#include <algorithm>
#include <coefdyn/nn/layers/complex_state_space.hpp>
#include <coefdyn/nn/weights.hpp>
#include <cstdio>
#include <cstdlib>

namespace {
using namespace coefdyn;

double seconds_of_this_thread() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}
/// Tokens per second of the fastest of some steps; of one alone where that takes seconds.
template <class Layer, class Form>
double tokens_per_second(const nn::sizes& z, idx batch, idx T) {
  nn::parameter_list names;
  const Layer layer(nn::scope(names), z);
  nn::weights<float> w(std::make_shared<const nn::parameter_list>(names)), dw(w.parameters());
  w.initialise(1);
  nn::tape<float> t(w, &dw, 1);
  double best = 0;
  for (int step = 0; step < 4; ++step) {
    t.begin();
    nn::value<float> u = t.make(batch, T, z.width);
    for (idx i = 0; i < u.rows() * u.columns; ++i) u.data[i] = float(i % 17) / 17 - 0.5f;
    const double start = seconds_of_this_thread();
    nn::across_layers<float> across;
    const nn::value<float> y = layer.template operator()<float, device::cpu<openmp>, Form>(t, u, across);
    std::fill_n(y.gradient, y.rows() * y.columns, 1.f);
    t.backward();
    const double seconds = seconds_of_this_thread() - start;
    best = std::max(best, double(batch * T) / seconds);
    if (seconds > 4) break;
  }
  return best;
}
template <class Layer>
void measure(const char* name, nn::sizes z, int modes, idx batch) {
  z.n = modes;
  for (const idx T : {idx(1024), idx(4096)}) {
    const double before = tokens_per_second<Layer, form::automatic>(z, 1, T);
    std::printf("| %s, n = %d | %d | %.0f | %.0f |\n", name, modes, int(T), before,
                tokens_per_second<Layer, form::convolution>(z, batch, T));
    std::fflush(stdout);
  }
}
}  // namespace

int main(int arguments, char** argument) {
  nn::sizes z;
  z.width = arguments > 1 ? std::atoi(argument[1]) : 128;
  const idx batch = arguments > 2 ? std::atoi(argument[2]) : 8;
  std::printf("width %d, float; token by token with one sequence, by convolution with %d\n", int(z.width), int(batch));
  std::printf("| layer | T | token by token | form::convolution |\n|---|---|---|---|\n");
  measure<nn::s4d>("s4d", z, 32, batch);
  measure<nn::s4>("s4", z, 64, batch);
}
