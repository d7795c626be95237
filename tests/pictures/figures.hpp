// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/pictures/draw.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

/// A figure with every kind of mark, and files to look into.
namespace test_pictures {

using namespace coefdyn::pictures;

struct scratch {
  std::filesystem::path path;
  scratch()
      : path(std::filesystem::temp_directory_path() / ("coefdyn it's pictures " + std::to_string(reinterpret_cast<std::uintptr_t>(this)))) {
    std::filesystem::create_directories(path);
  }
  ~scratch() { std::filesystem::remove_all(path); }
  std::string file(const std::string& name) const { return (path / name).string(); }
};

inline std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
inline bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

inline figure every_mark() {
  figure f;
  f.title = "it's gated_deltanet {1}";
  f.settings = "linear, gated_householder<>, beta, sqrt_dim; n = 64";
  f.across = 2;
  f.scale = colour_scale{"share", 0.01, 100, {"#000000", "#ffffff"}};
  panel lines, map, dots, bars;
  lines.title = "lines", lines.y.label = "loss", lines.x.label = "step", lines.y.logarithmic = true;
  lines.marks = {curve{.name = "training", .colour = "#112233", .x = {1, 2, 4}, .y = {8, unset, 2}, .style = curve::stroke::line_and_dots},
                 band{"spread", "#aabbcc", {1, 2, 4}, {1, 1, 1}, {9, 9, 9}}};
  map.marks = {raster{2, 2, {0, 2, 0, 2}, {1e-3, raster::nothing, 0, raster::no_number}, "#d4d4d4"}};
  dots.marks = {scatter{{0.25}, {-0.75}, {12.5}}};
  bars.marks = {boxes{"before", "#445566", {{-0.25, 0.25, 0, 7}}}, deviations{"#778899", {0}, {7}, {1.5}}};
  bars.remarks = {{0.5, 0.5, "a remark"}};
  f.panels = {lines, map, dots, bars};
  return f;
}

}  // namespace test_pictures
