// SPDX-License-Identifier: MIT
#include "analyse.hpp"

namespace demo {
void analyse(report& r, const corpus& text) {
  analyse_one_of(attention_mixers{}, r, text);
  analyse_one_of(linear_mixers{}, r, text);
  analyse_recurrent(r, text);
}
}  // namespace demo
