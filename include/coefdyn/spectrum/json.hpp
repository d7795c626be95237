// SPDX-License-Identifier: MIT
#pragma once

#include <charconv>
#include <cmath>
#include <complex>
#include <concepts>
#include <cstddef>
#include <fstream>
#include <ios>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "../core/config.hpp"

namespace coefdyn::spectrum {

namespace detail {

[[noreturn]] inline void refuse_file(const std::string& path, const std::string& reason) {
  throw std::runtime_error(path + ": " + reason + ".");
}

}  // namespace detail

/// Builds JSON text: objects and arrays are opened and closed, commas and quotes are placed. NaN and infinities, which
/// JSON cannot say, become null; other numbers come back bit for bit.
class json_writer {
 public:
  json_writer& open_object() { return open('{'); }
  json_writer& open_array() { return open('['); }
  json_writer& close_object() { return close('}'); }
  json_writer& close_array() { return close(']'); }

  json_writer& key(std::string_view name) {
    separate();
    quote(name);
    text_ += ": ";
    fresh_ = true;
    return *this;
  }
  json_writer& value(double number) {
    separate();
    char digits[32];
    if (!std::isfinite(number)) {
      text_ += "null";
    } else {
      text_.append(digits, std::to_chars(digits, digits + sizeof(digits), number).ptr);
    }
    return *this;
  }
  json_writer& value(std::integral auto number) {
    separate();
    if constexpr (std::same_as<decltype(number), bool>) text_ += number ? "true" : "false";
    else text_ += std::to_string(number);
    return *this;
  }
  json_writer& value(std::string_view words) {
    separate();
    quote(words);
    return *this;
  }
  json_writer& value(const char* words) { return value(std::string_view(words)); }
  json_writer& value(std::complex<double> x) { return open_array().value(x.real()).value(x.imag()).close_array(); }
  template <class T>
  json_writer& value(std::span<const T> numbers) {
    open_array();
    for (const T& x : numbers) value(x);
    return close_array();
  }

  const std::string& text() const { return text_; }

  void save(const std::string& path) const {
    std::ofstream file(path, std::ios::binary);
    file << text_ << '\n';
    file.close();
    if (!file) detail::refuse_file(path, "the file should be writable, but writing failed");
  }

 private:
  json_writer& open(char bracket) {
    separate();
    text_ += bracket;
    fresh_ = true;
    return *this;
  }
  json_writer& close(char bracket) {
    text_ += bracket;
    fresh_ = false;
    return *this;
  }
  void separate() {
    if (!fresh_) text_ += ", ";
    fresh_ = false;
  }
  void quote(std::string_view words) {
    constexpr char digits[] = "0123456789abcdef";
    text_ += '"';
    for (const char c : words) {
      if (c == '"' || c == '\\') {
        text_ += '\\';
        text_ += c;
      } else if (static_cast<unsigned char>(c) < 0x20) {
        text_ += "\\u00";
        text_ += digits[(c >> 4) & 1];
        text_ += digits[c & 15];
      } else {
        text_ += c;
      }
    }
    text_ += '"';
  }

  std::string text_;
  bool fresh_ = true;
};

}  // namespace coefdyn::spectrum
