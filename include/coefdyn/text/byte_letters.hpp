// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "utf8.hpp"

namespace coefdyn::text {

/// The letters under which GPT-2's files write bytes: a byte that prints is itself, the others are U+0100 and on.
///
/// source  Radford and others, Language models are unsupervised multitask learners, 2019
class byte_letters {
 public:
  byte_letters() {
    std::uint32_t next = 256;
    for (std::uint32_t b = 0; b < 256; ++b) {
      const bool prints = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
      const std::uint32_t c = prints ? b : next++;
      letter_[b] = utf8_of(c);
      byte_[c] = static_cast<int>(b);
    }
  }
  const std::string& letter(unsigned char byte) const { return letter_[byte]; }
  std::string letters(std::string_view bytes) const {
    std::string out;
    for (const char b : bytes) out += letter_[static_cast<unsigned char>(b)];
    return out;
  }
  /// The bytes that letters stand for; nothing where one stands for none.
  std::optional<std::string> bytes(std::string_view letters) const {
    std::string out;
    for (utf8 each(letters); !each.at_end();) {
      const std::uint32_t c = each.next();
      if (c >= std::size(byte_) || byte_[c] < 0) return {};
      out += static_cast<char>(byte_[c]);
    }
    return out;
  }

 private:
  static constexpr std::array<int, 324> none() {
    std::array<int, 324> out{};
    for (int& b : out) b = -1;
    return out;
  }
  std::array<std::string, 256> letter_;
  std::array<int, 324> byte_ = none();
};

}  // namespace coefdyn::text
