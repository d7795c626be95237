// SPDX-License-Identifier: MIT
#include "../mamba.hpp"

namespace coefdyn::models::compiled {
std::unique_ptr<language_model> mamba(checkpoint from, int threads) { return models::mamba(std::move(from), threads); }
}  // namespace coefdyn::models::compiled
