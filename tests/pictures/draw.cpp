// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cstdlib>

#include "figures.hpp"

namespace {
using namespace test_pictures;

/// Another PATH for a while.
struct path_of {
  std::string old;
  explicit path_of(const std::string& folders) : old(std::getenv("PATH") == nullptr ? "" : std::getenv("PATH")) {
    setenv("PATH", folders.c_str(), 1);
  }
  ~path_of() { setenv("PATH", old.c_str(), 1); }
};
}  // namespace

TEST_CASE("pictures: three files where gnuplot is, the same bytes again, and the script in any case") {
  const scratch folder;
  const drawing d = draw(every_mark(), folder.file("all marks"));
  CHECK(content(d.script) == script_of(every_mark(), "all marks"));
  const bool there = std::system("gnuplot --version >/dev/null 2>&1") == 0;
  CHECK(d.drawn == there);
  CHECK(d.note.empty() == there);
  if (!there) return;
  std::string before[3];
  for (int i = 0; i < 3; ++i) before[i] = content(d.files[std::size_t(i)]);
  CHECK(before[0].starts_with("\x89PNG"));
  CHECK(before[1].starts_with("<?xml"));
  CHECK(before[2].starts_with("%PDF"));
  for (const std::string& bytes : before) CHECK(bytes.size() > 4000);
  CHECK(holds(before[1], "it's gated_deltanet {1}"));
  CHECK(holds(before[1], "font-weight=\"bold\""));
  CHECK(holds(before[1], "image-rendering:pixelated"));
  CHECK(holds(before[1], "width=\"482\""));       // twice 241 points, 8.5 cm
  CHECK(holds(before[1], "viewBox=\"0 0 241 "));  // the words' sizes are points of it
  CHECK(holds(before[2], "/CreationDate (D:20000101000000Z)"));
  const drawing again = draw(every_mark(), folder.file("all marks"));
  for (int i = 0; i < 3; ++i) CHECK(content(again.files[std::size_t(i)]) == before[i]);
}

TEST_CASE("pictures: without gnuplot nothing is drawn, older pictures are gone, and the note says where the script is") {
  const scratch folder;
  const std::string stem = folder.file("plane");
  detail::write_bytes(stem + ".png", "of yesterday");
  const path_of nowhere("/nowhere");
  const drawing d = draw(every_mark(), stem);
  CHECK_FALSE(d.drawn);
  CHECK(d.note == "gnuplot is missing (Debian: gnuplot-nox); script and data are in " + stem + ".gp.");
  CHECK(std::filesystem::exists(d.script));
  CHECK_FALSE(std::filesystem::exists(stem + ".png"));
}

TEST_CASE("pictures: a gnuplot that fails, or that draws nothing, is told from a missing one") {
  const scratch folder;
  for (const char* answer : {"exit 3", "exit 0"}) {
    detail::write_bytes(folder.file("gnuplot"), std::string("#!/bin/sh\n") + answer + "\n");
    std::filesystem::permissions(folder.file("gnuplot"), std::filesystem::perms::owner_all);
    const path_of fake(folder.path.string());
    const drawing d = draw(every_mark(), folder.file("x"));
    CHECK_FALSE(d.drawn);
    CHECK(holds(d.note, "gnuplot refused the script"));
  }
}

TEST_CASE("pictures: a stem with an ending and a folder that is not there are refused") {
  CHECK_THROWS_WITH_AS(draw(every_mark(), "plane.png"), "draw: the stem should have no ending, since each is written, but is plane.png.",
                       std::invalid_argument);
  const scratch folder;
  CHECK_THROWS_AS(draw(every_mark(), folder.file("no/such/folder")), std::runtime_error);
}
