// SPDX-License-Identifier: MIT
// What the numbers of a call may be, and keys of length 1. Here `run` and `backward` look at every number.
#define COEFDYN_CHECK_VALUES
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <coefdyn/core/streams.hpp>
#include <coefdyn/cpu/backward.hpp>
#include <coefdyn/evolution/parameterised.hpp>
#include <coefdyn/mixers/attention.hpp>
#include <coefdyn/mixers/delta_rule.hpp>
#include <coefdyn/mixers/gated_linear.hpp>
#include <coefdyn/mixers/linear_attention.hpp>
#include <coefdyn/mixers/rwkv.hpp>
#include <coefdyn/mixers/state_space.hpp>
#include <coefdyn/mixers/unit_keys.hpp>
#include <coefdyn/parameterisation/exp_exp.hpp>
#include <limits>

namespace {
using namespace coefdyn;
const device::cpu<serial> host{};
constexpr double infinity = std::numeric_limits<double>::infinity(), not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class F>
std::string refusal(F f) {
  try {
    f();
  } catch (const invalid_input& e) {
    return e.what();
  }
  return "nothing refused";
}
template <class X>
std::string of_values(const X& x) {
  return refusal([&] { check_values(x); });
}

/// Streams of a mixer in double, each with memory of its own.
template <class M, class Types = double>
struct problem {
  using X = tokens<M, Types>;
  extents e;
  stream_buffers<M, Types> held;
  X x;
  problem(idx B, idx T, int H, int n, int d) : e(sizes(B, T, H, n, d)), held(e) { held.bind(x); }
  static extents sizes(idx B, idx T, int H, int n, int d) {
    extents e;
    e.batch = B, e.time = T, e.readers = e.states = e.queries = e.keys = H, e.n = n, e.d = d, e.sequences = B;
    return e;
  }
};
double wave(std::size_t i, double phase) { return std::sin(phase + 1.7 * double(i) + 0.3 * double(i % 7)); }
template <class V>
void fill(V& v, double scale, double phase, double offset = 0) {
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = typename V::value_type(float(offset + scale * wave(i, phase)));
}
/// Rows of n with length 1.
template <class V>
void normalise(V& v, int n) {
  for (std::size_t row = 0; row + std::size_t(n) <= v.size(); row += std::size_t(n)) {
    double square = 0;
    for (int c = 0; c < n; ++c) square += double(v[row + std::size_t(c)]) * double(v[row + std::size_t(c)]);
    for (int c = 0; c < n; ++c)
      v[row + std::size_t(c)] = typename V::value_type(float(double(v[row + std::size_t(c)]) / std::sqrt(square)));
  }
}
template <class P>
void fill_delta(P& p) {
  fill(p.held.q, 1, 0.1), fill(p.held.k, 1, 0.7), fill(p.held.v, 1, 1.1);
  if constexpr (requires { p.held.log_decay; }) fill(p.held.log_decay, 0.4, 0.2, -0.5);
  if constexpr (requires { p.held.beta; }) fill(p.held.beta, 0.9, 0.4, 1.0);
}
}  // namespace

TEST_CASE("a log decay is in [-inf, 0], all else is finite, and tensor, index and value are named") {
  problem<mixers::gla> p(2, 70, 2, 4, 3);
  fill_delta(p);
  CHECK(of_values(p.x) == "nothing refused");
  double& g = p.held.log_decay[((1 * 70 + 65) * 2 + 1) * 4 + 2];
  g = -infinity;
  CHECK(of_values(p.x) == "nothing refused");
  g = 1.2e-7;
  CHECK(of_values(p.x) == "coefdyn: log_decay: expected a logarithm of a decay, in [-inf, 0], given 1.2e-07 at (1, 65, 1, 2)");
  g = not_a_number;
  CHECK(of_values(p.x) == "coefdyn: log_decay: expected a logarithm of a decay, in [-inf, 0], given nan at (1, 65, 1, 2)");
  g = infinity;
  CHECK(of_values(p.x).find("given inf at") != std::string::npos);
  g = 0;
  p.held.v.back() = -infinity;
  CHECK(of_values(p.x) == "coefdyn: v: expected finite numbers, given -inf at (1, 69, 1, 2)");
  p.held.v.back() = 0, p.held.q[0] = not_a_number;
  CHECK(of_values(p.x) == "coefdyn: q: expected finite numbers, given nan at (0, 0, 0, 0)");
  p.held.q[0] = 0;
  p.x.k.strides[1] = 0;  // one key for all tokens, looked at once
  p.held.k[4 * 3] = not_a_number;
  CHECK(of_values(p.x) == "nothing refused");
}

