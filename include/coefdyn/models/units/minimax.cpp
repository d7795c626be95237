// SPDX-License-Identifier: MIT
#include "../minimax.hpp"

namespace coefdyn::models::compiled {
std::unique_ptr<language_model> minimax(checkpoint from, int threads) { return models::minimax(std::move(from), threads); }
}  // namespace coefdyn::models::compiled
