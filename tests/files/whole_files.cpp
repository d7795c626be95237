// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <iterator>

#include "support.hpp"

namespace {
using namespace coefdyn::files;
using namespace file_tests;

TEST_CASE("files: what is no file to read is refused with its name and the reason, whatever it is") {
  const scratch folder;
  const auto why = [](const std::string& path) { return message<file_error>([&] { mapped_file file(path); }); };
  const std::string none = folder.file("none");
  CHECK(why(none) == "coefdyn: " + none + ": expected a file to read, but it cannot be opened: No such file or directory");
  CHECK(why(folder.path.string()).ends_with("expected a file, given a folder"));
  CHECK(why("/dev/zero").ends_with("expected a file, given a pipe or device"));
  REQUIRE(::mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  CHECK(why(folder.file("pipe")).ends_with("expected a file, given a pipe or device"));  // and does not wait for a writer
  put(folder.file("empty"), "");
  CHECK(mapped_file(folder.file("empty")).bytes().empty());
}

TEST_CASE(
    "files: a new file takes its place when it is complete, and before it and after a failure the old one is there and nothing else") {
  const scratch folder;
  const std::string path = folder.file("a");
  const auto entries = [&] { return std::distance(std::filesystem::directory_iterator(folder.path), {}); };
  put(path, "old");
  {
    file_writer file(path);
    file.write(bytes_of("new"));
    CHECK(content(path) == "old");
    CHECK(entries() == 2);
  }  // not finished
  CHECK(content(path) == "old");
  CHECK(entries() == 1);
  const mapped_file still_open(path);
  put(path, "the new one");
  CHECK(content(path) == "the new one");
  CHECK(std::string(reinterpret_cast<const char*>(still_open.bytes().data()), 3) == "old");  // who reads it keeps what was opened
  CHECK(entries() == 1);
  std::filesystem::create_symlink("a", folder.file("link"));
  put(folder.file("link"), "through");
  CHECK(std::filesystem::is_symlink(folder.file("link")));
  CHECK(content(path) == "through");
  const auto why = [](const std::string& to) { return message<file_error>([&] { put(to, "x"); }); };
  CHECK(why(folder.path.string()).ends_with("expected the name of a file to write, given a folder"));
  CHECK(why(folder.file("no/such")).find("writing failed: No such file") != std::string::npos);
  CHECK(why("/dev/full").find("writing failed: No space left") != std::string::npos);
  CHECK(why("/dev/null") == "");
}
}  // namespace
