// SPDX-License-Identifier: MIT
#pragma once
#include "../core/math.hpp"
#include "tape.hpp"

namespace coefdyn::nn {

namespace detail {
/// A convolution's call: `all` is x behind the tokens of the past, `first` of them.
template <class R>
struct convolved_tokens {
  value<R> x, all, y;
  R* before;  // the silu's argument; in backward its gradient
  const R *w, *bias;
  idx width, first;

  COEFDYN_HD void operator()(idx i, idx begin, idx end) const {
    const idx s = first + i % x.time, missing = width - 1 - s;
    const R* const now = all.data + (i / x.time * all.time + s) * all.stride;
    for (idx c = begin; c < end; ++c) {
      R sum = bias ? bias[c] : R(0);
      for (idx k = missing > 0 ? missing : 0; k < width; ++k) sum += w[c * width + k] * now[(k - (width - 1)) * all.stride + c];
      before[i * x.columns + c] = sum;
      y.data[i * y.stride + c] = sum * math::sigmoid(sum);
    }
  }
};
/// From the gradient of silu's result to that of its argument, in its place.
template <class R>
struct through_silu {
  convolved_tokens<R> of;
  COEFDYN_HD void operator()(idx i, idx begin, idx end) const {
    R* const at = of.before + i * of.x.columns;
    const R* const dy = of.y.gradient + i * of.y.stride;
    for (idx c = begin; c < end; ++c) {
      const R g = math::sigmoid(at[c]);
      at[c] = dy[c] * g * (R(1) + at[c] * (R(1) - g));
    }
  }
};
template <class R>
struct convolved_to_x {
  convolved_tokens<R> of;
  COEFDYN_HD void operator()(idx i, idx begin, idx end) const {
    const idx C = of.x.columns, left = of.x.time - i % of.x.time, reach = left < of.width ? left : of.width;
    for (idx c = begin; c < end; ++c) {
      R sum = of.x.gradient[i * of.x.stride + c];
      for (idx after = 0; after < reach; ++after) sum += of.before[(i + after) * C + c] * of.w[c * of.width + of.width - 1 - after];
      of.x.gradient[i * of.x.stride + c] = sum;
    }
  }
};
/// Of one sequence: numbers c width + k of the weights.
template <class R>
struct convolved_to_weight {
  convolved_tokens<R> of;
  template <class Sum>
  COEFDYN_HD void operator()(idx b, idx first, idx last, Sum&& sum) const {
    const idx width = of.width, C = of.x.columns;
    for (idx s = 0; s < of.x.time; ++s) {
      const idx i = b * of.x.time + s;
      idx c = first / width, k = first % width;
      for (idx at = first; at < last; ++at) {
        if (s + k >= width - 1) sum[at] += of.before[i * C + c] * of.x.data[(i + k - (width - 1)) * of.x.stride + c];
        if (++k == width) k = 0, ++c;
      }
    }
  }
};
template <class R>
struct convolved_to_bias {
  convolved_tokens<R> of;
  template <class Sum>
  COEFDYN_HD void operator()(idx b, idx first, idx last, Sum&& sum) const {
    for (idx i = b * of.x.time; i < (b + 1) * of.x.time; ++i)
      for (idx c = first; c < last; ++c) sum[c] += of.before[i * of.x.columns + c];
  }
};
/// Rows of `all`: of each sequence those that were kept, then those of x.
template <class R>
struct kept_then_new {
  value<R> x, all;
  const R* kept;
  COEFDYN_HD void operator()(idx i, idx begin, idx end) const {
    const idx back = all.time - x.time, b = i / all.time, s = i % all.time;
    const R* const from = s < back ? kept + (b * back + s) * x.columns : x.data + (b * x.time + s - back) * x.stride;
    for (idx c = begin; c < end; ++c) all.data[i * all.stride + c] = from[c];
  }
};
/// Row i of what is kept: of each sequence the last `back` rows.
template <class R>
struct last_rows {
  value<R> all;
  R* kept;
  idx back;
  COEFDYN_HD void operator()(idx i, idx begin, idx end) const {
    const R* const from = all.data + ((i / back + 1) * all.time - back + i % back) * all.stride;
    for (idx c = begin; c < end; ++c) kept[i * all.columns + c] = from[c];
  }
};
/// x behind the `back` tokens before it (zeros at the start), of which the past keeps the last; x alone where there is no past.
template <class R, class On>
value<R> behind_its_past(tape<R, On>& t, const value<R>& x, idx back) {
  if (!t.before() || back == 0) return x;
  const auto numbers = static_cast<std::size_t>(x.batch * back * x.columns);
  using kept_rows = buffer<R, memory_of<On>>;
  kept_rows& kept = t.before()->template next<kept_rows>([&] { return kept_rows(numbers, t.space()); });
  if (kept.size() != numbers) throw invalid_input("past", "one of this model", "one of another");
  const value<R> all = t.make(x.batch, back + x.time, x.columns);
  t.elements(all.rows(), x.columns, kept_then_new<R>{x, all, kept.data()});
  t.elements(x.batch * back, x.columns, last_rows<R>{all, kept.data(), back});
  return all;
}
}  // namespace detail

/// Causal depthwise convolution, then silu: y_t = silu(b + sum_i w[i] x_{t - W + 1 + i}), zeros before the first token.
///
/// shape   x (B, T, C) to y (B, T, C); w [C, 1, W], bias [C] or none
/// error   invalid_input where x has another number of channels
/// source  Mamba, arXiv:2312.00752
template <class R, class On>
value<R> convolve(tape<R, On>& t, const value<R>& x, const parameter& w, const parameter& bias = {}) {
  if (x.columns != w.rows) throw invalid_input("x of a convolution", std::to_string(w.rows) + " channels", std::to_string(x.columns));
  const value<R> y = t.make(x.batch, x.time, x.columns), all = detail::behind_its_past(t, x, w.columns - 1);
  R* const before = t.template take<R>(y.rows() * x.columns);
  const detail::convolved_tokens<R> one{x, all, y, before, t.weights(w), bias ? t.weights(bias) : nullptr, w.columns, all.time - x.time};
  t.elements(x.rows(), x.columns, one);
  t.record([=](tape<R, On>& back) {
    back.elements(x.rows(), x.columns, detail::through_silu<R>{one});
    if (x.gradient) back.elements(x.rows(), x.columns, detail::convolved_to_x<R>{one});
    back.sums(x.batch, w.size(), back.gradients(w), detail::convolved_to_weight<R>{one});
    if (bias) back.sums(x.batch, bias.size(), back.gradients(bias), detail::convolved_to_bias<R>{one});
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
  template <class R, class On>
  value<R> operator()(tape<R, On>& t, const value<R>& x) const {
    return convolve(t, x, weight, bias);
  }
};

namespace detail {
/// `from` is u behind the token of the past, if there is one.
template <class R>
struct token_differences {
  value<R> u, from, y;
  COEFDYN_HD void operator()(idx i, idx begin, idx end) const {
    const idx s = from.time - u.time + i % u.time, row = i / u.time * from.time + s;
    for (idx c = begin; c < end; ++c)
      y.data[i * y.stride + c] = (s ? from.data[(row - 1) * from.stride + c] : R(0)) - u.data[i * u.stride + c];
  }
};
template <class R>
struct token_differences_back {
  value<R> u, y;
  COEFDYN_HD void operator()(idx i, idx begin, idx end) const {
    const bool last = (i + 1) % u.time == 0;
    for (idx c = begin; c < end; ++c)
      u.gradient[i * u.stride + c] += (last ? R(0) : y.gradient[(i + 1) * y.stride + c]) - y.gradient[i * y.stride + c];
  }
};
}  // namespace detail
/// The token before minus the token: u_{t-1} - u_t, with u_{-1} = 0.
/// source  RWKV, arXiv:2305.13048
template <class R, class On>
value<R> token_shift(tape<R, On>& t, const value<R>& u) {
  const value<R> y = t.make(u.batch, u.time, u.columns), from = detail::behind_its_past(t, u, 1);
  t.elements(u.rows(), u.columns, detail::token_differences<R>{u, from, y});
  t.record([=](tape<R, On>& back) {
    if (u.gradient) back.elements(u.rows(), u.columns, detail::token_differences_back<R>{u, y});
  });
  return y;
}

}  // namespace coefdyn::nn
