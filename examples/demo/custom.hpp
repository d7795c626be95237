// SPDX-License-Identifier: MIT
#pragma once
#include "coefdyn/normalization/floored_sum.hpp"
#include "coefdyn/readout/linear.hpp"
#include "coefdyn/scaling/exp_input.hpp"
#include "coefdyn/scaling/inverse_sqrt_dim.hpp"
#include "coefdyn/scaling/product.hpp"

/// A mixer that the library does not know: its evolution is written here, its other columns are taken from the shelves.
namespace demo {

// clang-format off
/// A_t = lambda_t (I - 2 z_t z_t'): forgets, and mirrors along the unit vector z_t.
struct damped_mirror {
  using streams = coefdyn::list<coefdyn::per_head<coefdyn::stream::log_decay>, coefdyn::per_write_channel<coefdyn::stream::z>>;
  static constexpr coefdyn::structure_of structure{.decay = coefdyn::decaying::scalar, .correction = coefdyn::rank_one::free};
  template <class At>
  static auto log_decay(const At& at) { return at.log_decay; }
  template <class At>
  static auto strength(const At&) { return typename At::real(-2); }
  template <class At>
  static auto row(const At& at, int c) { return at.z[c]; }
  template <class At>
  static auto column(const At& at, int c) { return at.z[c]; }
};
// clang-format on

using mirror_lstm = coefdyn::mixer<coefdyn::readout::linear, damped_mirror,
                                   coefdyn::scaling::product<coefdyn::scaling::exp_input, coefdyn::scaling::inverse_sqrt_dim>,
                                   coefdyn::normalization::floored_sum>;

}  // namespace demo
