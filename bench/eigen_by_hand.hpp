// SPDX-License-Identifier: MIT
#pragma once
#include <Eigen/Core>
#include <cmath>
#include <random>
#include <vector>

/// What one would write with Eigen: the recurrence of one mixer, token by token, as the papers state it.
namespace eigen_by_hand {

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using vector = Eigen::VectorXf;
using input = Eigen::Map<const vector>;

struct inputs {
  int T, H, n;
  std::vector<float> q, k, v, log_decay, beta;
  inputs(int tokens, int heads, int width) : T(tokens), H(heads), n(width) {
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    std::uniform_real_distribution<float> unit(0, 1);
    const std::size_t rows = static_cast<std::size_t>(T) * static_cast<std::size_t>(H), size = rows * static_cast<std::size_t>(n);
    for (auto* x : {&q, &k, &v}) {
      x->resize(size);
      for (float& e : *x) e = normal(random) / (x == &k ? std::sqrt(float(n)) : 1.f);
    }
    log_decay.resize(rows), beta.resize(rows);
    for (float& g : log_decay) g = -0.05f * unit(random);
    for (float& b : beta) b = unit(random);
  }
  std::size_t row(int t, int h) const { return static_cast<std::size_t>(t) * static_cast<std::size_t>(H) + static_cast<std::size_t>(h); }
  input at(const std::vector<float>& x, int t, int h) const { return {x.data() + row(t, h) * static_cast<std::size_t>(n), n}; }
};

/// S = e^g S + b k v',  y = S' q
inline void mamba2(const inputs& in, float* y) {
  for (int h = 0; h < in.H; ++h) {
    matrix S = matrix::Zero(in.n, in.n);
    for (int t = 0; t < in.T; ++t) {
      S = std::exp(in.log_decay[in.row(t, h)]) * S + (in.beta[in.row(t, h)] * in.at(in.k, t, h)) * in.at(in.v, t, h).transpose();
      Eigen::Map<vector>(y + in.row(t, h) * static_cast<std::size_t>(in.n), in.n).noalias() = S.transpose() * in.at(in.q, t, h);
    }
  }
}
/// S = e^g S,  S += b k (v - S'k)',  y = S' q
inline void gated_delta_net(const inputs& in, float* y) {
  vector u(in.n);
  for (int h = 0; h < in.H; ++h) {
    matrix S = matrix::Zero(in.n, in.n);
    for (int t = 0; t < in.T; ++t) {
      const input k = in.at(in.k, t, h);
      S *= std::exp(in.log_decay[in.row(t, h)]);
      u.noalias() = S.transpose() * k;
      u = in.beta[in.row(t, h)] * (in.at(in.v, t, h) - u);
      S.noalias() += k * u.transpose();
      Eigen::Map<vector>(y + in.row(t, h) * static_cast<std::size_t>(in.n), in.n).noalias() = S.transpose() * in.at(in.q, t, h);
    }
  }
}

}  // namespace eigen_by_hand
