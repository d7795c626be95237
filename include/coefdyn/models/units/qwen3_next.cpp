// SPDX-License-Identifier: MIT
#include "../qwen3_next.hpp"

namespace coefdyn::models::compiled {
std::unique_ptr<language_model> qwen3_next(checkpoint from, int threads) { return models::qwen3_next(std::move(from), threads); }
}  // namespace coefdyn::models::compiled
