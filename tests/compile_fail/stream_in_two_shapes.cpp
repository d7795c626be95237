// SPDX-License-Identifier: MIT
// expects: two policies of this mixer ask for one stream in two shapes
#include <coefdyn/cpu/run.hpp>
#include <coefdyn/evolution/householder_product.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/beta.hpp>
#include <coefdyn/scaling/one.hpp>

using namespace coefdyn;
/// A scaling that asks for one beta per write, beside the evolution's one per factor.
struct own_beta {
  using streams = list<per_write<stream::beta>>;
  template <class At>
  static typename At::real scale(const At&) {
    return typename At::real(1);
  }
};
#ifdef COEFDYN_MUST_FAIL
tokens<mixer<readout::linear, evolution::householder_product<2>, own_beta, normalization::one>> x;
#else
tokens<mixer<readout::linear, evolution::householder_product<2>, scaling::one, normalization::one>> x;
#endif
