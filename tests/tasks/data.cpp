// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>
#include <lzma.h>
#include <zlib.h>

#include <coefdyn/tasks/data/cifar10.hpp>
#include <coefdyn/tasks/data/imdb.hpp>
#include <coefdyn/tasks/data/listops_files.hpp>
#include <coefdyn/tasks/task.hpp>
#include <filesystem>

#include "folder.hpp"

namespace {

using namespace coefdyn;
using namespace coefdyn::tasks;
using namespace task_tests;
namespace fs = std::filesystem;
static_assert(task<cifar10> && task<imdb> && task<listops_files>);

std::string xz(const std::string& text) {
  std::string out(lzma_stream_buffer_bound(text.size()), '\0');
  std::size_t used = 0;
  REQUIRE(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const std::uint8_t*>(text.data()), text.size(),
                                  reinterpret_cast<std::uint8_t*>(out.data()), &used, out.size()) == LZMA_OK);
  return out.substr(0, used);
}
std::string gz(const std::string& text) {
  z_stream s{};
  REQUIRE(deflateInit2(&s, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&s, static_cast<uLong>(text.size())), '\0');
  s.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data())), s.avail_in = static_cast<uInt>(text.size());
  s.next_out = reinterpret_cast<Bytef*>(out.data()), s.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&s, Z_FINISH) == Z_STREAM_END);
  out.resize(s.total_out);
  deflateEnd(&s);
  return out;
}
/// Ten records of the test's own: pixel i of record r is a function of both.
unsigned char pixel(int r, int i) { return static_cast<unsigned char>(r * 31 + i * 7 + i / 32); }
std::string grey_records(int first, int n) {
  std::string out;
  for (int r = first; r < first + n; ++r) {
    out += static_cast<char>(r % 10);
    for (int i = 0; i < 1024; ++i) out += static_cast<char>(pixel(r, i));
  }
  return out;
}
std::string colour_records(int first, int n, int planes) {
  std::string out;
  for (int r = first; r < first + n; ++r) {
    out += static_cast<char>(r % 10);
    for (int c = 0; c < planes; ++c)
      for (int i = 0; i < 1024; ++i) out += static_cast<char>(c == 0 ? pixel(r, i) : 255 - 100 * (c - 1));
  }
  return out;
}

}  // namespace

