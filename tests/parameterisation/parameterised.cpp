// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <coefdyn/core/streams.hpp>
#include <coefdyn/cpu/backward.hpp>
#include <coefdyn/evolution/parameterised.hpp>
#include <coefdyn/mixers/delta_rule.hpp>
#include <coefdyn/mixers/gated_linear.hpp>
#include <coefdyn/mixers/state_space.hpp>
#include <coefdyn/parameterisation/all.hpp>
#include <coefdyn/scaling/step.hpp>
#include <random>

namespace {
using namespace coefdyn;
namespace gates = parameterisation;

using raw_mamba2 =
    mixer<readout::linear, evolution::parameterised<evolution::scalar, gates::mamba2>, scaling::step<gates::mamba2>, normalization::one>;
using raw_gla = mixer<readout::linear, evolution::parameterised<evolution::diagonal, gates::gla>, scaling::one, normalization::sqrt_dim>;
using raw_kda = mixer<readout::linear, evolution::parameterised<evolution::diagonal_householder<>, gates::mamba2_per_head>, scaling::beta,
                      normalization::sqrt_dim>;
using raw_product = mixer<readout::linear, evolution::writes<2, evolution::parameterised<evolution::gated_householder<>, gates::mamba2>>,
                          scaling::beta, normalization::sqrt_dim>;
using raw_bounded = mixer<readout::linear, evolution::parameterised<evolution::diagonal, gates::hgrn2>, scaling::one, normalization::one>;

constexpr extents sizes(idx batch, idx time) {
  extents e;
  e.batch = e.sequences = batch, e.time = time;
  e.queries = e.keys = e.states = e.readers = 2;
  e.n = 4, e.d = 3;
  return e;
}
template <class M>
struct problem {
  extents e = sizes(2, 7);
  stream_buffers<M, double> values{e}, slopes{e};
  tokens<M, double> x;
  gradients<M, double> g;
  std::vector<double> y, dy;

  problem() : y(std::size_t(2 * 7 * 2 * 3)), dy(y.size()) {
    std::mt19937 random(7);
    std::normal_distribution<double> normal;
    for_each_need(needs_of<M>{}, [&]<class N>(N) {
      const bool strength = std::is_same_v<typename N::tag, stream::beta>, bound = std::is_same_v<typename N::tag, stream::lower_bound>;
      for (double& v : values.template of<N>()) {
        v = 0.5 * normal(random);
        if (strength || bound) v = 0.6 / (1 + std::exp(-v));
      }
    });
    for (double& v : dy) v = normal(random);
    values.bind(x), slopes.bind(g);
  }
  view<double, 4> out() { return view(y.data(), e.batch, e.time, e.readers, e.d); }
  template <class Form>
  double loss(Form form_) {
    run(device::cpu{serial{}}, form_, x, out());
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
    return sum;
  }
  template <class Form>
  void pull_back(Form form_) {
    backward(device::cpu{serial{}}, form_, x, view<const double, 4>(dy.data(), e.batch, e.time, e.readers, e.d), g);
  }
};

template <class M>
void gradients_are_slopes() {
  problem<M> p;
  const auto check_form = [&](auto form_) {
    p.loss(form_), p.pull_back(form_);
    for_each_need(needs_of<M>{}, [&]<class N>(N) {
      CAPTURE(std::string(N::tag::name));
      auto& values = p.values.template of<N>();
      for (std::size_t i = 0; i < values.size(); i += 1 + values.size() / 7) {
        const double kept = values[i], h = 1e-5;
        values[i] = kept + h;
        const double up = p.loss(form_);
        values[i] = kept - h;
        const double down = p.loss(form_);
        values[i] = kept;
        CHECK(p.slopes.template of<N>()[i] == doctest::Approx((up - down) / (2 * h)).epsilon(1e-7));
      }
    });
  };
  check_form(form::definition{}), check_form(form::recurrent{}), check_form(form::chunkwise{4});
}

TEST_CASE("raw streams: gradients of raw numbers and of parameters are slopes, in every form") {
  SUBCASE("mamba2") { gradients_are_slopes<raw_mamba2>(); }
  SUBCASE("gla") { gradients_are_slopes<raw_gla>(); }
  SUBCASE("kda") { gradients_are_slopes<raw_kda>(); }
  SUBCASE("two writes") { gradients_are_slopes<raw_product>(); }
  SUBCASE("a lower bound") { gradients_are_slopes<raw_bounded>(); }
}

TEST_CASE("raw streams: the same numbers as gates computed ahead") {
  problem<raw_mamba2> raw;
  problem<mixers::mamba2> ahead;
  ahead.values.q = raw.values.q, ahead.values.k = raw.values.k, ahead.values.v = raw.values.v, ahead.dy = raw.dy;
  for (std::size_t i = 0; i < raw.values.raw.size(); ++i) {
    const double bias = raw.values.dt_bias[i % 2], rate = raw.values.A_log[i % 2];
    ahead.values.delta[i] = gates::mamba2::delta(raw.values.raw[i], bias);
    ahead.values.log_decay[i] = gates::mamba2::log_decay(raw.values.raw[i], bias, rate);
  }
  CHECK(raw.loss(form::chunkwise{}) == doctest::Approx(ahead.loss(form::chunkwise{})).epsilon(1e-13));
  CHECK(raw.y == ahead.y);
  raw.pull_back(form::chunkwise{}), ahead.pull_back(form::chunkwise{});
  double by_A[2] = {};
  for (std::size_t i = 0; i < raw.values.raw.size(); ++i) {
    const double bias = raw.values.dt_bias[i % 2], rate = raw.values.A_log[i % 2], x = raw.values.raw[i];
    const auto decay = gates::mamba2::pull_back(ahead.slopes.log_decay[i], x, bias, rate);
    const auto step = gates::mamba2::pull_back_delta(ahead.slopes.delta[i], x, bias);
    CHECK(raw.slopes.raw[i] == doctest::Approx(decay[0] + step[0]).epsilon(1e-12));
    by_A[i % 2] += decay[2];
  }
  for (std::size_t h = 0; h < 2; ++h) CHECK(raw.slopes.A_log[h] == doctest::Approx(by_A[h]).epsilon(1e-12));
}

TEST_CASE("streams without their names: shapes, sizes and order") {
  constexpr extents e = sizes(2, 7);
  using beta = need<stream::beta, ticks::write, width::scalar>;
  using M = mixers::gated_deltaproduct_2;
  CHECK(shape_of<beta, M>(e) == std::array<idx, 3>{2, 14, 2});
  CHECK(size_of<beta, M>(e) == 56);
  const stream_buffers<M> held(e);
  CHECK(held.beta.size() == 56);
  CHECK(held.k.size() == 2 * 14 * 2 * 4);
  std::string names;
  for_each_need(needs_of<raw_kda>{}, [&]<class N>(N) { names += std::string(N::tag::name) + " "; });
  CHECK(names == "q k v raw dt_bias A_log beta ");
}
}  // namespace
