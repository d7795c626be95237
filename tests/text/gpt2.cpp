// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/text/gpt2.hpp>

#include "encoder.hpp"
#include "support.hpp"

namespace {
using namespace coefdyn;
using namespace text_tests;
using namespace task_tests;
using text::token_ids;

/// The pieces of a text.
std::vector<std::string> words(std::string_view text, text::word_rule rule = text::word_rule::gpt2()) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t n = rule.first(text);
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
TEST_CASE("pieces of Llama 3's and Qwen's rules") {
  const auto llama = [](std::string_view t) { return words(t, text::word_rule::llama3()); };
  CHECK(llama("I'VE 12345 'x\u017f") == list{"I", "'VE", " ", "123", "45", " '", "x\u017f"});
  CHECK(llama("a.b $x !!\n\n c \n \n  d") == list{"a", ".b", " $", "x", " !!\n\n", " c", " \n \n", " ", " d"});
  CHECK(llama("\tx\r\ny") == list{"\tx", "\r\n", "y"});
  CHECK(llama("'\u017f") == list{"'\u017f"});
  CHECK(words("12 3", text::word_rule::qwen()) == list{"1", "2", " ", "3"});
}
TEST_CASE("merges: the first in the file first, everywhere from the left") {
  const std::string json = encoder({"ab", "bc", "abc",
                                    "\xc4\xa0"
                                    "a"});
  const std::string merges = "#version: 0.2\nb c\na b\na bc\n\xc4\xa0 a\n";
  const auto code = text::gpt2(json, "e", merges, "m");
  CHECK(code.vocabulary() == 261);
  CHECK(code.encode("abc") == token_ids{258});
  CHECK(code.encode("abab") == token_ids{256, 256});
  CHECK(code.encode("bcbc ab") == token_ids{257, 257, ' ', 256});
  CHECK(code.encode("b a") == token_ids{'b', 259});
  CHECK(code.encode("") == token_ids{});
  std::string all;
  for (int b = 0; b < 256; ++b) all += static_cast<char>(b);
  CHECK(code.decode(code.encode(all)) == all);
  CHECK(code.decode(token_ids{260}) == "<|endoftext|>");
  CHECK(fault_of([&] { code.decode(token_ids{261}); }).find("0 .. 260, given 261") != std::string::npos);

  const auto fault = [&](const std::string& tokens, const std::string& pairs) {
    return fault_of([&] { text::gpt2(tokens, "e", pairs, "m"); });
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
