// SPDX-License-Identifier: MIT
// The vector targets and the checks of a call as a library, for every build that sets COEFDYN_TARGETS to 1 (products.hpp). The reference to
// `add_targets` is what makes a linker take this file from an archive.
#define COEFDYN_HOLDS_CHECKS
#include <coefdyn/cpu/targets.hpp>
// here, so that targets.hpp is the first to be read
#include <coefdyn/backward.hpp>
#include <coefdyn/run.hpp>

namespace coefdyn::cpu::detail {
template struct plain_products<float>;
template struct plain_products<double>;
bool add_targets() {
#if defined(__GNUC__)
  return add_tables();
#else
  return false;
#endif
}
}  // namespace coefdyn::cpu::detail
