// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <coefdyn/spectrum/pictures.hpp>
#include <coefdyn/spectrum/writers.hpp>
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

void put(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

template <class T>
void comes_back(const std::string& path, const std::vector<T>& values, const std::vector<std::size_t>& shape) {
  write_npy<T>(path, values, shape);
  const npy_array read = read_npy(path);
  CHECK(read.shape == shape);
  CHECK(read.as<T>() == values);
}
}  // namespace

TEST_CASE("npy: bytes as NumPy writes them") {
  const scratch folder;
  const std::vector<double> values{1, -2.5};
  const std::array<std::size_t, 1> shape{2};
  write_npy<double>(folder.file("a.npy"), values, shape);
  const std::string bytes = content(folder.file("a.npy"));
  CHECK(bytes.substr(0, 10) == std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  CHECK(bytes.substr(10, 60) == "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }   ");
  CHECK(bytes[127] == '\n');
  CHECK(bytes.size() == 128 + 16);
  CHECK(bytes.substr(128, 8) == std::string("\0\0\0\0\0\0\xf0\x3f", 8));
}

TEST_CASE("npy: what is written comes back, for each type, rank and emptiness") {
  const scratch folder;
  comes_back<double>(folder.file("d.npy"), {1, 2, 3, 4, 5, 6}, {2, 3});
  comes_back<float>(folder.file("f.npy"), {1.5f, -0.f, 3e38f, 1e-45f}, {4, 1, 1});
  comes_back<number>(folder.file("c.npy"), {{1, 2}, {-3, 4}}, {2});
  comes_back<double>(folder.file("scalar.npy"), {7}, {});
  comes_back<double>(folder.file("empty.npy"), {}, {0, 3});
  comes_back<double>(folder.file("long.npy"), {1}, std::vector<std::size_t>(60, 1));
  CHECK(read_npy(folder.file("f.npy")).as<double>()[0] == 1.5);
  CHECK(read_npy(folder.file("f.npy")).as<number>()[0] == number(1.5));
  CHECK_THROWS_AS(read_npy(folder.file("c.npy")).as<double>(), std::runtime_error);
  CHECK_THROWS_AS(read_npy(folder.file("d.npy")).as<float>(), std::runtime_error);
}

TEST_CASE("npy: a version 2 header is read, spacing and order of entries do not matter") {
  const scratch folder;
  const std::string header = "{'shape':(1 ,2), 'fortran_order':False,'descr':'<f4'}\n";
  std::string bytes("\x93NUMPY\x02\x00", 8);
  bytes += std::string{static_cast<char>(header.size()), 0, 0, 0} + header + std::string("\0\0\x80\x3f\0\0\0\x40", 8);
  put(folder.file("v2.npy"), bytes);
  const auto read = read_npy(folder.file("v2.npy"));
  CHECK(read.shape == std::vector<std::size_t>{1, 2});
  CHECK(read.as<float>() == std::vector<float>{1, 2});
}

TEST_CASE("npy: files that are not what they should be are refused with the reason") {
  const scratch folder;
  const std::string path = folder.file("x.npy");
  const auto with_header = [&](const std::string& header) {
    put(path, std::string("\x93NUMPY\x01\x00", 8) + std::string{static_cast<char>(header.size()), 0} + header);
    return path;
  };
  const auto message = [&](const std::string& file) -> std::string {
    try {
      read_npy(file);
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "";
  };
  CHECK(message(folder.file("none.npy")).find("cannot be opened") != std::string::npos);
  put(path, "PK\x03\x04 and more bytes");
  CHECK(message(path).find("should begin with \\x93NUMPY") != std::string::npos);
  CHECK(message(with_header("{'descr': '>f8', 'fortran_order': False, 'shape': (0,), }")).find("but is >f8") != std::string::npos);
  CHECK(message(with_header("{'descr': '<f8', 'fortran_order': True, 'shape': (0,), }")).find("Fortran") != std::string::npos);
  CHECK(message(with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }")).find("should have 24 bytes, but have 0") !=
        std::string::npos);
  CHECK(message(with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (x,), }")).find("whole numbers") != std::string::npos);
  CHECK(message(with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999, 9999999999), }")).find("fit into memory") !=
        std::string::npos);
  CHECK(message(with_header("{'descr': '<f8', 'fortran_order': False}")).find("'shape'") != std::string::npos);
  CHECK(message(with_header("{'descr': '<f8', 'shape': (3")).find("close 'shape'") == std::string::npos);
  put(path, std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  CHECK(message(path).find("ends early") != std::string::npos);
  const std::vector<double> values{1};
  const std::array<std::size_t, 1> shape{2};
  CHECK_THROWS_AS(write_npy<double>(path, values, shape), std::invalid_argument);
  const std::array<std::size_t, 1> one{1};
  CHECK_THROWS_AS(write_npy<double>(folder.file("no/such/folder.npy"), values, one), std::runtime_error);
}

TEST_CASE("json: commas, quotes, escapes, numbers that come back, null for what JSON cannot say") {
  json_writer json;
  const std::vector<double> numbers{1, 0.1, std::nan(""), -std::numeric_limits<double>::infinity(), 1e-300};
  json.open_object().key("a \"b\"\n\\").value(std::span<const double>(numbers)).key("n").value(3).key("ok").value(true);
  json.key("z").value(number(1, -2)).key("s").value("text").key("empty").open_array().close_array();
  json.key("nested").open_array().open_object().key("x").value(0.5).close_object().value(2).close_array();
  json.key("count").value(std::size_t{18446744073709551615u}).close_object();
  CHECK(json.text() ==
        "{\"a \\\"b\\\"\\u000a\\\\\": [1, 0.1, null, null, 1e-300], \"n\": 3, \"ok\": true, \"z\": [1, -2], "
        "\"s\": \"text\", \"empty\": [], \"nested\": [{\"x\": 0.5}, 2], \"count\": 18446744073709551615}");
  const scratch folder;
  json.save(folder.file("a.json"));
  CHECK(content(folder.file("a.json")) == json.text() + "\n");
}

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
