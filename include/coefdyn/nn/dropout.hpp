// SPDX-License-Identifier: MIT
#pragma once
#include "tape.hpp"

namespace coefdyn::nn {

/// Which elements share one draw of dropout: none, or all tokens of a channel in one sequence.
enum class shared_draws { no, over_time };

namespace detail {
template <class R>
struct dropped {
  value<R> x, y;
  const random_stream* stream;
  double p;
  bool over_time;
  idx first;  // row of draws of the tape's first
  COEFDYN_HD R factor(idx i, idx c) const {
    const idx row = first + (over_time ? i / x.time : i);
    return random_stream::unit_of(stream->word_at(static_cast<std::uint64_t>(row * x.columns + c))) >= p ? R(1 / (1 - p)) : R(0);
  }
  COEFDYN_HD void operator()(idx i, idx begin, idx end) const {
    for (idx c = begin; c < end; ++c) y.data[i * y.stride + c] = factor(i, c) * x.data[i * x.stride + c];
  }
};
template <class R>
struct dropped_back {
  dropped<R> of;
  COEFDYN_HD void operator()(idx i, idx begin, idx end) const {
    for (idx c = begin; c < end; ++c) of.x.gradient[i * of.x.stride + c] += of.factor(i, c) * of.y.gradient[i * of.y.stride + c];
  }
};
}  // namespace detail

/// x / (1 - p) where it is kept, else 0. Element i of the call is kept if word i of the stream (seed, 102, step, site) is at least p as a
/// unit number; a site is the place of the call among those of the step. Nothing is stored: backward draws the same words again.
/// x itself where p is 0 or the step has no draws (`begin()`, as for an evaluation).
///
/// shape   x (B, T, C) to the same; element (b T + t) C + c, or b C + c where draws are shared over time, b the sequence's number in the
///         step's batch
/// error   invalid_input unless 0 <= p < 1
/// source  Srivastava et al., JMLR 15 (2014)
template <class R, class On>
value<R> dropout(tape<R, On>& t, const value<R>& x, double p, shared_draws share = shared_draws::no) {
  if (!(p >= 0 && p < 1)) throw invalid_input("dropout", "a probability from 0 to less than 1", std::to_string(p));
  const auto site = t.next_site();
  if (p == 0 || !site) return x;
  const value<R> y = t.make(x.batch, x.time, x.columns);
  const bool over_time = share == shared_draws::over_time;
  const detail::dropped<R> one{x, y, t.draws_of(*site), p, over_time, t.first_sequence() * (over_time ? 1 : x.time)};
  t.elements(x.rows(), x.columns, one);
  t.record([=](tape<R, On>& back) {
    if (x.gradient) back.elements(x.rows(), x.columns, detail::dropped_back<R>{one});
  });
  return y;
}

}  // namespace coefdyn::nn
