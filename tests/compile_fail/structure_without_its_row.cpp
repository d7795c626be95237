// SPDX-License-Identifier: MIT
// expects: the evolution (second policy) needs apply and apply_transposed, or a structure with the functions that it names
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/one.hpp>

using namespace coefdyn;
struct projection {
  using streams = list<per_write<stream::beta>, per_write_channel<stream::z>>;
  static constexpr structure_of structure{.correction = rank_one::free};
  template <class At>
  static auto strength(const At& at) {
    return -at.beta;
  }
#ifndef COEFDYN_MUST_FAIL
  template <class At>
  static auto row(const At& at, int c) {
    return at.z[c];
  }
#endif
  template <class At>
  static auto column(const At& at, int c) {
    return at.z[c];
  }
};
tokens<mixer<readout::linear, projection, scaling::one, normalization::one>> x;
