// SPDX-License-Identifier: MIT
#pragma once
#include "activation.hpp"
#include "dropout.hpp"
#include "linear.hpp"
#include "map.hpp"

namespace coefdyn::nn {

/// down(silu(gate x) up x): names gate_proj, up_proj, down_proj.
///
/// shape   x (rows, D) to the same
/// source  Shazeer, arXiv:2002.05202
struct swiglu {
  projection_parameters gate, up, down;
  swiglu(const scope& s, idx width, idx hidden, int layers)
      : gate(s, "gate_proj", width, hidden, false),
        up(s, "up_proj", width, hidden, false),
        down(s, "down_proj", hidden, width, false, std::sqrt(2.0 * layers)) {}
  template <class R, class On>
  value<R> operator()(tape<R, On>& t, const value<R>& x) const {
    return down(t, map(t, of_first_times<silu>{}, gate(t, x), up(t, x)));
  }
};

/// second(f(first x)), both with bias; `drop` is the dropout of f's and of second's results.
template <class F>
struct mlp {
  projection_parameters first, second;
  mlp(const scope& s, const std::string& first_name, const std::string& second_name, idx in, idx hidden, idx out)
      : first(s, first_name, in, hidden, true), second(s, second_name, hidden, out, true) {}
  template <class R, class On>
  value<R> operator()(tape<R, On>& t, const value<R>& x, double drop = 0) const {
    return dropout(t, second(t, dropout(t, map(t, F{}, first(t, x)), drop)), drop);
  }
};

}  // namespace coefdyn::nn
