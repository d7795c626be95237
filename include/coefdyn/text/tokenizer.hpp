// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <array>
#include <set>
#include <span>
#include <utility>

#include "steps.hpp"

namespace coefdyn::text {

/// A text that is a token by itself, wherever it stands.
struct added_token {
  std::string content;
  std::int64_t id = 0;
  std::string sought = {};   // what it is in a text after the normalisers; empty: the content
  bool special = false;      // decode leaves it out
  bool normalised = false;   // looked for after the normalisers
  bool takes_left = false;   // with the spaces before it
  bool takes_right = false;  // with those behind it
};

/// Text to tokens and back: added tokens, normalisers, splitters, merges of byte pairs, and decoders. Read one from files by text/open.hpp.
///
/// error   encode: invalid_input for text that a step refuses; decode: invalid_input for a number that is no token's
class tokenizer {
 public:
  byte_pairs pairs;
  bool needs_composed = false;  // encode takes text in Unicode's composed form (NFC) alone
  std::vector<steps::normaliser> normalisers;
  std::vector<steps::splitter> splitters;
  std::vector<steps::decoder> decoders;
  token_ids before, behind;       // what encode puts around a text: a token for its beginning, say
  bool joined_by_blanks = false;  // decode puts a blank between tokens

  /// Says a token's name: what merges know it as.
  void name(std::int64_t id, std::string token) { names_[id] = std::move(token), end_ = std::max(end_, id + 1); }
  void add(added_token t) {
    name(t.id, t.content);
    if (t.sought.empty()) t.sought = t.content;
    if (!t.sought.empty()) begins_[static_cast<unsigned char>(t.sought[0])] = true;
    if (t.special) special_.insert(t.id);
    added_.push_back(std::move(t));
  }
  /// One above the largest number of a token.
  idx vocabulary() const { return end_; }
  bool has(std::int64_t id) const { return names_.contains(id); }
  bool is_special(std::int64_t id) const { return special_.contains(id); }
  /// decode leaves it out.
  void mark_special(std::int64_t id) { special_.insert(id); }
  /// A token's number by its name, -1 where there is none.
  std::int64_t id_of(const std::string& token) const {
    for (const added_token& a : added_)
      if (a.content == token) return a.id;
    const auto at = pairs.ids.find(token);
    return at == pairs.ids.end() ? -1 : at->second;
  }
  /// A token as the files name it; "" where there is none.
  std::string name_of(std::int64_t id) const {
    const auto at = names_.find(id);
    return at == names_.end() ? "" : at->second;
  }
  token_ids encode(std::string_view text, bool with_ends = true) const {
    token_ids out;
    if (with_ends) out = before;
    bool first = true;
    at_added(text, false, [&](std::string_view part, std::int64_t token) {
      if (token >= 0) out.push_back(token);
      else encode_part(std::string(part), first, out);
      first = false;
    });
    if (with_ends) out.insert(out.end(), behind.begin(), behind.end());
    return out;
  }
  /// The bytes of tokens as they are: they need not be UTF-8 (valid_utf8 makes them so). Special ones are left out, unless asked for.
  std::string decode(std::span<const std::int64_t> ids, bool with_special = false) const {
    std::vector<std::string> tokens;
    for (const std::int64_t id : ids) {
      const auto at = names_.find(id);
      if (at == names_.end())
        COEFDYN_THROW invalid_input("token", "0 .. " + std::to_string(vocabulary() - 1), std::to_string(id) + ", which is none");
      if (with_special || !is_special(id)) tokens.push_back(at->second);
    }
    for (const auto& step : decoders) step(tokens);
    std::string out;
    for (std::size_t i = 0; i < tokens.size(); ++i) out += (i > 0 && joined_by_blanks ? " " : "") + tokens[i];
    return out;
  }

