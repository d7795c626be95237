// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <unordered_map>
#include <utility>

#include "../../files/json.hpp"
#include "../task.hpp"
#include "content.hpp"
#include "unicode_classes.hpp"
#include "utf8.hpp"

namespace coefdyn::tasks {

/// GPT-2's byte pair encoding: text to tokens and back, from encoder.json and vocab.bpe. Bytes that are no UTF-8 are text too: each is a
/// character that is neither letter nor number nor space.
///
/// error   files::file_error for files of another form, with the line of vocab.bpe; decode: invalid_input for a token out of range
/// source  Radford and others, Language models are unsupervised multitask learners, 2019
class gpt2_bpe {
 public:
  gpt2_bpe(const std::string& encoder_json, const std::string& vocab_bpe) {
    name_bytes();
    read_tokens(encoder_json);
    for (int b = 0; b < 256; ++b) {
      const auto at = ids_.find(std::string(1, static_cast<char>(b)));
      if (at == ids_.end()) files::detail::refuse(encoder_json, "expected a token for each byte, given none for " + std::to_string(b));
      of_byte_[std::size_t(b)] = at->second;
    }
    read_merges(vocab_bpe);
  }
  explicit gpt2_bpe(const data_folder& data)
      : gpt2_bpe(data.need({"gpt2-bpe/encoder.json", "encoder.json"}, "GPT-2's encoder.json"),
                 data.need({"gpt2-bpe/vocab.bpe", "vocab.bpe"}, "GPT-2's vocab.bpe")) {}

