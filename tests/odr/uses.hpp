// SPDX-License-Identifier: MIT
#pragma once
#include <every_header.hpp>

/// The same templates and inline functions in two files: one program if every header keeps the one-definition rule.
using two_files_mixer = coefdyn::mixer<coefdyn::readout::linear, coefdyn::evolution::diagonal_householder<>, coefdyn::scaling::beta,
                                       coefdyn::normalization::sqrt_dim>;
double from_first();
double from_second();

inline double one_call() {
  using namespace coefdyn;
  const float q[] = {1, 2}, k[] = {0.5f, -1}, v[] = {3}, g[] = {-0.1f, -0.2f}, beta[] = {0.5f};
  float y[] = {0};
  tokens<two_files_mixer> x;
  x.q = view(q, 1, 1, 1, 2), x.k = view(k, 1, 1, 1, 2), x.v = view(v, 1, 1, 1, 1);
  x.log_decay = view(g, 1, 1, 1, 2), x.beta = view(beta, 1, 1, 1);
  run(device::cpu{serial{}}, form::chunkwise{}, x, view(y, 1, 1, 1, 1));
  return double(y[0]);
}
