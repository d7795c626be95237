// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/tasks/data/text_blocks.hpp>

#include "encoder.hpp"
#include "folder.hpp"

namespace {

using namespace coefdyn;
using namespace coefdyn::tasks;
using namespace task_tests;
static_assert(task<text_bytes> && task<wikitext>);

/// The pieces of a text.
std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t n = gpt2_bpe::first_word(text);
    REQUIRE((n > 0 && n <= text.size()));
    out.emplace_back(text.substr(0, n));
    text.remove_prefix(n);
  }
  return out;
}
using list = std::vector<std::string>;

}  // namespace

TEST_CASE("pieces of a text, within which bytes merge") {
  CHECK(words("Hello world") == list{"Hello", " world"});
  CHECK(words("it's we'll I'D") == list{"it", "'s", " we", "'ll", " I", "'", "D"});
  CHECK(words("a  b") == list{"a", " ", " b"});
  CHECK(words("a\n\n b\n") == list{"a", "\n\n", " b", "\n"});
  CHECK(words("a\nb") == list{"a", "\n", "b"});
  CHECK(words("a \n") == list{"a", " \n"});
  CHECK(words("x 1,000 = y2") == list{"x", " 1", ",", "000", " =", " y", "2"});
  CHECK(words("\xc3\xa9t\xc3\xa9 \xe4\xb8\xad \xc2\xb2") == list{"\xc3\xa9t\xc3\xa9", " \xe4\xb8\xad", " \xc2\xb2"});
  CHECK(words("a\xc2\xa0\xc2\xa0"
              "b") == list{"a", "\xc2\xa0", "\xc2\xa0", "b"});
  CHECK(words("a\xff!") == list{"a", "\xff!"});
  CHECK(words("") == list{});
}
TEST_CASE("merges: the first in the file first, everywhere from the left") {
  const folder f;
  const std::string json = encoder({"ab", "bc", "abc",
                                    "\xc4\xa0"
                                    "a"});
  const std::string merges = "#version: 0.2\nb c\na b\na bc\n\xc4\xa0 a\n";
  f.put("encoder.json", json), f.put("vocab.bpe", merges);
  const gpt2_bpe code{data_folder(f.path)};
  CHECK(code.vocabulary() == 261);
  CHECK(code.encode("abc") == token_list{258});
  CHECK(code.encode("abab") == token_list{256, 256});
  CHECK(code.encode("bcbc ab") == token_list{257, 257, ' ', 256});
  CHECK(code.encode("b a") == token_list{'b', 259});
  CHECK(code.encode("") == token_list{});
  std::string all;
  for (int b = 0; b < 256; ++b) all += static_cast<char>(b);
  CHECK(code.decode(code.encode(all)) == all);
  CHECK(code.decode(token_list{260}) == "<|endoftext|>");
  CHECK(fault_of([&] { code.decode(token_list{261}); }).find("0 .. 260, given 261") != std::string::npos);

  const auto fault = [&](const std::string& tokens, const std::string& pairs) {
    return fault_of([&] { gpt2_bpe(f.put("encoder.json", tokens), f.put("vocab.bpe", pairs)); });
  };
  CHECK(fault(json, merges).empty());
  CHECK(fault(json, "#version: 0.2\nb c\nab\n") == "line 3: expected two pieces, given 'ab'");
  CHECK(fault(json, "b c\nc a\n").find("line 2: expected pieces that are tokens, and make one") == 0);
  CHECK(fault(json, "").find("given none") != std::string::npos);
  CHECK(fault("[1]", merges).find("expected an object") == 0);
  CHECK(fault("{\"a\": 0}", merges).find("a token for each byte, given none for 0") != std::string::npos);
  CHECK(fault("{\"a\": 7}", merges) == "expected the numbers 0 .. 0 once each, given 7");
  CHECK(fault("{\"a\": \"b\"}", merges) == "token 'a': expected a whole number");
  CHECK(fault("{\"a b\": 0}", merges).find("expected characters that stand for bytes") == 0);
  CHECK(fault(json.substr(0, 100), merges).find("JSON is broken") != std::string::npos);
}
TEST_CASE("text in blocks: the next byte, shares, a short last block") {
  const folder f;
  const std::string file = f.put("text", "abcdefghijklmnopqrst");
  const text_bytes t({.file = file, .length = 4, .valid = 0.1, .test = 0.3});
  CHECK((t.size(split::train) == 3 && t.size(split::valid) == 1 && t.size(split::test) == 2));
  CHECK(t.make(split::train, 1).inputs == token_list{'e', 'f', 'g', 'h'});
  CHECK(t.make(split::train, 1).targets == token_list{'f', 'g', 'h', ignored});
  CHECK(t.make(split::test, 1).inputs == token_list{'s', 't'});
  CHECK(text_bytes({.file = file, .length = 19, .valid = 0, .test = 0}).size(split::train) == 1);  // a block of 1 predicts nothing
  CHECK(fault_of([&] { t.make(split::train, 3); }).find("0 .. 2 in split train") != std::string::npos);
  CHECK(fault_of([&] { text_bytes({.file = file, .length = 1}); }).find("length") != std::string::npos);
  CHECK(fault_of([&] { text_bytes({.file = file, .valid = 0.7, .test = 0.7}); }).find("valid and test") != std::string::npos);
  CHECK(fault_of([&] { text_bytes({.file = f.path}); }) == "expected a file, given a folder");
}
TEST_CASE("WikiText: files of a set, lines joined") {
  const folder f;
  f.put("encoder.json", encoder({"ab"})), f.put("vocab.bpe", "a b\n");
  CHECK(fault_of([&] { wikitext({.folder = f.path}); }).find("get WikiText's wiki.{train,valid,test}.tokens") != std::string::npos);
  f.put("wikitext-2/wiki.test.tokens", "ab a\n \nab");
  const wikitext t({.folder = f.path, .length = 3});
  CHECK((t.size(split::train) == 0 && t.size(split::test) == 2));
  CHECK(t.make(split::test, 0).inputs == token_list{256, ' ', 'a'});
  CHECK(t.make(split::test, 1).targets.back() == ignored);
  CHECK(wikitext::joined_lines("ab a\n \nab") == "ab a\n\n\n\n\nab\n");
}
TEST_CASE("WikiText: published numbers of tokens") {
  const std::string data = COEFDYN_TEST_DATA, raw = data + "/wikitext-103/wiki.test.raw.xz";
  if (!std::filesystem::exists(raw)) {
    MESSAGE("skipped: no file " << raw);
    return;
  }
  const gpt2_bpe code{data_folder(data)};
  CHECK(code.vocabulary() == 50257);
  CHECK(code.encode("Hello world") == token_list{15496, 995});
  const std::string text = content(raw);
  const token_list tokens = code.encode(text);
  CHECK(tokens.size() == 286221);
  CHECK(code.decode(tokens) == text);
  CHECK(code.encode(wikitext::joined_lines(text)).size() == 287644);
}
