// SPDX-License-Identifier: MIT
#pragma once
#include "tape.hpp"

namespace coefdyn::nn {

/// Which elements share one draw of dropout: none, or all tokens of a channel in one sequence.
enum class shared_draws { no, over_time };

/// x / (1 - p) where it is kept, else 0. Element i of the call is kept if word i of the stream (seed, 102, step, site) is at least p as a
/// unit number; a site is the place of the call among those of the step. Nothing is stored: backward draws the same words again.
/// x itself where p is 0 or the step has no draws (`begin()`, as for an evaluation).
///
/// shape   x (B, T, C) to the same; element (b T + t) C + c, or b C + c where draws are shared over time
/// error   invalid_input unless 0 <= p < 1
/// source  Srivastava et al., JMLR 15 (2014)
template <class R>
value<R> dropout(tape<R>& t, const value<R>& x, double p, shared_draws share = shared_draws::no) {
  if (!(p >= 0 && p < 1)) throw invalid_input("dropout", "a probability from 0 to less than 1", std::to_string(p));
  const auto draws = t.next_draws();
  if (p == 0 || !draws) return x;
  const value<R> y = t.make(x.batch, x.time, x.columns);
  const auto factor = [stream = *draws, p, over_time = share == shared_draws::over_time, x](idx i, idx c) {
    const idx row = over_time ? i / x.time : i;
    return random_stream::unit_of(stream.word_at(static_cast<std::uint64_t>(row * x.columns + c))) >= p ? R(1 / (1 - p)) : R(0);
  };
  t.by_rows(x.rows(), [&](idx begin, idx end) {
    for (idx i = begin; i < end; ++i)
      for (idx c = 0; c < x.columns; ++c) y.data[i * y.stride + c] = factor(i, c) * x.data[i * x.stride + c];
  });
  t.record([=](tape<R>& back) {
    if (!x.gradient) return;
    back.by_rows(x.rows(), [&](idx begin, idx end) {
      for (idx i = begin; i < end; ++i)
        for (idx c = 0; c < x.columns; ++c) x.gradient[i * x.stride + c] += factor(i, c) * y.gradient[i * y.stride + c];
    });
  });
  return y;
}

}  // namespace coefdyn::nn
