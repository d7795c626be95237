// SPDX-License-Identifier: MIT
#pragma once
#include "../nn/cuda/layers.cuh"
#include "llama.hpp"
#include "mamba2.hpp"
#include "read.hpp"

namespace coefdyn::models {

/// `open` on an NVIDIA GPU: weights, states and caches lie in its memory, logits come to the host's. For model_type llama, llama2c and
/// mamba2; the others have operations of the host alone, or are not tried there.
///
/// ```cuda
/// #include <coefdyn/models/cuda.cuh>
/// using namespace coefdyn;
/// inline std::vector<float> logits_on_gpu(const std::string& path, std::span<const std::int64_t> prompt) {
///   const auto model = models::open_on_gpu(path);
///   const auto text = model->start(512);
///   const auto last = text->prefill(prompt);
///   return {last.begin(), last.end()};
/// }
/// ```
///
/// error   as open; files::file_error for another model_type; invalid_input of `save`, `load` and `visit_mixers`, which are the host's
inline std::unique_ptr<language_model> open_on_gpu(const std::string& path) {
  checkpoint from = read(path);
  const std::string type = from.settings.text_or("model_type", "");
  if (type == "llama") return models::llama<device::cuda>(std::move(from), 0);
  if (type == "llama2c") return models::llama2c<device::cuda>(std::move(from), 0);
  if (type == "mamba2") return models::mamba2<device::cuda>(std::move(from), 0);
  from.settings.wrong("model_type", "one of llama, llama2c, mamba2 on a GPU");
}

}  // namespace coefdyn::models
