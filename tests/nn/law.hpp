// SPDX-License-Identifier: MIT
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <coefdyn/nn/models/model.hpp>
#include <functional>

/// Gradients are slopes: along a random direction of each parameter, and of the input, the loss changes as its gradient says.
namespace law {

using namespace coefdyn;

struct noise {
  random_stream r;
  explicit noise(std::uint64_t seed) : r(seed, 1, 2, 3) {}
  std::vector<double> operator()(idx count, double size = 1) {
    std::vector<double> x(static_cast<std::size_t>(count));
    for (double& v : x) v = size * r.normal();
    return x;
  }
};
/// Every parameter by its law, then moved a little: none stays where its gradient would be 0.
inline void scramble(nn::weights<double>& w, std::uint64_t seed) {
  w.initialise(seed);
  noise more(seed + 1);
  for (const auto& e : w.parameters()->entries()) {
    const auto by = more(e.place.size(), 0.5);
    const auto values = w(e.name);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += e.is_trained() ? by[i] : std::abs(by[i]);  // a variance stays one
  }
}
/// The slope of f along v at x, by central differences of the fourth order, against g v.
inline void check_slope(const std::string& name, std::span<double> x, std::span<const double> g, const std::function<double()>& f,
                        noise& directions) {
  const auto v = directions(idx(x.size()));
  const std::vector<double> kept(x.begin(), x.end());
  const double h = 1e-6;
  const auto moved = [&](double by) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = kept[i] + by * v[i];
    const double value = f();
    std::copy(kept.begin(), kept.end(), x.begin());
    return value;
  };
  const double slope = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h);
  double by_gradient = 0, size = 0;
  for (std::size_t i = 0; i < x.size(); ++i) by_gradient += g[i] * v[i], size += std::abs(g[i] * v[i]);
  CAPTURE(name);
  CAPTURE(slope);
  CAPTURE(by_gradient);
  CHECK(std::abs(slope - by_gradient) <= 1e-7 * std::max({1.0, std::abs(slope), size}));
}
inline void check_all(nn::weights<double>& w, const nn::weights<double>& dw, const std::function<double()>& f) {
  noise directions(99);
  for (const auto& e : w.parameters()->entries()) {
    if (!e.is_trained()) continue;
    const auto g = dw(e.name);
    CAPTURE(e.name);
    CHECK(std::any_of(g.begin(), g.end(), [](double x) { return x != 0; }));
    check_slope(e.name, w(e.name), g, f, directions);
  }
}

template <class L>
void gradients_are_slopes(const nn::sizes& z, idx T = 9) {
  const auto list = std::make_shared<nn::parameter_list>();
  const L layer(nn::scope(*list), z);
  nn::weights<double> w(list), dw(list);
  scramble(w, 5);
  noise random(6);
  const idx B = 2;
  auto u = random(B * T * z.width);
  const auto slope = random(B * T * z.width);
  nn::tape<double> with(w, &dw, 1), without(w, nullptr, 1);
  const auto forward = [&](nn::tape<double>& t, nn::value<double>& x) {
    t.begin();
    x = t.make(B, T, z.width);
    std::copy(u.begin(), u.end(), x.data);
    nn::across_layers<double> across;
    if (z.layer > 0) {
      across.first_values = t.make(B, T, idx(z.heads) * (z.d ? z.d : z.width / z.heads));
      std::fill_n(across.first_values.data, across.first_values.rows() * across.first_values.columns, 0.3);
    }
    return layer(t, x, across);
  };
  nn::value<double> x;
  const nn::value<double> o = forward(with, x);
  std::copy(slope.begin(), slope.end(), o.gradient);
  with.backward();
  const std::function<double()> loss = [&] {
    nn::value<double> unused;
    const nn::value<double> y = forward(without, unused);
    double sum = 0;
    for (std::size_t i = 0; i < slope.size(); ++i) sum += slope[i] * y.data[i];
    return sum;
  };
  check_all(w, dw, loss);
  noise directions(77);
  check_slope("u", u, {x.gradient, u.size()}, loss, directions);
}