  idx vocabulary() const { return std::ssize(bytes_); }
  token_list encode(std::string_view text) const {
    token_list out;
    std::unordered_map<std::string_view, token_list> known;
    while (!text.empty()) {
      const std::string_view word = text.substr(0, first_word(text));
      auto& tokens = known[word];
      if (tokens.empty()) tokens = merged(word);
      out.insert(out.end(), tokens.begin(), tokens.end());
      text.remove_prefix(word.size());
    }
    return out;
  }
  std::string decode(std::span<const std::int64_t> tokens) const {
    std::string text;
    for (const std::int64_t t : tokens) {
      if (t < 0 || t >= vocabulary()) COEFDYN_THROW invalid_input("token", "0 .. " + std::to_string(vocabulary() - 1), std::to_string(t));
      text += bytes_[static_cast<std::size_t>(t)];
    }
    return text;
  }
  /// The bytes of the first piece that merges stay within: 's 't 're 've 'm 'll 'd, or letters, numbers or others behind one blank at most,
  /// or spaces, of which the last is left to what follows.
  static std::size_t first_word(std::string_view text) {
    for (const std::string_view ending : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"})
      if (text.starts_with(ending)) return ending.size();
    const std::size_t blank = text.size() > 1 && text[0] == ' ' && kind_at(text, 1).first != kind::space ? 1 : 0;
    const kind first = kind_at(text, blank).first;
    std::size_t end = blank, last = 0;  // last: where the last character begins
    while (end < text.size()) {
      const auto [k, size] = kind_at(text, end);
      if (k != first) break;
      last = end;
      end += size;
    }
    const bool leaves_one = first == kind::space && end < text.size() && last > 0;
    return leaves_one ? last : end;
  }

 private:
  enum class kind { space, letter, number, other };
  static std::pair<kind, std::size_t> kind_at(std::string_view text, std::size_t at) {
    utf8 letters(text.substr(at, 4));
    const std::uint32_t c = letters.next();
    const kind k = c == utf8::malformed    ? kind::other
                   : unicode::is_space(c)  ? kind::space
                   : unicode::is_letter(c) ? kind::letter
                   : unicode::is_number(c) ? kind::number
                                           : kind::other;
    return {k, letters.position()};
  }
  /// The characters that stand for bytes in both files: itself where it prints, else 256 and on.
  void name_bytes() {
    std::uint32_t next = 256;
    for (std::uint32_t b = 0; b < 256; ++b) {
      const bool prints = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
      byte_of_[prints ? b : next++] = static_cast<char>(b);
    }
  }
  std::string bytes_of(const std::string& file, const std::string& where, std::string_view name) const {
    std::string out;
    for (utf8 letters(name); !letters.at_end();) {
      const auto at = byte_of_.find(letters.next());
      if (at == byte_of_.end())
        files::detail::refuse(file, where + "expected characters that stand for bytes, given " + files::detail::in_quotes(name));
      out += at->second;
    }
    return out;
  }
  void read_tokens(const std::string& path) {
    const std::string text = content(path);
    std::vector<std::pair<std::string, std::uint64_t>> all;
    files::detail::read_json(text, path, [&](const files::detail::json_path& where, const files::detail::json_value& v) {
      using json_kind = files::detail::json_value::kind;
      if (where.empty() && v.is != json_kind::object) files::detail::refuse(path, "expected an object of tokens and their numbers");
      if (where.empty()) return;
      const std::string& name = where[0].key;
      if (v.is != json_kind::whole) files::detail::refuse(path, "token " + files::detail::in_quotes(name) + ": expected a whole number");
      const bool end = name == "<|endoftext|>";
      all.emplace_back(end ? name : bytes_of(path, "", name), v.whole);
    });
    bytes_.resize(all.size());
    std::vector<bool> seen(all.size());
    for (auto& [bytes, id] : all) {
      if (id >= all.size() || seen[id])
        files::detail::refuse(path,
                              "expected the numbers 0 .. " + std::to_string(all.size() - 1) + " once each, given " + std::to_string(id));
      seen[id] = true;
      ids_[bytes] = static_cast<std::int64_t>(id);
      bytes_[id] = std::move(bytes);
    }
  }
  void read_merges(const std::string& path) {
    const std::string text = content(path);
    for_each_line(text, [&](std::string_view line, std::size_t number) {
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.empty() || (number == 1 && line.starts_with("#version"))) return;
      const std::string where = "line " + std::to_string(number) + ": ";
      const std::size_t space = line.find(' ');
      if (space == std::string_view::npos)
        files::detail::refuse(path, where + "expected two pieces, given " + files::detail::in_quotes(line));
      const std::string left = bytes_of(path, where, line.substr(0, space)), right = bytes_of(path, where, line.substr(space + 1));
      const auto l = ids_.find(left), r = ids_.find(right), both = ids_.find(left + right);
      if (l == ids_.end() || r == ids_.end() || both == ids_.end())
        files::detail::refuse(path, where + "expected pieces that are tokens, and make one, given " + files::detail::in_quotes(line));
      merges_.try_emplace(pair(l->second, r->second), merge{merges_.size(), both->second});
    });
    if (merges_.empty()) files::detail::refuse(path, "expected lines of two pieces that merge, given none");
  }
  static std::uint64_t pair(std::int64_t left, std::int64_t right) { return std::uint64_t(left) << 32 | std::uint64_t(right); }
  /// A word's bytes; then, while there is one, the merge that stands first in the file, everywhere in the word from the left.
  token_list merged(std::string_view word) const {
    token_list out;
    for (const char b : word) out.push_back(of_byte_[static_cast<unsigned char>(b)]);
    for (;;) {
      const merge* best = nullptr;
      std::uint64_t which = 0;
      for (std::size_t i = 0; i + 1 < out.size(); ++i) {
        const auto m = merges_.find(pair(out[i], out[i + 1]));
        if (m != merges_.end() && (!best || m->second.rank < best->rank)) best = &m->second, which = m->first;
      }
      if (!best) return out;
      std::size_t to = 0;
      for (std::size_t i = 0; i < out.size(); ++i) {
        const bool joins = i + 1 < out.size() && pair(out[i], out[i + 1]) == which;
        out[to++] = joins ? best->token : out[i];
        i += joins;
      }
      out.resize(to);
    }
  }
  struct merge {
    std::size_t rank;
    std::int64_t token;
  };
  std::unordered_map<std::uint32_t, char> byte_of_;
  std::unordered_map<std::string, std::int64_t> ids_;  // by bytes
  std::vector<std::string> bytes_;
  std::array<std::int64_t, 256> of_byte_{};
  std::unordered_map<std::uint64_t, merge> merges_;
};

}  // namespace coefdyn::tasks
