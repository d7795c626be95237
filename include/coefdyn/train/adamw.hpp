// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>

#include "../core/floating.hpp"
#include "../cpu/device.hpp"
#include "../nn/weights.hpp"

namespace coefdyn::train {

/// Numbers of the optimiser.
struct adamw_settings {
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8;
  double decay = 0.1;  // of the parameters that decay
  double clip = 1;     // the gradients' largest norm, over all of them; 0: none
};

/// AdamW with decoupled decay and a clip of the global norm:
/// ```text
/// g *= min(1, clip / (|g| + 1e-6))    p *= 1 - rate decay
/// m = b1 m + (1 - b1) g               v = b2 v + (1 - b2) g^2
/// p -= rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
/// ```
///
/// error   invalid_input where gradients are those of another model
/// source  Loshchilov and Hutter, arXiv:1711.05101
template <class R>
class adamw {
 public:
  adamw(const nn::weights<R>& w, const adamw_settings& settings) : s(settings), first_(w.parameters()), second_(w.parameters()) {
    for (const auto& e : w.parameters()->entries())
      for (idx begin = 0; begin < e.place.size(); begin += block)
        pieces_.push_back({e.place.offset + begin, e.place.offset + std::min(e.place.size(), begin + block), e.decays});
  }
  /// One update of w from dw, which keeps its values; returns the norm of the gradients before the clip. Where that is not finite, nothing
  /// changes. Its bits depend on no number of threads: squares are summed in blocks whose boundaries are fixed.
  double step(nn::weights<R>& w, const nn::weights<R>& dw, double rate, const device::cpu<openmp>& on = {}) {
    expect_same_size(w), expect_same_size(dw);
    const double norm = std::sqrt(sum_of_squares(dw, on));
    if (!math::is_finite(norm)) return norm;
    ++steps_;
    const double scale = s.clip > 0 ? std::min(1.0, s.clip / (norm + 1e-6)) : 1.0;
    const numbers n{R(scale), R(s.beta1), R(s.beta2), R(1 / (1 - std::pow(s.beta1, steps_))), R(1 / (1 - std::pow(s.beta2, steps_))),
                    R(s.eps), R(rate)};
    on.executor(idx(pieces_.size()), [&](idx i, int) {
      const piece& p = pieces_[static_cast<std::size_t>(i)];
      update(w.data(), dw.data(), first_.data(), second_.data(), p.begin, p.end, n, p.decays ? R(1 - rate * s.decay) : R(1));
    });
    return norm;
  }
  long steps() const { return steps_; }
  /// The moments of the gradients and of their squares.
  const nn::weights<R>& first() const { return first_; }
  const nn::weights<R>& second() const { return second_; }
  /// Goes on from moments and a number of steps as another optimiser of this model left them.
  void resume(const nn::weights<R>& first, const nn::weights<R>& second, long steps) {
    expect_same_size(first), expect_same_size(second);
    if (steps < 0) throw invalid_input("steps", "0 or more", std::to_string(steps));
    first_ = first, second_ = second, steps_ = steps;
  }

  const adamw_settings s;

 private:
  static constexpr idx block = 4096;
  void expect_same_size(const nn::weights<R>& other) const {
    if (other.size() != first_.size())
      throw invalid_input("weights", std::to_string(first_.size()) + " numbers, as the moments have", std::to_string(other.size()));
  }
  struct numbers {
    R scale, beta1, beta2, unbias1, unbias2, eps, rate;
  };
  static void update(R* p, const R* g, R* m, R* v, idx begin, idx end, const numbers& n, R keep) {
    for (idx i = begin; i < end; ++i) {
      const R d = g[i] * n.scale;
      m[i] = n.beta1 * m[i] + (R(1) - n.beta1) * d;
      v[i] = n.beta2 * v[i] + (R(1) - n.beta2) * d * d;
      p[i] = p[i] * keep - n.rate * (m[i] * n.unbias1) / (std::sqrt(v[i] * n.unbias2) + n.eps);
    }
  }
  double sum_of_squares(const nn::weights<R>& dw, const device::cpu<openmp>& on) {
    const idx blocks = (dw.size() + block - 1) / block;
    sums_.resize(static_cast<std::size_t>(blocks));
    on.executor(blocks, [&](idx b, int) {
      double sum = 0;
      for (idx i = b * block; i < std::min(dw.size(), (b + 1) * block); ++i) sum += double(dw.data()[i]) * double(dw.data()[i]);
      sums_[static_cast<std::size_t>(b)] = sum;
    });
    double total = 0;
    for (const double sum : sums_) total += sum;
    return total;
  }
  /// Part of one parameter.
  struct piece {
    idx begin, end;
    bool decays;
  };
  nn::weights<R> first_, second_;
  std::vector<piece> pieces_;
  std::vector<double> sums_;
  long steps_ = 0;
};

}  // namespace coefdyn::train