TEST_CASE("both parts of a complex number, duals and low precision are looked at") {
  problem<mixers::lru, double> p(1, 3, 1, 2, 2);
  tokens<mixers::lru, double, heads::grouped_queries, field::complex> x;
  std::vector<complex<double>> q(6), k(6);
  x.q = view(q, 1, 3, 1, 2), x.k = view(k, 1, 3, 1, 2), x.v = p.x.v, x.log_decay = p.x.log_decay, x.theta = p.x.theta;
  CHECK(of_values(x) == "nothing refused");
  k[3].im = not_a_number;
  CHECK(of_values(x) == "coefdyn: k: expected finite numbers, given nan at (0, 1, 0, 1)");
  problem<mixers::gla, dual<double>> duals(1, 2, 1, 2, 2);
  duals.held.log_decay[2] = {0.5, 1.0};
  CHECK(of_values(duals.x) == "coefdyn: log_decay: expected a logarithm of a decay, in [-inf, 0], given 0.5 at (0, 1, 0, 0)");
  problem<mixers::softmax_attention, bf16> low(1, 2, 1, 2, 2);
  low.held.q[1] = bf16(std::numeric_limits<float>::infinity());
  CHECK(of_values(low.x) == "coefdyn: q: expected finite numbers, given inf at (0, 0, 0, 1)");
}

TEST_CASE("a correction along a direction of length l has a strength of at most 2 / l^2") {
  {
    problem<mixers::gated_deltanet> p(2, 70, 2, 4, 3);
    fill_delta(p);
    const std::string too_long = of_values(p.x);
    CHECK(too_long.rfind("coefdyn: k: expected strength times squared length of at most 2", 0) == 0);
    normalise(p.held.k, 4);
    CHECK(of_values(p.x) == "nothing refused");
    p.held.beta[(70 + 66) * 2 + 1] = 2.25;
    CHECK(of_values(p.x).rfind("coefdyn: beta: expected strength times squared length of at most 2, given 2.2", 0) == 0);
    CHECK(of_values(p.x).find(" at (1, 66, 1)") != std::string::npos);
    p.held.beta[(70 + 66) * 2 + 1] = -0.5;
    CHECK(of_values(p.x) ==
          "coefdyn: beta: expected a strength of at least 0, since the state grows along its direction, given -0.5 at (1, 66, 1)");
    p.held.beta[(70 + 66) * 2 + 1] = 2;
    CHECK(of_values(p.x) == "nothing refused");
  }
  {
    problem<mixers::deltanet_z> p(1, 5, 1, 4, 3);  // the direction is z, whatever k is
    fill_delta(p), fill(p.held.z, 1, 0.3), normalise(p.held.z, 4);
    CHECK(of_values(p.x) == "nothing refused");
    p.held.z[9] = 40;
    CHECK(of_values(p.x).rfind("coefdyn: z: expected strength times squared length", 0) == 0);
    CHECK(of_values(p.x).find(" at (0, 2, 0)") != std::string::npos);
  }
  {
    problem<mixers::deltaproduct_2> p(1, 5, 1, 4, 3);  // the second write of token 3
    fill_delta(p), normalise(p.held.k, 4);
    CHECK(of_values(p.x) == "nothing refused");
    for (std::size_t c = 7 * 4; c < 8 * 4; ++c) p.held.k[c] *= 9;
    CHECK(of_values(p.x).find(" at (0, 7, 0)") != std::string::npos);
  }
  {
    problem<mixers::kda, bf16> p(1, 9, 1, 64, 3);  // rounded keys are of length 1
    fill_delta(p), normalise(p.held.k, 64);
    std::fill(p.held.beta.begin(), p.held.beta.end(), 2.f);
    CHECK(of_values(p.x) == "nothing refused");
  }
}

