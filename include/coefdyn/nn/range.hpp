// SPDX-License-Identifier: MIT
#pragma once
#include "../core/math.hpp"
#include "sizes.hpp"

/// Ranges: what a source's number is squashed to. Each is made of a layer's sizes; generic over dual numbers.
namespace coefdyn::nn {

namespace range {
/// (0, strongest): the strength of a delta rule.
struct strength {
  double top;
  explicit strength(const sizes& z) : top(z.strongest) {}
  template <class X>
  COEFDYN_HD X operator()(X x) const {
    return X(top) * math::sigmoid(x);
  }
};
/// (0, 2), whatever the layer's sizes say.
struct strength_to_two {
  explicit strength_to_two(const sizes&) {}
  template <class X>
  COEFDYN_HD X operator()(X x) const {
    return X(2) * math::sigmoid(x);
  }
};
/// log sigmoid(x) / tau <= 0.
struct gla_decay {
  double tau;
  explicit gla_decay(const sizes& z) : tau(z.tau) {}
  template <class X>
  COEFDYN_HD X operator()(X x) const {
    return -math::softplus(-x) / X(tau);
  }
};
/// cap tanh(x / cap).
struct capped {
  double cap;
  explicit capped(const sizes& z) : cap(z.cap) {}
  template <class X>
  COEFDYN_HD X operator()(X x) const {
    return X(cap) * math::tanh(x / X(cap));
  }
};
/// -softplus(-cap tanh(x / cap)) <= 0.
struct capped_decay : capped {
  using capped::capped;
  template <class X>
  COEFDYN_HD X operator()(X x) const {
    return -math::softplus(-capped::operator()(x));
  }
};
/// P::log_decay of a parameterisation.
template <class P>
struct decay_by {
  explicit decay_by(const sizes&) {}
  template <class X, class... More>
  COEFDYN_HD X operator()(X x, More... more) const {
    return P::log_decay(x, more...);
  }
};
/// P::delta of a parameterisation.
template <class P>
struct step_by {
  explicit step_by(const sizes&) {}
  template <class X>
  COEFDYN_HD X operator()(X x, X bias_) const {
    return P::delta(x, bias_);
  }
};
/// softplus(x) >= 0.
struct positive {
  explicit positive(const sizes&) {}
  template <class X>
  COEFDYN_HD X operator()(X x) const {
    return math::softplus(x);
  }
};
/// -softplus(x) <= 0.
struct minus_softplus {
  explicit minus_softplus(const sizes&) {}
  template <class X>
  COEFDYN_HD X operator()(X x) const {
    return -math::softplus(x);
  }
};
/// Any function of nn/activation.hpp.
template <class F>
struct by {
  explicit by(const sizes&) {}
  template <class... X>
  COEFDYN_HD auto operator()(X... x) const {
    return F{}(x...);
  }
};
}  // namespace range

}  // namespace coefdyn::nn
