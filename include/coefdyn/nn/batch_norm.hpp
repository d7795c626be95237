// SPDX-License-Identifier: MIT
#pragma once
#include "../core/math.hpp"
#include "tape.hpp"

namespace coefdyn::nn {

/// A batch norm's numbers: name.weight [n] of ones, name.bias [n] of zeros, and the running ones that training leaves, name.running_mean
/// [n] from 0 and name.running_var [n] from 1, which keep 0.99 of themselves in a step. source  the momentum is that of flax and of
/// arXiv:2510.09379's code
struct batch_norm_parameters {
  static constexpr double momentum = 0.99;
  parameter weight, bias, mean, variance;
  batch_norm_parameters(const scope& s, const std::string& name, idx n)
      : weight(s.vector(name + ".weight", n, start::constant(1))),
        bias(s.vector(name + ".bias", n, start::constant(0))),
        mean(s.running(name + ".running_mean", n, 0, momentum)),
        variance(s.running(name + ".running_var", n, 1, momentum)) {}
};

namespace detail {
/// Channel c over all rows.
template <class R>
struct batch_normed {
  value<R> x, y;
  R eps;
  const R *w, *b;
  R *mean, *scale, *variance;
  template <class Team>
  COEFDYN_HD void operator()(Team team, idx c, idx) const {
    const idx n = x.rows();
    R sum = R(0), square = R(0);
    for (idx i = team.first(); i < n; i += team.step()) sum += x.data[i * x.stride + c];
    const R level = team.sum(sum) / R(n);
    for (idx i = team.first(); i < n; i += team.step()) square += (x.data[i * x.stride + c] - level) * (x.data[i * x.stride + c] - level);
    const R spread = team.sum(square) / R(n), by = R(1) / math::sqrt(spread + eps);
    for (idx i = team.first(); i < n; i += team.step()) y.data[i * y.stride + c] = (x.data[i * x.stride + c] - level) * by * w[c] + b[c];
    if (team.first() == 0) mean[c] = level, scale[c] = by, variance[c] = spread;
  }
};
template <class R>
struct batch_normed_back {
  batch_normed<R> of;
  R *dw, *db, *to_mean, *to_variance;  // the last two: where running numbers find this batch's
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
    if (team.first() == 0) dw[c] += along, db[c] += level, to_mean[c] += mean, to_variance[c] += of.variance[c];
    for (idx i = team.first(); i < n && x.gradient; i += team.step())
      x.gradient[i * x.stride + c] +=
          of.w[c] * scale * (y.gradient[i * y.stride + c] - level / R(n) - (x.data[i * x.stride + c] - mean) * scale * along / R(n));
  }
};
/// By numbers from elsewhere.
template <class R>
struct running_normed {
  value<R> x, y;
  R eps;
  const R *w, *b, *mean, *variance;
  COEFDYN_HD R scale(idx c) const { return R(1) / math::sqrt(variance[c] + eps); }
  COEFDYN_HD void operator()(idx i, idx begin, idx end) const {
    for (idx c = begin; c < end; ++c) y.data[i * y.stride + c] = (x.data[i * x.stride + c] - mean[c]) * scale(c) * w[c] + b[c];
  }
};
template <class R>
struct running_normed_to_x {
  running_normed<R> of;
  COEFDYN_HD void operator()(idx i, idx begin, idx end) const {
    for (idx c = begin; c < end; ++c) of.x.gradient[i * of.x.stride + c] += of.y.gradient[i * of.y.stride + c] * of.scale(c) * of.w[c];
  }
};
template <class R>
struct running_normed_to_weight {
  running_normed<R> of;
  template <class Sum>
  COEFDYN_HD void operator()(idx i, idx begin, idx end, Sum&& sum) const {
    for (idx c = begin; c < end; ++c)
      sum[c] += of.y.gradient[i * of.y.stride + c] * (of.x.data[i * of.x.stride + c] - of.mean[c]) * of.scale(c);
  }
};
template <class R, class On>
value<R> batch_norm_by_running(tape<R, On>& t, const value<R>& x, double epsilon, const batch_norm_parameters& p) {
  const value<R> y = t.make(x.batch, x.time, x.columns);
  const running_normed<R> one{x, y, R(epsilon), t.weights(p.weight), t.weights(p.bias), t.weights(p.mean), t.weights(p.variance)};
  t.elements(x.rows(), x.columns, one);
  t.record([=](tape<R, On>& back) {
    if (x.gradient) back.elements(x.rows(), x.columns, running_normed_to_x<R>{one});
    back.sum_by_rows(x.rows(), x.columns, back.gradients(p.weight), running_normed_to_weight<R>{one});
    back.sum_by_rows(x.rows(), x.columns, back.gradients(p.bias), column_sums<R>{y, x.columns});
  });
  return y;
}
}  // namespace detail

/// Batch norm: (x - mean) / sqrt(variance + eps) w + b. In a step of training, one that has draws (tape::begin), mean and variance, the
/// biased one, are those of all rows of the batch, pads too, and backward leaves them for the running numbers, which the optimiser moves;
/// in any other the running numbers take their place, and rows do not see each other.
///
/// shape   x (B, T, C), numbers of C channels
/// error   invalid_input for another number of channels, and in training for a part of a batch
/// source  Ioffe and Szegedy, arXiv:1502.03167
template <class R, class On>
value<R> batch_norm(tape<R, On>& t, const value<R>& x, double epsilon, const batch_norm_parameters& p) {
  if (p.weight.size() != x.columns)
    throw invalid_input("weight of a batch norm", std::to_string(x.columns) + " channels", std::to_string(p.weight.size()));
  if (!t.trains()) return detail::batch_norm_by_running(t, x, epsilon, p);
  if (t.has_part_of_batch())
    throw invalid_input("rows of a batch norm", "a whole batch: the model says mixes_sequences = true", "a part of it");
  const value<R> y = t.make(x.batch, x.time, x.columns);
  const auto numbers = [&] { return t.template take<R>(x.columns); };
  const detail::batch_normed<R> one{x, y, R(epsilon), t.weights(p.weight), t.weights(p.bias), numbers(), numbers(), numbers()};
  t.groups(x.columns, 1, one);
  t.record([=](tape<R, On>& back) {
    back.groups(x.columns, 1,
                detail::batch_normed_back<R>{one, back.gradients(p.weight), back.gradients(p.bias), back.gradients(p.mean),
                                             back.gradients(p.variance)});
  });
  return y;
}

}  // namespace coefdyn::nn
