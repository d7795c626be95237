// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <coefdyn/coefdyn.hpp>
#include <limits>
#include <random>
#include <vector>

// Readout maps that declare their exponential run on the vector kernels whatever they are called; others as they are written.

namespace {

using namespace coefdyn;

int calls_without_e = 0;

/// The library's silu under another name, which counts how often a score comes without its exponential.
struct swish {
  static constexpr bool is_linear = false;
  template <class R>
  static R apply(R s) {
    ++calls_without_e;
    return s * math::sigmoid(s);
  }
  template <class R>
  static R exponent(R s) {
    return -math::abs(s);
  }
  template <class R>
  static R apply(R s, R e) {
    return s * math::sigmoid_of(s, e);
  }
  template <class R>
  static R derivative(R s, R e) {
    const R p = math::sigmoid_of(s, e);
    return p + s * p * (R(1) - p);
  }
};
/// The same function with nothing declared.
struct plain_swish {
  static constexpr bool is_linear = false;
  template <class R>
  static R apply(R s) {
    return s * math::sigmoid(s);
  }
};
/// 3 e^s: an exponential, and no 1 at 0.
struct three_exp {
  static constexpr bool is_linear = false;
  static constexpr bool needs_max = true;
  template <class R>
  static R apply(R s) {
    return R(3) * math::exp(s);
  }
};
struct exp_as_written {
  static constexpr bool is_linear = false;
  template <class R>
  static R apply(R s) {
    return R(3) * math::exp(s);
  }
};

struct results {
  std::vector<float> y, dq, dk, dv;
};
template <class Phi>
results of(const std::vector<float>& numbers) {
  using M = mixer<Phi, evolution::scalar, scaling::inverse_sqrt_dim, normalization::one>;
  constexpr idx T = 77, n = 16, d = 8;
  const float* p = numbers.data();
  tokens<M> x;
  std::vector<float> decay(T);
  for (idx t = 0; t < T; ++t) decay[std::size_t(t)] = -std::abs(p[t]) / 8;
  x.q = view(p, idx(1), T, idx(1), n), x.k = view(p + T * n, idx(1), T, idx(1), n), x.v = view(p + 2 * T * n, idx(1), T, idx(1), d);
  x.log_decay = view<const float, 3>(decay.data(), idx(1), T, idx(1));
  const auto nan = std::numeric_limits<float>::quiet_NaN();
  results r{std::vector<float>(T * d, nan), std::vector<float>(T * n, nan), std::vector<float>(T * n, nan), std::vector<float>(T * d, nan)};
  run(device::cpu{serial{}}, form::parallel{}, x, view(r.y.data(), idx(1), T, idx(1), d));
  gradients<M> g;
  g.q = view(r.dq.data(), idx(1), T, idx(1), n), g.k = view(r.dk.data(), idx(1), T, idx(1), n);
  g.v = view(r.dv.data(), idx(1), T, idx(1), d);
  backward(device::cpu{serial{}}, form::parallel{}, x, view(p + 2 * T * n, idx(1), T, idx(1), d), g);
  return r;
}
std::vector<float> random_numbers() {
  std::mt19937 random(std::random_device{}());
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> x(77 * 40);
  for (float& e : x) e = normal(random);
  return x;
}
void check_close(const std::vector<float>& a, const std::vector<float>& b) {
  double error = 0, size = 0;
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE(std::isfinite(a[i]));
    REQUIRE(std::isfinite(b[i]));
    error = std::max(error, std::abs(double(a[i]) - double(b[i]))), size = std::max(size, std::abs(double(b[i])));
  }
  CHECK(size > 0);
  CHECK(error <= 1e-5 * size);
}
void check_close(const results& a, const results& b) {
  check_close(a.y, b.y), check_close(a.dq, b.dq), check_close(a.dk, b.dk), check_close(a.dv, b.dv);
}

}  // namespace

TEST_CASE("a user's silu that declares its exponential takes the library's path, bit for bit") {
  const auto numbers = random_numbers();
  const results library = of<readout::silu>(numbers);
  calls_without_e = 0;
  const results user = of<swish>(numbers);
  CHECK(calls_without_e == 0);
  CHECK(user.y == library.y);
  CHECK(user.dq == library.dq);
  CHECK(user.dk == library.dk);
  CHECK(user.dv == library.dv);
  check_close(of<plain_swish>(numbers), library);
}
TEST_CASE("a multiple of the exponential keeps its factor") {
  const auto numbers = random_numbers();
  check_close(of<three_exp>(numbers), of<exp_as_written>(numbers));
}
