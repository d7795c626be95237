// SPDX-License-Identifier: MIT
#pragma once
#include "checkpoint.hpp"
#include "language_model.hpp"
#if !COEFDYN_MODELS  // else each architecture is compiled once, in units/, and linked
#include "llama.hpp"
#include "mamba2.hpp"
#endif

/// Opens a published language model.
///
///   const auto model = coefdyn::models::open("Llama-3.2-1B");  // config.json and model.safetensors, or its shards with their index
///   const auto text = model->start(2048);                      // room for so many tokens
///   auto logits = text->prefill(prompt);                       // of the token after the prompt
///   logits = text->step(next);
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
std::unique_ptr<language_model> mamba2(checkpoint, int);
}  // namespace compiled
namespace readers = compiled;
#else
namespace readers = models;
#endif

/// Every architecture that is read.
inline std::vector<architecture> architectures() { return {{"llama", readers::llama}, {"mamba2", readers::mamba2}}; }

/// The checkpoint of a folder: config.json with model.safetensors, or with model.safetensors.index.json and its shards.
///
/// error   files::file_error for a file that is missing or broken
inline checkpoint read_folder(const std::string& folder) {
  namespace fs = std::filesystem;
  const fs::path at(folder);
  const std::string settings = (at / "config.json").string();
  const files::mapped_file file(settings);
  const auto bytes = file.bytes();
  config c = config::parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, settings);
  const fs::path index = at / "model.safetensors.index.json", one = at / "model.safetensors";
  return {std::move(c), files::safetensors::read((fs::exists(one) || !fs::exists(index) ? one : index).string()), {}};
}

/// The model of a checkpoint, by the model_type of its settings.
///
/// error   files::file_error for a model_type that is not read, and as its architecture's reader
inline std::unique_ptr<language_model> make(checkpoint from, int threads = 0) {
  const std::string type = from.settings.text_or("model_type", "");
  std::string known;
  for (const architecture& a : architectures()) {
    if (type == a.model_type) return a.make(std::move(from), threads);
    known += (known.empty() ? "" : ", ") + std::string(a.model_type);
  }
  from.settings.wrong("model_type", "one of " + known);
}

/// The model of a folder. `threads`: of its calls; 0: all cores.
///
/// error   as read_folder and make
inline std::unique_ptr<language_model> open(const std::string& folder, int threads = 0) { return make(read_folder(folder), threads); }

}  // namespace coefdyn::models
