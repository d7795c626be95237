// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <memory>
#include <utility>

#include "byte_letters.hpp"
#include "byte_pairs.hpp"
#include "words.hpp"

/// What a text goes through before its pieces are encoded, and tokens before they are text again. Names and effects are those of Hugging
/// Face's tokenizer.json.
namespace coefdyn::text::steps {

/// Changes a text before it is cut.
using normaliser = std::function<void(std::string& text)>;
/// Cuts a piece into pieces, which it may change: calls emit(piece) for each. `first`: the piece begins the text.
using splitter = std::function<void(std::string piece, bool first, const std::function<void(std::string)>& emit)>;
/// Changes the tokens that become text, which is what is left of them in a row.
using decoder = std::function<void(std::vector<std::string>& tokens)>;

namespace detail {
inline void replace_all(std::string& text, std::string_view from, std::string_view to) {
  std::string out;
  std::size_t at = 0;
  for (std::size_t found; (found = text.find(from, at)) != std::string::npos; at = found + from.size())
    out.append(text, at, found - at).append(to);
  text = out.append(text, at);
}
inline std::shared_ptr<const byte_letters> letters() {
  static const auto all = std::make_shared<const byte_letters>();
  return all;
}
}  // namespace detail

/// `front` before a text that is not empty.
inline normaliser prepend(std::string front) {
  return [front](std::string& text) {
    if (!text.empty()) text.insert(0, front);
  };
}
/// `to` for every `from`, from the left.
inline normaliser replace(std::string from, std::string to) {
  return [from, to](std::string& text) { detail::replace_all(text, from, to); };
}
/// Refuses a text that may not be in Unicode's composed form.
///
/// error   invalid_input with the character
inline void expect_composed(std::string_view text) {
  bool after_mark = false;
  for (utf8 each(text); !each.at_end();) {
    const std::size_t from = each.position();
    const std::uint32_t c = each.next();
    const bool mark = c != utf8::malformed && unicode::is_mark(c);
    if (c != utf8::malformed && (unicode::may_compose(c) || (mark && after_mark)))
      COEFDYN_THROW invalid_input("text", "Unicode's composed form (NFC), which this tokeniser makes of its text and this reader does not",
                                  "the character " + std::string(text.substr(from, each.position() - from)) + " at byte " +
                                      std::to_string(from) + ", which may combine with its neighbours; give the text in NFC");
    after_mark = mark;
  }
}

/// Pieces by a rule of words.
inline splitter words(word_rule rule) {
  return [rule](std::string piece, bool, const std::function<void(std::string)>& emit) {
    for (std::string_view rest = piece; !rest.empty();) {
      const std::size_t n = rule.first(rest);
      emit(std::string(rest.substr(0, n)));
      rest.remove_prefix(n);
    }
  };
}
/// Where a separator goes.
enum class separator { alone, dropped, to_previous, to_next, runs_alone };
/// Cuts at parts of a text; next(rest) gives where one begins and its bytes, npos where there is none.
template <class Next>
splitter cut(Next next, separator where) {
  return [next, where](std::string piece, bool, const std::function<void(std::string)>& emit) {
    std::string held;  // what waits for its neighbour
    bool held_separator = false;
    const auto say = [&] {
      if (!held.empty()) emit(std::exchange(held, {}));
    };
    for (std::string_view rest = piece; !rest.empty();) {
      auto [at, size] = next(rest);
      if (at == std::string_view::npos) at = rest.size(), size = 0;
      if (at > 0) {
        if (where != separator::to_next || !held_separator) say();
        held += rest.substr(0, at), held_separator = false;
      }
      if (size > 0) {
        if (where == separator::dropped) say();
        else {
          if (where != separator::to_previous && !(where == separator::runs_alone && held_separator)) say();
          held += rest.substr(at, size), held_separator = true;
          if (where == separator::alone || where == separator::to_previous) say();
        }
      }
      rest.remove_prefix(at + size);
    }
    say();
  };
}
/// Cuts at every `pattern`, taken letter by letter.
inline splitter at_literal(std::string pattern, separator where) {
  return cut([pattern](std::string_view rest) { return std::pair(rest.find(pattern), pattern.size()); }, where);
}
/// Numbers apart from the rest, digit by digit or in runs.
inline splitter digits(bool each) {
  return cut(
      [](std::string_view rest) {
        for (utf8 letters(rest); !letters.at_end();) {
          const std::size_t from = letters.position();
          const std::uint32_t c = letters.next();
          if (c != utf8::malformed && unicode::is_number(c)) return std::pair(from, letters.position() - from);
        }
        return std::pair(std::string_view::npos, std::size_t(0));
      },
      each ? separator::alone : separator::runs_alone);
}
/// Bytes as GPT-2 writes them; by default words of GPT-2's rule first.
inline splitter byte_level(bool prefix_space, bool use_words) {
  return
      [prefix_space, use_words, letters = detail::letters()](std::string piece, bool first, const std::function<void(std::string)>& emit) {
        if (prefix_space && !piece.starts_with(' ')) piece.insert(0, " ");
        const auto say = [&](const std::string& word) { emit(letters->letters(word)); };
        if (use_words) words(word_rule::gpt2())(std::move(piece), first, say);
        else say(piece);
      };
}
/// Which pieces begin with a mark for a blank that the text does not have.
enum class front { never, first, always };
/// Blanks as `mark`, one in front, and where `split` a piece for each word with its mark.
inline splitter metaspace(std::string mark, front where, bool split) {
  return [mark, where, split](std::string piece, bool first, const std::function<void(std::string)>& emit) {
    detail::replace_all(piece, " ", mark);
    if ((where == front::always || (where == front::first && first)) && !piece.starts_with(mark)) piece.insert(0, mark);
    if (split) at_literal(mark, separator::to_next)(std::move(piece), first, emit);
    else emit(std::move(piece));
  };
}

/// `to` for every `from` of each token.
inline decoder replace_in_tokens(std::string from, std::string to) {
  return [from, to](std::vector<std::string>& tokens) {
    for (std::string& t : tokens) detail::replace_all(t, from, to);
  };
}
/// <0x41> is its byte.
inline decoder bytes_of_fallback() {
  return [](std::vector<std::string>& tokens) {
    for (std::string& t : tokens) {
      unsigned value = 0;
      if (t.size() != 6 || !t.starts_with("<0x") || t[5] != '>') continue;
      bool is_hex = true;
      for (const char c : t.substr(3, 2)) {
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        is_hex = is_hex && digit >= 0, value = value * 16 + static_cast<unsigned>(digit);
      }
      if (is_hex) t = static_cast<char>(static_cast<unsigned char>(value));
    }
  };
}
/// All tokens as one.
inline decoder fuse() {
  return [](std::vector<std::string>& tokens) {
    std::string all;
    for (const std::string& t : tokens) all += t;
    tokens = {std::move(all)};
  };
}
/// At most so many of a character from each end of every token.
inline decoder strip(std::string character, std::size_t left, std::size_t right) {
  return [character, left, right](std::vector<std::string>& tokens) {
    for (std::string& t : tokens) {
      for (std::size_t i = 0; i < left && t.starts_with(character); ++i) t.erase(0, character.size());
      for (std::size_t i = 0; i < right && t.ends_with(character); ++i) t.resize(t.size() - character.size());
    }
  };
}
/// The bytes that byte_level wrote as letters; a token with another letter stays.
inline decoder letters_to_bytes() {
  return [letters = detail::letters()](std::vector<std::string>& tokens) {
    for (std::string& t : tokens)
      if (auto bytes = letters->bytes(t)) t = std::move(*bytes);
  };
}
/// Blanks for marks, but for those of the first token where `where` puts one in front.
inline decoder marks_to_blanks(std::string mark, front where) {
  return [mark, where](std::vector<std::string>& tokens) {
    for (std::size_t i = 0; i < tokens.size(); ++i) detail::replace_all(tokens[i], mark, i == 0 && where != front::never ? "" : " ");
  };
}

}  // namespace coefdyn::text::steps
