// SPDX-License-Identifier: MIT
#include "../olmo_hybrid.hpp"

namespace coefdyn::models::compiled {
std::unique_ptr<language_model> olmo_hybrid(checkpoint from, int threads) { return models::olmo_hybrid(std::move(from), threads); }
}  // namespace coefdyn::models::compiled
