// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <coefdyn/coefdyn.hpp>
#include <limits>
#include <string>
#include <vector>

// Exponents of any finite size, in every form, forward and backward: a running maximum is told from "none yet" at all of them.

namespace {

using namespace coefdyn;

constexpr idx T = 70, d = 3;  // tiles and chunks of up to 64

template <class R>
R value(idx t, idx c) {
  return R((t * 7 + c * 3) % 11) / 11 - R(0.4);
}
template <class R>
std::vector<R> numbers(idx count, R (*f)(idx)) {
  std::vector<R> x(static_cast<std::size_t>(count));
  for (idx i = 0; i < count; ++i) x[static_cast<std::size_t>(i)] = f(i);
  return x;
}

/// Weights of a row over its largest: w[j] of entry j, whose exponent is size[j] + rest[j], where size may be huge and rest is not, or
/// -inf for an entry that is gone. Returns the index of the largest, -1 if all are gone.
idx weigh(idx count, const std::vector<double>& size, const std::vector<double>& rest, std::vector<double>& w) {
  idx best = -1;
  const auto at = [](const std::vector<double>& x, idx j) { return x[static_cast<std::size_t>(j)]; };
  const auto gap = [&](idx j) { return (at(size, j) - at(size, best)) + (at(rest, j) - at(rest, best)); };
  for (idx j = 0; j < count; ++j)
    if (!math::is_infinite(at(rest, j)) && (best < 0 || gap(j) > 0)) best = j;
  for (idx j = 0; j < count; ++j) w[static_cast<std::size_t>(j)] = best < 0 || math::is_infinite(at(rest, j)) ? 0 : std::exp(gap(j));
  return best;
}

/// y and the gradient of v, for dy = value(t + 1, c), of weights alpha(i, j).
struct truth {
  std::vector<double> y = std::vector<double>(T * d), dv = std::vector<double>(T * d), alpha = std::vector<double>(T * T);
  void finish() {
    for (idx i = 0; i < T; ++i)
      for (idx j = 0; j <= i; ++j)
        for (idx c = 0; c < d; ++c) {
          const double a = alpha[static_cast<std::size_t>(i * T + j)];
          y[static_cast<std::size_t>(i * d + c)] += a * value<double>(j, c);
          dv[static_cast<std::size_t>(j * d + c)] += a * value<double>(i + 1, c);
        }
  }
};

template <class R>
double distance(const std::vector<R>& x, const std::vector<double>& want) {
  double worst = 0, largest = 1e-30;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double gap = std::abs(double(x[i]) - want[i]);
    worst = gap <= worst ? worst : gap;  // NaN stays
    largest = std::max(largest, std::abs(want[i]));
  }
  return worst / largest;
}

/// Every form against the truth; `q`, `k` (T) with n = 1. gradient(x, g) gives the other gradients their places.
template <class R, class X, class G>
void check_forms(const X& x, G& g, const truth& want, const std::vector<R>& v, std::vector<R>& dv) {
  const double allowed = sizeof(R) == 4 ? 3e-6 : 1e-14;
  std::vector<R> y(T * d), dy(T * d);
  for (idx t = 0; t < T; ++t)
    for (idx c = 0; c < d; ++c) dy[static_cast<std::size_t>(t * d + c)] = value<R>(t + 1, c);
  REQUIRE(v.size() == dv.size());
  const auto check = [&](auto form_, const std::string& name) {
    if constexpr (form_exists<decltype(form_), typename X::mixer_type>) {
      CAPTURE(name);
      std::fill(y.begin(), y.end(), R(-7));
      run(device::cpu{serial{}}, form_, x, view(y.data(), idx(1), T, idx(1), d));
      CHECK(distance(y, want.y) <= allowed);
      std::fill(dv.begin(), dv.end(), R(-7));
      backward(device::cpu{serial{}}, form_, x, view(static_cast<const R*>(dy.data()), idx(1), T, idx(1), d), g);
      CHECK(distance(dv, want.dv) <= 4 * allowed);
    }
  };
  check(form::definition{}, "definition");
  check(form::parallel{}, "parallel");
  check(form::recurrent{}, "recurrent");
  check(form::chunkwise{16}, "chunkwise, 16");
  check(form::chunkwise{}, "chunkwise");
}

/// Softmax attention with logits q_i k_j.
template <class R>
void check_softmax(const std::string& name, R (*query)(idx), R (*key)(idx)) {
  CAPTURE(name);
  const std::vector<R> q = numbers(T, query), k = numbers(T, key);
  std::vector<R> v(T * d), dv(T * d), dq(T), dk(T);
  for (idx t = 0; t < T; ++t)
    for (idx c = 0; c < d; ++c) v[static_cast<std::size_t>(t * d + c)] = value<R>(t, c);
  truth want;
  std::vector<double> logit(T), none(T), w(T);
  for (idx i = 0; i < T; ++i) {
    double sum = 0;
    for (idx j = 0; j <= i; ++j)
      logit[static_cast<std::size_t>(j)] = double(q[static_cast<std::size_t>(i)] * k[static_cast<std::size_t>(j)]);
    weigh(i + 1, logit, none, w);
    for (idx j = 0; j <= i; ++j) sum += w[static_cast<std::size_t>(j)];
    for (idx j = 0; j <= i; ++j) want.alpha[static_cast<std::size_t>(i * T + j)] = w[static_cast<std::size_t>(j)] / sum;
  }
  want.finish();
  using M = mixers::softmax_attention;
  tokens<M, R> x;
  x.q = view(q.data(), idx(1), T, idx(1), idx(1)), x.k = view(k.data(), idx(1), T, idx(1), idx(1));
  x.v = view(static_cast<const R*>(v.data()), idx(1), T, idx(1), d);
  gradients<M, R> g;
  g.q = view(dq.data(), idx(1), T, idx(1), idx(1)), g.k = view(dk.data(), idx(1), T, idx(1), idx(1));
  g.v = view(dv.data(), idx(1), T, idx(1), d);
  check_forms(x, g, want, v, dv);
}

