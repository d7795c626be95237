// SPDX-License-Identifier: MIT
#pragma once
#include "../core/device.hpp"

namespace coefdyn::device {
inline namespace host {  // so that guides find this cpu, not the one without its header

/// The host. An executor of the caller's has `int workers() const` and runs `f(item, worker)` for all items; the results have
/// the same bits for any executor, since every item owns what it writes.
template <class Executor = openmp>
struct cpu {
  static constexpr bool is_device = true;
  Executor executor{};
};
template <class Executor>
cpu(Executor) -> cpu<Executor>;
cpu() -> cpu<openmp>;

}  // namespace host
}  // namespace coefdyn::device
