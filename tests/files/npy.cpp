// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <coefdyn/files/npy.hpp>
#include <limits>

#include "support.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::files;
using namespace file_tests;
using number = std::complex<double>;

std::string header(const std::string& descr, const std::string& shape, bool fortran = false) {
  return "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape + ", }\n";
}
template <class T>
std::vector<T> values(const std::string& content) {
  return npy_file::parse(bytes_of(content), "x.npy").load<T>().values;
}
template <class T>
void comes_back(const std::string& path, const std::vector<T>& x, const std::vector<idx>& shape) {
  save_npy(path, x, shape);
  const auto read = load_npy<T>(path);
  CHECK(read.shape == shape);
  CHECK(read.values == x);
}

TEST_CASE("npy: bytes as NumPy writes them") {
  const scratch folder;
  save_npy<double>(folder.file("a.npy"), {1, -2.5}, {2});
  const std::string bytes = content(folder.file("a.npy"));
  CHECK(bytes.substr(0, 10) == std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  CHECK(bytes.substr(10, 60) == "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }   ");
  CHECK(bytes[127] == '\n');
  CHECK(bytes.substr(128) == raw(1.0, -2.5));
  save_npy<std::uint8_t>(folder.file("b.npy"), {7}, {});
  CHECK(content(folder.file("b.npy")).substr(10, 56) == "{'descr': '|u1', 'fortran_order': False, 'shape': (), } ");
}

TEST_CASE("npy: what is written comes back, for each type, rank and emptiness") {
  const scratch folder;
  comes_back<double>(folder.file("d.npy"), {1, 2, 3, 4, 5, 6}, {2, 3});
  comes_back<float>(folder.file("f.npy"), {1.5f, -0.f, 3e38f, 1e-45f}, {4, 1, 1});
  comes_back<number>(folder.file("c.npy"), {{1, 2}, {-3, 4}}, {2});
  comes_back<std::complex<float>>(folder.file("c8.npy"), {{1, 2}, {-3, 4}}, {1, 2});
  comes_back<std::int64_t>(folder.file("i.npy"), {std::numeric_limits<std::int64_t>::min(), 3}, {2});
  comes_back<std::uint16_t>(folder.file("u.npy"), {65535, 3}, {2});
  comes_back<double>(folder.file("scalar.npy"), {7}, {});
  comes_back<double>(folder.file("empty.npy"), {}, {0, 3});
  comes_back<double>(folder.file("long.npy"), {1}, std::vector<idx>(60, 1));
  const half h[] = {half(1.5f), half(-65504.f)};
  save_npy(folder.file("h.npy"), view(h, 2));
  CHECK(npy_file::read(folder.file("h.npy")).descr == "<f2");
  CHECK(load_npy<float>(folder.file("h.npy")).values == std::vector<float>{1.5f, -65504});
  CHECK(load_npy<half>(folder.file("h.npy")).values[1].bits == h[1].bits);
}

TEST_CASE("npy: views of any strides are written in C order and read as views") {
  const scratch folder;
  std::vector<float> a{1, 2, 3, 4, 5, 6};
  save_npy(folder.file("a.npy"), view<float, 2>(a.data(), {3, 2}, {1, 3}));
  const auto back = load_npy<double>(folder.file("a.npy"));
  CHECK(back.as_view<2>()(2, 1) == 6);
  CHECK(back.values == std::vector<double>{1, 4, 2, 5, 3, 6});
  const std::string path = folder.file("a.npy");
  CHECK(message<invalid_input>([&] { back.as_view<3>(); }) == "coefdyn: " + path + ": expected rank 3, given rank 2");
  std::vector<double> large(9000);
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = double(i);
  save_npy(folder.file("l.npy"), view<const double, 2>(large.data() + 8999, {90, 100}, {-100, -1}));
  const auto turned = load_npy<double>(folder.file("l.npy"));
  for (std::size_t i = 0; i < large.size(); ++i) CHECK(turned.values[i] == double(8999 - i));
  const float three = 3;
  save_npy(folder.file("r.npy"), view<const float, 2>(&three, {2, 2}, {0, 0}));
  CHECK(load_npy<float>(folder.file("r.npy")).values == std::vector<float>{3, 3, 3, 3});
  std::vector<coefdyn::complex<double>> c{{1, 2}, {3, 4}};
  save_npy(folder.file("c.npy"), view(c.data(), 2));
  CHECK(load_npy<coefdyn::complex<double>>(folder.file("c.npy")).as_view<1>()(1).im == 4);
}

TEST_CASE("npy: every number type is read, from either order of bytes") {
  const auto swapped = [](std::string s, std::size_t part) {
    for (std::size_t p = 0; p < s.size(); p += part) std::reverse(s.begin() + long(p), s.begin() + long(p + part));
    return s;
  };
  const auto both = [&](const std::string& code, const std::string& data, std::size_t part, const std::vector<number>& want) {
    for (const char* order : {"<", "=", ""}) CHECK(values<number>(npy_bytes(header(order + code, "(2,)"), data)) == want);
    CHECK(values<number>(npy_bytes(header(">" + code, "(2,)"), swapped(data, part))) == want);
  };
  both("f8", raw(1.5, -2e300), 8, {1.5, -2e300});
  both("f4", raw(1.5f, -0.25f), 4, {1.5, -0.25});
  both("f2", raw(half(1.5f), half(6e-8f)), 2, {1.5, 0x1p-24});
  both("c8", raw(1.f, 2.f, 3.f, -4.f), 4, {{1, 2}, {3, -4}});
  both("c16", raw(1., 2., 3., -4.), 8, {{1, 2}, {3, -4}});
  both("i1", raw(std::int8_t(-128), std::int8_t(5)), 1, {-128, 5});
  both("u1", raw(std::uint8_t(200), std::uint8_t(5)), 1, {200, 5});
  both("i2", raw(std::int16_t(-300), std::int16_t(5)), 2, {-300, 5});
  both("u2", raw(std::uint16_t(65535), std::uint16_t(5)), 2, {65535, 5});
  both("i4", raw(-70000, 5), 4, {-70000, 5});
  both("u4", raw(4000000000u, 5u), 4, {4000000000., 5});
  both("i8", raw(std::int64_t(-1) << 40, std::int64_t(5)), 8, {-0x1p40, 5});
  both("u8", raw(std::uint64_t(1) << 63, std::uint64_t(5)), 8, {0x1p63, 5});
  both("b1", std::string("\1\0", 2), 1, {1, 0});
  CHECK(values<float>(npy_bytes(header("|b1", "(2,)"), std::string("\0\1", 2))) == std::vector<float>{0, 1});
  CHECK(values<int>(npy_bytes(header("?", "(2,)"), std::string("\0\1", 2))) == std::vector<int>{0, 1});
}

TEST_CASE("npy: conversions go up the kinds, round to nearest, and refuse a whole number that does not fit") {
  const auto f8 = npy_bytes(header("<f8", "(2,)"), raw(0.1, 1 + 0x1p-8 + 0x1p-40));
  CHECK(values<float>(f8) == std::vector<float>{0.1f, 1 + 0x1p-8f});
  CHECK(values<bf16>(f8)[1].bits == bf16(1 + 0x1p-7f).bits);  // one rounding: through float it would be a tie, and 1
  CHECK(values<half>(npy_bytes(header("<f8", "(1,)"), raw(-1 - 0x1p-11 - 0x1p-40)))[0].bits == half(-1 - 0x1p-10f).bits);
  const auto why = [](auto read) { return message<file_error>(read); };
  CHECK(why([&] { values<int>(f8); }) ==
        "coefdyn: x.npy: expected numbers of the kind asked for or a lower one (boolean, whole, real, complex), given <f8; "
        "ask for a type of its kind");
  CHECK(why([&] { values<double>(npy_bytes(header("<c8", "(1,)"), raw(1.f, 2.f))); }).find("given <c8") != std::string::npos);
  const auto i8 = npy_bytes(header("<i8", "(2,)"), raw(std::int64_t(7), std::int64_t(1) << 31));
  CHECK(why([&] { values<int>(i8); }) ==
        "coefdyn: x.npy: expected numbers that fit into the whole type asked for, given another at index 1 of <i8; ask for a wider type");
  CHECK(values<std::int64_t>(i8)[1] == std::int64_t(1) << 31);
  CHECK(values<float>(i8)[1] == 0x1p31f);
  CHECK(why([&] { values<unsigned>(npy_bytes(header("<i4", "(1,)"), raw(-1))); }).find("index 0") != std::string::npos);
}

TEST_CASE("npy: Fortran order") {
  const std::string bytes = npy_bytes(header("<i4", "(2, 3)", true), raw(1, 4, 2, 5, 3, 6));
  const auto f = npy_file::parse(bytes_of(bytes), "x");
  CHECK(f.load<int>().values == std::vector<int>{1, 2, 3, 4, 5, 6});
  CHECK(f.load<int>().as_view<2>()(1, 0) == 4);
  std::string cube;
  for (int c = 0; c < 4; ++c)
    for (int b = 0; b < 3; ++b)
      for (int a = 0; a < 2; ++a) cube += raw(100 * a + 10 * b + c);
  const auto g = npy_file::parse(bytes_of(npy_bytes(header("<i4", "(2,3,4)", true), cube)), "x").load<double>();
  for (idx a = 0; a < 2; ++a)
    for (idx b = 0; b < 3; ++b)
      for (idx c = 0; c < 4; ++c) CHECK(g.as_view<3>()(a, b, c) == double(100 * a + 10 * b + c));
}

TEST_CASE("npy: each version of the header, any order and spacing of its entries, bytes behind the array") {
  const std::string data = raw(1.f, 2.f);
  for (const char version : {'\1', '\2', '\3'})
    CHECK(values<float>(npy_bytes(header("<f4", "(2,)"), data + "more", version)) == std::vector<float>{1, 2});
  for (const char* text :
       {"{'shape':(1 ,2), 'fortran_order':False,'descr':'<f4'}\n", "{'shape':(2,),'fortran_order':False,'descr':'<f4',}",
        "{\"descr\":\"<f4\",\n\t\"fortran_order\" : False,\"shape\":( 2 , )}\r\n", "  {'descr':'<f4','fortran_order':True,'shape':(2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2L,), }\n"})
    CHECK(values<float>(npy_bytes(text, data)) == std::vector<float>{1, 2});
  CHECK(values<float>(npy_bytes(header("<f4", "()"), data)) == std::vector<float>{1});
  CHECK(values<float>(npy_bytes(header("|u1", "(0, 4611686018427387904)"))).empty());  // NumPy reads it, too
}

TEST_CASE("npy: what NumPy refuses is refused, and what this reader does not read, each with its reason") {
  const std::string data(64, '\0');
  struct row {
    std::string bytes, reason;
  };
  const auto with = [&](const std::string& text) { return npy_bytes(text, data); };
  const std::string many_axes = [] {
    std::string s = "(";
    for (int i = 0; i < 65; ++i) s += "1,";
    return s + ")";
  }();
  const row rows[] = {
      {"", "should begin with \\x93NUMPY"},
      {"\x93NUMPY", "say its version, but ends early"},
      {std::string("\x93NUMPY\x01\x00", 8), "say its header's length, but ends early"},
      {std::string("\x93NUMPY\x01\x00\x76\x00", 10), "the header should have 118 bytes, but ends early, after 0"},
      {"PK\x03\x04 and more bytes", "an archive (.npz); unpack it"},
      {"\x80\x04\x95 a pickle", "should begin with \\x93NUMPY"},
      {npy_bytes(header("<f8", "(2,)"), data, 4), "the version should be 1.0, 2.0 or 3.0, but is 4.0"},
      {npy_bytes(header("<f8", "(2,)"), data, 2, 0xffffffff), "the header should have 4294967295 bytes, but ends early"},
      {with(header("<f8", "(2,)") + std::string(10000, ' ')), "at most 10000 bytes"},
      {with("{'descr': ',}', 'fortran_order': False, 'shape': (2,), }"), "but are ',}'"},
      {with("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), ',}': 1}"), "but also holds ',}'"},
      {with("{'descr': '<f8', 'fortran_order': False}"), "should hold 'shape', but does not"},
      {with("{'descr': '<f8', 'shape': (2,)}"), "should hold 'fortran_order', but does not"},
      {with("{'fortran_order': False, 'shape': (2,)}"), "should hold 'descr', but does not"},
      {with("{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (2,)}"), "'descr' once, but holds it twice"},
      {with("{'descr': '<f8', 'fortran_order': 0, 'shape': (2,)}"), "True or False at character 34, but has '0, 'shape': '"},
      {with("{'descr': '<f8', 'fortran_order': False, 'shape': (3"), "',' or ')' at character 52, but has its end there"},
      {with("{}"), "should hold 'descr'"},
      {with(""), "'{' at character 0, but has its end there"},
      {with("[1]"), "'{' at character 0, but has '[1]'"},
      {with(header("<f8", "(2,)") + "x"), "the end of the header behind its dictionary"},
      {with(header("<f8", "(2,)") + std::string(1, '\0')), "the end of the header behind its dictionary"},
      {with(header("<f8", "(2)")), "a tuple, (2,), but is a number in brackets"},
      {with(header("<f8", "2")), "'('"},
      {with(header("<f8", "(,)")), "a whole number"},
      {with(header("<f8", "(2,,)")), "a whole number"},
      {with(header("<f8", "(2 3)")), "',' or ')'"},
      {with(header("<f8", "(2.0,)")), "',' or ')'"},
      {with(header("<f8", "(-1,)")), "a whole number that is not negative"},
      {with(header("<f8", "(02,)")), "without leading zeros, but holds '02'"},
      {with(header("<f8", "(x,)")), "a whole number"},
      {with(header("<f8", "(9,)")), "should have 72 bytes, but have 64"},
      {with(header("<f8", "(9223372036854775808,)")), "below 2^63, but holds '9223372036854775808'"},
      {with(header("<f8", "(0, 4611686018427387904, 4611686018427387904)")), "a shape that 63 bits can count"},
      {with(header("|u1", "(4611686018427387904, 4611686018427387904)")), "a shape that 63 bits can count"},
      {with(header("<f8", "(1152921504606846976,)")), "a shape that 63 bits can count"},
      {with(header("|u1", many_axes)), "at most 64 axes, but has 65"},
      {with(header("|O", "(2,)")), "but are '|O'"},
      {with(header("<f16", "(2,)")), "but are '<f16'"},
      {with(header("<U1", "(2,)")), "but are '<U1'"},
      {with("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (2,)}"), "records of several"},
  };
  for (const row& r : rows) {
    const std::string said = message<file_error>([&] { npy_file::parse(bytes_of(r.bytes), "dir/x.npy"); });
    CAPTURE(said);
    CHECK(said.find(r.reason) != std::string::npos);
    CHECK(said.starts_with("coefdyn: dir/x.npy: "));
  }
}

TEST_CASE("npy: refusals of the writer, and no header costs memory") {
  const scratch folder;
  const std::vector<double> one{1};
  CHECK_THROWS_AS(save_npy(folder.file("x.npy"), one, {2}), invalid_input);
  CHECK_FALSE(std::filesystem::exists(folder.file("x.npy")));
  CHECK_THROWS_AS(save_npy(folder.file("no/such/folder.npy"), one, {1}), file_error);
  const bf16 b{};
  CHECK(message<file_error>([&] { save_npy(folder.file("b.npy"), view(&b, 1)); }).find("given BF16; convert them to float first") !=
        std::string::npos);
  for (const char* shape : {"(1000000000000,)", "(0, 1000000000000)", "(65536, 65536)"}) {
    const std::string bytes = npy_bytes(header("|u1", shape));
    CHECK(peak_of([&] { message<file_error>([&] { npy_file::parse(bytes_of(bytes), "x"); }); }) < 8192);
  }
}
}  // namespace
