// SPDX-License-Identifier: MIT
#pragma once
#include <exception>
#include <string>

namespace text_tests {

/// What f's exception says, without "coefdyn: " and the file's name of one letter; "" where it throws none.
template <class F>
std::string fault_of(F f) {
  try {
    f();
  } catch (const std::exception& e) {
    std::string said = e.what();
    if (said.starts_with("coefdyn: ")) said.erase(0, 9);
    return said.size() > 3 && said[1] == ':' ? said.substr(3) : said;
  }
  return "";
}

}  // namespace text_tests
