// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "file.hpp"
#include "numbers.hpp"

/// The header of a .npy file: a Python dictionary {'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }.
namespace coefdyn::files {

/// What the header of a `.npy` file says.
struct npy_header {
  std::string descr;  // as the file has it
  number_type type = number_type::f64;
  bool big_endian = false, fortran_order = false;
  std::vector<idx> shape;
};

namespace detail {

/// Reads the literals that NumPy writes into headers (strings without escapes, True and False, tuples of whole numbers) in any order and
/// spacing; other expressions of Python are refused.
class npy_header_reader {
 public:
  npy_header_reader(std::string_view text, const std::string& path) : text_(text), path_(path) {}

  npy_header read() {
    constexpr std::string_view names[] = {"descr", "fortran_order", "shape"};
    bool seen[3] = {};
    npy_header header;
    expect('{');
    while (!accept('}')) {
      const std::string key = string();
      const auto which = static_cast<std::size_t>(std::find(names, names + 3, key) - names);
      if (which == 3) refuse(path_, "the header should hold 'descr', 'fortran_order' and 'shape' alone, but also holds " + in_quotes(key));
      if (std::exchange(seen[which], true)) refuse(path_, "the header should hold '" + key + "' once, but holds it twice");
      expect(':');
      if (which == 0) set_type(header);
      else if (which == 1) header.fortran_order = boolean();
      else header.shape = tuple();
      if (accept(',')) continue;
      expect('}');
      break;
    }
    if (peek() != '\0' || at_ < text_.size()) wrong("the end of the header behind its dictionary");
    for (int i = 0; i < 3; ++i)
      if (!seen[i]) refuse(path_, "the header should hold '" + std::string(names[i]) + "', but does not");
    return header;
  }

 private:
  char peek() {
    while (at_ < text_.size() && std::string_view(" \t\n\r\f").find(text_[at_]) != std::string_view::npos) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(char c) { return peek() == c && at_ < text_.size() ? (++at_, true) : false; }
  void expect(char c) {
    if (!accept(c)) wrong(std::string("'") + c + "'");
  }
  bool accept_word(std::string_view word) {
    peek();
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  [[noreturn]] void wrong(const std::string& expected) {
    peek();
    refuse(path_, "the header should be a dictionary as NumPy writes it, with " + expected + " at character " + std::to_string(at_) +
                      ", but has " + (at_ < text_.size() ? in_quotes(text_.substr(at_, 12)) : "its end there"));
  }
  std::string string() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') wrong("a string");
    const std::size_t begin = at_ + 1, end = text_.find_first_of("'\"\\\n", begin);
    if (end == std::string_view::npos || text_[end] != quote || begin == end) wrong("a string in quotes, without escapes");
    at_ = end + 1;
    return std::string(text_.substr(begin, end - begin));
  }
  bool boolean() {
    if (accept_word("True")) return true;
    if (!accept_word("False")) wrong("True or False");
    return false;
  }
  std::vector<idx> tuple() {
    std::vector<idx> shape;
    expect('(');
    bool comma = true;
    while (!accept(')')) {
      if (!comma) wrong("',' or ')'");
      shape.push_back(whole_number());
      comma = accept(',');
    }
    if (shape.size() == 1 && !comma)
      refuse(path_, "the shape should be a tuple, (" + std::to_string(shape[0]) + ",), but is a number in brackets");
    constexpr std::size_t most_axes = 64;  // NumPy's own limit
    if (shape.size() > most_axes) refuse(path_, "the shape should have at most 64 axes, but has " + std::to_string(shape.size()));
    return shape;
  }
  idx whole_number() {
    peek();
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    const std::string_view digits = text_.substr(begin, at_ - begin);
    if (digits.empty()) wrong("a whole number that is not negative");
    if (digits.size() > 1 && digits[0] == '0')
      refuse(path_, "the shape should hold whole numbers without leading zeros, but holds " + in_quotes(digits));
    idx value = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), value).ec != std::errc())
      refuse(path_, "the shape should hold numbers below 2^63, but holds " + in_quotes(digits));
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // as Python 2 wrote it
    return value;
  }
  void set_type(npy_header& header) {
    if (peek() == '[' || peek() == '(')
      refuse(path_, "the numbers should be of one type, but are records of several; save each field as a file of its own");
    header.descr = string();
    std::string_view code = header.descr;
    const char order = code[0];
    if (order == '<' || order == '>' || order == '=' || order == '|') code.remove_prefix(1);
    if (code == "?") code = "b1";
    for (std::size_t i = 0; i < std::size(number_types); ++i)
      if (!code.empty() && number_types[i].npy == code) {
        header.type = static_cast<number_type>(i);
        header.big_endian = order == '>';
        return;
      }
    refuse(path_, "the numbers should be of type b1, i1 to i8, u1 to u8, f2, f4, f8, c8 or c16, but are " + in_quotes(header.descr) +
                      "; save them as one of these");
  }

  std::string_view text_;
  const std::string& path_;
  std::size_t at_ = 0;
};

}  // namespace detail
}  // namespace coefdyn::files
