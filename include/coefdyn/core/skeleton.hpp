// SPDX-License-Identifier: MIT
#pragma once
#include "structure.hpp"

namespace coefdyn {

/// All that a form's loop asks of a mixer, as one value: the template argument of chunk, decays, tile, operands and state rows, which
/// therefore know no policy. Mixers with one value share one instantiation. What a loop cannot tell apart has one value: where nothing is
/// corrected, what its row would see; where a token has one micro-step, which of them writes; where nothing turns in a structured
/// evolution, whether it is constant.
struct skeleton {
  structure_of structure;    // of A_t
  bool structured = true;    // else a linear map of which no more than the field, its constancy and the order of reads are known
  bool scalar_scale = true;  // b is one number a write, not one a channel
  bool stabilised = false;   // a running maximum is kept out of the state, whose decay it joins
  bool sums = false;         // the weights' sum rides along
};

/// The value as loops see it, without what makes no difference to them.
constexpr skeleton canonical(skeleton s) {
  const structure_of nothing;
  structure_of& a = s.structure;
  if (a.correction == rank_one::none) a.row_sees = nothing.row_sees;
  if (a.micro_steps == 1) a.writes_each = nothing.writes_each;
  if (s.structured && a.turns == turning::none) a.constant = nothing.constant;
  return s;
}

}  // namespace coefdyn
