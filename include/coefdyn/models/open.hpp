// SPDX-License-Identifier: MIT
#pragma once
#include "language_model.hpp"
#include "read.hpp"
#if !COEFDYN_MODELS  // else each architecture is compiled once, in units/, and linked
#include "llama.hpp"
#include "mamba.hpp"
#include "mamba2.hpp"
#include "minimax.hpp"
#include "olmo_hybrid.hpp"
#include "qwen3_next.hpp"
#include "recurrent_gemma.hpp"
#include "rwkv4.hpp"
#include "rwkv5.hpp"
#include "rwkv7.hpp"
#include "xlstm.hpp"
#endif

/// Opens a published language model: `models::open("Llama-3.2-1B")` reads the folder's config.json and its model.safetensors, or its shards
/// with their index, and gives a models::language_model.
///
/// It holds every architecture; a program that wants one includes its header alone: models/llama.hpp. All of them take minutes to compile:
/// the project's own programs link coefdyn::models, where each is compiled once.
namespace coefdyn::models {

/// One architecture: the model_type of its config.json, and its reader.
struct architecture {
  const char* model_type;
  std::unique_ptr<language_model> (*make)(checkpoint from, int threads);
};

#if COEFDYN_MODELS
namespace compiled {
std::unique_ptr<language_model> llama(checkpoint, int);
std::unique_ptr<language_model> llama2c(checkpoint, int);
std::unique_ptr<language_model> mamba(checkpoint, int);
std::unique_ptr<language_model> mamba2(checkpoint, int);
std::unique_ptr<language_model> minimax(checkpoint, int);
std::unique_ptr<language_model> olmo_hybrid(checkpoint, int);
std::unique_ptr<language_model> qwen3_next(checkpoint, int);
std::unique_ptr<language_model> recurrent_gemma(checkpoint, int);
std::unique_ptr<language_model> rwkv4(checkpoint, int);
std::unique_ptr<language_model> rwkv5(checkpoint, int);
std::unique_ptr<language_model> rwkv7(checkpoint, int);
std::unique_ptr<language_model> xlstm(checkpoint, int);
std::unique_ptr<language_model> on_gpu(const std::string& path);  // models/cuda.cuh
}  // namespace compiled
namespace readers = compiled;
#else
namespace readers = models;
#endif

/// Every architecture that is read.
inline std::vector<architecture> architectures() {
  return {{"llama", readers::llama},
          {"llama2c", readers::llama2c},
          {"mamba", readers::mamba},
          {"mamba2", readers::mamba2},
          {"minimax", readers::minimax},
          {"olmo_hybrid", readers::olmo_hybrid},
          {"qwen3_next", readers::qwen3_next},
          {"recurrent_gemma", readers::recurrent_gemma},
          {"rwkv", readers::rwkv4},
          {"rwkv5", readers::rwkv5},
          {"rwkv7", readers::rwkv7},
          {"xlstm", readers::xlstm}};
}

/// The model of a checkpoint, by the model_type of its settings.
///
/// error   files::file_error for a model_type that is not read, and as its architecture's reader
inline std::unique_ptr<language_model> make(checkpoint from, int threads = 0) {
  const std::string type = from.settings.text_or("model_type", "");
  const std::string file = from.settings.file();
  std::string known;
  for (const architecture& a : architectures()) {
    if (type == a.model_type) try {
        return a.make(std::move(from), threads);
      } catch (const invalid_input& e) {  // of sizes that fit no model
        files::detail::refuse(file, std::string(e.what()).substr(std::string_view("coefdyn: ").size()));
      }
    known += (known.empty() ? "" : ", ") + std::string(a.model_type);
  }
  from.settings.wrong("model_type", "one of " + known);
}

/// The model of a folder or of a file. `threads`: of its calls; 0: all cores.
///
/// error   as read and make
inline std::unique_ptr<language_model> open(const std::string& path, int threads = 0) { return make(read(path), threads); }

}  // namespace coefdyn::models
