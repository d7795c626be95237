// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/cpu/backward.hpp>
#include <coefdyn/mixers/attention.hpp>
#include <coefdyn/mixers/retention.hpp>
#include <random>
#include <vector>

using namespace coefdyn;

namespace {
const device::cpu<serial> host{};

/// Gradients of q, k and v in float, with and without those of the angles, which take double: the largest difference over the largest
/// number.
template <class M, class Form>
double rows_alone(Form form_) {
  constexpr idx B = 2, T = 77, H = 3, n = 8, d = 5;
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  const auto numbers = [&](idx count) {
    std::vector<float> x(static_cast<std::size_t>(count));
    for (float& e : x) e = normal(random);
    return x;
  };
  const auto q = numbers(B * T * H * n), k = numbers(B * T * H * n), v = numbers(B * T * H * d), dy = numbers(B * T * H * d);
  std::vector<float> theta{1.f, 0.3f, 0.1f, 0.02f}, decay{-0.02f, -0.1f, -0.3f};
  tokens<M> x;
  x.q = view(q, B, T, H, n), x.k = view(k, B, T, H, n), x.v = view(v, B, T, H, d);
  x.theta = view(std::as_const(theta), n / 2);
  if constexpr (requires { x.log_decay; }) x.log_decay = view(std::as_const(decay), H);
  double worst = 0, largest = 0;
  std::vector<float> of[2][3];
  std::vector<float> dtheta(theta.size());
  for (const bool all : {false, true}) {
    auto& g = of[all];
    g[0].assign(q.size(), NAN), g[1].assign(k.size(), NAN), g[2].assign(v.size(), NAN);
    gradients<M> to;
    to.q = view(g[0], B, T, H, n), to.k = view(g[1], B, T, H, n), to.v = view(g[2], B, T, H, d);
    if (all) to.theta = view(dtheta, n / 2);
    backward(host, form_, x, view(dy, B, T, H, d), to);
  }
  for (int s = 0; s < 3; ++s)
    for (std::size_t i = 0; i < of[0][s].size(); ++i) {
      CHECK(std::isfinite(of[0][s][i]));
      worst = std::fmax(worst, std::abs(double(of[0][s][i]) - double(of[1][s][i])));
      largest = std::fmax(largest, std::abs(double(of[1][s][i])));
    }
  CHECK(worst > 0);  // one was made in float
  return worst / largest;
}
}  // namespace

TEST_CASE("gradients of q, k and v alone are made in float where those of angles need double, and are the same") {
  CHECK(rows_alone<mixers::softmax_rope_half>(form::parallel{}) <= 3e-6);
  CHECK(rows_alone<mixers::retnet_xpos_half>(form::chunkwise{}) <= 3e-6);
}