/// Tokens in pieces, each after the past of those before it, give what the whole sequence gives.
template <class L>
void steps_are_the_sequence(const nn::sizes& z) {
  const auto list = std::make_shared<nn::parameter_list>();
  const L layer(nn::scope(*list), z);
  nn::weights<double> w(list);
  scramble(w, 15);
  noise random(16);
  constexpr idx B = 2, T = 9;
  const auto u = random(B * T * z.width);
  nn::tape<double> t(w, nullptr, 1);
  std::vector<double> piece;
  const auto outputs = [&](idx from, idx count) {
    piece.clear();
    for (idx b = 0; b < B; ++b)
      piece.insert(piece.end(), u.begin() + (b * T + from) * z.width, u.begin() + (b * T + from + count) * z.width);
    nn::across_layers<double> across;
    if (z.layer > 0) {
      across.first_values = t.make(B, count, idx(z.heads) * (z.d ? z.d : z.width / z.heads));
      std::fill_n(across.first_values.data, across.first_values.rows() * across.first_values.columns, 0.3);
    }
    const auto o = layer(t, nn::input_of<double>(piece.data(), B, count, z.width), across);
    return std::vector<double>(o.data, o.data + B * count * z.width);
  };
  t.begin();
  const auto whole = outputs(0, T);
  double size = 0, worst = 0;
  for (const double x : whole) size = std::max(size, std::abs(x));
  nn::past before(B, T);
  for (int twice = 0; twice < 2; ++twice, before.clear()) {  // a cleared past is a new one
    for (const idx count : {4, 1, 1, 3}) {
      const idx from = before.length();
      t.begin(before, B, count);
      const auto some = outputs(from, count);
      before.end();
      for (idx b = 0; b < B; ++b)
        for (idx i = 0; i < count * z.width; ++i)
          worst = std::max(worst, std::abs(some[std::size_t(b * count * z.width + i)] - whole[std::size_t((b * T + from) * z.width + i)]));
    }
    CHECK(before.length() == T);
  }
  CHECK(size > 0);
  CHECK(worst <= 1e-12 * size);
}
template <class L>
void layer_laws(const nn::sizes& z) {
  gradients_are_slopes<L>(z);
  steps_are_the_sequence<L>(z);
}

template <class M>
void gradients_are_slopes(const nn::model_sizes& z, bool tokens_in, idx T = 7, std::optional<nn::dropout_draws> draws = {},
                          const idx* lengths = nullptr) {
  const M model(z);
  nn::weights<double> w(model.parameters()), dw(model.parameters());
  scramble(w, 8);
  noise random(9);
  const idx B = 3;
  const auto x = random(B * T * z.inputs);
  std::vector<std::int64_t> ids(static_cast<std::size_t>(B * T)), labels(static_cast<std::size_t>(z.pooled ? B : B * T));
  for (auto& i : ids) i = std::int64_t(random.r.below(std::uint64_t(std::max<idx>(1, z.vocabulary))));
  for (auto& l : labels) l = std::int64_t(random.r.below(std::uint64_t(z.logits())));
  labels[1] = nn::ignored;
  const auto given = [&] {
    if (tokens_in) return nn::model_input<double>(nn::token_ids{ids.data(), B, T, lengths});
    return nn::model_input<double>(nn::input_of<double>(x.data(), B, T, z.inputs), lengths);
  }();
  const auto loss_of = [&](nn::tape<double>& t) {
    t.begin(draws);
    return nn::cross_entropy<double>(t, model(t, given), labels).loss;
  };
  nn::tape<double> with(w, &dw, 1), without(w, nullptr, 1);
  loss_of(with);
  with.backward();
  check_all(w, dw, [&] { return loss_of(without); });
}

inline nn::sizes sizes_of(idx width, int heads) {
  nn::sizes z;
  z.width = width, z.heads = heads, z.rank = 3;
  return z;
}

}  // namespace law
