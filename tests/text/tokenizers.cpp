// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <coefdyn/core/random.hpp>
#include <coefdyn/text/open.hpp>
#include <fstream>
#include <map>
#include <sstream>

#include "encoder.hpp"
#include "llama2c_bytes.hpp"
#include "support.hpp"

/// Tokenisers of other formats, text as its tokens come, and what is refused.
namespace {
using namespace coefdyn;
using namespace text_tests;
using text::token_ids;

std::string random_bytes(random_stream& r, std::size_t most) {
  std::string out;
  for (std::size_t i = r.below(most + 1); i-- > 0;) {
    const auto kind = r.below(4);
    if (kind == 0) out += static_cast<char>(r.below(256));
    else if (kind == 1) out += text::utf8_of(static_cast<std::uint32_t>(r.below(0xd800)));
    else out += static_cast<char>('a' + r.below(4));
  }
  return out;
}
}  // namespace

TEST_CASE("UTF-8: characters that are cut, and texts that are none") {
  for (std::uint32_t c = 1; c < 0x110000; c += c < 0x3000 ? 1 : 61) {
    if (c >= 0xd800 && c < 0xe000) continue;
    const std::string s = text::utf8_of(c);
    REQUIRE(text::utf8(s).next() == c);
    for (std::size_t n = 0; n < s.size(); ++n) REQUIRE(text::unfinished("a" + s.substr(0, n)) == n);
    REQUIRE(text::unfinished(s) == 0);
  }
  for (const char* none :
       {"\x80", "\xc0", "\xc1", "\xf5", "\xff", "\xe0\x80", "\xed\xa0", "\xf0\x80", "\xf4\x90", "\xe4\xb8\xadx", "x\xbf\xbf"})
    CHECK(text::unfinished(none) == 0);
  const std::string mark = "\xef\xbf\xbd";
  CHECK(text::valid_utf8("a\xe4\xb8z\xff\xc3\xa9") == "a" + mark + "z" + mark + "\xc3\xa9");
  CHECK(text::valid_utf8("\xf0\x9f\x98") == mark);
  CHECK(text::valid_utf8("\xed\xa0\x80") == mark + mark + mark);
  CHECK(text::valid_utf8("\xe0\x80") == mark + mark);
}
TEST_CASE("bytes: any text is its bytes") {
  const auto code = text::bytes();
  random_stream r(1, 1, 0, 0);
  for (int i = 0; i < 300; ++i) {
    const std::string s = random_bytes(r, 40);
    token_ids ids;
    for (const char c : s) ids.push_back(static_cast<unsigned char>(c));
    REQUIRE(code.encode(s) == ids);
    REQUIRE(code.decode(ids) == s);
    text::stream out(code);
    std::string shown;
    for (const auto id : ids) {
      shown += out.push(id);
      REQUIRE(text::utf8::first_malformed(shown) == std::string::npos);
    }
    REQUIRE(shown + out.finish() == text::valid_utf8(s));
  }
  CHECK(fault_of([&] { code.decode(token_ids{256}); }).find("0 .. 255, given 256") != std::string::npos);
}
TEST_CASE("stream: a token that makes the text shorter adds nothing") {
  text::tokenizer code;
  code.name(0, "a"), code.name(1, "b"), code.name(2, "c");
  code.decoders = {text::steps::fuse(), text::steps::strip("ab", 0, 1)};
  CHECK((code.decode(token_ids{0}) == "a" && code.decode(token_ids{0, 1}).empty()));
  text::stream out(code);
  CHECK(out.push(2) == "c");
  CHECK(out.push(0) == "a");
  CHECK(out.push(1).empty());
  CHECK(out.push(2) == "c");
}

