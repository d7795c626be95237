// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <coefdyn/coefdyn.hpp>
#include <coefdyn/core/streams.hpp>
#include <coefdyn/cpu/forms/plain_definition.hpp>
#include <limits>
#include <random>
#include <vector>

// The definition as it reads, beside the complete one: weights, sums, decays, rotations, corrections, gates, feature maps, grouped heads.

namespace {

using namespace coefdyn;

/// Streams in their ranges: log decays below 0, beta and log input gates around a half, others normal.
template <class M>
void fill(stream_buffers<M, double>& held, std::mt19937& random) {
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform(0, 1);
  for_each_need(needs_of<M>{}, [&]<class Need>(Need) {
    const std::string name = Need::tag::name;
    for (auto& number : held.template of<Need>()) {
      double from = normal(random);
      if (name == "log_decay") from = -uniform(random);
      if (name == "beta" || name == "delta") from = uniform(random);
      number = std::remove_reference_t<decltype(number)>(from);
    }
  });
}

template <class M>
void compare(const char* what, int keys, int queries) {
  INFO(what);
  constexpr int n = 6, d = 5;
  constexpr idx B = 2, T = 7;
  tokens<M, double> x;
  extents size;
  size.batch = size.sequences = B, size.time = T, size.n = n, size.d = d;
  size.queries = size.readers = queries, size.keys = size.states = keys;
  std::mt19937 random(std::random_device{}());
  stream_buffers<M, double> held(size);
  fill<M>(held, random);
  held.bind(x);
  std::vector<double> y(std::size_t(B * T * queries * d), std::numeric_limits<double>::quiet_NaN());
  run(device::cpu{serial{}}, form::definition{}, x, view(y.data(), B, T, idx(queries), idx(d)));
  for (idx b = 0; b < B; ++b)
    for (int r = 0; r < queries; ++r) {
      const std::vector<double> plain = cpu::plain_definition(x, b, r);
      REQUIRE(plain.size() == std::size_t(T * d));
      double largest = 0, error = 0;
      for (idx t = 0; t < T; ++t)
        for (int u = 0; u < d; ++u) {
          const double want = y[std::size_t(((b * T + t) * queries + r) * d + u)], have = plain[std::size_t(t * d + u)];
          REQUIRE(std::isfinite(want));
          REQUIRE(std::isfinite(have));
          largest = std::max(largest, std::abs(want)), error = std::max(error, std::abs(want - have));
        }
      CHECK(largest > 0);
      CHECK(error <= 1e-12 * largest);
    }
}

}  // namespace

TEST_CASE("the plain definition is the definition, for named mixers") {
  compare<mixers::softmax_attention>("softmax attention", 2, 4);
  compare<mixers::gla>("GLA", 2, 2);
  compare<mixers::gated_deltanet>("gated DeltaNet", 2, 2);
  compare<mixers::mlstm>("mLSTM", 1, 3);
}
TEST_CASE("the plain definition is the definition, for mixers without a name") {
  compare<mixer<readout::softplus, evolution::gated_householder<>, scaling::product<scaling::beta, scaling::inverse_sqrt_dim>,
                normalization::floored_sum, feature::l2>>("a reflection under softplus", 2, 4);
  compare<mixer<readout::linear, evolution::complex_diagonal, scaling::one, normalization::count>>("complex decays, counted", 2, 2);
  compare<mixer<readout::sigmoid, evolution::rotation<>, scaling::one, normalization::gate<normalization::psi::softplus>>>(
      "rotations behind a gate", 1, 2);
}
