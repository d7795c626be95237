// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/spectrum/pictures.hpp>
#include <filesystem>
#include <iterator>

namespace {
using namespace coefdyn::spectrum;
using number = std::complex<double>;

/// A folder that is gone after the test.
struct scratch {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("coefdyn_writers_" + std::to_string(reinterpret_cast<std::uintptr_t>(this)));
  scratch() { std::filesystem::create_directories(path); }
  ~scratch() { std::filesystem::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
};

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("pictures: the script with its data stays; the image is there if and only if the result says so") {
  const scratch folder;
  const std::vector<double> edges{0, 0.5, 1, std::numeric_limits<double>::infinity()};
  const std::vector<bar_panel> panels{{"it's layer_1", {10, 20, 70}, {1, 2, 3}, {30, 30, 40}, {0, 1, 2}}};
  const std::vector<point_set> sets{{"trained", {{0.5, 0.5}, {0.5, -0.5}, {std::nan(""), 0}}}};
  const std::vector<double> alpha{1, 0, 0.5, 1e-9};
  const std::vector<horizon_line> lines{{"head 0", {2, 1, std::numeric_limits<double>::infinity(), 1}}};
  for (const std::string ending : {".png", ".svg"}) {
    const picture pictures[] = {draw_histograms(folder.file("it's bars") + ending, edges, panels, "|λ|"),
                                draw_plane(folder.file("plane") + ending, sets, "title"),
                                draw_coefficients(folder.file("alpha") + ending, alpha, 2, "title"),
                                draw_horizons(folder.file("horizon") + ending, lines, "title")};
    for (const auto& p : pictures) {
      CHECK(std::filesystem::file_size(p.script) > 200);
      if (p.drawn) CHECK(std::filesystem::file_size(p.image) > 2000);
      CHECK(p.note.empty() == p.drawn);
    }
    CHECK(content(pictures[0].script).find("\"0.5–1\" 1 20 2 30 1") != std::string::npos);
    CHECK(content(pictures[1].script).find("0.5 -0.5") != std::string::npos);
    CHECK(content(pictures[2].script).find("0 NaN\n-0.301029996 -6\n") != std::string::npos);
    CHECK(content(pictures[3].script).find("2 NaN 1\n") != std::string::npos);
  }
  CHECK_THROWS_WITH_AS(draw_plane("plane.gif", sets, ""), "picture: the file should end in .png or .svg, but is plane.gif.",
                       std::invalid_argument);
}

TEST_CASE("pictures: without gnuplot nothing is drawn, and the note says where the script is") {
  const scratch folder;
  const char* old = std::getenv("PATH");
  const std::string saved = old == nullptr ? "" : old;
  setenv("PATH", "/nowhere", 1);
  const auto p = draw_plane(folder.file("plane.png"), {}, "");
  setenv("PATH", saved.c_str(), 1);
  CHECK_FALSE(p.drawn);
  CHECK(p.note.find("plane.png.gp") != std::string::npos);
  CHECK(std::filesystem::exists(p.script));
}
