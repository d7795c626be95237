// SPDX-License-Identifier: MIT
// Numbers at the ends of their range, and what is none, through duals, policies and feature maps.
#include <doctest/doctest.h>

#include <cmath>
#include <coefdyn/coefdyn.hpp>
#include <limits>
#include <vector>

namespace {
using namespace coefdyn;
constexpr double infinite = std::numeric_limits<double>::infinity();
const double none = std::nan("");
}  // namespace

TEST_CASE("duals: 0 times infinity is 0 in a derivative, and NaN stays") {
  using D = dual<float>;
  const auto check = [](D x, float value, float derivative) {
    CHECK(x.v == value);
    CHECK(x.d == derivative);
  };
  constexpr float inf = std::numeric_limits<float>::infinity();
  check(math::exp(D(90)), inf, 0);
  check(math::exp(D(90, 1)), inf, inf);
  check(math::expm1(D(90)), inf, 0);
  check(math::log(D(0)), -inf, 0);
  check(math::log1p(D(-1)), -inf, 0);
  check(math::tanh(math::exp(D(90, 1))), 1, 0);
  check(math::exp(-math::exp(D(90, 1))), 0, 0);  // the slope e^(x - e^x) has left float long before
  check(D(inf) * D(2), inf, 0);
  check(D(inf) * D(2, 1), inf, inf);
  check(D(1) / D(0), inf, 0);
  check(D(1) / D(1e-40f), inf, 0);
  check(math::sqrt(D(0, 1)), 0, 0);
  for (const D x : {math::exp(D(std::nanf(""))), D(std::nanf("")) * D(2), D(1, std::nanf("")) * D(0), D(0) / D(0)}) CHECK(std::isnan(x.d));
  const dual<D> twice = dual<D>(D(3, 1), D(1)) * dual<D>(D(3, 1), D(1));  // x^2 at 3, both derivatives
  CHECK(twice.d.v == 6);
  CHECK(twice.d.d == 2);
}

TEST_CASE("readouts and feature maps: NaN in gives NaN out, the derivative too") {
  const auto check = [](auto phi) {
    using Phi = decltype(phi);
    CHECK(std::isnan(Phi::apply(none)));
    CHECK(std::isnan(Phi::apply(dual<double>(none, 1)).v));
    if (!Phi::is_linear) CHECK(std::isnan(slope<Phi>(none)));
  };
  check(readout::linear{}), check(readout::exponential{}), check(readout::relu{}), check(readout::relu_squared{});
  check(readout::softplus{}), check(readout::sigmoid{}), check(readout::tanh{}), check(readout::elu_plus_one{}), check(readout::silu{});
  CHECK(slope<readout::linear>(infinite) == 1);
  CHECK(std::isnan(feature::relu::apply(none)));
  CHECK(std::isnan(feature::elu_plus_one::apply(none)));
  CHECK(feature::relu::apply(dual<double>(0, 1)).d == 0);
  CHECK(readout::relu::apply(dual<double>(0, 1)).d == 0);
  CHECK(readout::relu::derivative(-infinite) == 0);
  CHECK(readout::relu::derivative(infinite) == 1);
  for (int at : {0, 1, 8})  // beside zeros, in every part of a vector loop
    for (int n : {at + 1, 9, 20}) {
      std::vector<double> x(std::size_t(n), 0.0), y(x.size());
      x[std::size_t(at)] = none;
      feature::l2::apply(x.data(), y.data(), n);
      for (const double v : y) CHECK(std::isnan(v));
      feature::softmax::apply(x.data(), y.data(), n);
      for (const double v : y) CHECK(std::isnan(v));
    }
}

TEST_CASE("sums: NaN is no row of zeros") {
  const token<double, list<>> at{};
  CHECK(std::isnan(normalization::sum::inverse(none, 0.0, at)));
  CHECK(std::isnan(normalization::floored_sum::inverse(none, 0.0, at)));
  CHECK(std::isnan(normalization::floored_sum::log_eta(none, 0.0, at)));
  CHECK(normalization::sum::inverse(0.0, 0.0, at) == infinite);  // that the row is one of zeros is finish_row's to see
  CHECK(normalization::sum::inverse(1e-310, 0.0, at) == 0);
  CHECK(normalization::sum::inverse(infinite, 0.0, at) == 0);
  CHECK(normalization::sum::inverse(4.0, 0.0, at) == 0.25);
}

