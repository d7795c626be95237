// SPDX-License-Identifier: MIT
#include "../rwkv5.hpp"

namespace coefdyn::models::compiled {
std::unique_ptr<language_model> rwkv5(checkpoint from, int threads) { return models::rwkv5(std::move(from), threads); }
}  // namespace coefdyn::models::compiled
