// SPDX-License-Identifier: MIT
// The formula written out next to the call that computes it.
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "coefdyn/cpu/run.hpp"
#include "coefdyn/mixers/gated_linear.hpp"

using namespace coefdyn;

int main() {
  constexpr std::size_t B = 1, T = 6, H = 1, n = 4, d = 2;
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  std::vector<double> q(T * n), k(T * n), v(T * d), log_decay(T * n), y(T * d);
  for (auto* a : {&q, &k, &v})
    for (double& e : *a) e = normal(random);
  for (double& e : log_decay) e = -std::abs(normal(random));

  // Gated linear attention: phi(s) = s, A_t = diag(e^log_decay_t), b_j = 1, eta_i = sqrt(n).
  tokens<mixers::gla, double> x;
  x.q = view(q.data(), B, T, H, n);
  x.k = view(k.data(), B, T, H, n);
  x.v = view(v.data(), B, T, H, d);
  x.log_decay = view(log_decay.data(), B, T, H, n);
  run(device::cpu{}, form::definition{}, x, view(y.data(), B, T, H, d));

  // alpha_ij = phi(q_i' A_i A_{i-1} ... A_{j+1} b_j k_j) / eta_i,   y_i = sum_{j <= i} alpha_ij v_j
  double difference = 0;
  for (std::size_t i = 0; i < T; ++i) {
    double by_hand[d] = {};
    std::printf("alpha_%d =", int(i));
    for (std::size_t j = 0; j <= i; ++j) {
      double score = 0;
      for (std::size_t c = 0; c < n; ++c) {
        double h = k[j * n + c];                                                       // h_jj = b_j k_j
        for (std::size_t t = j + 1; t <= i; ++t) h *= std::exp(log_decay[t * n + c]);  // h_tj = A_t h_{t-1,j}
        score += q[i * n + c] * h;
      }
      const double alpha = score / std::sqrt(double(n));
      std::printf(" % .3f", alpha);
      for (std::size_t c = 0; c < d; ++c) by_hand[c] += alpha * v[j * d + c];
    }
    std::printf("\n");
    for (std::size_t c = 0; c < d; ++c) difference = std::fmax(difference, std::abs(by_hand[c] - y[i * d + c]));
  }
  std::printf("largest difference to run(form::definition): %.1e\n", difference);
  return difference < 1e-14 ? 0 : 1;
}
