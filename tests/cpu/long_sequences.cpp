// SPDX-License-Identifier: MIT
// Long sequences in float: angles and plain sums that add up over all of them.
#include <doctest/doctest.h>

#include <cmath>
#include <coefdyn/cpu/run.hpp>
#include <coefdyn/evolution/identity.hpp>
#include <coefdyn/evolution/rotation_decay.hpp>
#include <coefdyn/mixers/attention.hpp>
#include <coefdyn/mixers/delta_rule.hpp>
#include <coefdyn/mixers/linear_attention.hpp>
#include <coefdyn/mixers/mlstm.hpp>
#include <coefdyn/mixers/retention.hpp>
#include <coefdyn/mixers/state_space.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/readout/relu.hpp>
#include <coefdyn/scaling/one.hpp>

namespace {
using namespace coefdyn;
const device::cpu<serial> host{};
constexpr idx T = 300000;

template <class Phi, class A>
using plain = mixer<Phi, A, scaling::one, normalization::one>;

/// Rotating mixers over T tokens of one key, d = 1: the value is 1 at `written` and 0 elsewhere, so the last read is that token's score.
template <class M>
struct far_reads {
  static constexpr int n = 16;
  std::vector<float> q, k, v, theta, zero;
  idx written;
  tokens<M, float> x;

  explicit far_reads(idx written_) : q(n), k(n), v(std::size_t(T), 0.f), theta(n / 2), zero(1, 0.f), written(written_) {
    for (int c = 0; c < n; ++c)
      q[std::size_t(c)] = 0.25f * float(std::cos(0.7 * c)), k[std::size_t(c)] = 0.25f * float(std::sin(1 + 0.9 * c));
    for (int p = 0; p < n / 2; ++p) theta[std::size_t(p)] = float(std::pow(10000.0, -2.0 * p / n));
    v[std::size_t(written)] = 1;
    x.q = view<const float, 4>{q.data(), {1, T, 1, n}, {0, 0, 0, 1}}, x.k = view<const float, 4>{k.data(), {1, T, 1, n}, {0, 0, 0, 1}};
    x.v = view(v, 1, T, 1, 1), x.theta = view(theta, n / 2);
    if constexpr (requires { x.log_decay; }) x.log_decay = view(zero, 1);
  }
  void read_last_only() {  // the step over a cache
    x.first_read = T - 1;
    x.q.extents[1] = 1;
  }
  /// q' R((T - 1 - written) theta) k, pairs (m, m + n/2), keys ahead of queries: R turns back.
  double score() const {
    double s = 0;
    for (std::size_t p = 0; p < n / 2; ++p) {
      const double angle = -double(theta[p]) * double(T - 1 - written), co = std::cos(angle), si = std::sin(angle);
      const double a = k[p], b = k[p + n / 2];
      s += double(q[p]) * (co * a - si * b) + double(q[p + n / 2]) * (si * a + co * b);
    }
    return s;
  }
};
}  // namespace

TEST_CASE("scores of a rotation 300000 tokens away are exact to float, in every form") {
  using rotating = plain<readout::linear, evolution::rotation<>>;
  using decaying = plain<readout::linear, evolution::rotation_decay<evolution::pairing::half>>;
  std::vector<float> y(static_cast<std::size_t>(T));
  const auto last_of = [&](auto in, auto form_) {
    run(host, form_, in.x, view(y, 1, T, 1, 1));
    return double(y.back());
  };
  for (const idx written : {idx(0), T - 70}) {
    const far_reads<rotating> in(written);
    CHECK(std::abs(last_of(in, form::chunkwise{}) - in.score()) <= 1e-6);
    CHECK(std::abs(last_of(in, form::recurrent{}) - in.score()) <= 1e-6);
    const far_reads<decaying> slow(written);
    CHECK(std::abs(last_of(slow, form::chunkwise{}) - slow.score()) <= 1e-6);
    CHECK(std::abs(last_of(slow, form::recurrent{}) - slow.score()) <= 1e-6);
    // one read over the whole cache, of a nonlinear readout too
    far_reads<rotating> cached(written);
    cached.read_last_only();
    run(host, form::parallel{}, cached.x, view(y, 1, 1, 1, 1));
    CHECK(std::abs(double(y[0]) - cached.score()) <= 1e-6);
    far_reads<plain<readout::relu, evolution::rotation<>>> relu(written);
    relu.read_last_only();
    run(host, form::step{}, relu.x, view(y, 1, 1, 1, 1));
    CHECK(std::abs(double(y[0]) - std::fmax(relu.score(), 0)) <= 1e-6);
  }
}

