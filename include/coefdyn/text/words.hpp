// SPDX-License-Identifier: MIT
#pragma once
#include <string_view>
#include <utility>

#include "unicode_classes.hpp"
#include "utf8.hpp"

/// How published tokenisers cut a text into the pieces that merges stay within. Bytes that are no UTF-8 are characters that are neither
/// letter nor number nor space.
namespace coefdyn::text {

/// A rule of words: what the regular expressions of GPT-2, Llama 3 and Qwen differ in.
///
/// source  the regular expressions
/// ```text
/// GPT-2           's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
/// Llama 3, GPT-4  (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
/// Qwen            the same with \p{N} alone
/// ```
struct word_rule {
  bool newer = false;      // Llama 3's and Qwen's: endings in capitals too, any one character before letters, new lines end a piece
  std::size_t digits = 0;  // most of a piece; 0: any number, behind a blank too

  static constexpr word_rule gpt2() { return {}; }
  static constexpr word_rule llama3() { return {true, 3}; }
  static constexpr word_rule qwen() { return {true, 1}; }

  /// The bytes of the first piece; 0 for an empty text alone.
  std::size_t first(std::string_view text) const {
    if (text.empty()) return 0;
    if (const std::size_t n = ending(text)) return n;
    const auto [kind0, size0] = kind_at(text, 0);
    const bool blank = text[0] == ' ';
    const kind kind1 = size0 < text.size() ? kind_at(text, size0).first : kind::none;
    const bool leads = newer ? kind0 != kind::letter && kind0 != kind::number && text[0] != '\r' && text[0] != '\n' : blank;
    if (kind0 == kind::letter || (leads && kind1 == kind::letter)) return run(text, kind0 == kind::letter ? 0 : size0, kind::letter);
    if (kind0 == kind::number || (digits == 0 && blank && kind1 == kind::number))
      return run(text, kind0 == kind::number ? 0 : size0, kind::number, digits);
    if (kind0 == kind::other || (blank && kind1 == kind::other)) {
      std::size_t end = run(text, kind0 == kind::other ? 0 : size0, kind::other);
      while (newer && end < text.size() && (text[end] == '\r' || text[end] == '\n')) ++end;
      return end;
    }
    return spaces(text);
  }

 private:
  enum class kind { none, space, letter, number, other };
  static std::pair<kind, std::size_t> kind_at(std::string_view text, std::size_t at) {
    utf8 letters(text.substr(at, 4));
    const std::uint32_t c = letters.next();
    const kind k = c == utf8::malformed    ? kind::other
                   : unicode::is_space(c)  ? kind::space
                   : unicode::is_letter(c) ? kind::letter
                   : unicode::is_number(c) ? kind::number
                                           : kind::other;
    return {k, letters.position()};
  }
  /// Where characters of a kind end; at most `most` of them, if it is not 0.
  static std::size_t run(std::string_view text, std::size_t at, kind k, std::size_t most = 0) {
    for (std::size_t count = 0; at < text.size() && (most == 0 || count < most); ++count) {
      const auto [next, size] = kind_at(text, at);
      if (next != k) break;
      at += size;
    }
    return at;
  }
  /// 's 't 're 've 'm 'll 'd, in newer rules in any case.
  std::size_t ending(std::string_view text) const {
    if (text[0] != '\'') return 0;
    if (newer && text.starts_with("'\xc5\xbf")) return 3;  // the long s
    for (const std::string_view letters : {"s", "t", "re", "ve", "m", "ll", "d"}) {
      bool same = text.size() > letters.size();
      for (std::size_t i = 0; same && i < letters.size(); ++i)
        same = text[i + 1] == letters[i] || (newer && text[i + 1] == static_cast<char>(letters[i] - 'a' + 'A'));
      if (same) return 1 + letters.size();
    }
    return 0;
  }
  /// Spaces: to the last new line, in newer rules; else all but the last, which is left to what follows.
  std::size_t spaces(std::string_view text) const {
    std::size_t end = 0, last = 0, line = 0;  // last: where the last one begins; line: behind the last new line
    while (end < text.size()) {
      const auto [k, size] = kind_at(text, end);
      if (k != kind::space) break;
      last = end, end += size;
      if (text[last] == '\r' || text[last] == '\n') line = end;
    }
    if (newer && line > 0) return line;
    return end < text.size() && last > 0 ? last : end;
  }
};

}  // namespace coefdyn::text
