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
#include "text/encoder.hpp"

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
using files_of = std::vector<std::pair<std::string, std::string>>;
/// A folder in which one thing is not as it should be: a file with other bytes, absent, empty, or a folder; a folder that is a file.
void spoil(const folder& f, const files_of& good, random_stream& r) {
  const auto& [name, text] = good[r.below(good.size())];
  const std::filesystem::path path = std::filesystem::path(f.path) / name;
  const auto what = r.below(8);
  if (what < 4) {
    f.put(name, mutated(text, r));
    return;
  }
  std::filesystem::remove(path);
  if (what == 4) f.put(name, "");
  if (what == 5) std::filesystem::create_directories(path);
  if (what == 6) f.put(name + (r.below(2) ? ".txt" : ".bin"), text);
  if (what == 7 && path.parent_path() != f.path) {
    std::filesystem::remove_all(path.parent_path());
    std::ofstream(path.parent_path()) << "a file";
  }
}
/// Calls read(folder) with a good one and then spoilt ones; at least one is refused and one is read.
void fuzz_folder(const std::string& what, const std::function<void(const folder&, int, random_stream&)>& prepare,
                 const std::function<void(const folder&)>& read) {
  const char* const seconds = std::getenv("COEFDYN_FUZZ_SECONDS");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds ? std::atoi(seconds) : 0);
  random_stream r(1, 1001, 0, 0);
  idx refused = 0, accepted = 0;
  constexpr int least = 300;
  for (int i = 0; i < least || std::chrono::steady_clock::now() < end; ++i) {
    const folder f;
    prepare(f, i, r);
    ++(fault_of([&] { read(f); }).empty() ? accepted : refused);  // anything but a sentence ends the test
  }
  CHECK(accepted > 0);
  CHECK(refused > 0);
  MESSAGE(what << ": " << accepted << " read, " << refused << " refused");
}
/// Mutations of one file.
void fuzz(const std::string& name, const std::string& good, const std::function<void(const folder&)>& read) {
  fuzz_folder(name, [&](const folder& f, int i, random_stream& r) { f.put(name, i == 0 ? good : mutated(good, r)); }, read);
}
/// Spoilt folders of files.
void fuzz(const std::string& what, const files_of& good, const std::function<void(const folder&)>& read) {
  fuzz_folder(
      what,
      [&](const folder& f, int i, random_stream& r) {
        for (const auto& [name, text] : good) f.put(name, text);
        if (i > 0) spoil(f, good, r);
      },
      read);
}
template <task T>
void expect_tokens_in_range(const T& t) {
  for (const split s : {split::train, split::test, split::valid})
    for (idx i = 0; i < t.size(s); ++i) {
      const sample x = t.make(s, i);
      for (const std::int64_t token : x.inputs) REQUIRE((token >= 0 && token < t.vocabulary()));
      for (const std::int64_t target : x.targets) REQUIRE((target == ignored || (target >= 0 && target < t.outputs())));
    }
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
    expect_tokens_in_range(imdb({.folder = f.path, .least = 1}));
  });
}
TEST_CASE("fuzz: the official folders of film reviews") {
  files_of good;
  for (const char* part : {"train", "test"})
    for (const char* side : {"neg", "pos"})
      for (const char* name : {"0_3", "1_2"})
        good.emplace_back(std::string("aclImdb/") + part + "/" + side + "/" + name + ".txt", std::string(side) + " \xc3\xa9 " + name);
  fuzz("aclImdb", good, [](const folder& f) { expect_tokens_in_range(imdb({.folder = f.path, .least = 1})); });
}
namespace {
/// Records of CIFAR-10 with 1024 bytes a plane.
std::string records(int n, int planes) {
  std::string out;
  for (int i = 0; i < n; ++i) {
    out += static_cast<char>(i % 10);
    for (int j = 0; j < 1024 * planes; ++j) out += static_cast<char>((i + 1) * j % 251);
  }
  return out;
}
}  // namespace
TEST_CASE("fuzz: CIFAR-10, grey") {
  fuzz("cifar10_gray_test.bin", records(2, 1), [](const folder& f) {
    for (int i = 1; i <= 5; ++i) f.put("cifar10_gray_train_" + std::to_string(i) + ".bin", records(2, 1));
    expect_tokens_in_range(cifar10({.folder = f.path, .train = 9}));
  });
}
TEST_CASE("fuzz: CIFAR-10, colours") {
  fuzz("test_batch.bin", records(2, 3), [](const folder& f) {
    for (int i = 1; i <= 5; ++i) f.put("data_batch_" + std::to_string(i) + ".bin", records(1, 3));
    expect_tokens_in_range(cifar10({.folder = f.path, .train = 4}));
  });
}
TEST_CASE("fuzz: the official folder of CIFAR-10") {
  files_of good = {{"cifar-10-batches-bin/test_batch.bin", records(1, 3)}};
  for (int i = 1; i <= 5; ++i) good.emplace_back("cifar-10-batches-bin/data_batch_" + std::to_string(i) + ".bin", records(1, 3));
  fuzz("cifar-10-batches-bin", good, [](const folder& f) { expect_tokens_in_range(cifar10({.folder = f.path, .pooled = 2, .train = 4})); });
}
TEST_CASE("fuzz: texts") {
  const std::string tokens = encoder({"ab", "abc"});
  fuzz("wikitext-2/wiki.test.tokens", " = Title = \n \n abc abcab , caf\xc3\xa9 12 .\n", [&](const folder& f) {
    f.put("encoder.json", tokens), f.put("vocab.bpe", "a b\nab c\n");
    const wikitext t({.folder = f.path, .length = 4});
    expect_tokens_in_range(t);
  });
}
