// SPDX-License-Identifier: MIT
#include "../rwkv7.hpp"

namespace coefdyn::models::compiled {
std::unique_ptr<language_model> rwkv7(checkpoint from, int threads) { return models::rwkv7(std::move(from), threads); }
}  // namespace coefdyn::models::compiled
