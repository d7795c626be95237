// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "png.hpp"
#include "words.hpp"

/// A sample as a person reads it.
namespace show_tasks {

inline constexpr std::size_t line_width = 110;

/// Letters on the screen: bytes of UTF-8 that begin one.
inline std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}
inline std::string padded(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, width_of(text)), ' ') + text;
}

/// Inputs in lines, below each the target; `.` where none counts.
template <class T>
void print_table(const T& t, const sample& x) {
  std::size_t width = 1;
  for (const auto& list : {x.inputs, x.targets})
    for (const std::int64_t token : list)
      if (token != ignored) width = std::max(width, width_of(word(t, token)));
  const std::size_t a_line = std::max<std::size_t>(1, (line_width - 10) / (width + 1));
  for (std::size_t from = 0; from < x.inputs.size(); from += a_line) {
    const std::size_t to = std::min(from + a_line, x.inputs.size());
    std::string input = padded(std::to_string(from), 5) + "  in ", target = "      out ";
    for (std::size_t i = from; i < to; ++i) {
      input += " " + padded(word(t, x.inputs[i]), width);
      target += " " + padded(x.targets[i] == ignored ? "." : word(t, x.targets[i]), width);
    }
    std::cout << input << "\n" << target << "\n";
  }
}
/// Inputs as a running text.
template <class T>
void print_text(const T& t, const sample& x) {
  std::string line;
  for (const std::int64_t token : x.inputs) {
    const std::string next = word(t, token);
    if (width_of(line) + next.size() > line_width) std::cout << line << "\n", line.clear();
    line += (line.empty() ? "" : between<T>)+next;
  }
  std::cout << line << "\n";
}
/// Two letters a pixel, dark to light.
inline void print_picture(const sample& x, idx side) {
  constexpr std::string_view shades = " .:-=+*#%@";
  for (idx row = 0; row < side; ++row) {
    std::string line = "  ";
    for (idx column = 0; column < side; ++column)
      line += std::string(2, shades[static_cast<std::size_t>(x.inputs[std::size_t(row * side + column)]) * shades.size() / 256]);
    std::cout << line << "\n";
  }
}
template <class T>
void print_sizes(const T& t, split s, idx index, const sample& x) {
  std::cout << T::name << ": sample " << index << " of " << t.size(s) << " in split " << name_of(s) << " (train " << t.size(split::train)
            << ", test " << t.size(split::test) << ", valid " << t.size(split::valid) << ")\n"
            << "vocabulary " << t.vocabulary() << ", outputs " << t.outputs() << ", this sample " << x.inputs.size()
            << " tokens, the longest " << t.length() << "\n"
            << legend(t) << "\n";
  const double chance = 1 / static_cast<double>(choices(t));
  char text[80];
  if (T::metric == metric::perplexity) std::snprintf(text, sizeof text, "perplexity; by guessing %.0f", 1 / chance);
  else std::snprintf(text, sizeof text, "accuracy; by guessing 1/%lld = %.3g %%", static_cast<long long>(choices(t)), 100 * chance);
  const auto scored = std::count_if(x.targets.begin(), x.targets.end(), [](std::int64_t target) { return target != ignored; });
  std::cout << "scored: "
            << (T::labels == labels::one_a_sequence ? "one target for the sequence"
                                                    : std::to_string(scored) + " of " + std::to_string(x.targets.size()) + " positions")
            << ", by " << text << "\n";
  if (s == split::train &&
      (std::same_as<T, in_context_recall> || std::same_as<T, noisy_in_context_recall> || std::same_as<T, fuzzy_in_context_recall>))
    std::cout << "(in training every next token is a target; the other splits score values alone, to which the chance belongs)\n";
  std::cout << "\n";
}
/// All of it; a picture goes to a .png as well.
template <class T>
void print_sample(const T& t, split s, idx index, std::string picture) {
  const sample x = t.make(s, index);
  print_sizes(t, s, index, x);
  if constexpr (std::same_as<T, cifar10>) {
    const idx side = std::lround(std::sqrt(static_cast<double>(t.length())));
    print_picture(x, side);
    if (picture.empty()) picture = std::string(T::name) + "-" + name_of(s) + "-" + std::to_string(index) + ".png";
    constexpr idx size_on_screen = 256;
    write_png(picture, x.inputs, static_cast<std::size_t>(side), static_cast<std::size_t>(std::max<idx>(1, size_on_screen / side)));
    std::cout << "\npicture: " << std::filesystem::absolute(picture).lexically_normal().string() << "\n";
  } else if constexpr (T::labels == labels::one_a_sequence || std::string_view(between<T>) != " ") {
    print_text(t, x);
  } else {
    print_table(t, x);
  }
  if constexpr (T::labels == labels::one_a_sequence) {
    const std::string name = answer(t, x.targets[0]), number = std::to_string(x.targets[0]);
    std::cout << "\ntarget: " << number << (name == number ? "" : ", " + name) << "\n";
  }
}

}  // namespace show_tasks