TEST_CASE_TEMPLATE("l2: directions of vectors of any length", R, float, double) {
  using limits = std::numeric_limits<R>;
  for (const R size : {limits::denorm_min() * 1000, limits::min(), limits::min() * 100, R(1e-20), R(1), R(1e20), limits::max() / 100,
                       limits::max() * R(0.75)})
    for (const int n : {1, 2, 4, 21}) {
      CAPTURE(size);
      std::vector<R> x(std::size_t(n), size), y(x.size()), dy(x.size(), R(0)), dx(x.size());
      if (n > 1) x[1] = -size / 2;
      double square = 0;
      for (const R v : x) square += std::pow(double(v / size), 2);
      feature::l2::apply(x.data(), y.data(), n);
      for (std::size_t c = 0; c < x.size(); ++c)
        CHECK(double(y[c]) == doctest::Approx(double(x[c] / size) / std::sqrt(square)).epsilon(4e-7));
      // the slope is 1 / |x|: finite where that is
      dy[0] = size > 1 ? R(1) : limits::min();
      feature::l2::pull_back(x.data(), y.data(), dy.data(), dx.data(), n);
      for (std::size_t c = 0; c < x.size(); ++c) {
        const long double want = (long double)(dy[0]) / (size * sqrtl((long double)(square))) * ((c == 0) - (long double)(y[c]) * y[0]);
        if (n == 1) CHECK(std::abs(dx[c]) <= limits::epsilon() * dy[0] / size);
        else if (fabsl(want) > (long double)(limits::min()) && fabsl(want) < (long double)(limits::max()))
          CHECK(std::abs(double(dx[c] / R(want)) - 1) < 1e-4);
        else CHECK(!std::isnan(dx[c]));
      }
      std::vector<dual<R>> lifted(x.size()), out(x.size());
      for (std::size_t c = 0; c < x.size(); ++c) lifted[c] = dual<R>(x[c], c == 0 ? dy[0] : R(0));
      feature::l2::apply(lifted.data(), out.data(), n);
      for (std::size_t c = 0; c < x.size(); ++c) {
        CHECK(double(out[c].v) == doctest::Approx(double(y[c])).epsilon(4e-7));
        CHECK(std::abs(double(out[c].d - dx[c])) <= 1e-5 * double(dy[0] / size) + double(limits::min()));
      }
    }
  const R tiny[] = {R(sizeof(R) == 4 ? 1e-40 : 1e-310), R(0)};
  R y[2];
  feature::l2::apply(tiny, y, 2);
  CHECK(y[0] == doctest::Approx(1).epsilon(1e-6));
  CHECK(y[1] == 0);
  const R zero[] = {R(0), R(0)}, dy[] = {R(1), R(1)};
  R dx[2];
  feature::l2::apply(zero, y, 2), feature::l2::pull_back(zero, y, dy, dx, 2);
  for (const R v : {y[0], y[1], dx[0], dx[1]}) CHECK(v == 0);
}

TEST_CASE_TEMPLATE("sqrt(1 - |lambda|^2): a lambda of 1 and what rounding adds gives 0 with slope 0", R, float, double) {
  using at = token<R, list<need<stream::log_decay, ticks::constant, width::scalar>>>;
  using lifted = token<dual<R>, list<need<stream::log_decay, ticks::constant, width::scalar>>>;
  at t{};
  lifted u{};
  for (const R x : {R(0), R(1.2e-7f), R(4e-6)}) {
    t.log_decay = x, u.log_decay = dual<R>(x, R(1));
    CHECK(scaling::sqrt_one_minus_lambda2::scale(t) == 0);
    CHECK(dual<R>(scaling::sqrt_one_minus_lambda2::scale(u)).d == 0);
  }
  for (const R x : {R(0.1), std::numeric_limits<R>::quiet_NaN()}) {
    t.log_decay = x;
    CHECK(std::isnan(R(scaling::sqrt_one_minus_lambda2::scale(t))));
  }
  t.log_decay = R(-1e-7f);
  CHECK(scaling::sqrt_one_minus_lambda2::scale(t) == doctest::Approx(std::sqrt(2e-7)).epsilon(1e-5));
}

