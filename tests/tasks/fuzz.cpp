// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>
#include <lzma.h>
#include <zlib.h>

#include <chrono>
#include <coefdyn/core/random.hpp>
#include <coefdyn/tasks/data/cifar10.hpp>
#include <coefdyn/tasks/data/imdb.hpp>
#include <coefdyn/tasks/data/listops_files.hpp>
#include <coefdyn/tasks/data/text_blocks.hpp>
#include <cstdlib>
#include <functional>

#include "folder.hpp"

/// Readers of data sets on files with a few bytes changed: each reads or refuses with a sentence. The same files on every run;
/// COEFDYN_FUZZ_SECONDS=600 goes on with new ones for so long, in each case.
namespace {

using namespace coefdyn;
using namespace coefdyn::tasks;
using namespace task_tests;

std::string mutated(std::string s, random_stream& r) {
  const std::string words[] = {
      "\n", "\t", " ", "]", "[SM", "\xff", "\xf0\x9f", "\r", "\"", "{", "9999999999999999999", std::string(1, '\0')};
  for (auto changes = 1 + r.below(3); changes-- > 0;) {
    const auto at = r.below(s.size() + 1), length = r.below(std::min<std::size_t>(s.size() - at, 24) + 1);
    switch (r.below(5)) {
      case 0:
        if (at < s.size()) s[at] = static_cast<char>(s[at] ^ (1 << r.below(8)));
        break;
      case 1:
        s.erase(at, length);
        break;
      case 2:
        s.insert(at, words[r.below(std::size(words))]);
        break;
      case 3:
        s.replace(at, length, words[r.below(std::size(words))]);
        break;
      default:
        s.resize(at);
    }
  }
  return s;
}
/// Reads mutations of a file; at least one is refused and one is read.
void fuzz(const std::string& name, const std::string& good, const std::function<void(const folder&)>& read) {
  const folder f;
  const char* const seconds = std::getenv("COEFDYN_FUZZ_SECONDS");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds ? std::atoi(seconds) : 0);
  random_stream r(1, 1001, 0, 0);
  idx refused = 0, accepted = 0;
  constexpr int least = 300;
  for (int i = 0; i < least || std::chrono::steady_clock::now() < end; ++i) {
    f.put(name, i == 0 ? good : mutated(good, r));
    ++(fault_of([&] { read(f); }).empty() ? accepted : refused);  // anything but a sentence ends the test
  }
  CHECK(accepted > 0);
  CHECK(refused > 0);
  MESSAGE(name << ": " << accepted << " read, " << refused << " refused");
}

}  // namespace

TEST_CASE("fuzz: ListOps") {
  const std::string text = "Source\tTarget\n( ( [MAX 4 ) ( ( [MED 2 ) 9 ) ] ) ]\t5\n[SM 9 9 ]\t8\n[MIN 3 [MAX 1 2 ] 7 ]\t2\n";
  fuzz("lines", text, [](const folder& f) { read_listops(f.path + "/lines"); });
  std::string packed(200, '\0');
  z_stream s{};
  REQUIRE(deflateInit2(&s, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  s.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data())), s.avail_in = static_cast<uInt>(text.size());
  s.next_out = reinterpret_cast<Bytef*>(packed.data()), s.avail_out = static_cast<uInt>(packed.size());
  REQUIRE(deflate(&s, Z_FINISH) == Z_STREAM_END);
  packed.resize(s.total_out);
  deflateEnd(&s);
  fuzz("packed", packed, [](const folder& f) { read_listops(f.path + "/packed"); });
  packed.assign(lzma_stream_buffer_bound(text.size()), '\0');
  std::size_t used = 0;
  REQUIRE(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, nullptr, reinterpret_cast<const std::uint8_t*>(text.data()), text.size(),
                                  reinterpret_cast<std::uint8_t*>(packed.data()), &used, packed.size()) == LZMA_OK);
  packed.resize(used);
  fuzz("packed.xz", packed, [](const folder& f) { read_listops(f.path + "/packed.xz"); });
}
TEST_CASE("fuzz: film reviews") {
  fuzz("imdb.train.tsv", "1\tgood \xc3\xa9 \xe2\x82\xac\n0\tbad\n1\tfine\n", [](const folder& f) {
    f.put("imdb.test.tsv", "0\tplain\n");
    const imdb t({.folder = f.path, .least = 1});
    for (idx i = 0; i < t.size(split::train); ++i)
      for (const std::int64_t x : t.make(split::train, i).inputs) REQUIRE((x >= 0 && x < t.vocabulary()));
  });
}
TEST_CASE("fuzz: CIFAR-10") {
  std::string records;
  for (int i = 0; i < 2 * 1025; ++i) records += static_cast<char>(i % 1025 == 0 ? 3 : i % 251);
  fuzz("cifar10_gray_test.bin", records, [&](const folder& f) {
    for (int i = 1; i <= 5; ++i) f.put("cifar10_gray_train_" + std::to_string(i) + ".bin", records);
    const cifar10 t({.folder = f.path, .train = 9});
    REQUIRE((t.make(split::test, 0).targets[0] >= 0 && t.make(split::test, 0).targets[0] < 10));
  });
}
TEST_CASE("fuzz: merges and texts") {
  const std::string tokens = [] {  // printing bytes under their own names, the others from U+0100 on
    std::string json = "{";
    int hidden = 256;
    for (int b = 0; b < 256; ++b) {
      const bool prints = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
      char name[8];
      std::snprintf(name, sizeof name, "\\u%04x", static_cast<unsigned>(prints ? b : hidden++));
      json += "\"" + std::string(name) + "\":" + std::to_string(b) + ",";
    }
    return json + R"("ab":256,"abc":257,"<|endoftext|>":258})";
  }();
  fuzz("encoder.json", tokens, [](const folder& f) { gpt2_bpe(f.path + "/encoder.json", f.put("vocab.bpe", "a b\nab c\n")); });
  fuzz("vocab.bpe", "#version: 0.2\na b\nab c\n", [&](const folder& f) {
    const gpt2_bpe code(f.put("encoder.json", tokens), f.path + "/vocab.bpe");
    const std::string text = "abc abcab 12 \xc3\xa9\xff";
    REQUIRE(code.decode(code.encode(text)) == text);
  });
}
