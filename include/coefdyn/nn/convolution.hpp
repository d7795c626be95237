// SPDX-License-Identifier: MIT
#pragma once
#include "../core/math.hpp"
#include "tape.hpp"

namespace coefdyn::nn {

namespace detail {
template <class R>
struct convolution_at {
  value<R> x;
  const R *w, *bias;
  idx width;
  R operator()(idx b, idx s, idx c) const {
    R sum = bias ? bias[c] : R(0);
    for (idx i = std::max<idx>(0, width - 1 - s); i < width; ++i)
      sum += w[c * width + i] * x.data[(b * x.time + s - (width - 1) + i) * x.stride + c];
    return sum;
  }
};
/// x behind the `back` tokens before it (zeros at the start), of which the past keeps the last; x alone where there is no past.
template <class R>
value<R> behind_its_past(tape<R>& t, const value<R>& x, idx back) {
  if (!t.before()) return x;
  const idx C = x.columns;
  auto& kept = t.before()->template next<std::vector<R>>([&] { return std::vector<R>(static_cast<std::size_t>(x.batch * back * C)); });
  if (idx(kept.size()) != x.batch * back * C) throw invalid_input("past", "one of this model", "one of another");
  const value<R> all = t.make(x.batch, back + x.time, C);
  for (idx b = 0; b < x.batch; ++b) {
    R *const to = all.data + b * all.time * C, *const tail = kept.data() + b * back * C;
    std::copy_n(tail, back * C, to);
    for (idx s = 0; s < x.time; ++s) std::copy_n(x.data + (b * x.time + s) * x.stride, C, to + (back + s) * C);
    std::copy_n(to + x.time * C, back * C, tail);
  }
  return all;
}
}  // namespace detail

/// Causal depthwise convolution, then silu: y_t = silu(b + sum_i w[i] x_{t - W + 1 + i}), zeros before the first token.
///
/// shape   x (B, T, C) to y (B, T, C); w [C, 1, W], bias [C] or none
/// error   invalid_input where x has another number of channels
/// source  Mamba, arXiv:2312.00752
template <class R>
value<R> convolve(tape<R>& t, const value<R>& x, const parameter& w, const parameter& bias = {}) {
  if (x.columns != w.rows) throw invalid_input("x of a convolution", std::to_string(w.rows) + " channels", std::to_string(x.columns));
  const value<R> y = t.make(x.batch, x.time, x.columns);
  const idx width = w.columns, C = x.columns;
  const value<R> all = detail::behind_its_past(t, x, width - 1);
  const idx first = all.time - x.time;
  const detail::convolution_at<R> at{all, t.weights(w), bias ? t.weights(bias) : nullptr, width};
  R* const before = t.template take<R>(y.rows() * C);  // the silu's argument
  t.each(x.batch, [&](idx b, int) {
    for (idx s = 0; s < x.time; ++s)
      for (idx c = 0; c < C; ++c) {
        const idx i = (b * x.time + s) * C + c;
        before[i] = at(b, first + s, c);
        y.data[i] = before[i] * math::sigmoid(before[i]);
      }
  });
  t.record([=](tape<R>& back) {
    const idx sums = C * (width + 1);  // of a sequence: C biases behind C rows of weights
    R* const partial = back.zeros(x.batch * sums);
    R* const dw = back.gradients(w);
    R* const db = bias ? back.gradients(bias) : nullptr;
    back.each(x.batch, [&](idx b, int) {
      R* const mine = partial + b * sums;
      for (idx s = 0; s < x.time; ++s)
        for (idx c = 0; c < C; ++c) {
          const idx i = (b * x.time + s) * C + c;
          const R g = math::sigmoid(before[i]), d = y.gradient[i] * g * (R(1) + before[i] * (R(1) - g));
          mine[C * width + c] += d;
          for (idx k = std::max<idx>(0, width - 1 - s); k < width; ++k) {
            const idx from = (b * x.time + s - (width - 1) + k) * x.stride + c;
            mine[c * width + k] += d * x.data[from];
            if (x.gradient) x.gradient[from] += d * at.w[c * width + k];
          }
        }
    });
    for (idx b = 0; b < x.batch; ++b) {
      for (idx k = 0; k < C * width; ++k) dw[k] += partial[b * sums + k];
      for (idx c = 0; c < C && db; ++c) db[c] += partial[b * sums + C * width + c];
    }
  });
  return y;
}

/// A convolution's parameters: name.weight [C, 1, W] and, if asked for, name.bias [C].
struct convolution_parameters {
  parameter weight, bias;
  convolution_parameters() = default;
  convolution_parameters(const scope& s, const std::string& name, idx channels, idx width, bool with_bias)
      : weight(s.tensor(name + ".weight", {channels, 1, width}, start::fan_in(width), true)),
        bias(with_bias ? s.vector(name + ".bias", channels, start::constant(0)) : parameter{}) {}
  template <class R>
  value<R> operator()(tape<R>& t, const value<R>& x) const {
    return convolve(t, x, weight, bias);
  }
};

/// The token before minus the token: u_{t-1} - u_t, with u_{-1} = 0.
/// source  RWKV, arXiv:2305.13048
template <class R>
value<R> token_shift(tape<R>& t, const value<R>& u) {
  const value<R> y = t.make(u.batch, u.time, u.columns), from = detail::behind_its_past(t, u, 1);
  const idx first = from.time - u.time;
  t.by_rows(u.rows(), [&](idx begin, idx end) {
    for (idx i = begin; i < end; ++i) {
      const idx s = first + i % u.time, row = i / u.time * from.time + s;
      for (idx c = 0; c < u.columns; ++c)
        y.data[i * y.stride + c] = (s ? from.data[(row - 1) * from.stride + c] : R(0)) - u.data[i * u.stride + c];
    }
  });
  t.record([=](tape<R>& back) {
    if (u.gradient)
      back.by_rows(u.rows(), [&](idx begin, idx end) {
        for (idx i = begin; i < end; ++i)
          for (idx c = 0; c < u.columns; ++c)
            u.gradient[i * u.stride + c] += ((i + 1) % u.time ? y.gradient[(i + 1) * y.stride + c] : R(0)) - y.gradient[i * y.stride + c];
      });
  });
  return y;
}

}  // namespace coefdyn::nn
