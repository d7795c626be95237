// SPDX-License-Identifier: MIT
#pragma once
#include "../files/json.hpp"
#include "tokenizer.hpp"

namespace coefdyn::text {

namespace detail {
/// Refuses letters that stand for no bytes.
inline void expect_letters(const std::string& file, const std::string& where, std::string_view letters) {
  if (!steps::detail::letters()->bytes(letters))
    files::detail::refuse(file, where + "expected characters that stand for bytes, given " + files::detail::in_quotes(letters));
}
inline void read_gpt2_tokens(std::string_view json, const std::string& file, tokenizer& out) {
  std::size_t count = 0;
  files::detail::read_json(json, file, [&](const files::detail::json_path& where, const files::detail::json_value& v) {
    using kind = files::detail::json_value::kind;
    if (where.empty() && v.is != kind::object) files::detail::refuse(file, "expected an object of tokens and their numbers");
    if (where.empty()) return;
    const std::string& name = where[0].key;
    if (v.is != kind::whole) files::detail::refuse(file, "token " + files::detail::in_quotes(name) + ": expected a whole number");
    expect_letters(file, "", name);
    const auto id = static_cast<std::int64_t>(std::min<std::uint64_t>(v.whole, std::uint64_t(1) << 40));
    if (out.has(id)) files::detail::refuse(file, "expected each number once, given " + std::to_string(id) + " again");
    out.name(id, name);
    out.pairs.ids[name] = id;
    ++count;
  });
  if (std::size_t(out.vocabulary()) != count)
    files::detail::refuse(file, "expected the numbers 0 .. " + std::to_string(std::ptrdiff_t(count) - 1) + " once each, given " +
                                    std::to_string(out.vocabulary() - 1));
  for (int b = 0; b < 256; ++b)
    if (!out.pairs.ids.contains(steps::detail::letters()->letter(static_cast<unsigned char>(b))))
      files::detail::refuse(file, "expected a token for each byte, given none for " + std::to_string(b));
}
inline void read_gpt2_merges(std::string_view lines, const std::string& file, byte_pairs& pairs) {
  std::uint32_t rank = 0;
  for (std::size_t number = 1; !lines.empty(); ++number) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || (number == 1 && line.starts_with("#version"))) continue;
    const std::string where = "line " + std::to_string(number) + ": ";
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos)
      files::detail::refuse(file, where + "expected two pieces, given " + files::detail::in_quotes(line));
    const std::string left(line.substr(0, blank)), right(line.substr(blank + 1));
    expect_letters(file, where, left), expect_letters(file, where, right);
    const auto l = pairs.ids.find(left), r = pairs.ids.find(right), both = pairs.ids.find(left + right);
    if (l == pairs.ids.end() || r == pairs.ids.end() || both == pairs.ids.end())
      files::detail::refuse(file, where + "expected pieces that are tokens, and make one, given " + files::detail::in_quotes(line));
    pairs.add_merge(l->second, r->second, both->second, rank++);
  }
  if (rank == 0) files::detail::refuse(file, "expected lines of two pieces that merge, given none");
}
}  // namespace detail

/// GPT-2's tokeniser from the texts of encoder.json (elsewhere vocab.json) and vocab.bpe (merges.txt), whose names stand in errors. Bytes
/// that are no UTF-8 are text too.
///
/// error   files::file_error for files of another form, with the line of vocab.bpe
/// source  Radford and others, Language models are unsupervised multitask learners, 2019
inline tokenizer gpt2(std::string_view encoder, const std::string& encoder_name, std::string_view merges, const std::string& merges_name) {
  tokenizer out;
  detail::read_gpt2_tokens(encoder, encoder_name, out);
  detail::read_gpt2_merges(merges, merges_name, out.pairs);
  out.splitters = {steps::byte_level(false, true)};
  out.decoders = {steps::letters_to_bytes()};
  return out;
}

}  // namespace coefdyn::text
