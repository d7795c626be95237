// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>

#include "../nn/activation.hpp"
#include "../nn/convolution.hpp"
#include "../nn/linear.hpp"
#include "../nn/map.hpp"
#include "../nn/mix.hpp"

/// Operations that published models need beyond those of nn/: forward alone, on the host.
///
/// error   invalid_input on a tape that records
namespace coefdyn::models {

namespace detail {
template <class R, class On>
void expect_forward(const nn::tape<R, On>& t) {
  static_assert(nn::tape<R, On>::is_host);
  if (t.records()) throw invalid_input("tape of a published model", "one without gradients", "one with");
}
/// A mixer's streams by their places in its needs.
template <class M, class Heads, class R, class On, class... Value>
nn::value<R> mixed(nn::tape<R, On>& t, const extents& e, const Value&... streams) {
  nn::mixed_streams<M, R> s;
  static_assert(sizeof...(Value) == nn::mixed_streams<M, R>::count);
  s.of = {streams...};
  return nn::mix<M, Heads>(t, s, e);
}
/// y sigmoid(g).
struct times_sigmoid {
  template <class X>
  [[gnu::always_inline]] COEFDYN_HD X operator()(X y, X g) const {
    return y * math::sigmoid(g);
  }
};
/// x times a constant.
struct scaled_by {
  double by;
  template <class X>
  [[gnu::always_inline]] COEFDYN_HD X operator()(X x) const {
    return X(by) * x;
  }
};
/// y = b + sum_i w[i] x_{t - W + 1 + i}.
template <class R>
struct plain_convolution {
  nn::value<R> all, y;
  const R *w, *bias;
  idx width;
  COEFDYN_HD void operator()(idx i, idx begin, idx end) const {
    const idx s = all.time - y.time + i % y.time;
    const R* const now = all.data + (i / y.time * all.time + s) * all.stride;
    for (idx c = begin; c < end; ++c) {
      R sum = bias ? bias[c] : R(0);
      for (idx k = std::max<idx>(width - 1 - s, 0); k < width; ++k) sum += w[c * width + k] * now[(k - width + 1) * all.stride + c];
      y.data[i * y.stride + c] = sum;
    }
  }
};
/// Whole windows of one sequence as sequences of their own, which overlap: read r of `count` sees the `window` tokens that end with its
/// own, token first + r of all.
template <class X>
X windows_of(const X& all, idx sequence, idx window, idx first, idx first_read, idx count) {
  X x = all;
  for_each_need(typename X::needs{}, [&]<class N>(N) {
    if constexpr (N::timed) {
      constexpr bool reading = N::heads == owner::query || N::heads == owner::reader;
      auto v = x.template of<N>();
      v.data += sequence * v.strides[0] + (reading ? first_read : first - window + 1) * v.strides[1];
      v.extents[0] = count, v.strides[0] = v.strides[1], v.extents[1] = reading ? 1 : window;
      x.template set<N>(v);
    }
  });
  x.first_read = window - 1;
  return x;
}
/// Every token over the last `window` of all of them: those with a whole window before them are sequences of one call, the others one call
/// with all that is before them.
template <class R, class On, class X>
void run_windows(nn::tape<R, On>& t, const X& all, idx window, idx reads, idx time, const view<R, 4>& y) {
  const auto call = [&](const X& x, const view<R, 4>& to) {
    run(t.on, form::automatic{}, x, to, {}, nn::detail::aligned(t.scratch(workspace_bytes(t.on, form::automatic{}, x) + 64)));
  };
  const idx before = time - reads, begin = std::clamp<idx>(window - before, 0, reads);
  for (idx s = 0; s < y.extents[0] && begin < reads; ++s) {
    view<R, 4> rows = y;
    rows.data += s * y.strides[0] + begin * y.strides[1];
    rows.extents[0] = reads - begin, rows.strides[0] = y.strides[1], rows.extents[1] = 1;
    call(windows_of(all, s, window, before + begin, begin, reads - begin), rows);
  }
  if (begin < 1) return;
  X x = all;
  for_each_need(typename X::needs{}, [&]<class N>(N) {
    if constexpr (N::timed) {
      auto v = x.template of<N>();
      v.extents[1] -= reads - begin;
      x.template set<N>(v);
    }
  });
  view<R, 4> rows = y;
  rows.extents[1] = begin;
  call(x, rows);
}
}  // namespace detail

/// y = M(streams) where a token sees the last `window` tokens, itself among them.
template <class M, class Heads, class R, class On>
nn::value<R> mix_windows(nn::tape<R, On>& t, const nn::mixed_streams<M, R>& streams, const extents& e, idx window) {
  detail::expect_forward(t);
  const nn::value<R> y = t.make(e.batch, e.time, e.readers * e.d);
  const auto x = nn::detail::tokens_of<M, Heads>(streams, e);
  t.show(x);
  const view<R, 4> to(y.data, e.batch, e.time, e.readers, e.d);
  if (nn::past* const before = t.before()) {
    before->keeps_tokens();
    using kept_tokens = cache<M, R, Heads, field::real>;
    auto& kept = before->next<kept_tokens>([&] { return kept_tokens(e.batch, e.states, e.keys, e.n, e.d, before->capacity()); });
    const auto all = kept.extend(x);
    detail::run_windows(t, all, window, e.time, all.first_read + e.time, to);
  } else {
    detail::run_windows(t, x, window, e.time, e.time, to);
  }
  return y;
}

/// A causal depthwise convolution without an activation.
///
/// shape   x (B, T, C) to the same; w [C, 1, W], bias [C] or none
template <class R, class On>
nn::value<R> convolve_plainly(nn::tape<R, On>& t, const nn::value<R>& x, const nn::parameter& w, const nn::parameter& bias) {
  detail::expect_forward(t);
  const nn::value<R> y = t.make(x.batch, x.time, x.columns), all = nn::detail::behind_its_past(t, x, w.columns - 1);
  t.elements(x.rows(), x.columns, detail::plain_convolution<R>{all, y, t.weights(w), bias ? t.weights(bias) : nullptr, w.columns});
  return y;
}

/// Each group of columns through a matrix of its own: y_g = W_g x_g + b_g.
///
/// shape   x (rows, G n) to the same; W [G n, n], block after block; b [G n]
template <class R, class On>
nn::value<R> linear_by_blocks(nn::tape<R, On>& t, const nn::value<R>& x, const nn::parameter& W, const nn::parameter& b) {
  detail::expect_forward(t);
  const idx n = W.columns;
  const nn::value<R> y = t.make(x.batch, x.time, x.columns);
  for (idx first = 0; first < x.columns; first += n)
    nn::detail::affine<R, On>::forward(t, x.part(first, n), W.row_block(first, n), b.column_block(first, n), y.part(first, n));
  return y;
}

/// Mixture of experts: for each row the `chosen` experts of the largest softmax, each down(silu(gate x) up x), added up with these weights,
/// which add up to 1 where `normed`.
///
/// shape   router [E, D], gate_up [E 2 I, D], down [E D, I]
/// source  Shazeer et al., arXiv:1701.06538; Hugging Face transformers 5.17, Qwen3NextSparseMoeBlock
struct expert_parameters {
  idx experts = 0, chosen = 0, width = 0, hidden = 0;
  bool normed = true;
  nn::parameter router, gate_up, down;

