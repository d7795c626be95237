// SPDX-License-Identifier: MIT
#include <coefdyn/coefdyn.hpp>
#include <cstdio>
#include <vector>
using namespace coefdyn;
using my_mixer = mixer<readout::linear, evolution::gated_householder<>, scaling::beta, normalization::sqrt_dim>;

int main() {
  constexpr idx B = 1, T = 1000, H = 4, n = 64, d = 64;
  const std::vector<float> q(B * T * H * n, 0.125f), k = q, v(B * T * H * d, 1), log_decay(B * T * H, -0.1f), beta(B * T * H, 0.5f);
  std::vector<float> y(v.size());
  tokens<my_mixer> x;  // members as the four policies name them; views of any strides
  x.q = view(q, B, T, H, n), x.k = view(k, B, T, H, n), x.v = view(v, B, T, H, d);
  x.log_decay = view(log_decay, B, T, H), x.beta = view(beta, B, T, H);
  run(device::cpu{}, form::chunkwise{}, x, view(y, B, T, H, d));  // or definition, parallel, recurrent, step, automatic
  std::printf("y of the first token %.4f, of the last %.4f\n", y.front(), y.back());
}
