// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <initializer_list>
#include <stdexcept>
#include <string>

#include "config.hpp"

namespace coefdyn {

namespace detail {
// The checks here and in check.hpp, overlap.hpp and state.hpp know no mixer and are out of line: a unit compiles them once, or not at all
// where the library holds them (COEFDYN_CHECK), and a sentence costs its callers no more than the list of its pieces.

/// One piece of a sentence: words, a number, or extents.
struct piece {
  const char* words = nullptr;
  idx number = 0;
  const idx* extents = nullptr;  // `number` of them
  constexpr piece(const char* w) : words(w) {}
  constexpr piece(idx n) : number(n) {}
  constexpr piece(int n) : number(n) {}
  constexpr piece(const idx* e, int rank) : number(rank), extents(e) {}
};
using pieces = std::initializer_list<piece>;
/// The same by their address, for functions that the library holds (COEFDYN_CHECK).
struct piece_range {
  const piece* first;
  std::size_t count;
};
[[gnu::noinline]] inline std::string text(piece_range of) {
  std::string s;
  for (std::size_t i = 0; i < of.count; ++i) {
    const piece& p = of.first[i];
    if (p.words) s += p.words;
    else if (!p.extents) s += std::to_string(p.number);
    else {
      s += '(';
      for (idx a = 0; a < p.number; ++a) s += (a ? ", " : "") + std::to_string(p.extents[a]);
      s += ')';
    }
  }
  return s;
}
inline std::string text(pieces of) { return text(piece_range{of.begin(), of.size()}); }
inline std::string shape_text(const idx* e, int rank) { return text({piece(e, rank)}); }
}  // namespace detail

/// Every refusal on the host: which tensor, what was expected, what came. Nothing has been written when it is thrown.
struct invalid_input : std::invalid_argument {
  std::string tensor, expected, given;
  invalid_input(std::string tensor_, std::string expected_, std::string given_)
      : std::invalid_argument(detail::text({"coefdyn: ", tensor_.c_str(), ": expected ", expected_.c_str(), ", given ", given_.c_str()})),
        tensor(std::move(tensor_)),
        expected(std::move(expected_)),
        given(std::move(given_)) {}
};

namespace detail {
COEFDYN_CHECK [[noreturn, gnu::cold]] void refuse_pieces(piece_range tensor, piece_range expected, piece_range given) {
  COEFDYN_THROW invalid_input(text(tensor), text(expected), text(given));
}
COEFDYN_HELD(void refuse_pieces<>(piece_range, piece_range, piece_range));
[[noreturn, gnu::cold]] inline void refuse(pieces tensor, pieces expected, pieces given) {
  refuse_pieces({tensor.begin(), tensor.size()}, {expected.begin(), expected.size()}, {given.begin(), given.size()});
}
inline bool has_elements(int rank, const idx* extents) {
  for (int a = 0; a < rank; ++a)
    if (extents[a] == 0) return false;
  return true;
}
/// Whether a view is as it was made without arguments: nobody has assigned it.
inline bool is_unset(int rank, const idx* extents, bool there) {
  for (int a = 0; a < rank; ++a)
    if (extents[a] != 0) return false;
  return !there;
}
/// Refuses a tensor of another shape, and one without memory that has elements.
COEFDYN_CHECK void expect_tensor(const char* prefix, const char* name, int rank, const idx* want, const idx* given, bool there) {
  bool same = true;
  for (int a = 0; a < rank; ++a) same = same && given[a] == want[a];
  if (same && (there || !has_elements(rank, want))) return;
  if (same || is_unset(rank, given, there)) refuse({prefix, name}, {"a tensor of shape ", {want, rank}}, {"none"});
  refuse({prefix, name}, {"shape ", {want, rank}}, {"shape ", {given, rank}});
}
COEFDYN_HELD(void expect_tensor<>(const char*, const char*, int, const idx*, const idx*, bool));
}  // namespace detail

}  // namespace coefdyn
