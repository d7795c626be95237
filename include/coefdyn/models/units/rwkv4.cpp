// SPDX-License-Identifier: MIT
#include "../rwkv4.hpp"

namespace coefdyn::models::compiled {
std::unique_ptr<language_model> rwkv4(checkpoint from, int threads) { return models::rwkv4(std::move(from), threads); }
}  // namespace coefdyn::models::compiled
