// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cmath>

namespace coefdyn::train {

/// The learning rate of step 0, 1, ..: linear from rate / warmup to rate, then a cosine down to `least` at the last step. Without warm-up
/// and with least = rate it is constant.
struct schedule {
  double rate = 1e-3, least = 1e-4;
  long warmup = 0, steps = 1;
  double operator()(long step) const {
    if (step < warmup) return rate * double(step + 1) / double(warmup);
    const double done = double(step - warmup) / double(std::max(1L, steps - 1 - warmup));
    return least + (rate - least) * 0.5 * (1 + std::cos(3.14159265358979323846 * std::min(1.0, done)));
  }
};

}  // namespace coefdyn::train
