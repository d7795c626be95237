// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace coefdyn::text {

/// The characters of UTF-8 text, one by one.
///
/// ```cpp statements
/// std::uint32_t sum = 0;
/// for (text::utf8 text("h\xc3\xa9"); !text.at_end(); ) sum += text.next();
/// ```
class utf8 {
 public:
  static constexpr std::uint32_t malformed = 0xffffffff;
  explicit utf8(std::string_view text) : text_(text) {}
  /// Where a text's first byte stands that begins no character, or npos.
  static std::size_t first_malformed(std::string_view text) {
    for (utf8 letters(text); !letters.at_end();) {
      const std::size_t at = letters.position();
      if (letters.next() == malformed) return at;
    }
    return std::string_view::npos;
  }
  bool at_end() const { return at_ == text_.size(); }
  /// In bytes.
  std::size_t position() const { return at_; }
  /// The next character, or `malformed` for what is none, of which one byte is passed: cut, longer than need be, a surrogate, above 10ffff.
  std::uint32_t next() {
    const unsigned char lead = byte(at_++);
    if (lead < 0x80) return lead;
    const std::size_t more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || at_ + more > text_.size()) return malformed;
    std::uint32_t c = lead & (0x3fu >> more);
    for (std::size_t i = 0; i < more; ++i) {
      if ((byte(at_ + i) & 0xc0) != 0x80) return malformed;
      c = c << 6 | (byte(at_ + i) & 0x3fu);
    }
    constexpr std::uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return malformed;
    at_ += more;
    return c;
  }

 private:
  unsigned char byte(std::size_t i) const { return static_cast<unsigned char>(text_[i]); }
  std::string_view text_;
  std::size_t at_ = 0;
};

/// A character as UTF-8; "" for what is none.
inline std::string utf8_of(std::uint32_t c) {
  const auto byte = [](std::uint32_t x) { return static_cast<char>(static_cast<unsigned char>(x)); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xc0 | c >> 6), byte(0x80 | (c & 0x3f))};
  if (c < 0x10000) return {byte(0xe0 | c >> 12), byte(0x80 | (c >> 6 & 0x3f)), byte(0x80 | (c & 0x3f))};
  if (c > 0x10ffff) return "";
  return {byte(0xf0 | c >> 18), byte(0x80 | (c >> 12 & 0x3f)), byte(0x80 | (c >> 6 & 0x3f)), byte(0x80 | (c & 0x3f))};
}
/// The bytes at the end of a text that begin a character and do not end it: 0 to 3.
inline std::size_t unfinished(std::string_view text) {
  for (std::size_t n = std::min<std::size_t>(3, text.size()); n > 0; --n) {
    std::string tail(text.substr(text.size() - n));
    const auto lead = static_cast<unsigned char>(tail[0]);
    const std::size_t whole = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || n >= whole) continue;
    for (const int second : {0x80, 0x90, 0xbf}) {  // one of them is allowed behind any lead
      std::string filled = tail;
      while (filled.size() < whole) filled += static_cast<char>(filled.size() == 1 ? second : 0x80);
      if (utf8(filled).next() != utf8::malformed) return n;
    }
  }
  return 0;
}
/// A text with U+FFFD in place of each part that is no UTF-8: the longest that begins a character, or else a byte, as browsers do.
inline std::string valid_utf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    utf8 letters(text);
    std::size_t length = 1;
    if (letters.next() != utf8::malformed) {
      length = letters.position();
      out += text.substr(0, length);
    } else {
      for (std::size_t n = std::min<std::size_t>(3, text.size()); n > 1 && length == 1; --n)
        if (unfinished(text.substr(0, n)) == n) length = n;
      out += "\xef\xbf\xbd";
    }
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace coefdyn::text
