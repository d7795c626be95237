// SPDX-License-Identifier: MIT
#pragma once
#include <functional>

#include "../files/json_tree.hpp"
#include "tokenizer.hpp"

/// Hugging Face's tokenizer.json, where its model is BPE: GPT-2's and Llama 3's kind (bytes as letters) and SentencePiece's (marks for
/// blanks, bytes where a character is unknown).
///
/// Normalisers: Sequence, Prepend, Replace (of a string), NFC (text that is in it). Pre-tokenisers: Sequence, ByteLevel, Split (at a
/// string, or by the rules of text/words.hpp), Digits, Metaspace. Post-processors: Sequence, ByteLevel, TemplateProcessing. Decoders:
/// Sequence, ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace.
///
/// error   file_error with the place in the file: "tokenizer.json: normalizer.type: ..."; what is not in this list is refused by its name
/// source  https://github.com/huggingface/tokenizers
namespace coefdyn::text {

namespace detail {
using files::json_tree;

/// Calls f for a step, or for each in a Sequence, whose list is under `list`; for none if it is null.
template <class F>
void each_step(const json_tree& step, const char* list, F f) {
  if (step.is_absent()) return;
  if (step["type"].text() != "Sequence") return f(step);
  for (const json_tree& s : step[list].elements()) each_step(s, list, f);
}
[[noreturn]] inline void refuse_type(const json_tree& step, const char* known) {
  step["type"].refuse("expected one of " + std::string(known) + ", given " + files::detail::in_quotes(step["type"].text()));
}
inline std::string some_text(const json_tree& t) {
  if (t.text().empty()) t.refuse("expected a string of at least one character, given none");
  return t.text();
}
inline std::string literal(const json_tree& pattern) {
  if (pattern["String"].is_absent()) pattern.refuse("expected a pattern that is a String, given another kind, such as Regex");
  return some_text(pattern["String"]);
}
inline void read_normalisers(const json_tree& all, tokenizer& to) {
  std::vector<steps::normaliser>& out = to.normalisers;
  each_step(all, "normalizers", [&](const json_tree& step) {
    const std::string& type = step["type"].text();
    if (type == "Prepend") out.push_back(steps::prepend(step["prepend"].text()));
    else if (type == "Replace") out.push_back(steps::replace(literal(step["pattern"]), step["content"].text()));
    else if (type == "NFC") to.needs_composed = true;
    else refuse_type(step, "Sequence, Prepend, Replace, NFC");
  });
}
inline steps::splitter split_of(const json_tree& step) {
  const std::string& behaviour = step["behavior"].text();
  const bool invert = step["invert"].truth_or(false);
  if (step["pattern"]["Regex"].is_absent()) {
    if (invert) step["invert"].refuse("expected false beside a String, given true");
    constexpr std::pair<const char*, steps::separator> known[] = {{"Isolated", steps::separator::alone},
                                                                  {"Removed", steps::separator::dropped},
                                                                  {"MergedWithPrevious", steps::separator::to_previous},
                                                                  {"MergedWithNext", steps::separator::to_next},
                                                                  {"Contiguous", steps::separator::runs_alone}};
    for (const auto& [name, where] : known)
      if (behaviour == name) return steps::at_literal(literal(step["pattern"]), where);
    step["behavior"].refuse("expected Isolated, Removed, MergedWithPrevious, MergedWithNext or Contiguous, given " +
                            files::detail::in_quotes(behaviour));
  }
  const std::string newer = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)",
                    behind = R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  const std::pair<std::string, word_rule> known[] = {
      {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", word_rule::gpt2()},
      {newer + R"(\p{N}{1,3})" + behind, word_rule::llama3()},
      {newer + R"(\p{N})" + behind, word_rule::qwen()}};
  // these patterns match everything, so that matches are the pieces
  if (!(behaviour == "Isolated" || (behaviour == "Removed" && invert)))
    step["behavior"].refuse("expected Isolated, or Removed with invert, beside a Regex, given " + files::detail::in_quotes(behaviour));
  for (const auto& [pattern, rule] : known)
    if (step["pattern"]["Regex"].text() == pattern) return steps::words(rule);
  step["pattern"]["Regex"].refuse("expected the pattern of GPT-2, Llama 3 or Qwen, given " +
                                  files::detail::in_quotes(step["pattern"]["Regex"].text()));
}
/// prepend_scheme, or what was said before there was one.
inline steps::front front_of(const json_tree& step) {
  const std::string scheme = step["prepend_scheme"].text_or(step["add_prefix_space"].truth_or(true) ? "always" : "never");
  if (scheme == "always") return steps::front::always;
  if (scheme == "first") return steps::front::first;
  if (scheme != "never") step["prepend_scheme"].refuse("expected always, first or never, given " + files::detail::in_quotes(scheme));
  return steps::front::never;
}
inline std::vector<steps::splitter> splitters_of(const json_tree& all) {
  std::vector<steps::splitter> out;
  each_step(all, "pretokenizers", [&](const json_tree& step) {
    const std::string& type = step["type"].text();
    if (type == "ByteLevel") out.push_back(steps::byte_level(step["add_prefix_space"].truth_or(true), step["use_regex"].truth_or(true)));
    else if (type == "Split") out.push_back(split_of(step));
    else if (type == "Digits") out.push_back(steps::digits(step["individual_digits"].truth_or(false)));
    else if (type == "Metaspace")
      out.push_back(steps::metaspace(some_text(step["replacement"]), front_of(step), step["split"].truth_or(true)));
    else refuse_type(step, "Sequence, ByteLevel, Split, Digits, Metaspace");
  });
  return out;
}
inline std::vector<steps::decoder> decoders_of(const json_tree& all) {
  std::vector<steps::decoder> out;
  each_step(all, "decoders", [&](const json_tree& step) {
    const std::string& type = step["type"].text();
    if (type == "ByteLevel") out.push_back(steps::letters_to_bytes());
    else if (type == "Replace") out.push_back(steps::replace_in_tokens(literal(step["pattern"]), step["content"].text()));
    else if (type == "ByteFallback") out.push_back(steps::bytes_of_fallback());
    else if (type == "Fuse") out.push_back(steps::fuse());
    else if (type == "Metaspace") out.push_back(steps::marks_to_blanks(some_text(step["replacement"]), front_of(step)));
    else if (type == "Strip")
      out.push_back(
          steps::strip(some_text(step["content"]), std::size_t(step["start"].whole_or(0)), std::size_t(step["stop"].whole_or(0))));
    else refuse_type(step, "Sequence, ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace");
  });
  return out;
}

constexpr idx most_tokens = idx(1) << 31;
/// Vocabulary and merges.
inline void read_pairs(const json_tree& model, tokenizer& out) {
  if (const std::string type = model["type"].text_or("BPE"); type != "BPE")
    model["type"].refuse("expected BPE, given " + files::detail::in_quotes(type) + "; other models are not read");
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!model[affix].text_or("").empty()) model[affix].refuse("expected none, given one; tokens with it are not read");
  if (model["dropout"].number_or(0) != 0) model["dropout"].refuse("expected 0 or null, given another number");
  byte_pairs& pairs = out.pairs;
  pairs.byte_fallback = model["byte_fallback"].truth_or(false), pairs.fuse_unknown = model["fuse_unk"].truth_or(false);
  pairs.whole_words = model["ignore_merges"].truth_or(false);
  const json_tree vocabulary = model["vocab"];
  if (!vocabulary.is_object()) vocabulary.refuse("expected an object of tokens and their numbers");
  for (const json_tree& token : vocabulary.elements()) {
    const idx id = token.whole(0, most_tokens);
    if (out.has(id)) token.refuse("expected each number once, given " + std::to_string(id) + " again");
    pairs.ids[token.name()] = id;
    out.name(id, token.name());
  }
  if (const std::string unknown = model["unk_token"].text_or(""); !unknown.empty()) {
    const auto at = pairs.ids.find(unknown);
    if (at == pairs.ids.end()) model["unk_token"].refuse("expected a token of the vocabulary, given " + files::detail::in_quotes(unknown));
    pairs.unknown = at->second;
  }
}
/// "a b", or ["a", "b"]; the first merges first.
inline void read_merges(const json_tree& merges, byte_pairs& pairs) {
  std::uint32_t rank = 0;
  for (const json_tree& m : merges.elements()) {
    std::string left, right;
    if (m.is_list()) {
      const auto both = m.elements();
      if (both.size() != 2) m.refuse("expected two tokens, given " + std::to_string(both.size()));
      left = both[0].text(), right = both[1].text();
    } else {
      const std::string& both = m.text();
      if (rank == 0 && both.starts_with("#version")) continue;
      const std::size_t blank = both.find(' ');
      if (blank == std::string::npos || both.find(' ', blank + 1) != std::string::npos)
        m.refuse("expected two tokens with a blank between, given " + files::detail::in_quotes(both));
      left = both.substr(0, blank), right = both.substr(blank + 1);
    }
    const auto l = pairs.ids.find(left), r = pairs.ids.find(right), both = pairs.ids.find(left + right);
    if (l == pairs.ids.end() || r == pairs.ids.end() || both == pairs.ids.end())
      m.refuse("expected tokens of the vocabulary that make one, given " + files::detail::in_quotes(left) + " and " +
               files::detail::in_quotes(right));
    pairs.add_merge(l->second, r->second, both->second, rank++);
  }
}
inline void read_added(const json_tree& list, tokenizer& out) {
  if (list.is_absent()) return;
  for (const json_tree& a : list.elements()) {
    added_token t{.content = a["content"].text(), .id = a["id"].whole(0, most_tokens)};
    t.special = a["special"].truth_or(false), t.normalised = a["normalized"].truth_or(!t.special);
    t.takes_left = a["lstrip"].truth_or(false), t.takes_right = a["rstrip"].truth_or(false);
    if (a["single_word"].truth_or(false)) a["single_word"].refuse("expected false, given true; tokens that are whole words are not read");
    if (t.content.empty()) a["content"].refuse("expected at least one character, given none");
    const auto known = out.pairs.ids.find(t.content);
    if (known != out.pairs.ids.end() && known->second != t.id)
      a["id"].refuse("expected the vocabulary's number of it, " + std::to_string(known->second) + ", given " + std::to_string(t.id));
    if (out.has(t.id) && out.name_of(t.id) != t.content)
      a["id"].refuse("expected a number of its own, given that of " + files::detail::in_quotes(out.name_of(t.id)));
    t.sought = t.content;
    if (t.normalised)
      for (const auto& step : out.normalisers) step(t.sought);
    if (t.sought.empty()) a["content"].refuse("expected a character that the normalizer leaves, given none");
    out.add(std::move(t));
  }
}
/// What encode puts before and behind a text.
inline void read_template(const json_tree& processor, tokenizer& out) {
  each_step(processor, "processors", [&](const json_tree& step) {
    const std::string& type = step["type"].text();
    if (type == "ByteLevel") return;  // changes offsets alone
    if (type != "TemplateProcessing") refuse_type(step, "Sequence, ByteLevel, TemplateProcessing");
    bool passed = false;
    for (const json_tree& part : step["single"].elements()) {
      if (!part["Sequence"].is_absent()) {
        if (passed) part.refuse("expected one Sequence, given a second");
        passed = true;
        continue;
      }
      const json_tree ids = step["special_tokens"][part["SpecialToken"]["id"].text()]["ids"];
      for (const json_tree& id : ids.elements()) {
        if (!out.has(id.whole(0, most_tokens))) id.refuse("expected a token's number, given " + std::to_string(id.whole()));
        (passed ? out.behind : out.before).push_back(id.whole());
      }
    }
    if (!passed) step["single"].refuse("expected a Sequence in it, given none");
  });
}
}  // namespace detail

/// A tokenizer.json from memory; `name` stands for the file in errors.
inline tokenizer parse_tokenizer_json(std::string_view text, const std::string& name) {
  const auto all = files::json_tree::parse(text, name);
  if (!all["truncation"].is_absent()) all["truncation"].refuse("expected null, given another value; texts are not cut");
  tokenizer out;
  detail::read_normalisers(all["normalizer"], out);
  out.splitters = detail::splitters_of(all["pre_tokenizer"]);
  out.decoders = detail::decoders_of(all["decoder"]);
  out.joined_by_blanks = all["decoder"].is_absent();
  detail::read_pairs(all["model"], out);
  detail::read_merges(all["model"]["merges"], out.pairs);
  detail::read_added(all["added_tokens"], out);
  detail::read_template(all["post_processor"], out);
  return out;
}
/// The tokeniser of a file.
inline tokenizer read_tokenizer_json(const std::string& path) {
  const files::mapped_file file(path);
  return parse_tokenizer_json({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, path);
}

}  // namespace coefdyn::text
