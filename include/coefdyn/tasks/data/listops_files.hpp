// SPDX-License-Identifier: MIT
#pragma once
#include "../listops_tokens.hpp"
#include "content.hpp"

namespace coefdyn::tasks {

/// Expressions with their values from a file: lines `expression TAB value` under the heading `Source TAB Target`, as the generator of the
/// Long Range Arena writes them, or lines `value TAB expression` without one, as those of arXiv:1804.06028 are. Samples have no end of
/// text.
///
/// error   files::file_error with the line that has another form, or another value than its expression
inline std::vector<sample> read_listops(const std::string& path) {
  const std::string text = content(path);
  std::vector<sample> out;
  bool heading = false;
  for_each_line(text, [&](std::string_view line, std::size_t number) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (number == 1 && line == "Source\tTarget") {
      heading = true;
      return;
    }
    const auto refuse = [&](const std::string& why) { files::detail::refuse(path, "line " + std::to_string(number) + ": " + why); };
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos || line.find('\t', tab + 1) != std::string_view::npos)
      refuse("expected an expression and its value with a TAB between, given " + files::detail::in_quotes(line));
    const std::string_view left = line.substr(0, tab), right = line.substr(tab + 1), label = heading ? right : left;
    if (label.size() != 1 || label[0] < '0' || label[0] > '9') refuse("expected a value 0 .. 9, given " + files::detail::in_quotes(label));
    const auto read = [&] {
      out.push_back({listops_tokens(heading ? left : right), {label[0] - '0'}});
      const int value = listops_value(out.back().inputs);
      if (value != out.back().targets[0])
        refuse("expected the expression's value, " + std::to_string(value) + ", given " + std::string(label));
    };
#if defined(__cpp_exceptions)
    try {
      read();
    } catch (const invalid_input& e) {
      refuse(e.tensor + ": expected " + e.expected + ", given " + e.given);
    }
#else
    read();
#endif
  });
  if (out.empty()) files::detail::refuse(path, "expected lines of an expression and its value, given none");
  return out;
}

/// Where the data lie, and how they are read.
struct listops_files_options {
  std::string folder = "";  // "": the environment's COEFDYN_DATA
  idx max_length = 2048;    // of a sample with its end of text; longer ones are cut
};

/// The files basic_train.tsv, basic_val.tsv and basic_test.tsv of the Long Range Arena, in the folder or in its listops/; as `listops` in
/// all else.
///
/// error   files::file_error for a file that is absent, with what to get, or malformed; invalid_input for an index outside of its split
/// source  arXiv:2011.04006
class listops_files {
 public:
  static constexpr std::string_view name = "listops_files";
  static constexpr tasks::labels labels = tasks::labels::one_a_sequence;
  static constexpr tasks::metric metric = tasks::metric::accuracy;

  explicit listops_files(const listops_files_options& o = {}) : max_length_(o.max_length) {
    detail::expect(o.max_length >= 2, name, "max_length", "at least 2", o.max_length);
    const data_folder data(o.folder);
    const char* const stems[] = {"train", "test", "val"};
    for (std::size_t s = 0; s < 3; ++s) {
      const std::string file = std::string("basic_") + stems[s] + ".tsv";
      samples_[s] = read_listops(data.need({"listops/" + file, file}, "the Long Range Arena's ListOps, basic_{train,val,test}.tsv"));
      for (sample& x : samples_[s]) {
        x.inputs.resize(std::min(x.inputs.size(), static_cast<std::size_t>(o.max_length - 1)));
        x.inputs.push_back(listops_token::end_of_text);
      }
    }
  }
  idx vocabulary() const { return listops_token::vocabulary; }
  idx outputs() const { return 10; }
  idx length() const { return max_length_; }
  idx size(split s) const { return std::ssize(samples_[std::size_t(s)]); }
  sample make(split s, idx index) const {
    detail::expect_index(name, s, index, size(s));
    return samples_[std::size_t(s)][static_cast<std::size_t>(index)];
  }

 private:
  idx max_length_;
  std::vector<sample> samples_[3];  // by split
};

}  // namespace coefdyn::tasks