TEST_CASE("a rank-one part of two vectors keeps the eigenvalues within [-1, 1], as RWKV-7's does") {
  problem<mixers::rwkv7> p(1, 40, 2, 4, 3);
  fill_delta(p);
  std::vector<double> kappa(p.held.c.size());
  fill(kappa, 1, 0.5), normalise(kappa, 4);
  const auto set = [&](double rate, double sign) {
    for (std::size_t i = 0; i < kappa.size(); ++i) p.held.a[i] = rate * (0.5 + 0.5 * wave(i, 2)) * kappa[i], p.held.c[i] = sign * kappa[i];
  };
  set(1, -1);
  CHECK(of_values(p.x) == "nothing refused");
  set(1, +1);  // the sign forgotten
  CHECK(of_values(p.x).rfind("coefdyn: a: expected a rank-one part that keeps the eigenvalues of A_t within [-1, 1], given row'column = ",
                             0) == 0);
  CHECK(of_values(p.x).find(", an eigenvalue above 1 at (0, ") != std::string::npos);
  set(9, -1);
  CHECK(of_values(p.x).find(", an eigenvalue below -1 at (0, ") != std::string::npos);
  // D = 1/2, a = s k, c = -k: eigenvalues 1/2 and 1/2 - s, so s <= 3/2
  problem<mixers::rwkv7> one(1, 1, 1, 2, 1);
  std::fill(one.held.log_decay.begin(), one.held.log_decay.end(), std::log(0.5));
  const auto with = [&](double s) {
    one.held.a = {0.6 * s, 0.8 * s}, one.held.c = {-0.6, -0.8};
    return of_values(one.x);
  };
  CHECK(with(1.4999) == "nothing refused");
  CHECK(with(1.5001).find("below -1") != std::string::npos);
  CHECK(with(-0.4999) == "nothing refused");
  CHECK(with(-0.5001).find("above 1") != std::string::npos);
}

namespace {
struct growing {  // log lambda = raw: a parameterisation without a bound
  template <class R>
  COEFDYN_HD static R log_decay(R raw) {
    return raw;
  }
};
using own = mixer<readout::linear, evolution::parameterised<evolution::diagonal, growing>, scaling::one, normalization::one>;
}  // namespace

TEST_CASE("decays that an evolution computes from streams of its own are looked at") {
  problem<own> p(1, 70, 2, 3, 2);
  fill(p.held.raw, 0.4, 0.2, -0.5);
  CHECK(of_values(p.x) == "nothing refused");
  p.held.raw[(66 * 2 + 1) * 3 + 1] = 0.25;
  CHECK(of_values(p.x) == "coefdyn: evolution: expected a logarithm of a decay, in [-inf, 0], given 0.25 at (0, 66, 1, 1)");
}

TEST_CASE("run and backward look at every number where COEFDYN_CHECK_VALUES is defined") {
  problem<mixers::gla> p(1, 5, 1, 4, 3);
  fill_delta(p);
  std::vector<double> y(15, 7), dy(15, 1), dq(20);
  gradients<mixers::gla, double> g;
  g.q = view(dq, 1, 5, 1, 4);
  run(host, form::chunkwise{}, p.x, view(y, 1, 5, 1, 3));
  state<mixers::gla, double> s(1, 1, 4, 3);
  s.S[5] = not_a_number;
  CHECK(refusal([&] { run(host, form::recurrent{}, p.x, view(y, 1, 5, 1, 3), {s, {}, {}, {}}); }) ==
        "coefdyn: initial state S: expected finite numbers, given nan at (0, 0, 1, 2)");
  s.S[5] = 0, s.position[0] = -4;
  CHECK(refusal([&] { run(host, form::step{}, p.x, view(y, 1, 5, 1, 3), {s, {}, {}, {}}); }) ==
        "coefdyn: initial state position: expected a number of tokens of at least 0, given -4 at (0)");
  p.held.k[7] = infinity;
  const std::vector<double> before = y;
  CHECK(refusal([&] { run(host, form::chunkwise{}, p.x, view(y, 1, 5, 1, 3)); }) ==
        "coefdyn: k: expected finite numbers, given inf at (0, 1, 0, 3)");
  CHECK(y == before);
  p.held.k[7] = 0, dy[4] = not_a_number;
  CHECK(refusal([&] { backward(host, form::chunkwise{}, p.x, view<const double, 4>(view(dy, 1, 5, 1, 3)), g); }) ==
        "coefdyn: dy: expected finite numbers, given nan at (0, 1, 0, 1)");
}

