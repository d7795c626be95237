// SPDX-License-Identifier: MIT
#pragma once
#include "../../cuda/backward.cuh"
#include "large_vocabulary.cuh"

/// Layers and models on an NVIDIA GPU: the same types, with weights and a tape of device::cuda.
///
/// ```cuda
/// #include <coefdyn/nn/cuda/layers.cuh>
/// #include <coefdyn/nn/layers/delta_rule.hpp>
/// #include <coefdyn/nn/models/language_model.hpp>
/// #include <coefdyn/tasks/in_context_recall.hpp>
/// #include <coefdyn/train/trainer.hpp>
/// using namespace coefdyn;
/// inline train::outcome recall(cudaStream_t stream) {
///   const tasks::in_context_recall task({.length = 32, .train = 3200, .test = 256});
///   nn::model_sizes z;
///   z.width = 64, z.vocabulary = task.vocabulary(), z.hidden = 128, z.layer.heads = 2;
///   train::trainer<nn::language_model<nn::gated_deltanet>, float, device::cuda> t(z, {.evaluate_every = 100}, device::cuda{stream});
///   return t.fit(task);
/// }
/// ```
///
/// Work is queued on the one stream; the host waits where losses are reported (`settings::report_every` steps), and is two steps ahead at
/// most. `settings::recorded` runs steps of one
/// shape as a CUDA graph from the second on. Token ids and labels are the host's. Results are the same bits from run to run for a shape and
/// a model of GPU. `model.step` decodes with an nn::past that it fills in the GPU's memory.
