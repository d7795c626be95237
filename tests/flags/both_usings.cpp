// SPDX-License-Identifier: MIT
// The first example behind both using-directives, in either order (run.sh); coefdyn::list and coefdyn::complex keep their full names then.
#include <complex>
#include <list>
#ifdef COEFDYN_SECOND
#include <coefdyn/coefdyn.hpp>
using namespace coefdyn;
#endif
using namespace std;
#include "../../examples/00_hello.cpp"

struct my_decay {
  using streams = coefdyn::list<per_head<stream::log_decay>>;
  static constexpr structure_of structure{.decay = decaying::scalar};
  template <class At>
  static auto log_decay(const At& at) {
    return at.log_decay;
  }
};
tokens<mixer<readout::exponential, my_decay, scaling::one, normalization::sum>> of_my_decay;
