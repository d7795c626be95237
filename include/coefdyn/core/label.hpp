// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace coefdyn {

/// A name as a template argument: `projection<"q_proj">`.
template <std::size_t N>
struct label {
  char characters[N];
  consteval label(const char (&text)[N]) { std::copy_n(text, N, characters); }
  constexpr std::string_view text() const { return {characters, N - 1}; }
  /// With something behind it: "q_proj" + ".weight".
  std::string operator+(std::string_view more) const { return std::string(text()) + std::string(more); }
};

}  // namespace coefdyn
