// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <queue>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "../core/errors.hpp"
#include "utf8.hpp"

namespace coefdyn::text {

/// Numbers of tokens.
using token_ids = std::vector<std::int64_t>;

/// A vocabulary with merges: a piece of text becomes its characters' tokens; then, while there is one, the pair that merges first, the
/// leftmost among equals.
///
/// error   encode: invalid_input for a character that has no token, where there is none for unknown ones
/// source  Sennrich, Haddow and Birch, Neural machine translation of rare words with subword units, arXiv:1508.07909
class byte_pairs {
 public:
  std::unordered_map<std::string, std::int64_t> ids;
  bool byte_fallback = false;  // a character without a token is its bytes' tokens, <0x00> to <0xFF>
  bool fuse_unknown = false;   // unknown characters in a row are one token
  bool whole_words = false;    // a piece that is a token is that one, whatever the merges say
  std::int64_t unknown = -1;   // -1: there is none

  /// left and right become `both`; a smaller rank merges first. The first that is said of a pair holds.
  void add_merge(std::int64_t left, std::int64_t right, std::int64_t both, std::uint32_t rank) {
    merges_.try_emplace(pair(left, right), merge{rank, both});
  }
  std::size_t merges() const { return merges_.size(); }
  void encode(std::string_view piece, token_ids& out) const {
    if (whole_words)
      if (const auto whole = ids.find(std::string(piece)); whole != ids.end()) {
        out.push_back(whole->second);
        return;
      }
    merge_all(characters(piece), out);
  }
  /// The name of a byte's token.
  static std::string name_of(unsigned char byte) {
    constexpr const char* digits = "0123456789ABCDEF";
    return {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
  }

 private:
  struct merge {
    std::uint32_t rank;
    std::int64_t token;
  };
  struct candidate {
    std::uint32_t rank;
    std::uint32_t at;
    std::int64_t left, right;
    bool operator>(const candidate& o) const { return rank != o.rank ? rank > o.rank : at > o.at; }
  };
  static constexpr std::uint32_t none = ~std::uint32_t(0);
  static std::uint64_t pair(std::int64_t left, std::int64_t right) { return std::uint64_t(left) << 32 | std::uint64_t(right); }

  token_ids characters(std::string_view piece) const {
    token_ids out;
    bool after_unknown = false;
    for (utf8 letters(piece); !letters.at_end();) {
      const std::size_t from = letters.position();
      letters.next();
      const std::string_view letter = piece.substr(from, letters.position() - from);
      const auto at = ids.find(std::string(letter));
      if (at != ids.end()) out.push_back(at->second);
      else if (!(byte_fallback && add_bytes(letter, out))) {
        if (unknown < 0)
          COEFDYN_THROW invalid_input("text", "characters that the vocabulary has a token for",
                                      valid_utf8(letter) + ", which has none and no bytes' tokens either");
        if (!(fuse_unknown && after_unknown)) out.push_back(unknown);
        after_unknown = true;
        continue;
      }
      after_unknown = false;
    }
    return out;
  }
  bool add_bytes(std::string_view letter, token_ids& out) const {
    token_ids bytes;
    for (const char b : letter) {
      const auto at = ids.find(name_of(static_cast<unsigned char>(b)));
      if (at == ids.end()) return false;
      bytes.push_back(at->second);
    }
    out.insert(out.end(), bytes.begin(), bytes.end());
    return true;
  }
  /// A list of symbols, linked, and a queue of pairs: long pieces cost n log n.
  void merge_all(token_ids symbols, token_ids& out) const {
    const auto size = static_cast<std::uint32_t>(symbols.size());
    std::vector<std::uint32_t> next(size), before(size);
    std::priority_queue<candidate, std::vector<candidate>, std::greater<>> queue;
    const auto offer = [&](std::uint32_t at) {
      if (at == none || next[at] == none) return;
      const std::int64_t left = symbols[at], right = symbols[next[at]];
      if (const auto m = merges_.find(pair(left, right)); m != merges_.end()) queue.push({m->second.rank, at, left, right});
    };
    for (std::uint32_t i = 0; i < size; ++i) next[i] = i + 1 < size ? i + 1 : none, before[i] = i > 0 ? i - 1 : none;
    for (std::uint32_t i = 0; i < size; ++i) offer(i);
    while (!queue.empty()) {
      const candidate c = queue.top();
      queue.pop();
      if (symbols[c.at] != c.left || next[c.at] == none || symbols[next[c.at]] != c.right) continue;  // merged meanwhile
      const std::uint32_t gone = next[c.at];
      symbols[c.at] = merges_.find(pair(c.left, c.right))->second.token;
      symbols[gone] = -1;
      next[c.at] = next[gone];
      if (next[gone] != none) before[next[gone]] = c.at;
      offer(before[c.at]), offer(c.at);
    }
    for (const std::int64_t s : symbols)
      if (s >= 0) out.push_back(s);
  }
  std::unordered_map<std::uint64_t, merge> merges_;
};

}  // namespace coefdyn::text
