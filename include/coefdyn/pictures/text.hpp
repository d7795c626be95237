// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <locale>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "../core/config.hpp"

/// Text of a figure: its width before anything is drawn, where its lines break, and numbers as words.
namespace coefdyn::pictures {

/// A point is 1/72 inch.
inline constexpr double centimetres_per_point = 2.54 / 72;

/// Width in centimetres, as DejaVu Sans, a broad font, has it within a few percent.
inline double text_width(std::string_view text, double points) {
  const auto one_of = [](char c, std::string_view set) { return set.find(c) != std::string_view::npos; };
  double em = 0;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xc0) == 0x80) continue;  // the rest of a character of several bytes
    em += one_of(c, "ijl'|")               ? 0.30
          : one_of(c, " .,:;/\\()[]ftr-!") ? 0.38
          : one_of(c, "mwMW%<>=+")         ? 0.90
          : one_of(c, "csz_?")             ? 0.54
                                           : 0.635;
  }
  return em * points * centimetres_per_point;
}

/// Lines of at most that width, broken at spaces that do not touch an equals sign; a word that is longer has a line of its own.
inline std::vector<std::string> wrapped(const std::string& text, double points, double width) {
  std::vector<std::string> words, lines;
  std::istringstream all(text);
  bool glue = false;
  for (std::string word; all >> word;) {
    if (!words.empty() && (glue || word == "=")) words.back() += " " + word;
    else words.push_back(word);
    glue = word == "=";
  }
  for (const std::string& word : words) {
    if (!lines.empty() && text_width(lines.back() + " " + word, points) <= width) lines.back() += " " + word;
    else lines.push_back(word);
  }
  return lines;
}

/// As %g has it, whatever the locale.
inline std::string number_text(double x, int digits = 6) {
  std::ostringstream s;
  s.imbue(std::locale::classic());
  s.precision(digits);
  s << x;
  return s.str();
}

/// 10 to a power: "0.01" to "1000" in full, others as 10⁻⁶.
inline std::string power_of_ten(int exponent) {
  if (exponent >= -2 && exponent <= 3) return number_text(std::pow(10.0, exponent));
  static constexpr const char* digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string text = exponent < 0 ? "10⁻" : "10";
  for (const char c : std::to_string(std::abs(exponent))) text += digits[c - '0'];
  return text;
}

}  // namespace coefdyn::pictures