TEST_CASE("long pieces: merges of the first rank first, as by looking at every pair each time") {
  text::byte_pairs pairs;
  for (const char* t : {"a", "b", "c", "ab", "bc", "abc", "aa", "aab", "ca"}) pairs.ids[t] = std::int64_t(pairs.ids.size());
  const auto id = [&](const char* t) { return pairs.ids.at(t); };
  std::map<std::pair<std::int64_t, std::int64_t>, std::pair<int, std::int64_t>> by_pair;
  int rank = 0;
  for (const auto& [l, r, both] :
       {std::tuple("b", "c", "bc"), {"a", "a", "aa"}, {"a", "b", "ab"}, {"a", "bc", "abc"}, {"aa", "b", "aab"}, {"c", "a", "ca"}}) {
    pairs.add_merge(id(l), id(r), id(both), static_cast<std::uint32_t>(rank));
    by_pair[{id(l), id(r)}] = {rank++, id(both)};
  }
  random_stream r(2, 1, 0, 0);
  for (int i = 0; i < 500; ++i) {
    std::string s;
    for (std::size_t n = r.below(40); n-- > 0;) s += static_cast<char>('a' + r.below(3));
    token_ids slow, fast;
    for (const char c : s) slow.push_back(pairs.ids.at(std::string(1, c)));
    for (;;) {
      std::size_t at = slow.size();
      for (std::size_t j = 0; j + 1 < slow.size(); ++j)
        if (by_pair.contains({slow[j], slow[j + 1]}) &&
            (at == slow.size() || by_pair[{slow[j], slow[j + 1]}].first < by_pair[{slow[at], slow[at + 1]}].first))
          at = j;
      if (at == slow.size()) break;
      slow[at] = by_pair[{slow[at], slow[at + 1]}].second;
      slow.erase(slow.begin() + std::ptrdiff_t(at) + 1);
    }
    pairs.encode(s, fast);
    REQUIRE(fast == slow);
  }
}
TEST_CASE("llama2.c: scores, bytes of unknown characters, a blank in front") {
  const std::string file = llama2c_tokens({{" ", -1}, {"a", -2}, {"b", -3}, {"ab", -5}, {" a", -4}, {" ab", -6}, {"bb", -4.5f}});
  const auto code = text::parse_llama2c_tokens(std::as_bytes(std::span(file)), "t");
  const std::int64_t blank = 259, b = 261, ab = 262, a_behind_blank = 263, all = 264, bb = 265;
  CHECK(code.vocabulary() == 266);
  CHECK(code.encode("ab") == token_ids{1, all});  // " a" at -4, then "b"
  CHECK(code.encode("abb") == token_ids{1, a_behind_blank, bb});
  CHECK(code.encode("b ab") == token_ids{1, blank, b, all});
  CHECK(code.encode("\xc3\xa9", false) == token_ids{blank, 3 + 0xc3, 3 + 0xa9});
  CHECK(code.encode("") == token_ids{1});
  CHECK(code.decode(token_ids{1, all, ab, 3 + 0xc3, 3 + 0xa9, 2}) == "abab\xc3\xa9");
  const auto fault = [&](const std::string& s) { return fault_of([&] { text::parse_llama2c_tokens(std::as_bytes(std::span(s)), "t"); }); };
  CHECK(fault("ab") == "the longest token's size should have 4 bytes at byte 0, but the file ends after 2");
  CHECK(fault(std::string(4, '\0')).find("1 .. 4096 bytes, but is said to have 0") != std::string::npos);
  CHECK(fault(file.substr(0, file.size() - 1)).find("token 265 should have 2 bytes at byte") != std::string::npos);
  CHECK(fault(llama2c_tokens({{"abcdefgh", 0}})).find("token 259: expected at most 7 bytes, as the file says first, given 8") !=
        std::string::npos);
  CHECK(fault(llama2c_tokens({{"a", NAN}})).find("token 259: expected a score") != std::string::npos);
  CHECK(fault(file.substr(0, 100)).find("token ") == 0);
  CHECK(fault(file.substr(0, 4)) == "token 3: expected <0x00>, a byte, given none");
}
TEST_CASE("stories260K: the text of its greedy tokens") {
  const std::string folder = std::string(COEFDYN_TEST_DATA) + "/checkpoints/";
  if (!std::filesystem::exists(folder)) {
    MESSAGE("skipped: no folder " << folder);
    return;
  }
  const auto code = text::open(folder + "stories260K.tok512.bin");
  std::ifstream in(folder + "stories260K.greedy200.txt");
  std::string line;
  std::getline(in, line), std::getline(in, line);
  std::istringstream numbers(line);
  token_ids ids{1};
  for (std::int64_t id; numbers >> id;) ids.push_back(id);
  REQUIRE(ids.size() == 201);
  std::ostringstream rest;
  rest << in.rdbuf();
  const std::string decoded = code.decode(ids);
  CHECK(rest.str().find(decoded) != std::string::npos);
  CHECK(code.encode(decoded) == ids);
  text::stream out(code);
  std::string shown;
  for (const auto id : ids) shown += out.push(id);
  CHECK(shown == decoded);
}
TEST_CASE("tokenizer.json: what is not read is refused by its name and place") {
  const std::string path = (std::filesystem::path(COEFDYN_TOKENISERS) / "llama3.json").string();
  const files::mapped_file file(path);
  const std::string good(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  const auto fault = [&](const std::string& from, const std::string& to) {
    std::string s = good;
    const std::size_t at = s.find(from);
    REQUIRE(at != std::string::npos);
    return fault_of([&] { text::parse_tokenizer_json(s.replace(at, from.size(), to), "t"); });
  };
  const std::string normaliser = "\"normalizer\":null", model = "\"type\":\"BPE\"";
  CHECK(fault("a", "a").empty());
  CHECK(fault(normaliser, R"("normalizer":{"type":"NFKC"})") ==
        "normalizer.type: expected one of Sequence, Prepend, Replace, NFC, given 'NFKC'");
  CHECK(fault(normaliser, R"("normalizer":{"type":"Sequence","normalizers":[{"type":"Lowercase"}]})")
            .find("normalizer.normalizers.0.type: ") == 0);
  CHECK(fault(normaliser, R"("normalizer":{"type":"Replace","pattern":{"Regex":"a"},"content":""})").find("a pattern that is a String") !=
        std::string::npos);
  CHECK(fault(normaliser, R"("normalizer":{"type":"Replace","pattern":{"String":""},"content":""})").find("at least one character") !=
        std::string::npos);
  CHECK(fault(model, R"("type":"Unigram")") == "model.type: expected BPE, given 'Unigram'; other models are not read");
  CHECK(fault("\"dropout\":null", "\"dropout\":0.1").find("model.dropout: expected 0 or null") == 0);
  CHECK(fault("\"continuing_subword_prefix\":null", "\"continuing_subword_prefix\":\"##\"")
            .find("model.continuing_subword_prefix: expected none") == 0);
  CHECK(fault("\"truncation\":null", "\"truncation\":{}").find("truncation: expected null") == 0);
  CHECK(fault(R"(\p{N}{1,3})", R"(\p{N}{1,2})").find("pattern.Regex: expected the pattern of GPT-2, Llama 3 or Qwen, given '") !=
        std::string::npos);
  CHECK(fault("\"behavior\":\"Isolated\"", "\"behavior\":\"Contiguous\"").find("beside a Regex, given 'Contiguous'") != std::string::npos);
  CHECK(fault("\"single_word\":false", "\"single_word\":true").find("added_tokens.0.single_word: expected false") == 0);
  CHECK(fault("\"decoder\":{\"type\":\"ByteLevel\"", "\"decoder\":{\"type\":\"WordPiece\"").find("decoder.type: expected one of") == 0);
  CHECK(fault("\"post_processor\":{\"type\":\"Sequence\"", "\"post_processor\":{\"type\":\"BertProcessing\"")
            .find("post_processor.type: expected one of") == 0);
  CHECK(fault("\"vocab\":{\"!\":0", "\"vocab\":{\"!\":1").find("expected each number once, given 1 again") != std::string::npos);
  CHECK(fault("\"vocab\":{\"!\":0", "\"vocab\":{\"!\":4294967296").find("expected a whole number of 0 .. 2147483648") != std::string::npos);
  CHECK(fault("\"merges\":[[", "\"merges\":[\"a\",[").find("model.merges.0: expected two tokens with a blank between, given 'a'") == 0);
  CHECK(fault("\"merges\":[[", "\"merges\":[[\"a\"],[").find("model.merges.0: expected two tokens, given 1") == 0);
  CHECK(fault("\"merges\":[[", "\"merges\":[[\"a\",\"zzz\"],[")
            .find("model.merges.0: expected tokens of the vocabulary that make one, given 'a' and 'zzz'") == 0);
  CHECK(fault("\"ids\":[330]", "\"ids\":[999]").find("expected a token's number, given 999") != std::string::npos);
}
TEST_CASE("tokenizer.json: marks and what is stripped have at least one character") {
  const auto fault = [](const std::string& part) {
    return fault_of([&] { text::parse_tokenizer_json("{" + part + R"(,"model":{"type":"BPE","vocab":{"a":0},"merges":[]}})", "t"); });
  };
  const std::string none = ": expected a string of at least one character, given none";
  CHECK(fault(R"("pre_tokenizer":{"type":"Metaspace","replacement":""})") == "pre_tokenizer.replacement" + none);
  CHECK(fault(R"("decoder":{"type":"Metaspace","replacement":""})") == "decoder.replacement" + none);
  CHECK(fault(R"("decoder":{"type":"Strip","content":"","start":1000000000000,"stop":0})") == "decoder.content" + none);
  CHECK(fault(R"("decoder":{"type":"Strip","content":"a","start":1,"stop":0})").empty());
  const std::string gone =
      R"("normalizer":{"type":"Replace","pattern":{"String":"<s>"},"content":""},"added_tokens":[{"id":1,"content":"<s>","normalized":)";
  CHECK(fault(gone + "true}]") == "added_tokens.0.content: expected a character that the normalizer leaves, given none");
  CHECK(fault(gone + "false}]").empty());
}

TEST_CASE("a folder's tokeniser: by its files, bytes where there is none and the vocabulary is 256") {
  const auto folder = std::filesystem::temp_directory_path() / "coefdyn_text_open";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const auto put = [&](const char* name, const std::string& s) { std::ofstream(folder / name, std::ios::binary) << s; };
  CHECK(text::open(folder.string(), 256).vocabulary() == 256);
  CHECK(fault_of([&] { text::open(folder.string(), 300); }).find("expected a tokeniser in the folder") != std::string::npos);
  put("tokenizer.bin", llama2c_tokens({}));
  CHECK(text::open(folder.string()).vocabulary() == 259);
  put("vocab.json", task_tests::encoder({"ab"})), put("merges.txt", "a b\n");
  CHECK(text::open(folder.string()).encode("ab") == token_ids{256});
  std::filesystem::copy_file(std::filesystem::path(COEFDYN_TOKENISERS) / "llama3.json", folder / "tokenizer.json");
  CHECK(text::open(folder.string()).vocabulary() > 330);
  std::filesystem::remove_all(folder);
}
