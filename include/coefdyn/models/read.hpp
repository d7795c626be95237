// SPDX-License-Identifier: MIT
#pragma once
#include "../files/llama2c.hpp"
#include "../files/rwkv_bin.hpp"
#include "../files/safetensors.hpp"
#include "checkpoint.hpp"

/// Checkpoints on disk, whatever the architecture.
namespace coefdyn::models {

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

/// The checkpoint of a folder or of a file.
///
/// error   as these
inline checkpoint read(const std::string& path) { return std::filesystem::is_directory(path) ? read_folder(path) : read_file(path); }

}  // namespace coefdyn::models
