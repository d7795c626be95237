// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "convolution.hpp"

// form::convolution is the definition for mixers that read before they write, and for a user's policies.

namespace {
using namespace coefdyn;
using namespace convolution_laws;
using linear = readout::linear;
using one = scaling::one;

/// A user's map without entries to ask for: a cyclic shift that forgets, with a number a channel.
struct fading_shift {
  using streams = list<fixed_per_channel<stream::log_decay>>;
  static constexpr field over = field::real;
  static constexpr bool is_constant = true;
  template <class At, class X>
  static void apply(const At& at, X x) {
    auto carried = x[at.n - 1];
    for (int c = 0; c < at.n; ++c) {
      const auto old = x[c];
      x[c] = math::exp(at.log_decay[c]) * carried;
      carried = old;
    }
  }
  template <class At, class X>
  static void apply_transposed(const At& at, X x) {
    const auto first = x[0];
    for (int c = 0; c + 1 < at.n; ++c) x[c] = math::exp(at.log_decay[c + 1]) * x[c + 1];
    x[at.n - 1] = math::exp(at.log_decay[0]) * first;
  }
};
/// A user's structure: diag(lambda) with a constant rank-one part.
struct fixed_plus_rank_one {
  using streams = list<fixed_per_channel<stream::log_decay>, fixed_per_channel<stream::u>, fixed_per_channel<stream::theta>>;
  static constexpr structure_of structure{
      .decay = decaying::channel, .correction = rank_one::free, .row_sees = sees::undecayed, .constant = true};
  template <class At>
  static auto log_decay(const At& at, int c) {
    return at.log_decay[c];
  }
  template <class At>
  static auto strength(const At&) {
    return typename At::real(-0.2);
  }
  template <class At>
  static auto row(const At& at, int c) {
    return at.u[c];
  }
  template <class At>
  static auto column(const At& at, int c) {
    return at.theta[c];
  }
};
/// A user's b and eta: constant streams, of which they say that there is no more.
struct fixed_step {
  using streams = list<fixed_per_channel<stream::delta>>;
  static constexpr basis depends_on = basis::streams;
  template <class At>
  static auto scale(const At& at, int c) {
    return at.delta[c];
  }
};
struct fixed_offset {
  using streams = list<fixed_per_head<stream::eta_offset>>;
  static constexpr bool needs_sum = false;
  static constexpr basis depends_on = basis::streams;
  template <class R, class At>
  static R eta(R, const At& at) {
    return R(2) + at.eta_offset * at.eta_offset;
  }
};
struct silent_step : fixed_step {  // may depend on anything
  static constexpr basis depends_on = basis::token;
};

static_assert(form_exists<form::convolution, mixer<linear, fading_shift, fixed_step, fixed_offset>> &&
              !form_exists<form::convolution, mixer<linear, fading_shift, silent_step, fixed_offset>> &&
              !form_exists<form::convolution, mixer<linear, fading_shift, fixed_step, normalization::count>>);

}  // namespace

TEST_CASE("a convolution is the definition: reads before the write") {
  SUBCASE("diagonal") { laws<mixer<linear, evolution::read_before<evolution::fixed_diagonal>, one, normalization::one>>(); }
  SUBCASE("complex") {
    laws<mixer<linear, evolution::read_before<evolution::fixed_complex_diagonal>, one, normalization::one>, field::complex>();
  }
  SUBCASE("dense") { laws<mixer<linear, evolution::read_before<evolution::dense<>>, one, normalization::one>>(); }
}
TEST_CASE("a convolution is the definition: a user's policies") {
  SUBCASE("a map, b and eta") { laws<mixer<linear, fading_shift, fixed_step, fixed_offset>>(); }
  SUBCASE("a structure") { laws<mixer<linear, fixed_plus_rank_one, one, normalization::one>>(); }
  SUBCASE("a feature map") { laws<mixer<linear, evolution::fixed_scalar, fixed_step, fixed_offset, feature::elu_plus_one>>(); }
  SUBCASE("raw numbers") {
    laws<mixer<linear, evolution::parameterised<evolution::fixed_diagonal, parameterisation::exp_exp>, one, normalization::one>>();
  }
}
