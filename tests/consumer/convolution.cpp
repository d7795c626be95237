// SPDX-License-Identifier: MIT
#include <coefdyn/cpu/convolution.hpp>
#include <coefdyn/mixers/retention.hpp>
#include <vector>

int main() {
  using namespace coefdyn;
  using M = mixers::retnet;
  constexpr idx T = 5;
  const std::vector<float> one{1};
  const std::vector<float> log_decay{-0.6931472f}, v{1, 0, 0, 0, 0};
  std::vector<float> y(T, -1);
  tokens<M> x;
  view<const float, 4> row(one.data(), 1, T, 1, 1);
  row.strides[1] = 0;
  x.q = row, x.k = row;
  x.v = view<const float, 4>(v.data(), 1, T, 1, 1), x.log_decay = view<const float, 1>(log_decay.data(), 1);
  run(device::cpu{}, form::convolution{}, x, view<float, 4>(y.data(), 1, T, 1, 1));
  for (std::size_t t = 0; t < y.size(); ++t) {
    const float want = 1 / float(1 << t), gap = y[t] - want;
    if (!(gap < 1e-6f && gap > -1e-6f)) return 1;
  }
  return 0;
}
