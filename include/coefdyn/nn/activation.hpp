// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>

#include "../core/math.hpp"

/// Functions of a number between products, generic over dual numbers.
namespace coefdyn::nn {

namespace detail {
COEFDYN_HD inline float erf(float x) { return ::erff(x); }
COEFDYN_HD inline double erf(double x) { return ::erf(x); }
template <class R>
COEFDYN_HD dual<R> erf(dual<R> x) {
  return {erf(x.v), R(1.12837916709551257390) * math::exp(-x.v * x.v) * x.d};
}
}  // namespace detail

/// x / (1 + e^-x).
struct silu {
  template <class X>
  [[gnu::always_inline]] COEFDYN_HD X operator()(X x) const {
    return x * math::sigmoid(x);
  }
};
/// 1 / (1 + e^-x).
struct sigmoid {
  template <class X>
  [[gnu::always_inline]] COEFDYN_HD X operator()(X x) const {
    return math::sigmoid(x);
  }
};
/// tanh(x).
struct tanh {
  template <class X>
  [[gnu::always_inline]] COEFDYN_HD X operator()(X x) const {
    return math::tanh(x);
  }
};
/// max(x, 0).
struct relu {
  template <class X>
  [[gnu::always_inline]] COEFDYN_HD X operator()(X x) const {
    return math::select(x > X(0), x, X(0));
  }
};
/// x Phi(x), exactly.
/// source  Hendrycks and Gimpel, arXiv:1606.08415
struct gelu {
  template <class X>
  [[gnu::always_inline]] COEFDYN_HD X operator()(X x) const {
    return X(0.5) * x * (X(1) + detail::erf(x * X(0.70710678118654752440)));
  }
};
/// Its approximation x (1 + tanh(u)) / 2 = x sigmoid(2 u), which loops over channels make as vectors.
struct gelu_tanh {
  template <class X>
  [[gnu::always_inline]] COEFDYN_HD X operator()(X x) const {
    return x * math::sigmoid(X(1.59576912160573071176) * (x + X(0.044715) * x * x * x));
  }
};
/// Its argument.
struct unchanged {
  template <class X>
  [[gnu::always_inline]] COEFDYN_HD X operator()(X x) const {
    return x;
  }
};
/// a f(b): a gate.
template <class F>
struct times {
  template <class X>
  [[gnu::always_inline]] COEFDYN_HD X operator()(X a, X b) const {
    return a * F{}(b);
  }
};
/// f(a) b: the gated product of a SwiGLU.
template <class F>
struct of_first_times {
  template <class X>
  [[gnu::always_inline]] COEFDYN_HD X operator()(X a, X b) const {
    return F{}(a)*b;
  }
};

}  // namespace coefdyn::nn