TEST_CASE("content: plain, .xz, .gz, several streams in a row, by the bytes and not the name") {
  const folder f;
  std::string text;
  for (int i = 0; i < 600000; ++i) text += std::to_string(i % 1000);  // more than is unpacked at a time
  const std::string as_xz = xz(text), as_gz = gz(text);
  CHECK(content(f.put("a", text)) == text);
  CHECK(content(f.put("b.xz", as_xz)) == text);
  CHECK(content(f.put("c", as_gz)) == text);
  CHECK(content(f.put("d", as_xz + xz("more"))) == text + "more");
  CHECK(content(f.put("e", as_gz + gz("") + gz("more"))) == text + "more");
  CHECK(content(f.put("f", "")).empty());
  CHECK(fault_of([&] { content(f.put("g", as_xz.substr(0, 1000))); }) == "its .xz stream is cut after 1000 of 1000 bytes");
  CHECK(fault_of([&] { content(f.put("h", as_gz.substr(0, 1000))); }) == "its .gz stream is cut at about byte 1000 of 1000");
  std::string broken = as_xz, tail = as_gz + "behind";
  broken[500] = static_cast<char>(broken[500] ^ 1);
  CHECK(fault_of([&] { content(f.put("i", broken)); }).find("broken") != std::string::npos);
  CHECK(fault_of([&] { content(f.put("j", tail)); }).find("broken") != std::string::npos);
  CHECK(fault_of([&] { content(f.path); }) == "expected a file, given a folder");
}
TEST_CASE("ListOps: tokens, text, value, and sentences with the place") {
  const token_list tokens = listops_tokens("( ( ( [MAX 4 ) ( ( [MED 2 ) 9 ) ] ) ) ]");
  CHECK(tokens == token_list{14, 7, 15, 5, 12, 17, 17});
  CHECK(listops_text(tokens) == "[MAX 4 [MED 2 9 ] ]");
  CHECK(listops_value(tokens) == 5);
  CHECK(listops_value(listops_tokens("[SM 9 9 [MIN 3 1 2 ] ]")) == 9);
  CHECK(listops_value(listops_tokens("[MED 9 1 5 ]")) == 5);
  CHECK(listops_value(listops_tokens("7")) == 7);
  CHECK(listops_value(token_list{10, 2, 0, 0}) == 7);
  CHECK(fault_of([] { listops_value(listops_tokens("[MAX 4")); }) == "coefdyn: listops: token 2: expected ], given the end");
  CHECK(fault_of([] { listops_value(token_list{}); }) == "coefdyn: listops: token 0: expected an expression, given the end");
  CHECK(fault_of([] { listops_value(listops_tokens("[MAX ]")); }).find("token 1") != std::string::npos);
  CHECK(fault_of([] { listops_value(listops_tokens("4 5")); }).find("the expression is complete, given 5") != std::string::npos);
  CHECK(fault_of([] { listops_value(token_list{14, 1, 17}); }).find("given <unk>") != std::string::npos);
  CHECK(fault_of([] { listops_value(token_list{14, 99, 17}); }).find("given 99") != std::string::npos);
  CHECK(fault_of([] { listops_tokens("[MAX 4 10 ]"); }).find("word 2: expected a digit, [MIN, [MAX, [MED, [SM or ], given '10'") !=
        std::string::npos);
}
TEST_CASE("ListOps files: two layouts, wrong lines named") {
  const folder f;
  const std::string heading = "Source\tTarget\n", lines = "( ( [MAX 4 ) 5 ) ]\t5\r\n[SM 9 9 ]\t8";
  CHECK(read_listops(f.put("lra", gz(heading + lines))).size() == 2);
  CHECK(read_listops(f.put("nyu", "5\t( ( [MAX 4 ) 5 ) ]\n8\t[SM 9 9 ]\n"))[1].inputs == token_list{16, 12, 12, 17});
  const auto fault = [&](const std::string& text) { return fault_of([&] { read_listops(f.put("bad", text)); }); };
  CHECK(fault(heading + lines + "\n[MAX 4 5 ]\t4\n") == "line 4: expected the expression's value, 5, given 4");
  CHECK(fault(heading + "[MAX 4 5 ]\t12\n") == "line 2: expected a value 0 .. 9, given '12'");
  CHECK(fault(heading + "[MAX 4 5 ]\n").find("line 2: expected an expression and its value") == 0);
  CHECK(fault(heading + "[MAX 4 x ]\t4\n").find("line 2: listops: word 2") == 0);
  CHECK(fault(heading) == "expected lines of an expression and its value, given none");
  CHECK(fault_of([&] { listops_files({.folder = f.path}); }).find("get the Long Range Arena's ListOps") != std::string::npos);
  for (const char* part : {"train", "val", "test"}) f.put(std::string("listops/basic_") + part + ".tsv.xz", xz(heading + lines));
  const listops_files t({.folder = f.path, .max_length = 4});
  CHECK(t.size(split::valid) == 2);
  CHECK(t.make(split::train, 1).inputs == token_list{16, 12, 12, 2});
}
TEST_CASE("ListOps: 20,000 of 20,000 published labels") {
  const fs::path data = fs::path(COEFDYN_TEST_DATA) / "listops";
  if (!fs::is_directory(data)) {
    MESSAGE("skipped: no folder " << data.string());
    return;
  }
  std::size_t lines = 0, right = 0;
  for (const char* name : {"test_d20s.tsv.xz", "test_d20a.tsv.xz"})
    for (const sample& x : read_listops((data / name).string())) ++lines, right += listops_value(x.inputs) == x.targets[0];
  MESSAGE(right << " of " << lines << " labels");
  CHECK(lines == 20000);
  CHECK(right == 20000);
}
TEST_CASE("CIFAR-10 and IMDB: published sizes, classes and characters") {
  const std::string data = COEFDYN_TEST_DATA;
  if (!fs::is_directory(data + "/cifar10") || !fs::is_directory(data + "/imdb")) {
    MESSAGE("skipped: no folders cifar10 and imdb in " << data);
    return;
  }
  const auto in_class = [](const auto& t, split s, std::int64_t c) {
    idx n = 0;
    for (idx i = 0; i < t.size(s); ++i) n += t.make(s, i).targets[0] == c;
    return n;
  };
  const cifar10 pictures({.folder = data, .pooled = 32});
  CHECK((pictures.size(split::train) == 45000 && pictures.size(split::valid) == 5000 && pictures.size(split::test) == 10000));
  for (int c = 0; c < 10; ++c) {
    CHECK(in_class(pictures, split::test, c) == 1000);
    CHECK(in_class(pictures, split::train, c) + in_class(pictures, split::valid, c) == 5000);
  }
  const imdb characters({.folder = data}), bytes({.folder = data, .bytes = true, .max_length = 2});
  CHECK(characters.vocabulary() == 133);  // the official folders have TAB as well: 134
  CHECK(bytes.vocabulary() == 259);
  for (const split s : {split::train, split::test}) {
    CHECK(bytes.size(s) == 25000);
    CHECK(in_class(bytes, s, 1) == 12500);
  }
}
TEST_CASE("CIFAR-10: grey records and the official batches") {
  const folder f;
  for (int i = 0; i < 5; ++i) f.put("cifar10/cifar10_gray_train_" + std::to_string(i + 1) + ".bin.xz", xz(grey_records(2 * i, 2)));
  f.put("cifar10/cifar10_gray_test.bin", grey_records(3, 2));
  const cifar10 t({.folder = f.path, .train = 7});
  CHECK((t.size(split::train) == 7 && t.size(split::valid) == 3 && t.size(split::test) == 2));
  const sample x = t.make(split::valid, 1);
  CHECK(x.targets == token_list{8});
  for (int i = 0; i < 1024; ++i) CHECK(x.inputs[std::size_t(i)] == pixel(8, i));
  const cifar10 pooled({.folder = f.path, .pooled = 4, .train = 7});
  int sum = 0;
  for (int i = 0; i < 16; ++i) sum += pixel(3, 32 * (4 + i / 4) + 8 + i % 4);
  CHECK(pooled.length() == 64);
  CHECK(pooled.make(split::test, 0).inputs[8 + 2] == (sum + 8) / 16);
  CHECK(fault_of([&] { cifar10({.folder = f.path}); }).find("train: expected 0 .. 10, given 45000") != std::string::npos);
  CHECK(fault_of([&] { cifar10({.folder = f.path, .pooled = 3}); }).find("pooled") != std::string::npos);

  const folder g;
  for (int i = 0; i < 5; ++i) g.put("data_batch_" + std::to_string(i + 1) + ".bin", colour_records(i, 1, 3));
  g.put("test_batch.bin", colour_records(0, 1, 3));
  const cifar10 colours({.folder = g.path, .train = 5});
  CHECK(colours.make(split::train, 2).inputs[9] == (19595 * pixel(2, 9) + 38470 * 255 + 7471 * 155 + 32768) >> 16);
  CHECK(cifar10::number(0) == doctest::Approx(-122.6 / 61));
  g.put("test_batch.bin", colour_records(0, 1, 2));
  CHECK(fault_of([&] { cifar10({.folder = g.path, .train = 5}); }).find("which end within record 0") != std::string::npos);
  std::string wrong = colour_records(0, 2, 3);
  wrong[3073] = 11;
  g.put("test_batch.bin", wrong);
  CHECK(fault_of([&] { cifar10({.folder = g.path, .train = 5}); }) == "record 1: expected a label 0 .. 9, given 11");
  fs::remove(g.path + "/test_batch.bin");
  CHECK(fault_of([&] { cifar10({.folder = g.path, .train = 5}); }).find("get CIFAR-10's binary version") != std::string::npos);
}
TEST_CASE("UTF-8: characters, and what is none") {
  const auto all = [](std::string_view text) {
    std::vector<std::uint32_t> out;
    for (text::utf8 letters(text); !letters.at_end();) out.push_back(letters.next());
    return out;
  };
  constexpr std::uint32_t bad = text::utf8::malformed;
  CHECK(all("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") == std::vector<std::uint32_t>{'a', 0xe9, 0x20ac, 0x1f600});
  CHECK(all("\xf4\x8f\xbf\xbf") == std::vector<std::uint32_t>{0x10ffff});
  CHECK(all("\xc3") == std::vector<std::uint32_t>{bad});
  CHECK(all("\xc0\x80") == std::vector<std::uint32_t>{bad, bad});                    // longer than need be
  CHECK(all("\xe0\x9f\xbf") == std::vector<std::uint32_t>{bad, bad, bad});           // the same
  CHECK(all("\xed\xa0\x80") == std::vector<std::uint32_t>{bad, bad, bad});           // a surrogate
  CHECK(all("\xf4\x90\x80\x80") == std::vector<std::uint32_t>{bad, bad, bad, bad});  // above 10ffff
  CHECK(all("\xe2\x82z") == std::vector<std::uint32_t>{bad, bad, 'z'});
}
TEST_CASE("IMDB: lines and folders, characters by frequency, bytes") {
  const folder f;
  f.put("imdb/imdb.train.tsv", "1\tabbcccc\xc3\xa9\n0\tcb\n");
  f.put("imdb/imdb.test.tsv.gz", gz("0\tcxb\xc3\xa9\n"));
  const imdb t({.folder = f.path, .least = 2});
  CHECK(t.characters() == std::vector<std::uint32_t>{'c', 'b'});
  CHECK(t.vocabulary() == 5);
  CHECK(t.make(split::test, 0).inputs == token_list{3, 1, 4, 1, 2});
  CHECK(t.make(split::train, 0).targets == token_list{1});
  CHECK(imdb({.folder = f.path, .least = 1}).characters() == std::vector<std::uint32_t>{'c', 'b', 'a', 0xe9});
  CHECK(imdb({.folder = f.path, .max_length = 3, .least = 1}).characters() ==
        std::vector<std::uint32_t>{'b', 'a', 'c'});  // of what is left
  const imdb bytes({.folder = f.path, .bytes = true, .max_length = 5});
  CHECK(bytes.vocabulary() == 259);
  CHECK(bytes.make(split::test, 0).inputs == token_list{3 + 'c', 3 + 'x', 3 + 'b', 3 + 0xc3, 2});
  f.put("imdb/imdb.train.tsv", "1\tgood\n2\tbad\n");
  CHECK(fault_of([&] { imdb({.folder = f.path}); }) == "line 2: expected 0 or 1, a TAB and a text, given '2?bad'");
  f.put("imdb/imdb.train.tsv", "1\tgood\n0\tb\xff\n");
  CHECK(fault_of([&] { imdb({.folder = f.path}); }) == "line 2: expected UTF-8, given another byte at 1 of the text");
  f.put("imdb/imdb.train.tsv", "");
  CHECK(fault_of([&] { imdb({.folder = f.path}); }) == "expected lines of a label and a text, given none");
  fs::remove_all(f.path + "/imdb");
  CHECK(fault_of([&] { imdb({.folder = f.path}); }).find("get the large movie review dataset") != std::string::npos);
  for (const char* part : {"train", "test"})
    for (const char* side : {"neg", "pos"})
      for (const char* name : {"1_2", "0_3"})
        f.put(std::string("aclImdb/") + part + "/" + side + "/" + name + ".txt", std::string(side) + name);
  const imdb folders({.folder = f.path, .bytes = true});
  CHECK(folders.size(split::train) == 4);
  CHECK(folders.make(split::train, 1).targets == token_list{1});
  CHECK(folders.make(split::train, 2).inputs == token_list{3 + 'n', 3 + 'e', 3 + 'g', 3 + '1', 3 + '_', 3 + '2', 2});
  f.put("aclImdb/test/pos/2_1.txt", "caf\xe9");
  CHECK(fault_of([&] { imdb({.folder = f.path}); }) == "expected UTF-8, given another byte at 3 of the text");
  fs::remove_all(f.path + "/aclImdb/test/neg");
  f.put("aclImdb/test/neg", "a text");
  CHECK(fault_of([&] { imdb({.folder = f.path}); }) == "expected a folder of texts, given a file");
}