  expert_parameters(const nn::scope& s, idx experts_, idx chosen_, idx width_, idx hidden_, bool normed_)
      : experts(experts_),
        chosen(chosen_),
        width(width_),
        hidden(hidden_),
        normed(normed_),
        router(s.matrix("router", experts_, width_, nn::start::constant(0))),
        gate_up(s.matrix("gate_up", experts_ * 2 * hidden_, width_, nn::start::constant(0))),
        down(s.matrix("down", experts_ * width_, hidden_, nn::start::constant(0))) {}
  template <class R, class On>
  nn::value<R> operator()(nn::tape<R, On>& t, const nn::value<R>& x) const {
    detail::expect_forward(t);
    const nn::value<R> scores = nn::linear(t, x, router), y = t.make(x.batch, x.time, width);
    std::fill_n(y.data, y.rows() * y.columns, R(0));
    std::vector<std::vector<std::pair<idx, R>>> rows_of(static_cast<std::size_t>(experts));
    for (idx i = 0; i < x.rows(); ++i) choose(scores.data + i * scores.stride, i, rows_of);
    for (idx e = 0; e < experts; ++e)
      if (!rows_of[std::size_t(e)].empty()) add(t, x, e, rows_of[std::size_t(e)], y);
    return y;
  }

 private:
  template <class R>
  void choose(const R* scores, idx row, std::vector<std::vector<std::pair<idx, R>>>& rows_of) const {
    std::vector<idx> order(static_cast<std::size_t>(experts));
    for (idx e = 0; e < experts; ++e) order[std::size_t(e)] = e;
    std::partial_sort(order.begin(), order.begin() + chosen, order.end(),
                      [&](idx a, idx b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
    const R most = scores[order[0]];
    R all = 0, best = 0;
    for (idx e = 0; e < experts; ++e) all += std::exp(scores[e] - most);
    for (idx c = 0; c < chosen; ++c) best += std::exp(scores[order[std::size_t(c)]] - most);
    for (idx c = 0; c < chosen; ++c) {
      const idx e = order[std::size_t(c)];
      rows_of[std::size_t(e)].push_back({row, std::exp(scores[e] - most) / (normed ? best : all)});
    }
  }
  template <class R, class On>
  void add(nn::tape<R, On>& t, const nn::value<R>& x, idx e, const std::vector<std::pair<idx, R>>& rows, const nn::value<R>& y) const {
    const nn::value<R> own = t.make(1, idx(rows.size()), width);
    for (std::size_t i = 0; i < rows.size(); ++i) std::copy_n(x.data + rows[i].first * x.stride, width, own.data + idx(i) * width);
    const nn::value<R> both = nn::linear(t, own, gate_up.row_block(e * 2 * hidden, 2 * hidden));
    const nn::value<R> middle = nn::map(t, nn::of_first_times<nn::silu>{}, both.part(0, hidden), both.part(hidden, hidden));
    const nn::value<R> out = nn::linear(t, middle, down.row_block(e * width, width));
    for (std::size_t i = 0; i < rows.size(); ++i)
      for (idx c = 0; c < width; ++c) y.data[rows[i].first * y.stride + c] += rows[i].second * out.data[idx(i) * out.stride + c];
  }
};

}  // namespace coefdyn::models