namespace {
/// y and gradients of one head whose streams, but for what the caller changes, are all of one number.
template <class M, class R>
struct one_head {
  idx T;
  extents e;
  stream_buffers<M, R> x, d;
  std::vector<R> y, dy;
  one_head(idx time, int n, R number) : T(time), e(sizes(time, n)), x(e), d(e), y(std::size_t(time), number), dy(y) {
    for_each_need(typename stream_buffers<M, R>::needs{}, [&]<class N>(N) {
      for (auto& v : x.template of<N>()) v = number;
    });
  }
  static extents sizes(idx time, int n) {
    extents e;
    e.batch = e.sequences = 1, e.time = time, e.readers = e.states = e.queries = e.keys = 1, e.n = n, e.d = 1;
    return e;
  }
  template <class Form>
  void run(Form form) {
    tokens<M, R> t;
    x.bind(t);
    coefdyn::run(device::cpu{}, form, t, view(y.data(), 1, T, 1, 1));
  }
  template <class Form>
  void backward(Form form) {
    tokens<M, R> t;
    gradients<M, R> g;
    x.bind(t), d.bind(g);
    coefdyn::backward(device::cpu{}, form, t, view(std::as_const(dy).data(), 1, T, 1, 1), g);
  }
};
}  // namespace

TEST_CASE("forms: NaN in a key is NaN in y under relu, alone in a row and beside others") {
  for (const idx T : {1, 3}) {
    one_head<mixers::relu_attention, float> h(T, 1, 1);
    h.x.k[std::size_t(T) - 1] = std::nanf("");
    const auto check = [&](auto form) {
      h.run(form);
      for (idx t = 0; t < T; ++t) CHECK(std::isnan(h.y[std::size_t(t)]) == (t == T - 1));
    };
    check(form::definition{}), check(form::parallel{});
  }
}

TEST_CASE("forms: NaN in dy stays away from later tokens' gradients, in v from earlier outputs") {
  one_head<mixers::linear_attention, float> h(4, 1, 1);
  const auto check = [&](auto form) {
    h.dy = {1, std::nanf(""), 1, 1};
    h.backward(form);
    CHECK(std::isnan(h.d.v[0]));
    CHECK(std::isnan(h.d.v[1]));
    CHECK(h.d.v[2] == 2);
    CHECK(h.d.v[3] == 1);
    h.x.v[2] = std::numeric_limits<float>::infinity();
    h.run(form);
    CHECK(h.y[0] == 1);
    CHECK(h.y[1] == 2);
    CHECK(h.y[2] == std::numeric_limits<float>::infinity());
    h.x.v[2] = 1;
  };
  check(form::definition{}), check(form::parallel{}), check(form::recurrent{}), check(form::chunkwise{});
}

TEST_CASE("forms: an LRU whose |lambda| is one rounding above 1 is that of 1") {
  one_head<mixers::lru, float> h(3, 2, 0.5f);
  const auto check = [&](auto form) {
    for (float& x : h.x.log_decay) x = 1.2e-7f;
    h.run(form);
    for (const float y : h.y) CHECK(y == 0);  // b = 0
    h.x.log_decay[1] = -0.5f;
    h.run(form), h.backward(form);
    for (const float y : h.y) CHECK(y != 0);
    for (const auto* g : {&h.d.q, &h.d.k, &h.d.v, &h.d.log_decay, &h.d.theta})
      for (const float v : *g) CHECK(std::isfinite(v));
  };
  check(form::definition{}), check(form::parallel{}), check(form::recurrent{}), check(form::chunkwise{});
}
