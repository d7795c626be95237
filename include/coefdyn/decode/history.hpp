// SPDX-License-Identifier: MIT
#pragma once
#include <vector>

#include "../core/state.hpp"

/// Snapshots of a linear mixer's state, one a step, so that the last few tokens can be taken back (speculative decoding).
///
/// ```cpp statements with call
/// history<M> past(depth);
/// past.keep(s);                                    // before every step
/// run(device::cpu{}, form::step{}, x, y, {s, s});
/// past.roll_back(j, s);                            // s is what it was before the last j steps
/// ```
///
/// The cache of a nonlinear readout takes tokens back by cache<M>::truncate.
namespace coefdyn {

/// The states before the last few steps.
///
/// memory  depth states, in the space of those that are kept
/// error   invalid_input when more steps are taken back than are kept, or the depth is below 1
template <class M, class Types = float, memory_space Space = memory::host>
class history {
 public:
  explicit history(int depth) : ring_(static_cast<std::size_t>(depth > 0 ? depth : 1)) {
    if (depth < 1) COEFDYN_THROW invalid_input("history", "a depth of at least 1 state", std::to_string(depth));
  }

  /// Keeps a copy of the state as it is before a step; the oldest is dropped when `depth` are kept.
  void keep(const state<M, Types, Space>& s) {
    ring_[next_] = s;
    next_ = (next_ + 1) % ring_.size();
    kept_ = kept_ < ring_.size() ? kept_ + 1 : kept_;
  }
  /// How many steps can be taken back.
  int depth() const { return int(kept_); }
  /// s becomes the state before the last `steps` steps; those are forgotten.
  void roll_back(int steps, state<M, Types, Space>& s) {
    if (steps < 0 || static_cast<std::size_t>(steps) > kept_)
      COEFDYN_THROW invalid_input("history", "at most " + std::to_string(kept_) + " steps to take back", std::to_string(steps));
    if (steps == 0) return;
    next_ = (next_ + ring_.size() - static_cast<std::size_t>(steps)) % ring_.size();
    kept_ -= static_cast<std::size_t>(steps);
    s = ring_[next_];
  }

 private:
  std::vector<state<M, Types, Space>> ring_;
  std::size_t next_ = 0, kept_ = 0;
};

}  // namespace coefdyn
