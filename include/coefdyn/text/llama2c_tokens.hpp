// SPDX-License-Identifier: MIT
#pragma once
#include "../files/named_tensors.hpp"
#include "tokenizer.hpp"

namespace coefdyn::text {

namespace detail {
/// Tokens 3 to 258 are the bytes.
inline void expect_bytes(const std::vector<std::pair<float, std::string>>& tokens, const std::string& name) {
  for (std::size_t b = 0; b < 256; ++b)
    if (tokens.size() < 259 || tokens[b + 3].second != byte_pairs::name_of(static_cast<unsigned char>(b)))
      files::detail::refuse(name, "token " + std::to_string(b + 3) + ": expected " + byte_pairs::name_of(static_cast<unsigned char>(b)) +
                                      ", a byte, given " +
                                      (b + 3 < tokens.size() ? files::detail::in_quotes(tokens[b + 3].second) : "none"));
}
}  // namespace detail

/// The tokeniser of llama2.c: a whole number (the longest token's bytes), then for each token a float32 score, the count of its bytes and
/// the bytes, to the end of the file. Tokens 1 and 2 begin and end a text; 3 to 258 are the bytes. Of pairs that make a token, that of the
/// largest score merges first.
///
/// error   file_error with the token and the byte in the file
/// source  https://github.com/karpathy/llama2.c, tokenizer.py and run.c
inline tokenizer parse_llama2c_tokens(std::span<const std::byte> content, const std::string& name) {
  tokenizer out;
  files::detail::byte_walk in{name, content};
  const std::uint32_t longest = in.word("the longest token's size");
  if (longest < 1 || longest > 4096)
    files::detail::refuse(name, "the longest token should have 1 .. 4096 bytes, but is said to have " + std::to_string(longest));
  std::vector<std::pair<float, std::string>> tokens;
  while (!in.rest.empty()) {
    const std::string what = "token " + std::to_string(tokens.size());
    const float score = std::bit_cast<float>(in.word(what));
    const std::uint32_t size = in.word(what);
    if (size > longest)
      files::detail::refuse(
          name, what + ": expected at most " + std::to_string(longest) + " bytes, as the file says first, given " + std::to_string(size));
    if (!(score > -3e38f && score < 3e38f)) files::detail::refuse(name, what + ": expected a score that is a finite number, given another");
    tokens.emplace_back(score, in.text(size, what));
  }
  detail::expect_bytes(tokens, name);
  std::vector<float> scores;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    out.name(std::int64_t(id), tokens[id].second);
    out.pairs.ids.try_emplace(tokens[id].second, std::int64_t(id));
    scores.push_back(-tokens[id].first);
  }
  std::sort(scores.begin(), scores.end());
  for (const auto& [token, id] : out.pairs.ids)
    for (std::size_t cut = 1; cut < token.size(); ++cut) {
      const auto left = out.pairs.ids.find(token.substr(0, cut)), right = out.pairs.ids.find(token.substr(cut));
      if (left == out.pairs.ids.end() || right == out.pairs.ids.end()) continue;
      const auto rank = std::lower_bound(scores.begin(), scores.end(), -tokens[std::size_t(id)].first) - scores.begin();
      out.pairs.add_merge(left->second, right->second, id, static_cast<std::uint32_t>(rank));
    }
  out.pairs.byte_fallback = true;
  out.before = {1};
  for (const std::int64_t end : {1, 2}) out.mark_special(end);
  out.normalisers = {steps::prepend(" ")};
  out.decoders = {steps::bytes_of_fallback(), steps::fuse(), steps::strip(" ", 1, 0)};
  return out;
}
/// The tokeniser of a file.
inline tokenizer read_llama2c_tokens(const std::string& path) {
  const files::mapped_file file(path);
  return parse_llama2c_tokens(file.bytes(), path);
}

}  // namespace coefdyn::text
