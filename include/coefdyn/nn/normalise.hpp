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
template <norm Kind, class R>
group_norm<R> group_norm_of(const R* x, idx n, R eps) {
  R mean = R(0), square = R(0);
  if constexpr (Kind == norm::layer) {
    for (idx c = 0; c < n; ++c) mean += x[c];
    mean /= R(n);
  }
  for (idx c = 0; c < n; ++c) square += (x[c] - mean) * (x[c] - mean);
  if constexpr (Kind == norm::length) return {mean, R(1) / math::max(math::sqrt(square), eps)};
  else return {mean, R(1) / math::sqrt((Kind == norm::l2 ? square : square / R(n)) + eps)};
}
/// dx += of one group, from g = the gradient of x^.
template <norm Kind, class R, class G>
void pull_group(const R* x, idx n, R eps, G g, R* dx) {
  const auto [mean, scale] = group_norm_of<Kind>(x, n, eps);
  R along = R(0), level = R(0);
  for (idx c = 0; c < n; ++c) along += g(c) * (x[c] - mean) * scale, level += g(c);
  if constexpr (Kind == norm::rms || Kind == norm::layer) along /= R(n), level /= R(n);
  if constexpr (Kind != norm::layer) level = R(0);
  if constexpr (Kind == norm::length)
    if (scale * eps == R(1)) along = R(0);
  for (idx c = 0; c < n; ++c) dx[c] += scale * (g(c) - level - (x[c] - mean) * scale * along);
}
}  // namespace detail

/// y = w x^ + b with x^ the norm of each group of `group` channels.
///
/// shape   x (rows, C), group divides C; w and b have a multiple of group channels that divides C (a head's, or all), or are none
/// error   invalid_input for a group or a weight that does not divide
/// source  Zhang and Sennrich, arXiv:1910.07467 (rms); Ba et al., arXiv:1607.06450 (layer)
template <norm Kind, class R>
value<R> normalise(tape<R>& t, const value<R>& x, idx group, double epsilon, const parameter& w = {}, const parameter& b = {}) {
  if (group < 1 || x.columns % group != 0)
    throw invalid_input("group of a norm", "a divisor of " + std::to_string(x.columns) + " channels", std::to_string(group));
  if ((w && x.columns % w.size() != 0) || (b && b.size() != w.size()))
    throw invalid_input("weight of a norm", "a divisor of " + std::to_string(x.columns) + " channels", std::to_string(w.size()));
  const value<R> y = t.make(x.batch, x.time, x.columns);
  const R eps = R(epsilon);
  const idx C = x.columns, own = w ? w.size() : C;
  const R *weight = w ? t.weights(w) : nullptr, *bias = b ? t.weights(b) : nullptr;
  t.by_rows(x.rows(), [&](idx begin, idx end) {
    for (idx i = begin; i < end; ++i)
      for (idx first = 0; first < C; first += group) {
        const R* const from = x.data + i * x.stride + first;
        R* const to = y.data + i * y.stride + first;
        const auto [mean, scale] = detail::group_norm_of<Kind>(from, group, eps);
        for (idx c = 0; c < group; ++c) {
          to[c] = (from[c] - mean) * scale;
          if (weight) to[c] = to[c] * weight[(first + c) % own] + (bias ? bias[(first + c) % own] : R(0));
        }
      }
  });
  t.record([=](tape<R>& back) {
    const auto scaled = [=](const R* dy, idx first) { return [=](idx c) { return weight ? dy[c] * weight[(first + c) % own] : dy[c]; }; };
    if (x.gradient)
      back.by_rows(x.rows(), [&](idx begin, idx end) {
        for (idx i = begin; i < end; ++i)
          for (idx first = 0; first < C; first += group)
            detail::pull_group<Kind>(x.data + i * x.stride + first, group, eps, scaled(y.gradient + i * y.stride + first, first),
                                     x.gradient + i * x.stride + first);
      });
    if (!weight) return;
    R* const sums = back.zeros(2 * own);
    back.sum_by_rows(x.rows(), 2 * own, sums, [&](idx begin, idx end, R* sum) {
      for (idx i = begin; i < end; ++i)
        for (idx first = 0; first < C; first += group) {
          const R* const from = x.data + i * x.stride + first;
          const auto [mean, scale] = detail::group_norm_of<Kind>(from, group, eps);
          for (idx c = 0; c < group; ++c) {
            const R d = y.gradient[i * y.stride + first + c];
            sum[(first + c) % own] += d * (from[c] - mean) * scale;
            sum[own + (first + c) % own] += d;
          }
        }
    });
    for (idx c = 0; c < own; ++c) back.gradients(w)[c] += sums[c];
    for (idx c = 0; c < own && bias; ++c) back.gradients(b)[c] += sums[own + c];
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
  template <class R>
  value<R> rms(tape<R>& t, const value<R>& x, double eps) const {
    return normalise<norm::rms>(t, x, x.columns, eps, weight, bias);
  }
  template <class R>
  value<R> layer(tape<R>& t, const value<R>& x, double eps) const {
    return normalise<norm::layer>(t, x, x.columns, eps, weight, bias);
  }
};

}  // namespace coefdyn::nn
