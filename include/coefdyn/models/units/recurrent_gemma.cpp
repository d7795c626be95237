// SPDX-License-Identifier: MIT
#include "../recurrent_gemma.hpp"

namespace coefdyn::models::compiled {
std::unique_ptr<language_model> recurrent_gemma(checkpoint from, int threads) { return models::recurrent_gemma(std::move(from), threads); }
}  // namespace coefdyn::models::compiled
