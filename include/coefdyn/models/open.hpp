// SPDX-License-Identifier: MIT
#pragma once
#include "../files/llama2c.hpp"
#include "../files/rwkv_bin.hpp"
#include "../files/safetensors.hpp"
#include "checkpoint.hpp"
#include "language_model.hpp"
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

/// The checkpoint of a folder: config.json with model.safetensors, or with model.safetensors.index.json and its shards.
///
/// error   files::file_error for a file that is missing or broken
inline checkpoint read_folder(const std::string& folder) {
  namespace fs = std::filesystem;
  const fs::path at(folder);
  const std::string settings = (at / "config.json").string();
  config c(files::json_tree::read(settings));
  const fs::path index = at / "model.safetensors.index.json", one = at / "model.safetensors";
  return {std::move(c), files::safetensors::read((fs::exists(one) || !fs::exists(index) ? one : index).string())};
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

namespace detail {
/// The settings that a file without config.json shows by its tensors' names.
inline config settings_of(const files::named_tensors& t) {
  const auto of_type = [&](const char* type) { return config(files::json_tree({{"model_type", type}}, t.path)); };
  if (t.has("blocks.0.att.r_k")) return of_type("rwkv7");
  if (t.has("blocks.0.att.time_faaaa")) return of_type("rwkv5");
  if (t.has("blocks.0.att.time_first")) return of_type("rwkv");
  if (const auto said = t.metadata.find("config"); t.has("tok_embeddings.weight") && said != t.metadata.end()) {
    config c = config::parse(said->second, t.path);
    c.set("model_type", "llama2c");
    return c;
  }
  files::detail::refuse(t.path,
                        "its tensors should have the names of an RWKV model, or of llama2.c with its config in the metadata; other "
                        "models are folders with config.json");
}
inline config settings_of(const files::llama2c& t) {
  const auto& z = t.size;
  return config(files::json_tree({{"model_type", "llama2c"},
                                  {"dim", z.dim},
                                  {"hidden_dim", z.hidden},
                                  {"n_layers", z.layers},
                                  {"n_heads", z.heads},
                                  {"n_kv_heads", z.kv_heads},
                                  {"vocab_size", z.vocabulary},
                                  {"tied_embeddings", z.tied}},
                                 t.path));
}
}  // namespace detail

/// The checkpoint of one file: .safetensors of RWKV's authors' names or of llama2.c's, and .bin of rwkv.cpp and of llama2.c.
///
/// error   files::file_error for another file
inline checkpoint read_file(const std::string& path) {
  if (!path.ends_with(".bin")) {
    files::safetensors t = files::safetensors::read(path);
    config c = detail::settings_of(t);
    const auto note = t.metadata.find("note");  // beside a file that was made from one of rwkv.cpp
    if (note != t.metadata.end() && note->second.find("time_decay already stored") != std::string::npos) c.set("time_decay", "applied");
    return {std::move(c), std::move(t)};
  }
  const files::mapped_file file(path);
  const auto bytes = file.bytes();
  if (bytes.size() >= 4 && std::memcmp(bytes.data(), "fmgg", 4) == 0) {
    files::rwkv_bin t = files::rwkv_bin::read(path);
    config c = detail::settings_of(t);
    c.set("time_decay", "applied");
    return {std::move(c), std::move(t)};
  }
  files::llama2c t = files::llama2c::read(path);
  config c = detail::settings_of(t);
  return {std::move(c), std::move(t)};
}

/// The model of a folder or of a file. `threads`: of its calls; 0: all cores.
///
/// error   as read_folder, read_file and make
inline std::unique_ptr<language_model> open(const std::string& path, int threads = 0) {
  return make(std::filesystem::is_directory(path) ? read_folder(path) : read_file(path), threads);
}

}  // namespace coefdyn::models
