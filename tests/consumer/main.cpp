// SPDX-License-Identifier: MIT
// A first program: one mixer, two forms, one answer, on what the machine can do.
#include <cstdio>

#include "problem.hpp"

using namespace coefdyn;
std::string chosen_by_a_library();  // shared.cpp

int main() {
  const problem p;
  std::vector<float> a(p.v.size()), b(a);
  run(device::cpu{}, form::chunkwise{}, p.x, view(a.data(), p.B, p.T, p.H, p.d));
  run(device::cpu{}, form::definition{}, p.x, view(b.data(), p.B, p.T, p.H, p.d));
  float worst = 0, largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    worst = math::max(worst, math::abs(a[i] - b[i]));
    largest = math::max(largest, math::abs(b[i]));
  }
  const std::string chosen = chosen_kernel(device::cpu{}, form::chunkwise{}, p.x);
  std::printf("%s\nchunkwise and definition agree within %.1e\n", chosen.c_str(), double(worst / largest));
  std::string expected = "chunkwise, " + std::string(cpu::name_of(cpu::best_target()));
#if defined(CONSUMER_PLAIN)
  expected = "chunkwise, portable";
  const bool told = cpu::best_target() == cpu::target::portable || chosen.find("link coefdyn::coefdyn, or include") != chosen.npos;
#else
  const bool told = chosen.find("; the machine") == chosen.npos && chosen_by_a_library() == chosen;
#endif
#if defined(CONSUMER_EXPECTS_OPENMP)
  const bool threads = chosen.find("OpenMP") == chosen.npos;
#else
  const bool threads = true;
#endif
  return worst <= 1e-5f * largest && chosen.rfind(expected + ", ", 0) == 0 && told && threads ? 0 : 1;
}
