// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>

#include "../core/math.hpp"
#include "tape.hpp"

namespace coefdyn::nn {

namespace detail {
template <class R>
struct token_mean {
  value<R> x, y;
  const idx* lengths;  // or none
  COEFDYN_HD idx count(idx b) const { return lengths ? lengths[b] : x.time; }
  COEFDYN_HD void operator()(idx b, idx begin, idx end) const {
    for (idx c = begin; c < end; ++c) {
      R sum = R(0);
      for (idx s = 0; s < count(b); ++s) sum += x.data[(b * x.time + s) * x.stride + c];
      y.data[b * y.stride + c] = sum / R(count(b));
    }
  }
};
template <class R>
struct token_mean_back {
  token_mean<R> of;
  COEFDYN_HD void operator()(idx i, idx begin, idx end) const {
    const value<R>&x = of.x, &y = of.y;
    const idx b = i / x.time, n = of.count(b);
    const bool is_padding = i >= b * x.time + n;
    for (idx c = begin; c < end && !is_padding; ++c) x.gradient[i * x.stride + c] += y.gradient[b * y.stride + c] / R(n);
  }
};
/// The lengths where the device reads them, once all are known to be good.
template <class R, class On>
const idx* lengths_there(tape<R, On>& t, const idx* lengths, idx batch, idx time) {
  return t.template from_host<idx>(batch, [=](idx* to) {
    for (idx b = 0; b < batch; ++b) {
      if (lengths[b] < 1 || lengths[b] > time)
        throw invalid_input("length of a sequence", "1 .. " + std::to_string(time) + " tokens",
                            std::to_string(lengths[b]) + " of sequence " + std::to_string(b));
      to[b] = lengths[b];
    }
  });
}
template <class R>
struct last_and_position {
  value<R> x, y;
  COEFDYN_HD void operator()(idx i, idx begin, idx end) const {
    const R* const last = x.data + (i / x.time * x.time + x.time - 1) * x.stride;
    const idx half = x.columns / 2;
    for (idx c = begin; c < end; ++c) {
      const idx m = c < half ? c : c - half;
      const double angle = double(i % x.time) * std::exp(double(m) * (-std::log(10000.0) / double(half - 1)));
      y.data[i * y.stride + c] = last[c] + R(c < half ? std::sin(angle) : std::cos(angle));
    }
  }
};
template <class R>
struct last_and_position_back {
  value<R> x, y;
  COEFDYN_HD void operator()(idx b, idx begin, idx end) const {
    R* const last = x.gradient + (b * x.time + x.time - 1) * x.stride;
    for (idx s = 0; s < x.time; ++s)
      for (idx c = begin; c < end; ++c) last[c] += y.gradient[(b * x.time + s) * y.stride + c];
  }
};
}  // namespace detail

/// The mean over the first lengths[b] tokens of each sequence, or over all of them, whatever they are (pads too), where no lengths are
/// given: (B, T, C) to (B, 1, C).
///
/// shape   lengths (B), the host's on every device, each in 1 .. T
/// error   invalid_input for a length out of range
template <class R, class On>
value<R> mean_over_time(tape<R, On>& t, const value<R>& x, const idx* lengths = nullptr) {
  const value<R> y = t.make(x.batch, 1, x.columns);
  const detail::token_mean<R> one{x, y, lengths ? detail::lengths_there(t, lengths, x.batch, x.time) : nullptr};
  t.elements(x.batch, x.columns, one);
  t.record([=](tape<R, On>& back) { back.elements(x.rows(), x.columns, detail::token_mean_back<R>{one}); });
  return y;
}

/// The last token's vector at every position p, plus [sin(p w_i), cos(p w_i)], w_i = 10000^(-i / (C/2 - 1)): (B, T, C) to the same.
/// source  Poli et al. (MAD), arXiv:2403.17844: the decoder of its compression task
template <class R, class On>
value<R> last_with_positions(tape<R, On>& t, const value<R>& x) {
  if (x.columns % 2 || x.columns < 4)
    throw invalid_input("width", "an even number of at least 4, for sines and cosines", std::to_string(x.columns));
  const value<R> y = t.make(x.batch, x.time, x.columns);
  t.elements(x.rows(), x.columns, detail::last_and_position<R>{x, y});
  t.record([=](tape<R, On>& back) { back.elements(x.batch, x.columns, detail::last_and_position_back<R>{x, y}); });
  return y;
}

}  // namespace coefdyn::nn
