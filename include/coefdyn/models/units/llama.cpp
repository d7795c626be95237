// SPDX-License-Identifier: MIT
#include "../llama.hpp"

namespace coefdyn::models::compiled {
std::unique_ptr<language_model> llama(checkpoint from, int threads) { return models::llama(std::move(from), threads); }
std::unique_ptr<language_model> llama2c(checkpoint from, int threads) { return models::llama2c(std::move(from), threads); }
}  // namespace coefdyn::models::compiled