TEST_CASE("the state that leaves a long rotation is turned by the whole angle, also on the way and in place") {
  using rotating = plain<readout::linear, evolution::rotation<>>;
  constexpr idx length = 20000, middle = 7777;
  constexpr int n = far_reads<rotating>::n;
  far_reads<rotating> in(0);
  in.x.q.extents[1] = in.x.k.extents[1] = in.x.v.extents[1] = length;
  std::vector<float> y(static_cast<std::size_t>(length));
  const auto state_after = [&](idx tokens, int c) {
    const std::size_t p = std::size_t(c % (n / 2));
    const double angle = -double(in.theta[p]) * double(tokens - 1), co = std::cos(angle), si = std::sin(angle);
    return c < n / 2 ? co * double(in.k[p]) - si * double(in.k[p + n / 2]) : si * double(in.k[p]) + co * double(in.k[p + n / 2]);
  };
  const auto check = [&](auto form_) {
    const idx positions[] = {middle};
    state<rotating> last(1, 1, n, 1), captured(1, 1, n, 1);
    run(host, form_, in.x, view(y, 1, length, 1, 1), {last, last, positions, captured});
    for (int c = 0; c < n; ++c) {
      CHECK(std::abs(double(captured.S[std::size_t(c)]) - state_after(middle, c)) <= 1e-6);
      CHECK(std::abs(double(last.S[std::size_t(c)]) - state_after(length, c)) <= 1e-6);
    }
  };
  check(form::chunkwise{}), check(form::recurrent{});
  state<rotating> s(1, 1, n, 1);  // one call a token: the state is rounded each time, to either side
  for (idx t = 0; t < length; ++t) {
    auto one = in.x;
    one.q.extents[1] = one.k.extents[1] = one.v.extents[1] = 1, one.v.data += t;
    run(host, form::step{}, one, view(y.data(), 1, 1, 1, 1), {s, s, {}, {}});
  }
  for (int c = 0; c < n; ++c) CHECK(std::abs(double(s.S[std::size_t(c)]) - state_after(length, c)) <= 5e-6);
}

namespace {
/// The largest relative error of form::automatic over a long sum of positive terms: n = d = 1, q = 1.
template <class M, class Form>
double drift(Form form_, idx tokens) {
  std::vector<float> one(1, 1), zero(1, 0), k(static_cast<std::size_t>(tokens)), v(k), y(k);
  unsigned state = 1;
  const auto random = [&] { return float((state = state * 1664525u + 1013904223u) >> 8) / float(1 << 24); };
  for (std::size_t i = 0; i < k.size(); ++i) k[i] = random(), v[i] = random();
  coefdyn::tokens<M> x;
  x.q = view<const float, 4>{one.data(), {1, tokens, 1, 1}, {0, 0, 0, 1}};
  x.k = view(k, 1, tokens, 1, 1), x.v = view(v, 1, tokens, 1, 1);
  if constexpr (requires { x.input_gate; }) x.input_gate = view<const float, 3>{zero.data(), {1, tokens, 1}, {0, 0, 1}};
  run(host, form_, x, view(y, 1, tokens, 1, 1));
  double sum = 0, normalizer = 0, worst = 0;
  for (std::size_t t = 0; t < k.size(); ++t) {
    sum += double(k[t]) * double(v[t]), normalizer += double(k[t]);
    const double want = traits<M>::needs_sum ? sum / std::fmax(normalizer, 1) : sum;
    worst = std::fmax(worst, std::abs(double(y[t]) / want - 1));
  }
  return worst;
}
}  // namespace

TEST_CASE("form::automatic makes long sums without decay by chunks") {
  using plain_sum = mixers::linear_attention;
  CHECK(drift<plain_sum>(form::automatic{}, 1000000) <= 6e-6);
  CHECK(drift<mixers::mlstm_no_forget>(form::automatic{}, 1000000) <= 6e-6);
  CHECK(drift<plain_sum>(form::recurrent{}, 1000000) >= 2e-5);  // what the choice is for
  CHECK(cpu::chosen<plain_sum>(100, 8, 8) == cpu::chosen_form::recurrent);
  CHECK(cpu::chosen<plain_sum>(1 << 20, 8, 8) == cpu::chosen_form::chunkwise);
  CHECK(cpu::chosen<mixers::retnet>(1 << 20, 64, 64) == cpu::chosen_form::chunkwise);
  CHECK(cpu::chosen<mixers::deltanet>(1 << 20, 64, 64) == cpu::chosen_form::recurrent);
}
TEST_CASE("backward goes by chunks where the token loop has no products, but for states of one column") {
  CHECK(cpu::chosen<mixers::deltanet>(128, 32, 32, true) == cpu::chosen_form::chunkwise);
  CHECK(cpu::chosen<mixers::deltanet>(1, 32, 32, true) == cpu::chosen_form::recurrent);
  CHECK(cpu::chosen<mixers::s6>(128, 16, 1, true) == cpu::chosen_form::recurrent);
}
