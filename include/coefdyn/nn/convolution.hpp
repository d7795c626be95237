// SPDX-License-Identifier: MIT
#pragma once
#include "../core/math.hpp"
#include "tape.hpp"

namespace coefdyn::nn {

namespace detail {
/// A convolution's call: `all` is x behind the tokens of the past, `first` of them. ByTap: weights lie tap after tap, else channel after
/// channel as the parameter has them.
template <class R, bool ByTap>
struct convolved_tokens {
  value<R> x, all, y;
  R* before;  // the silu's argument; in backward its gradient
  const R *w, *bias;
  idx width, first;

  COEFDYN_HD R weight(idx c, idx k) const { return w[ByTap ? k * x.columns + c : c * width + k]; }
  COEFDYN_HD void operator()(idx i, idx begin, idx end) const {
    const idx s = first + i % x.time, missing = width - 1 - s;
    const R* const now = all.data + (i / x.time * all.time + s) * all.stride;
    R* const sums = before + i * x.columns;
    between(begin, end, sums, [&](idx c) COEFDYN_IN_LOOP { return bias ? bias[c] : R(0); });
    in_blocks(begin, end, [&](auto count, idx c) COEFDYN_IN_LOOP {
      R sum[count];
      for (int j = 0; j < count; ++j) sum[j] = sums[c + j];
      for (idx k = missing > 0 ? missing : 0; k < width; ++k) {
        const R* const from = now + (k - (width - 1)) * all.stride + c;
        for (int j = 0; j < count; ++j) sum[j] += weight(c + j, k) * from[j];
      }
      for (int j = 0; j < count; ++j) sums[c + j] = sum[j];
    });
    between(begin, end, y.data + i * y.stride, [&](idx c) COEFDYN_IN_LOOP { return sums[c] * math::sigmoid(sums[c]); });
  }
};
/// From the gradient of silu's result to that of its argument, in its place.
template <class R, bool ByTap>
struct through_silu {
  convolved_tokens<R, ByTap> of;
  COEFDYN_HD void operator()(idx i, idx begin, idx end) const {
    R* const at = of.before + i * of.x.columns;
    const R* const dy = of.y.gradient + i * of.y.stride;
    between(begin, end, at, [&](idx c) COEFDYN_IN_LOOP {
      const R g = math::sigmoid(at[c]);
      return dy[c] * g * (R(1) + at[c] * (R(1) - g));
    });
  }
};
template <class R, bool ByTap>
struct convolved_to_x {
  convolved_tokens<R, ByTap> of;
  COEFDYN_HD void operator()(idx i, idx begin, idx end) const {
    const idx C = of.x.columns, left = of.x.time - i % of.x.time, reach = left < of.width ? left : of.width;
    R* const dx = of.x.gradient + i * of.x.stride;
    in_blocks(begin, end, [&](auto count, idx c) COEFDYN_IN_LOOP {
      R sum[count];
      for (int j = 0; j < count; ++j) sum[j] = dx[c + j];
      for (idx after = 0; after < reach; ++after) {
        const R* const dy = of.before + (i + after) * C + c;
        for (int j = 0; j < count; ++j) sum[j] += dy[j] * of.weight(c + j, of.width - 1 - after);
      }
      for (int j = 0; j < count; ++j) dx[c + j] = sum[j];
    });
  }
};
/// Of one sequence: numbers c width + k of the weights.
template <class R, bool ByTap>
struct convolved_to_weight {
  convolved_tokens<R, ByTap> of;
  template <class Sum>
  COEFDYN_HD void operator()(idx b, idx first, idx last, Sum&& sum) const {
    const idx width = of.width;
    const auto sum_channels = [&](auto count, idx c, idx k) COEFDYN_IN_LOOP {
      R part[count];
      for (int j = 0; j < count; ++j) part[j] = sum[(c + j) * width + k];
      for (idx s = k < width - 1 ? width - 1 - k : 0; s < of.x.time; ++s) {
        const idx i = b * of.x.time + s;
        const R *const dy = of.before + i * of.x.columns + c, *const x = of.x.data + (i + k - (width - 1)) * of.x.stride + c;
        for (int j = 0; j < count; ++j) part[j] += dy[j] * x[j];
      }
      for (int j = 0; j < count; ++j) sum[(c + j) * width + k] = part[j];
    };
    if (first % width == 0 && last % width == 0)
      in_blocks(first / width, last / width, [&](auto count, idx c) COEFDYN_IN_LOOP {
        for (idx k = 0; k < width; ++k) sum_channels(count, c, k);
      });
    else
      for (idx at = first; at < last; ++at) sum_channels(std::integral_constant<int, 1>{}, at / width, at % width);
  }
};
template <class R, bool ByTap>
struct convolved_to_bias {
  convolved_tokens<R, ByTap> of;
  template <class Sum>
  COEFDYN_HD void operator()(idx b, idx first, idx last, Sum&& sum) const {
    for (idx i = b * of.x.time; i < (b + 1) * of.x.time; ++i)
      between(first, last, sum, [&, dy = of.before + i * of.x.columns](idx c) COEFDYN_IN_LOOP { return sum[c] + dy[c]; });
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
/// The weights as a device's loops read them: on the CPU tap after tap, in scratch memory.
template <class R, class On>
const R* weights_of_taps(tape<R, On>& t, const parameter& w) {
  if constexpr (!tape<R, On>::is_host) return t.weights(w);
  else {
    R* const by_tap = reinterpret_cast<R*>(t.scratch(sizeof(R) * static_cast<std::size_t>(w.size())).data());
    for (idx c = 0; c < w.rows; ++c)
      for (idx k = 0; k < w.columns; ++k) by_tap[k * w.rows + c] = t.weights(w)[c * w.stride + k];
    return by_tap;
  }
}
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
  constexpr bool by_tap = tape<R, On>::is_host;
  using tokens = detail::convolved_tokens<R, by_tap>;
  const auto now = [=](tape<R, On>& on) {
    return tokens{x, all, y, before, detail::weights_of_taps(on, w), bias ? on.weights(bias) : nullptr, w.columns, all.time - x.time};
  };
  t.elements(x.rows(), x.columns, now(t));
  t.record([=](tape<R, On>& back) {
    const tokens one = now(back);
    back.elements(x.rows(), x.columns, detail::through_silu<R, by_tap>{one});
    if (x.gradient) back.elements(x.rows(), x.columns, detail::convolved_to_x<R, by_tap>{one});
    back.sums(x.batch, w.size(), back.gradients(w), detail::convolved_to_weight<R, by_tap>{one});  // their scratch was the weights'
    if (bias) back.sums(x.batch, bias.size(), back.gradients(bias), detail::convolved_to_bias<R, by_tap>{one});
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
