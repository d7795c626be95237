// SPDX-License-Identifier: MIT
#include "../mamba2.hpp"

namespace coefdyn::models::compiled {
std::unique_ptr<language_model> mamba2(checkpoint from, int threads) { return models::mamba2(std::move(from), threads); }
}  // namespace coefdyn::models::compiled
