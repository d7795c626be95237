// SPDX-License-Identifier: MIT
// The vector targets as a library, for every build that sets COEFDYN_TARGETS to 1 (products.hpp). The reference to `add_targets` is
// what makes a linker take this file from an archive.
#include <coefdyn/cpu/targets.hpp>

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
