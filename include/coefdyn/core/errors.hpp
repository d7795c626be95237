// SPDX-License-Identifier: MIT
#pragma once
#include <stdexcept>
#include <string>

#include "config.hpp"

namespace coefdyn {

/// Every refusal on the host: which tensor, what was expected, what came. Nothing has been written when it is thrown.
struct invalid_input : std::invalid_argument {
  std::string tensor, expected, given;
  invalid_input(std::string tensor_, std::string expected_, std::string given_)
      : std::invalid_argument("coefdyn: " + tensor_ + ": expected " + expected_ + ", given " + given_),
        tensor(std::move(tensor_)),
        expected(std::move(expected_)),
        given(std::move(given_)) {}
};

namespace detail {
inline std::string shape_text(const idx* e, int rank) {
  std::string s = "(";
  for (int a = 0; a < rank; ++a) s += (a ? ", " : "") + std::to_string(e[a]);
  return s + ")";
}
}  // namespace detail

}  // namespace coefdyn
