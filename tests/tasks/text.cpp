// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/tasks/data/text_blocks.hpp>

#include "folder.hpp"
#include "text/encoder.hpp"

namespace {

using namespace coefdyn;
using namespace coefdyn::tasks;
using namespace task_tests;
static_assert(task<text_bytes> && task<wikitext>);

}  // namespace

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
  const text::tokenizer code = gpt2_tokenizer(data_folder(data));
  CHECK(code.vocabulary() == 50257);
  CHECK(code.encode("Hello world") == token_list{15496, 995});
  const std::string text = content(raw);
  const token_list tokens = code.encode(text);
  CHECK(tokens.size() == 286221);
  CHECK(code.decode(tokens) == text);
  CHECK(code.encode(wikitext::joined_lines(text)).size() == 287644);
}