namespace {
/// The largest |y| over T tokens of random keys, each entry of size 1.
template <class M>
double largest_output(idx T) {
  problem<M> p(1, T, 1, 8, 2);
  unsigned state = 5;
  const auto random = [&] { return double((state = state * 1664525u + 1013904223u) >> 8) / double(1 << 23) - 1; };
  for (auto* v : {&p.held.q, &p.held.k, &p.held.v})
    for (double& entry : *v) entry = random();
  std::fill(p.held.beta.begin(), p.held.beta.end(), 1.5);
  std::vector<double> y(std::size_t(T) * 2);
  run(host, form::recurrent{}, p.x, view(y, 1, T, 1, 2));
  double most = 0;
  for (const double v : y) most = std::max(most, std::isfinite(v) ? std::abs(v) : infinity);
  return most;
}
using unit_deltanet = mixers::unit_keys<mixers::deltanet>;
static_assert(std::is_same_v<mixers::unit_keys<unit_deltanet>, unit_deltanet>);
static_assert(std::is_same_v<unit_deltanet::feature_map, feature::l2>);
}  // namespace

TEST_CASE("unit keys keep a delta rule bounded where keys as given are refused") {
  CHECK(largest_output<unit_deltanet>(4096) < 30);
  CHECK(refusal([] { (void)largest_output<mixers::deltanet>(512); }).rfind("coefdyn: k: expected strength times squared length", 0) == 0);
}

TEST_CASE("unit keys after a feature map divide what it gives: forms agree, gradients are slopes") {
  using M = mixers::unit_keys<mixers::linear_attention_elu1>;
  static_assert(std::is_same_v<M::feature_map, feature::unit<feature::elu_plus_one>> && M::feature_map::is_nonnegative);
  problem<M> p(1, 9, 1, 4, 3);
  fill(p.held.q, 1, 0.1), fill(p.held.k, 1, 0.7), fill(p.held.v, 1, 1.1);
  std::vector<double> y(27), other(27), dq(36), dk(36);
  const auto at = [&](auto form_, std::vector<double>& to) { run(host, form_, p.x, view(to, 1, 9, 1, 3)); };
  at(form::definition{}, y), at(form::chunkwise{4}, other);
  for (std::size_t i = 0; i < y.size(); ++i) CHECK(std::abs(y[i] - other[i]) <= 1e-13);
  // by hand: rows of elu + 1 over their lengths
  problem<mixer<readout::linear, evolution::identity, scaling::one, normalization::sum>> by_hand(1, 9, 1, 4, 3);
  by_hand.held.v = p.held.v;
  const auto mapped = [](buffer<double> rows) {
    for (double& v : rows) v = v > 0 ? v + 1 : std::exp(v);
    for (std::size_t row = 0; row < rows.size(); row += 4) {
      double square = 0;
      for (std::size_t c = row; c < row + 4; ++c) square += rows[c] * rows[c];
      for (std::size_t c = row; c < row + 4; ++c) rows[c] /= std::sqrt(square);
    }
    return rows;
  };
  by_hand.held.q = mapped(p.held.q), by_hand.held.k = mapped(p.held.k), by_hand.held.bind(by_hand.x);
  run(host, form::definition{}, by_hand.x, view(other, 1, 9, 1, 3));
  for (std::size_t i = 0; i < y.size(); ++i) CHECK(std::abs(y[i] - other[i]) <= 1e-13);
  // slopes of sum_i i y_i
  std::vector<double> dy(27);
  for (std::size_t i = 0; i < dy.size(); ++i) dy[i] = double(i % 5) - 2;
  gradients<M, double> g;
  g.q = view(dq, 1, 9, 1, 4), g.k = view(dk, 1, 9, 1, 4);
  backward(host, form::chunkwise{4}, p.x, view<const double, 4>(view(dy, 1, 9, 1, 3)), g);
  const auto loss = [&] {
    at(form::definition{}, other);
    double sum = 0;
    for (std::size_t i = 0; i < dy.size(); ++i) sum += dy[i] * other[i];
    return sum;
  };
  for (auto [values, slopes] : {std::pair{&p.held.q, &dq}, std::pair{&p.held.k, &dk}})
    for (std::size_t i = 0; i < values->size(); ++i) {
      const double here = (*values)[i], step = 1e-5;
      (*values)[i] = here + step;
      const double up = loss();
      (*values)[i] = here - step;
      const double down = loss();
      (*values)[i] = here;
      CHECK(std::abs((up - down) / (2 * step) - (*slopes)[i]) <= 1e-8);
    }
}
