// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <string>
#include <vector>

/// An encoder.json of the tests' own.
namespace task_tests {

/// Bytes as the files name them: printing ones themselves, the others from U+0100 on.
inline std::string name_of_byte(int b) {
  static const std::vector<int> hidden = [] {
    std::vector<int> out;
    for (int c = 0; c < 256; ++c)
      if (!((c >= 0x21 && c <= 0x7e) || (c >= 0xa1 && c <= 0xac) || c >= 0xae)) out.push_back(c);
    return out;
  }();
  const auto at = std::find(hidden.begin(), hidden.end(), b);
  const int c = at == hidden.end() ? b : 256 + static_cast<int>(at - hidden.begin());
  if (c < 0x80) return c == '"' || c == '\\' ? std::string("\\") + static_cast<char>(c) : std::string(1, static_cast<char>(c));
  return {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 0x3f))};
}
/// 256 bytes, then the pieces that the merges make.
inline std::string encoder(const std::vector<std::string>& pieces) {
  std::string json = "{";
  for (int b = 0; b < 256; ++b) json += "\"" + name_of_byte(b) + "\": " + std::to_string(b) + ", ";
  for (std::size_t i = 0; i < pieces.size(); ++i) json += "\"" + pieces[i] + "\": " + std::to_string(256 + i) + ", ";
  return json + "\"<|endoftext|>\": " + std::to_string(256 + pieces.size()) + "}";
}

}  // namespace task_tests
