// SPDX-License-Identifier: MIT
#pragma once
#include "lower.hpp"

namespace coefdyn::cpu {

/// p = q'(diag(u) k): the bonus's gradient to q and to diag(u) k. Reads brought to one m carry its factors.
template <class M, class R, class Head>
void bonus_backward_of(const Head& f, int i, R dp, R* dq, operands<M, R>& d) {
  const int n = f.o.n;
  R own(1);
  if constexpr (traits<M>::stabilised) {
    own = f.o.bonus_scale[i];
    for (int c = 0; c < n; ++c) dq[c] = dq[c] * f.o.read_scale[i];
  }
  lower_vector<M>(f.reads.at(i, 0, 0).q, f.in.shape.n, -1, f.scratch);
  for (int c = 0; c < n; ++c) {
    d.bonus[idx(i) * n + c] += own * dp * f.scratch[c];
    dq[c] += own * dp * f.o.bonus[idx(i) * n + c];
  }
}

}  // namespace coefdyn::cpu
