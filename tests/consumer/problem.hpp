// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/coefdyn.hpp>
#include <string>
#include <vector>

// One mixer's inputs, as a first program has them.
using my_mixer = coefdyn::mixer<coefdyn::readout::linear, coefdyn::evolution::scalar, coefdyn::scaling::one, coefdyn::normalization::one>;
struct problem {
  static constexpr int B = 1, T = 100, H = 2, n = 8, d = 12;
  std::vector<float> q = std::vector<float>(B * T * H * n), k = q, v = std::vector<float>(B * T * H * d),
                     g = std::vector<float>(B * T * H, -0.1f);
  coefdyn::tokens<my_mixer> x;

  problem() {
    for (std::size_t i = 0; i < q.size(); ++i) q[i] = float(i % 7) - 3, k[i] = float(i % 5) - 2;
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = float(i % 11) - 5;
    x.q = coefdyn::view(q.data(), B, T, H, n), x.k = coefdyn::view(k.data(), B, T, H, n), x.v = coefdyn::view(v.data(), B, T, H, d);
    x.log_decay = coefdyn::view(g.data(), B, T, H);
  }
  problem(const problem&) = delete;
  problem& operator=(const problem&) = delete;
};
