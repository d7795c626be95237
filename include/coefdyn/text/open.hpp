// SPDX-License-Identifier: MIT
#pragma once
#include <filesystem>

#include "gpt2.hpp"
#include "llama2c_tokens.hpp"
#include "tokenizer_json.hpp"

namespace coefdyn::text {

/// The tokeniser of a file: tokenizer.json, or llama2.c's .bin; or of a model's folder: tokenizer.json, else encoder.json with vocab.bpe,
/// else vocab.json with merges.txt, else tokenizer.bin; else bytes, where `vocabulary` is 256.
///
/// error   file_error where there is none, and as its reader
inline tokenizer open(const std::string& path, idx vocabulary = 0) {
  namespace fs = std::filesystem;
  if (!fs::is_directory(path)) return path.ends_with(".json") ? read_tokenizer_json(path) : read_llama2c_tokens(path);
  const auto in_it = [&](const char* name) { return (fs::path(path) / name).string(); };
  if (fs::exists(in_it("tokenizer.json"))) return read_tokenizer_json(in_it("tokenizer.json"));
  for (const auto& [tokens, merges] : {std::pair("encoder.json", "vocab.bpe"), std::pair("vocab.json", "merges.txt")})
    if (fs::exists(in_it(tokens)) && fs::exists(in_it(merges))) {
      const files::mapped_file a(in_it(tokens)), b(in_it(merges));
      const auto text = [](const files::mapped_file& f) {
        return std::string_view(reinterpret_cast<const char*>(f.bytes().data()), f.bytes().size());
      };
      return gpt2(text(a), in_it(tokens), text(b), in_it(merges));
    }
  if (fs::exists(in_it("tokenizer.bin"))) return read_llama2c_tokens(in_it("tokenizer.bin"));
  if (vocabulary == 256) return bytes();
  files::detail::refuse(path,
                        "expected a tokeniser in the folder (tokenizer.json, encoder.json with vocab.bpe, vocab.json with merges.txt, or "
                        "tokenizer.bin), given none; name its file");
}

}  // namespace coefdyn::text
