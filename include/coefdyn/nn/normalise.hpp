// SPDX-License-Identifier: MIT
#pragma once
#include "../core/math.hpp"
#include "tape.hpp"

namespace coefdyn::nn {

/// What a norm divides a group of channels by: the root of the mean square + eps; the deviation, with the mean taken out; the root of
/// sum + eps; the length, at least eps.
enum class norm { rms, layer, l2, length };

namespace detail {
template <class R>
struct group_norm {
  R mean, scale;  // x^ = (x - mean) scale
};
template <norm Kind, class Team, class R>
COEFDYN_HD group_norm<R> group_norm_of(Team team, const R* x, idx n, R eps) {
  R mean = R(0), square = R(0);
  if constexpr (Kind == norm::layer) {
    for (idx c = team.first(); c < n; c += team.step()) mean += x[c];
    mean = team.sum(mean) / R(n);
  }
  for (idx c = team.first(); c < n; c += team.step()) square += (x[c] - mean) * (x[c] - mean);
  square = team.sum(square);
  if constexpr (Kind == norm::length) return {mean, R(1) / math::max(math::sqrt(square), eps)};
  else return {mean, R(1) / math::sqrt((Kind == norm::l2 ? square : square / R(n)) + eps)};
}
/// A norm's call; `own`: channels of its weight.
template <norm Kind, class R>
struct normalised {
  value<R> x, y;
  idx group, own;
  R eps;
  const R *weight, *bias;
  group_norm<R>* kept;  // of each row and group, for backward

  /// y of one group.
  template <class Team>
  COEFDYN_HD void operator()(Team team, idx i, idx g) const {
    const R* const from = x.data + i * x.stride + g * group;
    R* const to = y.data + i * y.stride + g * group;
    const group_norm<R> by = group_norm_of<Kind>(team, from, group, eps);
    if (kept && team.first() == 0) kept[i * (x.columns / group) + g] = by;
    const idx at = g * group % own;
    for (idx c = team.first(); c < group; c += team.step()) {
      R made = (from[c] - by.mean) * by.scale;
      if (weight) made = made * weight[at + c] + (bias ? bias[at + c] : R(0));
      to[c] = made;
    }
  }
};
/// dx += of one group.
template <norm Kind, class R>
struct normalised_to_x {
  normalised<Kind, R> of;
  template <class Team>
  COEFDYN_HD void operator()(Team team, idx i, idx g) const {
    const idx n = of.group, at = g * n % of.own;
    const R* const x = of.x.data + i * of.x.stride + g * n;
    const R* const dy = of.y.gradient + i * of.y.stride + g * n;
    R* const dx = of.x.gradient + i * of.x.stride + g * n;
    const group_norm<R> by = of.kept[i * (of.x.columns / n) + g];
    R along = R(0), level = R(0);
    for (idx c = team.first(); c < n; c += team.step()) {
      const R d = of.weight ? dy[c] * of.weight[at + c] : dy[c];
      along += d * (x[c] - by.mean) * by.scale, level += d;
    }
    along = team.sum(along), level = team.sum(level);
    if constexpr (Kind == norm::rms || Kind == norm::layer) along /= R(n), level /= R(n);
    if constexpr (Kind != norm::layer) level = R(0);
    if constexpr (Kind == norm::length)
      if (by.scale * of.eps == R(1)) along = R(0);
    for (idx c = team.first(); c < n; c += team.step())
      dx[c] += by.scale * ((of.weight ? dy[c] * of.weight[at + c] : dy[c]) - level - (x[c] - by.mean) * by.scale * along);
  }
};
/// dw[c] += the sum of dy x^ over the groups that share it.
template <norm Kind, class R>
struct normalised_to_weight {
  normalised<Kind, R> of;
  template <class Sum>
  COEFDYN_HD void operator()(idx i, idx first, idx last, Sum&& sum) const {
    const idx n = of.group, count = of.x.columns / n;
    const R* const x = of.x.data + i * of.x.stride;
    const R* const dy = of.y.gradient + i * of.y.stride;
    for (idx copy = 0; copy < of.x.columns; copy += of.own)
      for (idx c = first; c < last;) {
        const idx g = (copy + c) / n, end = (g + 1) * n - copy < last ? (g + 1) * n - copy : last;
        const group_norm<R> by = of.kept[i * count + g];
        for (; c < end; ++c) sum[c] += dy[copy + c] * (x[copy + c] - by.mean) * by.scale;
      }
  }
};
}  // namespace detail

/// y = w x^ + b with x^ the norm of each group of `group` channels.
///
/// shape   x (rows, C), group divides C; w and b have a multiple of group channels that divides C (a head's, or all), or are none
/// error   invalid_input for a group or a weight that does not divide
/// source  Zhang and Sennrich, arXiv:1910.07467 (rms); Ba et al., arXiv:1607.06450 (layer)
template <norm Kind, class R, class On>
value<R> normalise(tape<R, On>& t, const value<R>& x, idx group, double epsilon, const parameter& w = {}, const parameter& b = {}) {
  if (group < 1 || x.columns % group != 0)
    throw invalid_input("group of a norm", "a divisor of " + std::to_string(x.columns) + " channels", std::to_string(group));
  if ((w && (x.columns % w.size() != 0 || w.size() % group != 0)) || (b && b.size() != w.size()))
    throw invalid_input("weight of a norm", "a divisor of " + std::to_string(x.columns) + " channels, of whole groups",
                        std::to_string(w.size()));
  const idx groups = x.columns / group;
  const value<R> y = t.make(x.batch, x.time, x.columns);
  const detail::normalised<Kind, R> norm_{x,
                                          y,
                                          group,
                                          w ? w.size() : x.columns,
                                          R(epsilon),
                                          w ? t.weights(w) : nullptr,
                                          b ? t.weights(b) : nullptr,
                                          t.records() ? t.template take<detail::group_norm<R>>(x.rows() * groups) : nullptr};
  t.groups(x.rows(), groups, norm_);
  t.record([=](tape<R, On>& back) {
    if (x.gradient) back.groups(x.rows(), groups, detail::normalised_to_x<Kind, R>{norm_});
    if (w) back.sum_by_rows(x.rows(), w.size(), back.gradients(w), detail::normalised_to_weight<Kind, R>{norm_});
    if (b) back.sum_by_rows(x.rows(), b.size(), back.gradients(b), detail::column_sums<R>{y, b.size()});
  });
  return y;
}

/// A norm's parameters: name.weight [n] of ones and, if asked for, name.bias [n] of zeros.
struct norm_parameters {
  parameter weight, bias;
  norm_parameters() = default;
  norm_parameters(const scope& s, const std::string& name, idx n, bool with_bias)
      : weight(s.vector(name + ".weight", n, start::constant(1))),
        bias(with_bias ? s.vector(name + ".bias", n, start::constant(0)) : parameter{}) {}
  /// Over all channels of x.
  template <class R, class On>
  value<R> rms(tape<R, On>& t, const value<R>& x, double eps) const {
    return normalise<norm::rms>(t, x, x.columns, eps, weight, bias);
  }
  template <class R, class On>
  value<R> layer(tape<R, On>& t, const value<R>& x, double eps) const {
    return normalise<norm::layer>(t, x, x.columns, eps, weight, bias);
  }
};

}  // namespace coefdyn::nn
