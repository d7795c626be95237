// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <span>

#include "task.hpp"

/// Nested operations on digits, [MAX 4 [MIN 2 3 ] 0 ], as tokens, and their value.
namespace coefdyn::tasks {

/// The tokens; digit + i is the digit i.
namespace listops_token {
///@{
/// A token of this kind.
inline constexpr std::int64_t pad = 0, unknown = 1, end_of_text = 2, digit = 3, min = 13, max = 14, median = 15, sum_mod_10 = 16, end = 17;
///@}
/// How many tokens there are.
inline constexpr idx vocabulary = 18;
/// Their words in text.
inline constexpr std::string_view words[vocabulary] = {"<pad>", "<unk>", "<eos>", "0", "1",    "2",    "3",    "4",   "5",
                                                       "6",     "7",     "8",     "9", "[MIN", "[MAX", "[MED", "[SM", "]"};
}  // namespace listops_token

namespace detail {
/// What an operator makes of its arguments, which it may reorder. The median of an even count is the mean of the middle two, rounded down.
inline int listops_apply(std::int64_t op, std::span<int> arguments) {
  if (op == listops_token::min) return *std::min_element(arguments.begin(), arguments.end());
  if (op == listops_token::max) return *std::max_element(arguments.begin(), arguments.end());
  if (op == listops_token::sum_mod_10) {
    int sum = 0;
    for (const int a : arguments) sum = (sum + a) % 10;
    return sum;
  }
  std::sort(arguments.begin(), arguments.end());
  const std::size_t middle = arguments.size() / 2;
  return arguments.size() % 2 ? arguments[middle] : (arguments[middle - 1] + arguments[middle]) / 2;
}
}  // namespace detail

/// The tokens of an expression as people write it: words apart from each other; ( and ) say nothing, and may stand anywhere.
///
/// error   invalid_input for another word
inline token_list listops_tokens(std::string_view text) {
  constexpr std::string_view between = " \t\r()";
  token_list out;
  for (std::size_t from = text.find_first_not_of(between); from != std::string_view::npos;) {
    const std::size_t to = std::min(text.find_first_of(between, from), text.size());
    const std::string_view word = text.substr(from, to - from);
    const auto first = std::begin(listops_token::words) + listops_token::digit;
    const auto at = std::find(first, std::end(listops_token::words), word);
    constexpr std::size_t shown = 20;
    if (at == std::end(listops_token::words))
      COEFDYN_THROW invalid_input("listops: word " + std::to_string(out.size()), "a digit, [MIN, [MAX, [MED, [SM or ]",
                                  "'" + std::string(word.substr(0, shown)) + "'");
    out.push_back(at - std::begin(listops_token::words));
    from = text.find_first_not_of(between, to);
  }
  return out;
}
/// The other way.
inline std::string listops_text(std::span<const std::int64_t> tokens) {
  std::string text;
  for (const std::int64_t token : tokens) {
    if (token < 0 || token >= listops_token::vocabulary) COEFDYN_THROW invalid_input("listops: token", "0 .. 17", std::to_string(token));
    (text += text.empty() ? "" : " ") += listops_token::words[token];
  }
  return text;
}

/// The value of an expression, 0 .. 9. An end of text behind it, and padding, are passed over.
///
/// error   invalid_input, with the token's place, for what is no expression
inline int listops_value(std::span<const std::int64_t> tokens) {
  using namespace listops_token;
  const auto refuse = [](std::size_t at, const char* expected, const std::string& given) {
    COEFDYN_THROW invalid_input("listops: token " + std::to_string(at), expected, given);
  };
  while (!tokens.empty() && (tokens.back() == pad || tokens.back() == end_of_text)) tokens = tokens.first(tokens.size() - 1);
  std::vector<int> values;  // of all lists that are open, outermost first
  struct open_list {
    std::int64_t op;
    std::size_t first;
  };
  std::vector<open_list> open;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::int64_t token = tokens[i];
    if (open.empty() && !values.empty()) refuse(i, "the end, since the expression is complete", listops_text(tokens.subspan(i, 1)));
    if (token >= digit && token < digit + 10) {
      values.push_back(static_cast<int>(token - digit));
    } else if (token >= min && token <= sum_mod_10) {
      open.push_back({token, values.size()});
    } else if (token == end && !open.empty() && values.size() > open.back().first) {
      const auto [op, first] = open.back();
      open.pop_back();
      const int value = detail::listops_apply(op, std::span(values).subspan(first));
      values.resize(first);
      values.push_back(value);
    } else {
      refuse(i, open.empty() ? "a digit or an operator" : "a digit, an operator or, behind an argument, ]",
             listops_text(tokens.subspan(i, 1)));
    }
  }
  if (!open.empty() || values.empty()) refuse(tokens.size(), open.empty() ? "an expression" : "]", "the end");
  return values.front();
}

}  // namespace coefdyn::tasks
