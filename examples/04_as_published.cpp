// SPDX-License-Identifier: MIT
// Softmax attention's eigenvalues as the definition has them, and as the script published with arXiv:2510.09379 computes
// them, on one input. Lambda_i = (eta_{i-1} / eta_i) I, so one ratio for each token says all.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "coefdyn/mixers/attention.hpp"
#include "coefdyn/spectrum/as_published.hpp"
#include "coefdyn/spectrum/eigenvalues.hpp"

using namespace coefdyn;

int main() {
  constexpr idx B = 1, T = 64, H = 1, n = 16;
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  std::vector<double> q(T * n), k(T * n);
  for (auto* a : {&q, &k})
    for (double& e : *a) e = normal(random);
  tokens<mixers::softmax_attention, double> x;
  x.q = view(q.data(), B, T, H, n);
  x.k = x.v = view(k.data(), B, T, H, n);

  std::vector<double> defined;
  spectrum::histogram radius(spectrum::radius_edges);
  spectrum::eigenvalues(x, [&](const spectrum::token_spectrum& s) { defined.push_back(s.ratio), radius.add(s.ratio); });
  const std::vector<double> published = spectrum::as_published::softmax_ratios(x, 0, 0);
  const spectrum::histogram published_radius = spectrum::as_published::histogram_of(spectrum::radius_edges, published);

  // by hand: eta_i = sum_{j <= i} exp(q_i' k_j / sqrt(n))
  double before = 0, worst = 0;
  std::printf("token   eta_{i-1} / eta_i   as published\n");
  for (idx i = 0; i < T; ++i) {
    double eta = 0;
    for (idx j = 0; j <= i; ++j) {
      double s = 0;
      for (idx c = 0; c < n; ++c) s += q[std::size_t(i * n + c)] * k[std::size_t(j * n + c)];
      eta += std::exp(s / std::sqrt(double(n)));
    }
    if (i > 0) {
      const std::size_t at = std::size_t(i) - 1;
      worst = std::max(worst, std::abs(defined[at] * eta / before - 1));
      if (i <= 3 || i + 3 >= T) std::printf("%5d   %17.6f   %12.6g\n", int(i), defined[at], published[at]);
    }
    before = eta;
  }
  std::printf("\nradius (%%)     defined   as published\n");
  const auto a = radius.percentages(), b = published_radius.percentages();
  for (std::size_t i = 0; i < a.size(); ++i)
    std::printf("%5g to %-5g   %6.1f   %12.1f\n", spectrum::radius_edges[i], spectrum::radius_edges[i + 1], a[i], b[i]);
  std::printf("\nlargest difference from the sums by hand: %.1e\n", worst);
  return worst < 1e-12 ? 0 : 1;
}
