// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace coefdyn {

/// A name as a template argument: `projection<"q_proj">`.
template <std::size_t N>
struct label {
  char characters[N];
  consteval label(const char (&text)[N]) {
    for (std::size_t i = 0; i < N; ++i) characters[i] = text[i];
  }
  constexpr std::string_view text() const { return {characters, N - 1}; }
  /// With something behind it: "q_proj" + ".weight".
  std::string operator+(std::string_view more) const { return std::string(text()) + std::string(more); }
};

}  // namespace coefdyn
