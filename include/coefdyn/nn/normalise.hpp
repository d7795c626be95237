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
  R mean = R(0);
  if constexpr (Kind == norm::layer) mean = sum_in(team, n, [&](idx c) COEFDYN_IN_LOOP { return x[c]; }) / R(n);
  const R square = sum_in(team, n, [&](idx c) COEFDYN_IN_LOOP { return (x[c] - mean) * (x[c] - mean); });
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
    const auto unit = [&](idx c) COEFDYN_IN_LOOP { return (from[c] - by.mean) * by.scale; };
    if (bias) by_channel_in(team, group, to, [&](idx c) COEFDYN_IN_LOOP { return unit(c) * weight[at + c] + bias[at + c]; });
    else if (weight) by_channel_in(team, group, to, [&](idx c) COEFDYN_IN_LOOP { return unit(c) * weight[at + c]; });
    else by_channel_in(team, group, to, unit);
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
    if (of.weight) pull(team, n, by, x, dx, [dy, w = of.weight + at](idx c) COEFDYN_IN_LOOP { return dy[c] * w[c]; });
    else pull(team, n, by, x, dx, [dy](idx c) COEFDYN_IN_LOOP { return dy[c]; });
  }

 private:
  /// From the gradient d(c) of x^.
  template <class Team, class D>
  COEFDYN_HD void pull(Team team, idx n, const group_norm<R>& by, const R* x, R* dx, D d) const {
    R along = sum_in(team, n, [&](idx c) COEFDYN_IN_LOOP { return d(c) * (x[c] - by.mean) * by.scale; }), level = R(0);
    if constexpr (Kind == norm::layer) level = sum_in(team, n, d) / R(n);
    if constexpr (Kind == norm::rms || Kind == norm::layer) along /= R(n);
    if constexpr (Kind == norm::length)
      if (by.scale * of.eps == R(1)) along = R(0);
    by_channel_in(team, n, dx,
                  [&](idx c) COEFDYN_IN_LOOP { return dx[c] + by.scale * (d(c) - level - (x[c] - by.mean) * by.scale * along); });
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
        between(c, end, sum, [&](idx at) COEFDYN_IN_LOOP { return sum[at] + dy[copy + at] * (x[copy + at] - by.mean) * by.scale; });
        c = end;
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
