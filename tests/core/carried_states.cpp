// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <coefdyn/cpu/run.hpp>
#include <coefdyn/decode/cache.hpp>
#include <coefdyn/decode/history.hpp>
#include <coefdyn/evolution/diagonal_householder.hpp>
#include <coefdyn/evolution/fixed_complex_diagonal.hpp>
#include <coefdyn/evolution/scalar.hpp>
#include <coefdyn/evolution/writes.hpp>
#include <coefdyn/files/state_file.hpp>
#include <coefdyn/normalization/floored_sum.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/exponential.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/beta.hpp>
#include <coefdyn/scaling/exp_input.hpp>
#include <coefdyn/scaling/one.hpp>

/// What outlives a call: the cache of a nonlinear readout, snapshots of a state, and states as bytes.
namespace {
using namespace coefdyn;

using mlstm_like = mixer<readout::linear, evolution::scalar, scaling::exp_input, normalization::floored_sum>;
using complex_like = mixer<readout::linear, evolution::fixed_complex_diagonal, scaling::one, normalization::one>;
using cached_like = mixer<readout::exponential, evolution::writes<2, evolution::diagonal_householder<>>, scaling::beta, normalization::sum>;

constexpr idx B = 2, T = 11;
constexpr int H = 2, n = 4, d = 3;

std::vector<double> wave(idx count, double scale, double phase, double offset = 0) {
  std::vector<double> x(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = offset + scale * std::sin(phase + 1.7 * double(i) + 0.3 * double(i % 7));
  return x;
}

struct mlstm_inputs {
  std::vector<double> q = wave(B * T * H * n, 1, 0.1), k = wave(B * T * H * n, 1, 0.7), v = wave(B * T * H * d, 1, 1.1),
                      g = wave(B * T * H, 0.4, 0.2, -0.5), i = wave(B * T * H, 3, 0.9);
  tokens<mlstm_like, double> between(idx begin, idx end) const {
    const auto cut = [&](const double* p, auto... inner) {
      const idx row = (idx(1) * ... * idx(inner));
      return view<const double, 2 + int(sizeof...(inner))>(p, B, T, idx(inner)...).data + begin * row;
    };
    tokens<mlstm_like, double> x;
    x.q = view<const double, 4>{cut(q.data(), H, n), {B, end - begin, H, n}, {T * H * n, H * n, n, 1}};
    x.k = view<const double, 4>{cut(k.data(), H, n), {B, end - begin, H, n}, {T * H * n, H * n, n, 1}};
    x.v = view<const double, 4>{cut(v.data(), H, d), {B, end - begin, H, d}, {T * H * d, H * d, d, 1}};
    x.log_decay = view<const double, 3>{cut(g.data(), H), {B, end - begin, H}, {T * H, H, 1}};
    x.input_gate = view<const double, 3>{cut(i.data(), H), {B, end - begin, H}, {T * H, H, 1}};
    return x;
  }
};

TEST_CASE("a history takes steps back") {
  const mlstm_inputs in;
  state<mlstm_like, double> s(B, H, n, d);
  history<mlstm_like, double> past(3);
  std::vector<double> y(B * H * d), first;
  for (idx t = 0; t < 6; ++t) {
    past.keep(s);
    run(device::cpu{}, form::step{}, in.between(t, t + 1), view(y.data(), B, idx(1), H, d), {s, s, {}, {}});
    if (t == 4) first = y;
  }
  CHECK(past.depth() == 3);
  CHECK(s.position[0] == 6);
  past.roll_back(2, s);
  CHECK(s.position[0] == 4);
  run(device::cpu{}, form::step{}, in.between(4, 5), view(y.data(), B, idx(1), H, d), {s, s, {}, {}});
  CHECK(y == first);
  CHECK_THROWS_AS(past.roll_back(2, s), invalid_input);
  past.roll_back(0, s);
  CHECK(past.depth() == 1);
}

TEST_CASE("a state that owns its memory begins on a cache line") {
  for (const int rows : {1, 3, 17}) {
    const state<mlstm_like, double> s(1, 1, rows, 5);
    CHECK(reinterpret_cast<std::uintptr_t>(s.S.data()) % 64 == 0);
    CHECK(reinterpret_cast<std::uintptr_t>(s.z.data()) % 64 == 0);
  }
}

TEST_CASE("a state as bytes comes back bit for bit, and other bytes are refused") {
  const mlstm_inputs in;
  state<mlstm_like, double> s(B, H, n, d);
  std::vector<double> y(B * T * H * d);
  run(device::cpu{}, form::recurrent{}, in.between(0, T), view(y.data(), B, T, H, d), {{}, s, {}, {}});
  const auto bytes = save_state(s);
  const auto back = load_state<mlstm_like, double>(bytes);
  CHECK(back.S == s.S);
  CHECK(back.z == s.z);
  CHECK(back.m == s.m);
  CHECK(back.position == s.position);
  CHECK(int(bytes[8]) == 1);  // little endian version
  CHECK(int(bytes[15]) == 0);
  for (std::size_t cut : {std::size_t(3), std::size_t(60), bytes.size() - 1})
    CHECK_THROWS_AS((load_state<mlstm_like, double>(std::span(bytes).first(cut))), invalid_input);
  CHECK_THROWS_AS((load_state<mlstm_like, float>(bytes)), invalid_input);
  CHECK_THROWS_AS((load_state<complex_like, double>(bytes)), invalid_input);
  auto newer = bytes;
  newer[8] = std::byte{2};
  CHECK_THROWS_AS((load_state<mlstm_like, double>(newer)), invalid_input);

  state<complex_like, float> c(1, H, n, d);
  for (std::size_t i = 0; i < c.S.size(); ++i) c.S[i] = {float(i) * 0.5f, -float(i)};
  const auto c_back = load_state<complex_like, float>(save_state(c));
  bool same = c_back.S.size() == c.S.size();
  for (std::size_t i = 0; i < c.S.size(); ++i) same = same && c_back.S[i].re == c.S[i].re && c_back.S[i].im == c.S[i].im;
  CHECK(same);
}

TEST_CASE("a cache extended piece by piece gives the whole sequence's outputs, and can be truncated") {
  constexpr idx w = 2;
  const auto q = wave(B * T * H * n, 1, 0.1), k = wave(B * T * w * H * n, 0.5, 0.7), v = wave(B * T * w * H * d, 1, 1.1),
             g = wave(B * T * H * n, 0.4, 0.2, -0.5), beta = wave(B * T * w * H, 0.4, 0.9, 0.5);
  const auto between = [&](idx begin, idx end) {
    tokens<cached_like, double> x;
    const idx t = end - begin;
    x.q = view<const double, 4>{q.data() + begin * H * n, {B, t, H, n}, {T * H * n, H * n, n, 1}};
    x.k = view<const double, 4>{k.data() + begin * w * H * n, {B, t * w, H, n}, {T * w * H * n, H * n, n, 1}};
    x.v = view<const double, 4>{v.data() + begin * w * H * d, {B, t * w, H, d}, {T * w * H * d, H * d, d, 1}};
    x.log_decay = view<const double, 4>{g.data() + begin * H * n, {B, t, H, n}, {T * H * n, H * n, n, 1}};
    x.beta = view<const double, 3>{beta.data() + begin * w * H, {B, t * w, H}, {T * w * H, H, 1}};
    return x;
  };
  std::vector<double> whole(B * T * H * d), piece(B * T * H * d, NAN);
  run(device::cpu{}, form::definition{}, between(0, T), view(whole.data(), B, T, H, d));
  cache<cached_like, double> past(B, H, H, n, d, T);
  const auto y = [&](idx begin, idx end) {
    return view<double, 4>{piece.data() + begin * H * d, {B, end - begin, H, d}, {T * H * d, H * d, d, 1}};
  };
  run(device::cpu{}, form::parallel{}, past.extend(between(0, 4)), y(0, 4));
  run(device::cpu{}, form::step{}, past.extend(between(7, 9)), y(7, 9));  // a wrong guess
  past.truncate(4);
  run(device::cpu{}, form::definition{}, past.extend(between(4, 5)), y(4, 5));
  for (idx t = 5; t < T; ++t) run(device::cpu{}, form::step{}, past.extend(between(t, t + 1)), y(t, t + 1));
  double worst = 0;
  for (std::size_t i = 0; i < whole.size(); ++i) worst = std::fmax(worst, std::isnan(piece[i]) ? INFINITY : std::fabs(piece[i] - whole[i]));
  CHECK(worst <= 1e-13);
  CHECK(past.length() == T);
  CHECK_THROWS_AS(past.extend(between(0, 1)), invalid_input);
  CHECK_THROWS_AS(past.truncate(T + 1), invalid_input);
}
}  // namespace