 private:
  /// Calls f(part, -1) for what lies between added tokens, and f(content, id) for each: the longest that begins first.
  template <class F>
  void at_added(std::string_view text, bool normalised, F f) const {
    std::size_t from = 0, at = 0;
    while (at < text.size()) {
      const added_token* best = nullptr;
      for (const added_token& a : std::span(added_).first(begins_[static_cast<unsigned char>(text[at])] ? added_.size() : 0))
        if (a.normalised == normalised && text.substr(at).starts_with(a.sought) && (!best || a.sought.size() > best->sought.size()))
          best = &a;
      if (!best) {
        ++at;
        continue;
      }
      std::size_t begin = at, end = at + best->sought.size();
      while (best->takes_left && begin > from && space_before(text, begin)) begin -= space_before(text, begin);
      while (best->takes_right && end < text.size() && space_at(text, end)) end += space_at(text, end);
      if (begin > from) f(text.substr(from, begin - from), std::int64_t(-1));
      f(text.substr(begin, end - begin), best->id);
      from = at = end;
    }
    if (from < text.size()) f(text.substr(from), std::int64_t(-1));
  }
  static std::size_t space_at(std::string_view text, std::size_t at) {
    utf8 letters(text.substr(at, 4));
    return unicode::is_space(letters.next()) ? letters.position() : 0;
  }
  static std::size_t space_before(std::string_view text, std::size_t end) {
    for (std::size_t n = 1; n <= std::min<std::size_t>(3, end); ++n)
      if (space_at(text, end - n) == n) return n;
    return 0;
  }
  void encode_part(std::string part, bool first, token_ids& out) const {
    if (needs_composed) steps::expect_composed(part);
    for (const auto& step : normalisers) step(part);
    at_added(part, true, [&](std::string_view piece, std::int64_t token) {
      if (token >= 0) out.push_back(token);
      else split(std::string(piece), first, out);
      first = false;
    });
  }
  void split(std::string piece, bool first, token_ids& out) const {
    std::vector<std::string> pieces{std::move(piece)};
    for (const auto& step : splitters) {
      std::vector<std::string> next;
      for (std::size_t i = 0; i < pieces.size(); ++i)
        step(std::move(pieces[i]), first && i == 0, [&](std::string p) {
          if (!p.empty()) next.push_back(std::move(p));
        });
      pieces = std::move(next);
    }
    std::unordered_map<std::string_view, std::pair<std::size_t, std::size_t>> known;  // where tokens of a piece stand in `out`
    for (const std::string& p : pieces) {
      const auto [at, is_new] = known.try_emplace(p, out.size(), 0);
      if (is_new) {
        pairs.encode(p, out);
        at->second.second = out.size() - at->second.first;
      } else {
        for (std::size_t i = 0; i < at->second.second; ++i) out.push_back(out[at->second.first + i]);
      }
    }
  }
  std::unordered_map<std::int64_t, std::string> names_;
  std::vector<added_token> added_;
  std::set<std::int64_t> special_;
  std::array<bool, 256> begins_{};  // whether an added token begins with a byte
  std::int64_t end_ = 0;
};

/// Bytes as tokens 0 to 255.
inline tokenizer bytes() {
  tokenizer out;
  const byte_letters letters;
  for (int b = 0; b < 256; ++b) {
    const std::string& letter = letters.letter(static_cast<unsigned char>(b));
    out.name(b, letter);
    out.pairs.ids[letter] = b;
  }
  out.splitters = {steps::byte_level(false, false)};
  out.decoders = {steps::letters_to_bytes()};
  return out;
}

/// Text as its tokens come, one by one: whole characters alone. What is no UTF-8 becomes U+FFFD as soon as it cannot become a character.
///
/// ```cpp statements
/// const text::tokenizer code = text::bytes();
/// text::stream out(code);
/// std::string shown = out.push(0xc3);  // "": half a character
/// shown += out.push(0xa9);             // é
/// shown += out.finish();
/// ```
class stream {
 public:
  explicit stream(const tokenizer& code) : code_(code) {}
  /// The text that this token adds.
  std::string push(std::int64_t id) {
    const token_ids both{last_, id};
    const std::string alone = last_ < 0 ? "" : code_.decode(std::span(both).first(1)),
                      after = code_.decode(std::span(both).subspan(last_ < 0 ? 1 : 0));
    held_ += after.substr(std::min(alone.size(), after.size()));  // shorter where a decoder strips what ends a text
    if (!code_.is_special(id)) last_ = id;
    const std::size_t ready = held_.size() - unfinished(held_);
    std::string out = valid_utf8(std::string_view(held_).substr(0, ready));
    held_.erase(0, ready);
    return out;
  }
  /// What is left: half a character as U+FFFD.
  std::string finish() { return valid_utf8(std::exchange(held_, {})); }

 private:
  const tokenizer& code_;
  std::int64_t last_ = -1;
  std::string held_;
};

}  // namespace coefdyn::text
