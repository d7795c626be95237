// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <map>

#include "../task.hpp"
#include "content.hpp"

namespace coefdyn::tasks {

/// Where the data lie, and how they are read.
struct imdb_options {
  std::string folder = "";  // "": the environment's COEFDYN_DATA
  bool bytes = false;       // tokens are bytes, else characters
  idx max_length = 4096;    // of a sample with its end of text; longer texts are cut
  idx least = 15;           // how often a character has to occur in the training texts, as they are cut, to be a token
};

/// Film reviews, letter by letter, and whether they praise. Tokens: 0 padding, 1 a character that is no token, 2 the end of a text, then
/// characters by frequency, the first by code point among equals; or 3 + byte.
///
/// Files: imdb.train.tsv and imdb.test.tsv of lines `label TAB text`, 1 for praise (in the folder or its imdb/); or the official folders,
/// {train,test}/{neg,pos}/*.txt in the folder or its aclImdb/, by name, neg and pos in turns.
///
/// shape   inputs of 1 .. max_length tokens; one target, 0 or 1
/// error   files::file_error for files that are absent, with what to get, and, with the line, for another form or bad UTF-8; invalid_input
///         for an index outside of its split
/// source  Maas and others, Learning word vectors for sentiment analysis, 2011; arXiv:2510.09379 (as characters)
class imdb {
 public:
  static constexpr std::string_view name = "imdb";
  static constexpr tasks::labels labels = tasks::labels::one_a_sequence;
  static constexpr tasks::metric metric = tasks::metric::accuracy;
  static constexpr std::int64_t padding = 0, unknown = 1, end_of_text = 2, first = 3;

  explicit imdb(const imdb_options& o = {}) : options_(o) {
    detail::expect(o.max_length >= 2, name, "max_length", "at least 2", o.max_length);
    const data_folder data(o.folder);
    read(data, "train", reviews_[0]);
    read(data, "test", reviews_[1]);
    if (!o.bytes) find_tokens();
  }
  idx vocabulary() const { return options_.bytes ? first + 256 : first + std::ssize(characters_); }
  idx outputs() const { return 2; }
  idx length() const { return options_.max_length; }
  idx size(split s) const { return s == split::valid ? 0 : std::ssize(reviews_[std::size_t(s)]); }
  sample make(split s, idx index) const {
    detail::expect_index(name, s, index, size(s));
    const review& from = reviews_[std::size_t(s)][std::size_t(index)];
    sample out{{}, {from.praises}};
    for_each_letter(from.text, [&](std::uint32_t c) { out.inputs.push_back(token(c)); });
    out.inputs.push_back(end_of_text);
    return out;
  }
  /// The characters that are tokens, from token 3 on.
  const std::vector<std::uint32_t>& characters() const { return characters_; }

 private:
  struct review {
    std::string text;
    bool praises = false;
  };
  static constexpr const char* to_get = "the large movie review dataset, aclImdb/{train,test}/{neg,pos}/*.txt";

  std::int64_t token(std::uint32_t c) const {
    if (options_.bytes) return first + c;
    const auto at = tokens_.find(c);
    return at == tokens_.end() ? unknown : at->second;
  }
  template <class F>
  void for_each_letter(const std::string& text, F f) const {
    idx left = options_.max_length - 1;
    if (options_.bytes)
      for (std::size_t i = 0; i < text.size() && left > 0; ++i, --left) f(static_cast<unsigned char>(text[i]));
    else
      for (text::utf8 letters(text); !letters.at_end() && left > 0; --left) f(letters.next());
  }
  void find_tokens() {
    std::map<std::uint32_t, idx> times;
    for (const review& r : reviews_[0]) for_each_letter(r.text, [&](std::uint32_t c) { ++times[c]; });
    for (const auto& [c, n] : times)
      if (n >= options_.least) characters_.push_back(c);
    std::sort(characters_.begin(), characters_.end(), [&](auto a, auto b) { return times[a] != times[b] ? times[a] > times[b] : a < b; });
    for (std::size_t i = 0; i < characters_.size(); ++i) tokens_[characters_[i]] = first + std::int64_t(i);
  }
  static void read(const data_folder& data, const std::string& part, std::vector<review>& to) {
    const std::string file = "imdb." + part + ".tsv", lines = data.find({"imdb/" + file, file});
    if (!lines.empty()) return read_lines(lines, to);
    const std::string praise = data.need({"aclImdb/" + part + "/pos", part + "/pos"}, to_get);
    const std::string blame = data.need({"aclImdb/" + part + "/neg", part + "/neg"}, to_get);
    const std::vector<std::string> pos = texts_in(praise), neg = texts_in(blame);
    for (std::size_t i = 0; i < std::max(pos.size(), neg.size()); ++i) {
      if (i < neg.size()) append(neg[i], "", content(neg[i]), false, to);
      if (i < pos.size()) append(pos[i], "", content(pos[i]), true, to);
    }
  }
  static void read_lines(const std::string& path, std::vector<review>& to) {
    const std::string text = content(path);
    for_each_line(text, [&](std::string_view line, std::size_t number) {
      const std::string where = "line " + std::to_string(number) + ": ";
      if (line.size() < 2 || (line[0] != '0' && line[0] != '1') || line[1] != '\t')
        files::detail::refuse(path, where + "expected 0 or 1, a TAB and a text, given " + files::detail::in_quotes(line));
      append(path, where, std::string(line.substr(2)), line[0] == '1', to);
    });
    if (to.empty()) files::detail::refuse(path, "expected lines of a label and a text, given none");
  }
  static std::vector<std::string> texts_in(const std::string& folder) {
    std::vector<std::string> out;
    if (std::error_code error; !std::filesystem::is_directory(folder, error))
      files::detail::refuse(folder, "expected a folder of texts, given a file");
    std::error_code error;
    for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
      if (at->path().extension() == ".txt") out.push_back(at->path().string());
    if (error) files::detail::refuse(folder, "expected a folder of texts, but it cannot be read: " + error.message());
    std::sort(out.begin(), out.end());
    if (out.empty()) files::detail::refuse(folder, std::string("expected a folder of texts, given none; get ") + to_get);
    return out;
  }
  static void append(const std::string& path, const std::string& where, std::string text, bool praises, std::vector<review>& to) {
    expect_utf8(path, where, text);
    if (text.empty()) files::detail::refuse(path, where + "expected a text, given none");
    to.push_back({std::move(text), praises});
  }
  imdb_options options_;
  std::vector<review> reviews_[2];
  std::vector<std::uint32_t> characters_;
  std::map<std::uint32_t, std::int64_t> tokens_;
};

}  // namespace coefdyn::tasks
