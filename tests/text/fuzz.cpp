// SPDX-License-Identifier: MIT
#include "files/fuzz.hpp"

#include <coefdyn/text/open.hpp>

#include "encoder.hpp"
#include "llama2c_bytes.hpp"

/// Readers of tokenisers on files with a few bytes changed (files/fuzz.hpp); what is read encodes and decodes.
namespace {
using namespace coefdyn;
using namespace file_tests;
using files::file_error;

/// Encodes a text, or refuses it with a sentence; what it makes has tokens' numbers, and is shown as UTF-8.
void use(const text::tokenizer& code) {
  for (const std::string sample : {"ab abc 12 \xc3\xa9\n <s>", "\xff\xe4\xb8\xad'll  x"}) {
    text::token_ids ids;
    if (!message<invalid_input>([&] { ids = code.encode(sample); }).empty()) continue;
    text::stream out(code);
    std::string shown;
    for (const std::int64_t id : ids) {
      CHECK(code.has(id));
      shown += out.push(id);
    }
    CHECK(text::utf8::first_malformed(shown + out.finish()) == std::string::npos);
  }
}
constexpr std::size_t spare = std::size_t(1) << 20;  // of a tokeniser that is empty, and of words in work

TEST_CASE("fuzz: tokenizer.json") {
  const std::string vocabulary = R"({"a":0,"b":1,"ab":2,"\u2581":3,"<0xC3>":4,"<0xA9>":5,"<unk>":6,"\u0120":7})";
  const auto file = [&](const std::string& parts, const std::string& merges) {
    return R"({"version":"1.0","truncation":null,"added_tokens":[{"id":8,"content":"<s>","special":true,"lstrip":true,"normalized":false}],)" +
           parts + R"(,"model":{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,"vocab":)" + vocabulary +
           R"(,"merges":)" + merges + "}}";
  };
  const std::vector<std::string> seeds{
      file(
          R"("normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"\u2581"},{"type":"Replace","pattern":{"String":" "},"content":"\u2581"}]},"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"\u2581"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]})",
          R"(["a b"])"),
      file(
          R"("normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},{"type":"ByteLevel","add_prefix_space":false}]},"decoder":{"type":"ByteLevel"})",
          R"([["a","b"]])"),
      file(
          R"("pre_tokenizer":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first"},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}],"special_tokens":{"<s>":{"ids":[8]}}},"decoder":{"type":"Metaspace","replacement":"\u2581"})",
          "[]"),
      file(R"("pre_tokenizer":{"type":"Split","pattern":{"String":"b"},"behavior":"MergedWithNext","invert":false})", "[]")};
  const std::vector<std::string> words{"\"",
                                       "{",
                                       "}",
                                       "[",
                                       "]",
                                       ":",
                                       ",",
                                       "null",
                                       "true",
                                       "-1",
                                       "0",
                                       "\"a\"",
                                       "\"ab\"",
                                       "\"type\"",
                                       "\"Sequence\"",
                                       "\"Fuse\"",
                                       "\"ByteLevel\"",
                                       "\"Removed\"",
                                       "\"Isolated\"",
                                       "\\ud800",
                                       "\xff",
                                       std::string(1, '\0')};
  const std::size_t accepted = fuzz<file_error>(
      seeds, words, 600, [](std::string&) {}, [](const std::string& s) { use(text::parse_tokenizer_json(s, "name")); }, spare);
  CHECK(accepted > 40);
}
TEST_CASE("fuzz: GPT-2's files") {
  const std::string tokens = task_tests::encoder({"ab", "abc"}), merges = "#version: 0.2\na b\nab c\n";
  const std::vector<std::string> words{"\"", "{", "}", ":", ",", "0", "\n", " ", "\r", "ab", "\xc4\xa0", "\xff", std::string(1, '\0')};
  std::size_t accepted = fuzz<file_error>(
      {tokens}, words, 600, [](std::string&) {}, [&](const std::string& s) { use(text::gpt2(s, "name", merges, "name")); }, spare);
  CHECK(accepted > 40);
  accepted = fuzz<file_error>(
      {merges}, words, 600, [](std::string&) {},
      [&](const std::string& s) {
        const auto code = text::gpt2(tokens, "name", s, "name");
        const std::string sample = "abc abcab 12 \xc3\xa9\xff";
        CHECK(code.decode(code.encode(sample)) == sample);
        use(code);
      },
      spare);
  CHECK(accepted > 40);
}
TEST_CASE("fuzz: tokens of llama2.c") {
  const std::vector<std::string> seeds{text_tests::llama2c_tokens({{" ", -1}, {"a", -2}, {"b", -3}, {"ab", -4}, {" a", -5}}),
                                       text_tests::llama2c_tokens({})};
  const std::size_t accepted = fuzz<file_error>(
      seeds, {raw(0), raw(1), raw(-1), raw(4096), raw(1.f), "<0x00>", "a"}, 600, [](std::string&) {},
      [](const std::string& s) { use(text::parse_llama2c_tokens(bytes_of(s), "name")); }, spare);
  CHECK(accepted > 40);
}
}  // namespace
