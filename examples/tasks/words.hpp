// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/tasks/compression.hpp>
#include <coefdyn/tasks/data/cifar10.hpp>
#include <coefdyn/tasks/data/imdb.hpp>
#include <coefdyn/tasks/data/listops_files.hpp>
#include <coefdyn/tasks/data/text_blocks.hpp>
#include <coefdyn/tasks/fuzzy_in_context_recall.hpp>
#include <coefdyn/tasks/listops.hpp>
#include <coefdyn/tasks/memorization.hpp>
#include <coefdyn/tasks/mqar.hpp>
#include <coefdyn/tasks/noisy_in_context_recall.hpp>
#include <coefdyn/tasks/selective_copying.hpp>
#include <string>

/// What each task's tokens mean (`word`, `legend`), its classes (`answer`), and among how many answers one guesses (`choices`).
namespace show_tasks {

using namespace coefdyn;
using namespace coefdyn::tasks;

inline std::string numbered(const char* kind, std::int64_t number) { return kind + std::to_string(number); }

inline std::string word(const in_context_recall& t, std::int64_t token) {
  const idx keys = t.vocabulary() / 2;
  return token < keys ? numbered("k", token) : numbered("v", token - keys);
}
inline std::string legend(const in_context_recall&) { return "k a key, v a value"; }
inline idx choices(const in_context_recall& t) { return t.vocabulary() - t.vocabulary() / 2; }

inline std::string word(const noisy_in_context_recall& t, std::int64_t token) {
  const idx plain = t.vocabulary() - t.options().noise_vocabulary, keys = plain / 2;
  return token < keys ? numbered("k", token) : token < plain ? numbered("v", token - keys) : numbered("n", token - plain);
}
inline std::string legend(const noisy_in_context_recall&) { return "k a key, v a value, n noise"; }
inline idx choices(const noisy_in_context_recall& t) {
  const idx plain = t.vocabulary() - t.options().noise_vocabulary;
  return plain - plain / 2;
}

inline std::string word(const fuzzy_in_context_recall& t, std::int64_t token) {
  const idx plain = t.vocabulary() - 1, keys = plain / 2;
  return token == plain ? "pad" : token < keys ? numbered("k", token) : numbered("v", token - keys);
}
inline std::string legend(const fuzzy_in_context_recall&) { return "k a piece of a key, v a piece of a value, pad padding"; }
inline idx choices(const fuzzy_in_context_recall& t) { return t.vocabulary() - 1 - (t.vocabulary() - 1) / 2; }

inline std::string word(const selective_copying& t, std::int64_t token) {
  return token == t.vocabulary() - 1 ? "copy" : token == t.vocabulary() - 2 ? "_" : std::to_string(token);
}
inline std::string legend(const selective_copying&) { return "a number is to be copied, _ a blank, copy asks for the numbers in order"; }
inline idx choices(const selective_copying& t) { return t.vocabulary() - 2; }

inline std::string word(const compression& t, std::int64_t token) { return token == t.vocabulary() - 1 ? "end" : std::to_string(token); }
inline std::string legend(const compression&) { return "numbers, and at the end a constant; all from what the last position holds"; }
inline idx choices(const compression& t) { return t.vocabulary() - 1; }

inline std::string word(const memorization& t, std::int64_t token) {
  const idx keys = std::ssize(t.map());
  return token == t.vocabulary() - 1 ? "?" : token < keys ? numbered("k", token) : numbered("v", token - keys);
}
inline std::string legend(const memorization&) { return "k a key, ? asks for its value, v a value, the same in all samples of a seed"; }
inline idx choices(const memorization& t) { return std::ssize(t.map()); }  // values that occur

inline std::string word(const mqar& t, std::int64_t token) {
  const idx half = t.vocabulary() / 2;
  return token == 0 ? "0" : token < half ? numbered("k", token) : numbered("v", token - half);
}
inline std::string legend(const mqar& t) {
  return "k a key, v a value; behind the first " + std::to_string(2 * t.options().pairs) + " tokens, what is not scored is filler";
}
inline idx choices(const mqar& t) { return t.vocabulary() - t.vocabulary() / 2; }

template <class T>
  requires std::same_as<T, listops> || std::same_as<T, listops_files>
std::string word(const T&, std::int64_t token) {
  return std::string(listops_token::words[token]);
}
template <class T>
  requires std::same_as<T, listops> || std::same_as<T, listops_files>
std::string legend(const T&) {
  return "digits, [MIN [MAX [MED(ian) [SM (sum modulo 10) open a list, ] ends it, <eos> ends the text; the target is the value";
}

inline std::string word(const cifar10&, std::int64_t token) { return std::to_string(token); }
inline std::string legend(const cifar10&) { return "grey pixels row by row, 0 black .. 255 white; the target is the class"; }
inline std::string answer(const cifar10&, std::int64_t target) { return std::string(cifar10::classes[target]); }

/// A code point as UTF-8.
inline std::string utf8_of(std::uint32_t c) {
  const auto piece = [&](int shift) { return static_cast<char>(0x80 | (c >> shift & 0x3f)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xc0 | c >> 6), piece(0)};
  if (c < 0x10000) return {static_cast<char>(0xe0 | c >> 12), piece(6), piece(0)};
  return {static_cast<char>(0xf0 | c >> 18), piece(12), piece(6), piece(0)};
}
/// A byte as it prints, else \xNN.
inline std::string byte_of(std::int64_t byte) {
  if (byte >= 0x20 && byte < 0x7f) return {static_cast<char>(byte)};
  constexpr const char* digits = "0123456789abcdef";
  return byte == '\n' ? "\\n" : std::string("\\x") + digits[byte / 16 % 16] + digits[byte % 16];
}
inline std::string word(const imdb& t, std::int64_t token) {
  if (token < 3) return token == 0 ? "<pad>" : token == 1 ? "<unk>" : "<eos>";
  const auto of_text = token - 3;
  return t.vocabulary() == 3 + 256 && t.characters().empty() ? byte_of(of_text) : utf8_of(t.characters()[std::size_t(of_text)]);
}
inline std::string legend(const imdb&) {
  return "a film review letter by letter, <unk> a rare letter, <eos> the end; the target is whether it praises";
}
inline std::string answer(const imdb&, std::int64_t target) { return target ? "praise" : "blame"; }

inline std::string word(const text_bytes&, std::int64_t token) { return byte_of(token); }
inline std::string legend(const text_bytes&) { return "bytes of a text; each target is the next byte"; }
inline std::string word(const wikitext& t, std::int64_t token) {
  std::string out;
  for (const char c : t.code().decode(token_list{token})) out += c == '\n' ? std::string("\\n") : std::string(1, c);
  return out;
}
inline std::string legend(const wikitext&) { return "GPT-2's tokens, apart by |; each target is the next token"; }

template <class T>
std::string answer(const T&, std::int64_t target) {
  return std::to_string(target);
}
template <class T>
idx choices(const T& t) {
  return t.outputs();
}
/// Between words of a running text; tasks without one are printed as a table.
template <class T>
constexpr const char* between = std::same_as<T, imdb> || std::same_as<T, text_bytes> ? ""
                                : std::same_as<T, wikitext>                          ? "|"
                                                                                     : " ";

}  // namespace show_tasks
