// SPDX-License-Identifier: MIT
// Policies that the library has never seen, each in under 15 lines: they obey every law in every form that their structure allows.
#include <coefdyn/evolution/scalar.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/inverse_sqrt_dim.hpp>
#include <coefdyn/scaling/one.hpp>

#include "support/subject.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::laws;

/// phi(s) = s / (1 + |s|).
struct soft_sign {
  static constexpr bool is_linear = false;
  template <class R>
  static R apply(R s) {
    return s / (R(1) + math::abs(s));
  }
};
/// A_t x = lambda_t times x moved on by one channel: any linear map, so definition, recurrent and step.
struct decayed_shift {
  using streams = list<per_head<stream::log_decay>>;
  template <class At, class X>
  static void apply(const At& at, X x) {
    const auto lambda = math::exp(at.log_decay), last = lambda * x[at.n - 1];
    for (int c = at.n - 1; c > 0; --c) x[c] = lambda * x[c - 1];
    x[0] = last;
  }
  template <class At, class X>
  static void apply_transposed(const At& at, X x) {
    const auto lambda = math::exp(at.log_decay), first = lambda * x[0];
    for (int c = 0; c + 1 < at.n; ++c) x[c] = lambda * x[c + 1];
    x[at.n - 1] = first;
  }
};
/// A_t = diag(lambda_t) (I - tanh(beta_t) z_t z_t'), declared as a structure: every form.
struct soft_projection {
  using streams = list<per_channel<stream::log_decay>, per_write<stream::beta>, per_write_channel<stream::z>>;
  static constexpr structure_of structure{.decay = decaying::channel, .correction = rank_one::free, .row_sees = sees::decayed};
  template <class At>
  static auto log_decay(const At& at, int c) {
    return at.log_decay[c];
  }
  template <class At>
  static auto strength(const At& at) {
    return -math::tanh(at.beta);
  }
  template <class At>
  static auto row(const At& at, int c) {
    return at.z[c];
  }
  template <class At>
  static auto column(const At& at, int c) {
    return at.z[c];
  }
};
/// b_j = Delta_j / (1 + Delta_j).
struct saturating {
  using streams = list<per_write<stream::delta>>;
  template <class At>
  static auto scale(const At& at) {
    return at.delta / (typename At::real(1) + at.delta);
  }
};
/// eta_i = 1 + |sum|.
struct one_plus_sum {
  static constexpr bool needs_sum = true;
  template <class R, class At>
  static R eta(R total, const At&) {
    return R(1) + math::abs(total);
  }
};
/// psi(x) = x^2 per channel.
struct squares {
  static constexpr bool is_nonnegative = true;
  template <class R>
  static R apply(R x) {
    return x * x;
  }
};

using shifted = mixer<readout::linear, decayed_shift, saturating, normalization::one>;
using shifted_nonlinear = mixer<soft_sign, decayed_shift, scaling::inverse_sqrt_dim, normalization::one>;
using projected = mixer<readout::linear, soft_projection, saturating, normalization::one>;
using projected_nonlinear = mixer<soft_sign, soft_projection, scaling::inverse_sqrt_dim, one_plus_sum>;
using squared = mixer<readout::linear, evolution::scalar, saturating, normalization::sum, squares>;

const mixer_group group{
    one<shifted>("user's linear map"),
    in_duals<shifted>("user's linear map"),
    one<shifted_nonlinear>("user's readout and linear map"),
    one<projected>("user's structure"),
    in_duals<projected>("user's structure"),
    one<projected_nonlinear>("user's readout, structure and normalization"),
    one<squared>("user's feature map and scaling"),
};
}  // namespace
