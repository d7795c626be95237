// SPDX-License-Identifier: MIT
#include "../xlstm.hpp"

namespace coefdyn::models::compiled {
std::unique_ptr<language_model> xlstm(checkpoint from, int threads) { return models::xlstm(std::move(from), threads); }
}  // namespace coefdyn::models::compiled
