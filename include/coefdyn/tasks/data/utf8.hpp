// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace coefdyn::tasks {

/// The characters of UTF-8 text, one by one.
///
/// ```cpp statements
/// std::uint32_t sum = 0;
/// for (tasks::utf8 text("h\xc3\xa9"); !text.at_end(); ) sum += text.next();
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

}  // namespace coefdyn::tasks
