// SPDX-License-Identifier: MIT
#include "analyse.hpp"

namespace demo {
void analyse_recurrent(report& r, const corpus& text) {
  analyse_one_of(gated_mixers{}, r, text);
  analyse_one_of(delta_mixers{}, r, text);
  analyse_one_of(recurrent_mixers{}, r, text);
}
}  // namespace demo
