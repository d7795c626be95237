// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <coefdyn/nn/hippo.hpp>
#include <coefdyn/nn/loss.hpp>
#include <coefdyn/train/adamw.hpp>
#include <coefdyn/train/schedule.hpp>

namespace {
using namespace coefdyn;

TEST_CASE("random numbers: the generator's own words") {
  random_stream r(0, 1, 0, 0);
  CHECK(r.word() == 9580227689273684177u);
  const random_stream same(0, 1, 0, 0);
  CHECK(same.word_at(1) == r.word());
  double sum = 0, square = 0;
  random_stream n(1, 2, 3, 4);
  for (int i = 0; i < 20000; ++i) {
    const double x = n.normal();
    sum += x, square += x * x;
  }
  CHECK(std::abs(sum / 20000) < 0.03);
  CHECK(std::abs(square / 20000 - 1) < 0.05);
  for (int i = 0; i < 1000; ++i) CHECK(n.below(7) < 7);
}

TEST_CASE("schedule: a warm-up, then a cosine to the least rate") {
  const train::schedule s{.rate = 1e-2, .least = 1e-3, .warmup = 4, .steps = 12};
  CHECK(s(0) == doctest::Approx(2.5e-3));
  CHECK(s(3) == doctest::Approx(1e-2));
  CHECK(s(4) == doctest::Approx(1e-2));
  CHECK(s(11) == doctest::Approx(1e-3));
  CHECK(s(100) == doctest::Approx(1e-3));
  const train::schedule constant{.rate = 3e-4, .least = 3e-4};
  CHECK(constant(0) == 3e-4);
}

TEST_CASE("AdamW: one step by hand; the clip; what does not decay") {
  auto list = std::make_shared<nn::parameter_list>();
  const nn::scope s(*list);
  s.matrix("m", 1, 2, nn::start::constant(2)), s.vector("v", 1, nn::start::constant(2));
  nn::weights<double> w(list), dw(list);
  w.initialise(1);
  dw("m")[0] = 3, dw("m")[1] = 0, dw("v")[0] = -4;
  train::adamw<double> adam(w, {.decay = 0.5, .clip = 1});
  CHECK(adam.step(w, dw, 0.1) == doctest::Approx(5));  // the norm before the clip
  // the first step is rate g / (|g| + eps'), whatever the size of g
  CHECK(w("m")[0] == doctest::Approx(2 * 0.95 - 0.1));
  CHECK(w("m")[1] == doctest::Approx(2 * 0.95));
  CHECK(w("v")[0] == doctest::Approx(2 + 0.1));
  CHECK(dw("m")[0] == 3);
  auto other = std::make_shared<nn::parameter_list>();
  nn::scope(*other).vector("x", 40, nn::start::constant(0));
  nn::weights<double> strange(other);
  CHECK_THROWS_AS(adam.step(w, strange, 0.1), invalid_input);
}

TEST_CASE("AdamW: a state space's dynamics have a rate of their own and do not decay then") {
  auto list = std::make_shared<nn::parameter_list>();
  const nn::scope s(*list);
  s.matrix("C", 1, 2, nn::start::constant(2)), s.dynamics().matrix("P", 1, 2, nn::start::constant(2));
  s.dynamics().vector("log_step", 1, nn::start::constant(2));
  const auto stepped = [&](double share) {
    nn::weights<double> w(list), dw(list);
    w.initialise(1);
    std::fill_n(dw.data(), dw.size(), 0.0);
    for (const char* name : {"C", "P", "log_step"}) dw(name)[0] = 3;
    train::adamw<double>(w, {.decay = 0.5, .clip = 0, .dynamics_share = share}).step(w, dw, 0.1);
    return w;
  };
  const auto all = stepped(0), own = stepped(0.25);
  CHECK(all("C")[0] == doctest::Approx(2 * 0.95 - 0.1));
  CHECK(all("P")[0] == doctest::Approx(2 * 0.95 - 0.1));
  CHECK(all("log_step")[0] == doctest::Approx(2 - 0.1));
  CHECK(own("C")[0] == all("C")[0]);
  CHECK(own("P")[0] == doctest::Approx(2 - 0.025));
  CHECK(own("P")[1] == 2);
  CHECK(own("log_step")[0] == doctest::Approx(2 - 0.025));
  auto plain = std::make_shared<nn::parameter_list>();
  nn::scope(*plain).vector("x", 4, nn::start::constant(0));
  const nn::weights<double> none(plain);
  CHECK_THROWS_WITH_AS(train::adamw<double>(none, {.dynamics_share = 0.5}), doctest::Contains("0 in a model without"), invalid_input);
  CHECK_THROWS_WITH_AS(stepped(-1), doctest::Contains("0 or more"), invalid_input);
}

TEST_CASE("cross entropy: ignored positions count for nothing; all ignored is 0") {
  auto list = std::make_shared<nn::parameter_list>();
  nn::scope(*list).vector("unused", 1, nn::start::constant(0));
  nn::weights<double> w(list), dw(list);
  nn::tape<double> t(w, &dw);
  t.begin();
  auto logits = t.make(1, 3, 2);
  const double values[] = {0, 0, 5, -5, 1, 2};
  std::copy_n(values, 6, logits.data);
  const std::vector<std::int64_t> labels{1, nn::ignored, 1};
  const nn::score s = nn::cross_entropy<double>(t, logits, labels);
  CHECK(s.counted == 2);
  CHECK(s.correct == 1);
  CHECK(s.loss == doctest::Approx((std::log(2.0) + std::log1p(std::exp(-1.0))) / 2));
  CHECK(logits.gradient[0] == doctest::Approx(0.25));
  CHECK(logits.gradient[2] == 0);
  const std::vector<std::int64_t> nothing(3, nn::ignored);
  CHECK(nn::cross_entropy<double>(t, logits, nothing).loss == 0);
}

TEST_CASE("HiPPO-LegS: the diagonal and the rank give back p' A b") {
  for (const idx n : {1, 2, 7}) {
    const nn::hippo_legs h(n);
    complex<double> got, pb;
    double pp = 0, want = 0;
    for (std::size_t k = 0; k < std::size_t(n); ++k) {
      got += conj(h.P[k]) * (complex<double>(-0.5, h.Lambda_im[k]) * h.B[k]);
      pb += conj(h.P[k]) * h.B[k];
      pp += h.P[k].re * h.P[k].re + h.P[k].im * h.P[k].im;
    }
    for (idx r = 0; r < n; ++r)
      for (idx c = 0; c <= r; ++c) {
        const double A = r == c ? -double(r + 1) : -std::sqrt(double((2 * r + 1) * (2 * c + 1)));
        want += std::sqrt(double(r) + 0.5) * A * std::sqrt(double(2 * c + 1));
      }
    CHECK(got.re - pp * pb.re == doctest::Approx(want));
    CHECK(std::abs(got.im - pp * pb.im) < 1e-10);
  }
}

TEST_CASE("initial laws") {
  auto list = std::make_shared<nn::parameter_list>();
  const nn::scope s(*list);
  s.matrix("projection", 8, 16, nn::start::fan_in(16)), s.vector("rate", 64, nn::start::log_uniform(1, 16));
  s.vector("step", 64, nn::start::step_bias()), s.matrix("turn", 6, 3, nn::start::orthogonal(6, 0.5));
  s.vector("even", 3, nn::start::spread(4, 9));
  nn::weights<double> w(list), again(list), other(list);
  w.initialise(7), again.initialise(7), other.initialise(8);
  CHECK(std::equal(w.data(), w.data() + w.size(), again.data()));
  CHECK_FALSE(std::equal(w.data(), w.data() + w.size(), other.data()));
  for (const double x : w("projection")) CHECK(std::abs(x) <= 0.25);
  for (const double x : w("rate")) CHECK((x >= 0 && x <= std::log(16.0)));
  for (const double x : w("step")) {
    const double step = std::log1p(std::exp(x));
    CHECK((step >= 1e-4 && step <= 0.1 + 1e-12));
  }
  const auto q = w("turn");
  for (std::size_t a = 0; a < 3; ++a)
    for (std::size_t b = 0; b < 3; ++b) {
      double dot = 0;
      for (std::size_t i = 0; i < 6; ++i) dot += q[i * 3 + a] * q[i * 3 + b];
      CHECK(dot == doctest::Approx(a == b ? 0.25 : 0));
    }
  CHECK(w("even")[1] == 6.5);
  CHECK_THROWS_AS(w("odd"), invalid_input);
}
}  // namespace
