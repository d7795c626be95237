// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>

#include "../task.hpp"
#include "content.hpp"
#include "gpt2_tokenizer.hpp"

namespace coefdyn::tasks {

namespace detail {
/// Text in blocks: each position's target is the next token, the last one's is ignored. A last block is shorter, and absent below 2.
class blocks {
 public:
  blocks(idx length, std::string_view task_name) : length_(length) { expect(length >= 2, task_name, "length", "at least 2", length); }
  idx length() const { return length_; }
  idx size(split s) const {
    const idx n = std::ssize(tokens_[std::size_t(s)]);
    return n / length_ + (n % length_ >= 2);
  }

 protected:
  sample block(split s, idx index) const {
    const token_list& all = tokens_[std::size_t(s)];
    const auto from = all.begin() + index * length_, to = from + std::min<std::ptrdiff_t>(length_, all.end() - from);
    sample out{token_list(from, to), token_list(from + 1, to)};
    out.targets.push_back(ignored);
    return out;
  }
  token_list tokens_[3];  // by split

 private:
  idx length_;
};
}  // namespace detail

/// Which file, and how it is cut.
struct text_bytes_options {
  std::string file = "";
  idx length = 1024;
  double valid = 0.05, test = 0.05;  // shares of the text, at its end: first the one, then the other
};
/// The next byte of a text file.
///
/// shape   inputs and targets of length tokens; the last target is ignored
/// error   files::file_error for a file that cannot be read, or of less than 2 bytes; invalid_input for a length below 2, shares that are
///         none, an index outside of its split
class text_bytes : public detail::blocks {
 public:
  static constexpr std::string_view name = "text_bytes";
  static constexpr tasks::labels labels = tasks::labels::one_a_token;
  static constexpr tasks::metric metric = tasks::metric::perplexity;

  explicit text_bytes(const text_bytes_options& o) : blocks(o.length, name) {
    detail::expect(o.valid >= 0 && o.test >= 0 && o.valid + o.test <= 1, name, "valid and test", "shares of at most 1 together",
                   std::to_string(o.valid) + " and " + std::to_string(o.test));
    const std::string text = content(o.file);
    if (text.size() < 2) files::detail::refuse(o.file, "expected a text of at least 2 bytes, given " + std::to_string(text.size()));
    const auto part = [&](double share) { return static_cast<std::ptrdiff_t>(static_cast<double>(text.size()) * share); };
    const auto test = text.end() - part(o.test), valid = test - std::min(part(o.valid), test - text.begin());
    const auto take = [&](split s, auto from, auto to) {
      for (; from != to; ++from) tokens_[std::size_t(s)].push_back(static_cast<unsigned char>(*from));
    };
    take(split::train, text.begin(), valid), take(split::valid, valid, test), take(split::test, test, text.end());
  }
  idx vocabulary() const { return 256; }
  idx outputs() const { return 256; }
  sample make(split s, idx index) const {
    detail::expect_index(name, s, index, size(s));
    return block(s, index);
  }
};

/// Where the data lie, and how they are cut.
struct wikitext_options {
  std::string folder = "";         // "": the environment's COEFDYN_DATA
  std::string set = "wikitext-2";  // the folder in it
  std::string ending = "tokens";   // of wiki.{train,test,valid}.tokens, or raw
  bool joined = false;             // lines apart by blank lines, as published token counts have them; else the text as it stands
  idx length = 1024;
};
/// WikiText in GPT-2's tokens. A file that is absent is a split without samples, but one has to be there.
///
/// shape   inputs and targets of length tokens; the last target is ignored
/// error   files::file_error for files that are absent, with what to get, empty or, with the line, not UTF-8; invalid_input for a length
///         below 2, an index outside of its split
/// source  arXiv:1609.07843
class wikitext : public detail::blocks {
 public:
  static constexpr std::string_view name = "wikitext";
  static constexpr tasks::labels labels = tasks::labels::one_a_token;
  static constexpr tasks::metric metric = tasks::metric::perplexity;

  explicit wikitext(const wikitext_options& o = {}) : blocks(o.length, name), code_(gpt2_tokenizer(data_folder(o.folder))) {
    const data_folder data(o.folder);
    bool any = false;
    for (const split s : {split::train, split::test, split::valid}) {
      const std::string path = data.find({file(o, s)});
      if (path.empty()) continue;
      const std::string text = content(path);
      if (text.empty()) files::detail::refuse(path, "expected a text, given an empty file");
      for_each_line(text,
                    [&](std::string_view line, std::size_t number) { expect_utf8(path, "line " + std::to_string(number) + ": ", line); });
      tokens_[std::size_t(s)] = code_.encode(o.joined ? joined_lines(text) : text);
      any = true;
    }
    if (!any) data.need({file(o, split::train)}, "WikiText's wiki.{train,valid,test}." + o.ending);
  }
  idx vocabulary() const { return code_.vocabulary(); }
  idx outputs() const { return code_.vocabulary(); }
  sample make(split s, idx index) const {
    detail::expect_index(name, s, index, size(s));
    return block(s, index);
  }
  const text::tokenizer& code() const { return code_; }
  /// Each line with its end, nothing for one of blanks alone, and a blank line between.
  static std::string joined_lines(std::string_view text) {
    std::string out;
    for_each_line(text, [&](std::string_view line, std::size_t number) {
      if (number > 1) out += "\n\n";
      if (line.find_first_not_of(" \t\r") != std::string_view::npos) (out += line) += '\n';
    });
    return out;
  }

 private:
  static std::string file(const wikitext_options& o, split s) { return o.set + "/wiki." + name_of(s) + "." + o.ending; }
  text::tokenizer code_;
};

}  // namespace coefdyn::tasks
