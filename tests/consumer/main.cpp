// SPDX-License-Identifier: MIT
// The ten lines of a first program: one mixer, two forms, one answer.
#include <coefdyn/evolution/scalar.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/run.hpp>
#include <coefdyn/scaling/one.hpp>
#include <cstdio>
#include <vector>

using namespace coefdyn;
using my_mixer = mixer<readout::linear, evolution::scalar, scaling::one, normalization::one>;

int main() {
  const int B = 1, T = 100, H = 2, n = 8, d = 12;
  std::vector<float> q(B * T * H * n), k(q), v(B * T * H * d), g(B * T * H, -0.1f), a(v), b(v);
  for (std::size_t i = 0; i < q.size(); ++i) q[i] = float(i % 7) - 3, k[i] = float(i % 5) - 2;
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = float(i % 11) - 5;
  tokens<my_mixer> x;
  x.q = view(q.data(), B, T, H, n), x.k = view(k.data(), B, T, H, n), x.v = view(v.data(), B, T, H, d);
  x.log_decay = view(g.data(), B, T, H);
  run(device::cpu{}, form::chunkwise{}, x, view(a.data(), B, T, H, d));
  run(device::cpu{}, form::definition{}, x, view(b.data(), B, T, H, d));
  float worst = 0, largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    worst = math::max(worst, math::abs(a[i] - b[i]));
    largest = math::max(largest, math::abs(b[i]));
  }
  std::printf("chunkwise and definition agree within %.1e\n", double(worst / largest));
  return worst <= 1e-5f * largest ? 0 : 1;
}