/// A linear readout under input gates e^i and decays, n = 1, q = k = 1.
template <class M, class R>
void check_gated(const std::string& name, R (*input)(idx), R (*decay)(idx)) {
  CAPTURE(name);
  const std::vector<R> one(T, R(1)), gate = numbers(T, input), log_decay = numbers(T, decay);
  std::vector<R> v(T * d), dv(T * d), d_gate(T), d_decay(T);
  for (idx t = 0; t < T; ++t)
    for (idx c = 0; c < d; ++c) v[static_cast<std::size_t>(t * d + c)] = value<R>(t, c);
  truth want;
  std::vector<double> size(gate.begin(), gate.end()), rest(T), w(T);
  for (idx i = 0; i < T; ++i) {
    rest[static_cast<std::size_t>(i)] = 0;
    for (idx j = 0; j < i; ++j) rest[static_cast<std::size_t>(j)] += double(log_decay[static_cast<std::size_t>(i)]);
    const idx best = weigh(i + 1, size, rest, w);
    double sum = 0;
    for (idx j = 0; j <= i; ++j) sum += w[static_cast<std::size_t>(j)];
    if constexpr (traits<M>::floored)
      sum = std::max(sum, std::exp(-size[static_cast<std::size_t>(best)] - rest[static_cast<std::size_t>(best)]));
    for (idx j = 0; j <= i; ++j) want.alpha[static_cast<std::size_t>(i * T + j)] = w[static_cast<std::size_t>(j)] / sum;
  }
  want.finish();
  tokens<M, R> x;
  x.q = x.k = view(one.data(), idx(1), T, idx(1), idx(1));
  x.v = view(static_cast<const R*>(v.data()), idx(1), T, idx(1), d);
  x.input_gate = view(gate.data(), idx(1), T, idx(1)), x.log_decay = view(log_decay.data(), idx(1), T, idx(1));
  gradients<M, R> g;
  g.v = view(dv.data(), idx(1), T, idx(1), d);
  g.input_gate = view(d_gate.data(), idx(1), T, idx(1)), g.log_decay = view(d_decay.data(), idx(1), T, idx(1));
  check_forms(x, g, want, v, dv);
}

template <class R>
constexpr R lowest = std::numeric_limits<R>::lowest();
template <class R>
constexpr R far = sizeof(R) == 4 ? R(3e38f) : R(1.5e308);

}  // namespace

TEST_CASE_TEMPLATE("softmax of logits of any finite size", R, float, double) {
  constexpr auto one = [](idx) { return R(1); };
  check_softmax<R>("all -1e31", one, [](idx) { return R(-1e31f); });
  check_softmax<R>("all near the lowest", one, [](idx) { return -far<R>; });
  check_softmax<R>("all the lowest", one, [](idx) { return lowest<R>; });
  check_softmax<R>("all 1e31", one, [](idx) { return R(1e31f); });
  check_softmax<R>("all near the largest", one, [](idx) { return far<R>; });
  check_softmax<R>(
      "rows of very different size",
      [](idx t) {
        return t % 4 == 0 ? R(-1e31f) : t % 4 == 1 ? R(1) : t % 4 == 2 ? -far<R> : far<R>;
      },
      [](idx t) { return t % 3 == 0 ? R(1) : R(0.5); });
  check_softmax<R>("the lowest first, ordinary ones later", one, [](idx t) { return t < 20 ? lowest<R> : R(t % 5); });
  check_softmax<R>("ordinary ones first, the lowest later", one, [](idx t) { return t > 20 ? lowest<R> : R(t % 5); });
}

TEST_CASE_TEMPLATE("input gates of any finite size", R, float, double) {
  using summed = mixer<readout::linear, evolution::scalar, scaling::exp_input, normalization::sum>;
  using floored = mixer<readout::linear, evolution::scalar, scaling::exp_input, normalization::floored_sum>;
  constexpr auto slow = [](idx t) { return R(t % 3) * R(-0.125); };
  constexpr auto forgetting = [](idx t) { return t % 9 == 5 ? math::minus_infinity<R>() : R(t % 3) * R(-0.125); };
  const auto both = [&](const std::string& name, R (*input)(idx), R (*decay)(idx)) {
    check_gated<summed, R>(name + ", sum", input, decay);
    check_gated<floored, R>(name + ", floored sum", input, decay);
  };
  both("all -1e31", [](idx) { return R(-1e31f); }, slow);
  both("all near the lowest", [](idx) { return -far<R>; }, slow);
  both("all the lowest", [](idx) { return lowest<R>; }, slow);
  both("all 1e31", [](idx) { return R(1e31f); }, slow);
  both("all 1e31, forgetting", [](idx) { return R(1e31f); }, forgetting);
  both("far apart", [](idx t) { return t % 4 == 0 ? R(-1e31f) : t % 4 == 1 ? R(1) : -far<R>; }, slow);
  both("far apart, forgetting", [](idx t) { return t % 9 < 4 ? far<R> : t % 2 ? -far<R> : R(0.5); }, forgetting);
}
