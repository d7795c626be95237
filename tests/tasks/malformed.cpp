// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/tasks/data/cifar10.hpp>
#include <coefdyn/tasks/data/imdb.hpp>
#include <coefdyn/tasks/data/listops_files.hpp>
#include <coefdyn/tasks/data/text_blocks.hpp>
#include <functional>

#include "folder.hpp"
#include "text/encoder.hpp"

/// Malformed files of every reader: cut, wrong, not UTF-8, empty, or a folder. The sentence names the file, and the line or record.
namespace {

using namespace coefdyn;
using namespace coefdyn::tasks;
using namespace task_tests;

/// A reader, its folder in good order, and the file that is to be spoilt.
struct reader {
  std::function<void(const folder&)> prepare, read;
  std::string file;
};
std::string colours(int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += static_cast<char>(i) + std::string(3072, 'x');
  return out;
}
const reader listops_lines{[](const folder& f) {
                             for (const char* part : {"train", "val", "test"})
                               f.put(std::string("listops/basic_") + part + ".tsv", "Source\tTarget\n[MAX 4 5 ]\t5\n");
                           },
                           [](const folder& f) { listops_files({.folder = f.path}); }, "listops/basic_test.tsv"};
const reader review_lines{[](const folder& f) {
                            for (const char* part : {"train", "test"})
                              f.put(std::string("imdb/imdb.") + part + ".tsv", "1\tgood\n0\tbad\n");
                          },
                          [](const folder& f) { imdb({.folder = f.path}); }, "imdb/imdb.test.tsv"};
const reader review_folders{[](const folder& f) {
                              for (const char* of : {"train/neg", "train/pos", "test/neg", "test/pos"})
                                f.put(std::string("aclImdb/") + of + "/0_3.txt", "text");
                            },
                            [](const folder& f) { imdb({.folder = f.path}); }, "aclImdb/test/pos/0_3.txt"};
const reader colour_batches{[](const folder& f) {
                              for (int i = 1; i <= 5; ++i)
                                f.put("cifar-10-batches-bin/data_batch_" + std::to_string(i) + ".bin", colours(2));
                              f.put("cifar-10-batches-bin/test_batch.bin", colours(2));
                            },
                            [](const folder& f) { cifar10({.folder = f.path, .train = 8}); }, "cifar-10-batches-bin/data_batch_3.bin"};
const reader bytes_of_a_text{[](const folder& f) { f.put("text", "some text"); },
                             [](const folder& f) { text_bytes({.file = f.path + "/text", .length = 4}); }, "text"};
const auto prepare_wikitext = [](const folder& f) {
  f.put("gpt2-bpe/encoder.json", encoder({"ab"})), f.put("gpt2-bpe/vocab.bpe", "a b\n");
  for (const char* part : {"train", "test", "valid"}) f.put(std::string("wikitext-2/wiki.") + part + ".tokens", "ab\n c\n");
};
const auto read_wikitext = [](const folder& f) { wikitext({.folder = f.path, .length = 3}); };
const reader wikitext_file{prepare_wikitext, read_wikitext, "wikitext-2/wiki.test.tokens"};
const reader encoder_file{prepare_wikitext, read_wikitext, "gpt2-bpe/encoder.json"};
const reader merges_file{prepare_wikitext, read_wikitext, "gpt2-bpe/vocab.bpe"};

/// What is said, but for the path, which has to come first.
template <class F>
std::string said_of(const folder& f, const std::string& name, F read) {
  try {
    read();
  } catch (const files::file_error& e) {
    const std::string begin = "coefdyn: " + f.path + "/" + name + ": ", all = e.what();
    return all.starts_with(begin) ? all.substr(begin.size()) : "another path: " + all;
  }
  return "";
}
std::string said(const reader& r, const std::string& text) {
  const folder f;
  r.prepare(f);
  f.put(r.file, text);
  return said_of(f, r.file, [&] { r.read(f); });
}
std::string said_of_a_folder(const reader& r) {
  const folder f;
  r.prepare(f);
  std::filesystem::remove(f.path + "/" + r.file);
  std::filesystem::create_directory(f.path + "/" + r.file);
  return said_of(f, r.file, [&] { r.read(f); });
}

}  // namespace

TEST_CASE("malformed files: the good ones are read, folders in their place are not") {
  for (const reader* r :
       {&listops_lines, &review_lines, &review_folders, &colour_batches, &bytes_of_a_text, &wikitext_file, &encoder_file, &merges_file}) {
    CAPTURE(r->file);
    const folder f;
    r->prepare(f);
    CHECK(said_of(f, r->file, [&] { r->read(f); }) == "");
    CHECK(said_of_a_folder(*r) == "expected a file, given a folder");
  }
}
TEST_CASE("malformed files: empty") {
  CHECK(said(listops_lines, "") == "expected lines of an expression and its value, given none");
  CHECK(said(review_lines, "") == "expected lines of a label and a text, given none");
  CHECK(said(review_folders, "") == "expected a text, given none");
  CHECK(said(colour_batches, "") == "expected records of 3073 bytes, given 0 bytes, which end within record 0");
  CHECK(said(bytes_of_a_text, "") == "expected a text of at least 2 bytes, given 0");
  CHECK(said(bytes_of_a_text, "a") == "expected a text of at least 2 bytes, given 1");
  CHECK(said(wikitext_file, "") == "expected a text, given an empty file");
  CHECK(said(encoder_file, "").find("JSON is broken") != std::string::npos);
  CHECK(said(merges_file, "").find("given none") != std::string::npos);
}
TEST_CASE("malformed files: cut, and wrong labels") {
  CHECK(said(listops_lines, "Source\tTarget\n[MAX 4 5 ]\t5\n[MAX 4").find("line 3: expected an expression and its value") == 0);
  CHECK(said(listops_lines, "Source\tTarget\n[MAX 4 5 ]\t4\n") == "line 2: expected the expression's value, 5, given 4");
  CHECK(said(review_lines, "1\tgood\n2\tbad\n") == "line 2: expected 0 or 1, a TAB and a text, given '2?bad'");
  CHECK(said(review_lines, "1\tgood\n0") == "line 2: expected 0 or 1, a TAB and a text, given '0'");
  CHECK(said(review_lines, "1\tgood\n0\t") == "line 2: expected a text, given none");
  CHECK(said(colour_batches, colours(2).substr(0, 4000)) == "expected records of 3073 bytes, given 4000 bytes, which end within record 1");
  std::string wrong = colours(2);
  wrong[3073] = 10;
  CHECK(said(colour_batches, wrong) == "record 1: expected a label 0 .. 9, given 10");
  CHECK(said(encoder_file, encoder({"ab"}).substr(0, 200)).find("JSON is broken") != std::string::npos);
  CHECK(said(merges_file, "#version: 0.2\na b\na").find("line 3: expected two pieces") == 0);
}
TEST_CASE("malformed files: not UTF-8") {
  CHECK(said(review_lines, "1\tgood\n0\tb\xff\n") == "line 2: expected UTF-8, given another byte at 1 of the text");
  CHECK(said(review_folders, "caf\xc3") == "expected UTF-8, given another byte at 3 of the text");
  CHECK(said(wikitext_file, "ab\n\xc3\xa9\xa9 c\n") == "line 2: expected UTF-8, given another byte at 2 of the text");
  CHECK(said(listops_lines, "Source\tTarget\n[MAX \xc3 ]\t4\n").find("line 2: ") == 0);
  CHECK(said(bytes_of_a_text, "\xff\xfe") == "");  // bytes are bytes
}
