// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>

#include "../core/math.hpp"
#include "tape.hpp"

namespace coefdyn::nn {

namespace detail {
template <class R>
struct token_mean {
  value<R> x, y;
  COEFDYN_HD void operator()(idx b, idx begin, idx end) const {
    for (idx c = begin; c < end; ++c) {
      R sum = R(0);
      for (idx s = 0; s < x.time; ++s) sum += x.data[(b * x.time + s) * x.stride + c];
      y.data[b * y.stride + c] = sum / R(x.time);
    }
  }
};
template <class R>
struct token_mean_back {
  value<R> x, y;
  COEFDYN_HD void operator()(idx i, idx begin, idx end) const {
    for (idx c = begin; c < end; ++c) x.gradient[i * x.stride + c] += y.gradient[i / x.time * y.stride + c] / R(x.time);
  }
};
template <class R>
struct last_and_position {
  value<R> x, y;
  COEFDYN_HD void operator()(idx i, idx begin, idx end) const {
    const R* const last = x.data + (i / x.time * x.time + x.time - 1) * x.stride;
    const idx half = x.columns / 2;
    for (idx c = begin; c < end; ++c) {
      const idx m = c < half ? c : c - half;
      const double angle = double(i % x.time) * std::exp(double(m) * (-std::log(10000.0) / double(half - 1)));
      y.data[i * y.stride + c] = last[c] + R(c < half ? std::sin(angle) : std::cos(angle));
    }
  }
};
template <class R>
struct last_and_position_back {
  value<R> x, y;
  COEFDYN_HD void operator()(idx b, idx begin, idx end) const {
    R* const last = x.gradient + (b * x.time + x.time - 1) * x.stride;
    for (idx s = 0; s < x.time; ++s)
      for (idx c = begin; c < end; ++c) last[c] += y.gradient[(b * x.time + s) * y.stride + c];
  }
};
/// Channel c over all rows.
template <class R>
struct batch_normed {
  value<R> x, y;
  R eps;
  const R *w, *b;
  R *mean, *scale;
  template <class Team>
  COEFDYN_HD void operator()(Team team, idx c, idx) const {
    const idx n = x.rows();
    R sum = R(0), square = R(0);
    for (idx i = team.first(); i < n; i += team.step()) sum += x.data[i * x.stride + c];
    const R level = team.sum(sum) / R(n);
    for (idx i = team.first(); i < n; i += team.step()) square += (x.data[i * x.stride + c] - level) * (x.data[i * x.stride + c] - level);
    const R by = R(1) / math::sqrt(team.sum(square) / R(n) + eps);
    for (idx i = team.first(); i < n; i += team.step()) y.data[i * y.stride + c] = (x.data[i * x.stride + c] - level) * by * w[c] + b[c];
    if (team.first() == 0) mean[c] = level, scale[c] = by;
  }
};
template <class R>
struct batch_normed_back {
  batch_normed<R> of;
  R *dw, *db;
  template <class Team>
  COEFDYN_HD void operator()(Team team, idx c, idx) const {
    const value<R>&x = of.x, &y = of.y;
    const idx n = x.rows();
    const R mean = of.mean[c], scale = of.scale[c];
    R level = R(0), along = R(0);
    for (idx i = team.first(); i < n; i += team.step()) {
      const R d = y.gradient[i * y.stride + c];
      level += d, along += d * ((x.data[i * x.stride + c] - mean) * scale);
    }
    level = team.sum(level), along = team.sum(along);
    if (team.first() == 0) dw[c] += along, db[c] += level;
    for (idx i = team.first(); i < n && x.gradient; i += team.step())
      x.gradient[i * x.stride + c] +=
          of.w[c] * scale * (y.gradient[i * y.stride + c] - level / R(n) - (x.data[i * x.stride + c] - mean) * scale * along / R(n));
  }
};
}  // namespace detail

/// The mean over the tokens of each sequence, whatever they are (pads too): (B, T, C) to (B, 1, C).
template <class R, class On>
value<R> mean_over_time(tape<R, On>& t, const value<R>& x) {
  const value<R> y = t.make(x.batch, 1, x.columns);
  t.elements(x.batch, x.columns, detail::token_mean<R>{x, y});
  t.record([=](tape<R, On>& back) { back.elements(x.rows(), x.columns, detail::token_mean_back<R>{x, y}); });
  return y;
}

/// The last token's vector at every position p, plus [sin(p w_i), cos(p w_i)], w_i = 10000^(-i / (C/2 - 1)): (B, T, C) to the same.
/// source  Poli et al. (MAD), arXiv:2403.17844: the decoder of its compression task
template <class R, class On>
value<R> last_with_positions(tape<R, On>& t, const value<R>& x) {
  if (x.columns % 2 || x.columns < 4)
    throw invalid_input("width", "an even number of at least 4, for sines and cosines", std::to_string(x.columns));
  const value<R> y = t.make(x.batch, x.time, x.columns);
  t.elements(x.rows(), x.columns, detail::last_and_position<R>{x, y});
  t.record([=](tape<R, On>& back) { back.elements(x.batch, x.columns, detail::last_and_position_back<R>{x, y}); });
  return y;
}

/// Batch norm over all rows: (x - mean) / sqrt(variance + eps) w + b, with the biased variance of this batch.
/// source  Ioffe and Szegedy, arXiv:1502.03167
template <class R, class On>
value<R> batch_norm(tape<R, On>& t, const value<R>& x, double epsilon, const parameter& w, const parameter& b) {
  if (w.size() != x.columns)
    throw invalid_input("weight of a batch norm", std::to_string(x.columns) + " channels", std::to_string(w.size()));
  if (t.has_part_of_batch())
    throw invalid_input("rows of a batch norm", "a whole batch: the model says mixes_sequences = true", "a part of it");
  const value<R> y = t.make(x.batch, x.time, x.columns);
  R* const mean = t.template take<R>(x.columns);
  R* const scale = t.template take<R>(x.columns);
  const detail::batch_normed<R> one{x, y, R(epsilon), t.weights(w), t.weights(b), mean, scale};
  t.groups(x.columns, 1, one);
  t.record([=](tape<R, On>& back) { back.groups(x.columns, 1, detail::batch_normed_back<R>{one, back.gradients(w), back.gradients(b)}); });
  return y;
}

}  // namespace coefdyn::nn
