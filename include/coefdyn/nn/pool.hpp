// SPDX-License-Identifier: MIT
#pragma once
#include "tape.hpp"

namespace coefdyn::nn {

/// The mean over the tokens of each sequence, whatever they are (pads too): (B, T, C) to (B, 1, C).
template <class R>
value<R> mean_over_time(tape<R>& t, const value<R>& x) {
  const value<R> y = t.make(x.batch, 1, x.columns);
  t.each(x.batch, [&](idx b, int) {
    for (idx c = 0; c < x.columns; ++c) {
      R sum = R(0);
      for (idx s = 0; s < x.time; ++s) sum += x.data[(b * x.time + s) * x.stride + c];
      y.data[b * y.stride + c] = sum / R(x.time);
    }
  });
  t.record([=](tape<R>& back) {
    back.by_rows(x.rows(), [&](idx begin, idx end) {
      for (idx i = begin; i < end; ++i)
        for (idx c = 0; c < x.columns; ++c) x.gradient[i * x.stride + c] += y.gradient[i / x.time * y.stride + c] / R(x.time);
    });
  });
  return y;
}

/// The last token's vector at every position p, plus [sin(p w_i), cos(p w_i)], w_i = 10000^(-i / (C/2 - 1)): (B, T, C) to the same.
/// source  Poli et al. (MAD), arXiv:2403.17844: the decoder of its compression task
template <class R>
value<R> last_with_positions(tape<R>& t, const value<R>& x) {
  const idx half = x.columns / 2;
  if (x.columns % 2 || half < 2)
    throw invalid_input("width", "an even number of at least 4, for sines and cosines", std::to_string(x.columns));
  const value<R> y = t.make(x.batch, x.time, x.columns);
  t.by_rows(x.rows(), [&](idx begin, idx end) {
    for (idx i = begin; i < end; ++i) {
      const R* const last = x.data + (i / x.time * x.time + x.time - 1) * x.stride;
      for (idx c = 0; c < half; ++c) {
        const double angle = double(i % x.time) * std::exp(double(c) * (-std::log(10000.0) / double(half - 1)));
        y.data[i * y.stride + c] = last[c] + R(std::sin(angle)), y.data[i * y.stride + half + c] = last[half + c] + R(std::cos(angle));
      }
    }
  });
  t.record([=](tape<R>& back) {
    back.each(x.batch, [&](idx b, int) {
      R* const last = x.gradient + (b * x.time + x.time - 1) * x.stride;
      for (idx s = 0; s < x.time; ++s)
        for (idx c = 0; c < x.columns; ++c) last[c] += y.gradient[(b * x.time + s) * y.stride + c];
    });
  });
  return y;
}

/// Batch norm over all rows: (x - mean) / sqrt(variance + eps) w + b, with the biased variance of this batch.
/// source  Ioffe and Szegedy, arXiv:1502.03167
template <class R>
value<R> batch_norm(tape<R>& t, const value<R>& x, double epsilon, const parameter& w, const parameter& b) {
  if (w.size() != x.columns)
    throw invalid_input("weight of a batch norm", std::to_string(x.columns) + " channels", std::to_string(w.size()));
  const value<R> y = t.make(x.batch, x.time, x.columns);
  R* const mean = t.template take<R>(x.columns);
  R* const scale = t.template take<R>(x.columns);
  const idx n = x.rows();
  const auto channels = [](tape<R>& on, idx columns, auto f) {
    on.by_rows(columns, [&](idx begin, idx end) {
      for (idx c = begin; c < end; ++c) f(c);
    });
  };
  channels(t, x.columns, [&](idx c) {
    R sum = R(0), square = R(0);
    for (idx i = 0; i < n; ++i) sum += x.data[i * x.stride + c];
    mean[c] = sum / R(n);
    for (idx i = 0; i < n; ++i) square += (x.data[i * x.stride + c] - mean[c]) * (x.data[i * x.stride + c] - mean[c]);
    scale[c] = R(1) / std::sqrt(square / R(n) + R(epsilon));
    for (idx i = 0; i < n; ++i)
      y.data[i * y.stride + c] = (x.data[i * x.stride + c] - mean[c]) * scale[c] * t.weights(w)[c] + t.weights(b)[c];
  });
  t.record([=](tape<R>& back) {
    channels(back, x.columns, [&](idx c) {
      R level = R(0), along = R(0);
      const auto normed = [&](idx i) { return (x.data[i * x.stride + c] - mean[c]) * scale[c]; };
      for (idx i = 0; i < n; ++i) level += y.gradient[i * y.stride + c], along += y.gradient[i * y.stride + c] * normed(i);
      back.gradients(w)[c] += along, back.gradients(b)[c] += level;
      for (idx i = 0; i < n && x.gradient; ++i)
        x.gradient[i * x.stride + c] +=
            back.weights(w)[c] * scale[c] * (y.gradient[i * y.stride + c] - level / R(n) - normed(i) * along / R(n));
    });
  });
  return y;
}

}  // namespace coefdyn::nn
