// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/text/byte_pairs.hpp>
#include <utility>
#include <vector>

#include "files/support.hpp"

namespace text_tests {

/// A token file of llama2.c: three special tokens, bytes, then these with their scores.
inline std::string llama2c_tokens(const std::vector<std::pair<std::string, float>>& more) {
  std::string s = file_tests::raw(7);
  const auto add = [&](const std::string& token, float score) { s += file_tests::raw(score, int(token.size())) + token; };
  for (const char* special : {"<unk>", "\n<s>\n", "\n</s>\n"}) add(special, 0);
  for (int b = 0; b < 256; ++b) add(coefdyn::text::byte_pairs::name_of(static_cast<unsigned char>(b)), 0);
  for (const auto& [token, score] : more) add(token, score);
  return s;
}

}  // namespace text_tests
