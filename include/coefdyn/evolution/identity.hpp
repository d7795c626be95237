// SPDX-License-Identifier: MIT
#pragma once
#include "../core/principle.hpp"
#include "../core/structure.hpp"

namespace coefdyn::evolution {

/// A_t = I: nothing forgets, position has to come from elsewhere.
///
/// streams none
/// range   -
/// error   none
/// source  softmax attention, arXiv:1706.03762; linear attention, arXiv:2006.16236
struct identity {
  static constexpr structure_of structure{.constant = true};

  // facts that principles may use
  static constexpr contraction contractive = contraction::yes;
};

}  // namespace coefdyn::evolution
