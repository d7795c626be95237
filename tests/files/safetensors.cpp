// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <coefdyn/files/save_safetensors.hpp>

#include "support.hpp"

namespace {
using namespace coefdyn;
using namespace coefdyn::files;
using namespace file_tests;

std::string entry(const std::string& dtype, const std::string& shape, std::uint64_t begin, std::uint64_t end) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":[)" + std::to_string(begin) + "," + std::to_string(end) +
         "]}";
}
/// A file of one tensor "a".
std::string one(const std::string& value, const std::string& data = std::string(8, '\0')) {
  return safetensors_bytes(R"({"a":)" + value + "}", data);
}
const std::string pair_of_floats = entry("F32", "[2]", 0, 8);

std::string why(const std::string& bytes) {
  return message<file_error>([&] { safetensors::parse(bytes_of(bytes), "m.safetensors"); });
}
struct row {
  std::string bytes, reason;
};
void refused(std::initializer_list<row> rows) {
  for (const row& r : rows) {
    const std::string said = why(r.bytes);
    CAPTURE(said);
    CAPTURE(r.reason);
    CHECK(said.find(r.reason) != std::string::npos);
    CHECK(said.starts_with("coefdyn: m.safetensors: "));
    CHECK(said.size() < 300);
  }
}

TEST_CASE("safetensors: tensors, metadata, names with escapes") {
  const std::string header = R"( {"__metadata__":{"format":"pt","\u00fc":"\ud83d\ude00"}, "w\"\u0041":)" + entry("F32", "[1,2]", 4, 12) +
                             R"(,"":{"extra":[{"deep":[null,1e9,"x"]}],"data_offsets":[0,4],"shape":[],"dtype":"I32"}} )";
  const std::string bytes = safetensors_bytes(header, raw(7, 1.5f, -2.f));
  const auto file = safetensors::parse(bytes_of(bytes), "m");
  CHECK(file.metadata == std::map<std::string, std::string>{{"format", "pt"}, {"\u00fc", "\U0001F600"}});
  CHECK(file.tensors.size() == 2);
  CHECK(file.has("w\"A"));
  CHECK(file.at("w\"A").dtype == "F32");
  CHECK(file.at("w\"A").shape == std::vector<idx>{1, 2});
  CHECK(file.load<double>("w\"A").as_view<2>()(0, 1) == -2);
  CHECK(file.load<idx>("").values == std::vector<idx>{7});
  CHECK(message<file_error>([&] { file.at("b"); }) == "coefdyn: m: there is no tensor 'b' among its 2");
  CHECK(why(safetensors_bytes("{}")) == "");
  CHECK(why(safetensors_bytes(R"({"__metadata__":null})")) == "");
  CHECK(why(safetensors_bytes(
            R"({"e":)" + entry("F32", "[0,3]", 0, 0) + R"(,"f":)" + entry("F32", "[0]", 0, 0) + R"(,"a":)" + pair_of_floats + "}",
            std::string(8, '\0'))) == "");
}

TEST_CASE("safetensors: a header that is no JSON object, or not strictly one, is refused") {
  const auto named = [](const std::string& name) {
    return safetensors_bytes("{\"" + name + "\":" + pair_of_floats + "}", std::string(8, '\0'));
  };
  refused({
      {"", "should begin with its header's length in 8 bytes, but has 0"},
      {"1234567", "but has 7"},
      {little_endian(3, 8) + "{}", "the header should have 3 bytes, but the file ends after 2"},
      {little_endian(100000001, 8) + "{}", "at most 10^8 bytes, but claims 100000001"},
      {little_endian(1ull << 63, 8) + "{}", "at most 10^8 bytes"},
      {little_endian(~0ull, 8) + "{}", "at most 10^8 bytes"},
      {safetensors_bytes(""), "its JSON is broken at byte"},
      {safetensors_bytes("[]"), "should be a JSON object"},
      {safetensors_bytes("null"), "should be a JSON object"},
      {safetensors_bytes("{}x"), "broken at byte 3"},
      {safetensors_bytes("{}{}"), "broken at byte 3"},
      {safetensors_bytes(std::string("{}\0", 3)), "zero bytes, but has one at byte 2"},
      {safetensors_bytes(std::string("{}\0rest", 7)), "zero bytes"},
      {safetensors_bytes("\xef\xbb\xbf{}"), "byte-order mark"},
      {safetensors_bytes("{"), "broken"},
      {safetensors_bytes("{/**/}"), "broken"},
      {safetensors_bytes("{'a':1}"), "broken"},
      {safetensors_bytes(R"({"a":)" + pair_of_floats + ",}", std::string(8, '\0')), "broken"},
      {named("\\ud800"), "broken"},
      {named("\\udc00"), "broken"},
      {named("\\udc00\\ud800"), "broken"},
      {named("\\ud800x"), "broken"},
      {named("\xff"), "broken"},
      {named("\xc0\x80"), "broken"},
      {named("\xed\xa0\x80"), "broken"},
      {named("\x01"), "broken"},
      {safetensors_bytes(R"({"a":)" + pair_of_floats + R"(,"a":)" + entry("F32", "[2]", 8, 16) + "}", std::string(16, '\0')),
       "holds 'a' twice"},
      {safetensors_bytes(R"({"a":)" + pair_of_floats + R"(,"\u0061":)" + entry("F32", "[2]", 8, 16) + "}", std::string(16, '\0')),
       "holds 'a' twice"},
      {safetensors_bytes(R"({"a":)" + pair_of_floats + R"(,"a":)" + pair_of_floats + "}", std::string(8, '\0')), "holds 'a' twice"},
      {safetensors_bytes(R"({"__metadata__":{},"__metadata__":{}})"), "twice"},
      {safetensors_bytes(R"({"__metadata__":{"k":"a","\u006b":"b"}})"), "holds 'k' twice"},
      {safetensors_bytes(R"({"__metadata__":{"k":1}})"), "strings alone, but 'k' is another value"},
      {safetensors_bytes(R"({"__metadata__":{"k":null}})"), "strings alone"},
      {safetensors_bytes(R"({"__metadata__":{"k":{}}})"), "strings alone"},
      {safetensors_bytes(R"({"__metadata__":[]})"), "an object of strings"},
      {safetensors_bytes(R"({"__metadata__":)" + pair_of_floats + "}", std::string(8, '\0')), "strings alone"},
      {safetensors_bytes(R"({"a":{"x":)" + std::string(1000, '[')), "at most 127 levels"},
      {safetensors_bytes(std::string(100000, '[')), "should be a JSON object"},
  });
}

TEST_CASE("safetensors: a tensor whose entry is incomplete or of other types is refused by its name") {
  refused({
      {one("{}"), "tensor 'a': expected a dtype, given none"},
      {one(R"({"shape":[2],"data_offsets":[0,8]})"), "tensor 'a': expected a dtype, given none"},
      {one(R"({"dtype":"F32","data_offsets":[0,8]})"), "tensor 'a': expected a shape, given none"},
      {one(R"({"dtype":"F32","shape":[2]})"), "tensor 'a': expected data_offsets of two numbers, given 0"},
      {one(R"({"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]})"), "'dtype' twice"},
      {one(entry("F33", "[2]", 0, 8)), "tensor 'a': expected a dtype of the format, given 'F33'"},
      {one(entry("f32", "[2]", 0, 8)), "given 'f32'"},
      {one(entry("", "[2]", 0, 8)), "given ''"},
      {one(entry("C128", "[]", 0, 16), std::string(16, '\0')), "given 'C128'"},
      {one(R"({"dtype":3,"shape":[2],"data_offsets":[0,8]})"), "dtype to be a string"},
      {one(R"({"dtype":null,"shape":[2],"data_offsets":[0,8]})"), "dtype to be a string"},
      {one(entry("F32", "2", 0, 8)), "shape to be a list"},
      {one(entry("F32", "null", 0, 8)), "shape to be a list"},
      {one(entry("F32", "[2.0]", 0, 8)), "shape to be a list of whole numbers"},
      {one(entry("F32", "[2e0]", 0, 8)), "shape to be a list of whole numbers"},
      {one(entry("F32", "[-2]", 0, 8)), "shape to be a list of whole numbers"},
      {one(entry("F32", "[-0]", 0, 0), ""), "shape to be a list of whole numbers"},
      {one(entry("F32", "[\"2\"]", 0, 8)), "shape to be a list of whole numbers"},
      {one(entry("F32", "[true,2]", 0, 8)), "shape to be a list of whole numbers"},
      {one(entry("F32", "[[2]]", 0, 8)), "shape to be a list of whole numbers"},
      {one(entry("F32", "[02]", 0, 8)), "broken"},
      {one(entry("U8", "[18446744073709551616]", 0, 0), ""), "whole numbers below 2^63"},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[0]})"), "data_offsets of two numbers, given 1"},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8,8]})"), "data_offsets to be a list of two"},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8.0]})"), "data_offsets to be a list of two"},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[-8,0]})"), "data_offsets to be a list of two"},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":{"0":0,"1":8}})"), "data_offsets to be a list of two"},
      {one("[\"F32\",[2],[0,8]]"), "tensor 'a': expected an object"},
      {one("null"), "tensor 'a': expected an object"},
      {one("1"), "tensor 'a': expected an object"},
      {safetensors_bytes("{\"" + std::string(1000, 'n') + "\\n\":1}"), "nnnn...'"},
  });
}

TEST_CASE("safetensors: overlaps, holes, bytes that no tensor has, shapes that do not fill them") {
  const auto two = [](const std::string& a, const std::string& b, std::size_t bytes) {
    return safetensors_bytes(R"({"a":)" + a + R"(,"b":)" + b + "}", std::string(bytes, '\0'));
  };
  refused({
      {two(pair_of_floats, entry("F32", "[2]", 4, 12), 12),
       "tensor 'b': expected its bytes to follow upon those before it, from 8 on, given 4 to 12"},
      {two(pair_of_floats, pair_of_floats, 8), "tensor 'b': expected its bytes to follow"},
      {two(entry("F32", "[1]", 0, 4), entry("F32", "[1]", 8, 12), 12),
       "tensor 'b': expected its bytes to follow upon those before it, from 4 on, given 8 to 12"},
      {two(pair_of_floats, entry("F32", "[0]", 4, 4), 8), "tensor 'b': expected its bytes to follow"},
      {one(entry("F32", "[1]", 4, 8)), "tensor 'a': expected its bytes to follow upon those before it, from 0 on"},
      {one(entry("F32", "[2]", 8, 0)), "tensor 'a': expected its bytes to follow"},
      {one(pair_of_floats, std::string(9, '\0')), "end after 8 of 9 bytes"},
      {one(pair_of_floats, std::string(7, '\0')), "tensor 'a': expected its bytes in the file's 7 of data, given 0 to 8"},
      {safetensors_bytes("{}", "x"), "end after 0 of 1 bytes"},
      {one(entry("F32", "[1048576]", 0, 4194304)), "in the file's 8 of data"},
      {one(entry("U8", "[7]", 0, 8)), "tensor 'a': expected its shape to fill its bytes, 56 bits, given 0 to 8"},
      {one(entry("BOOL", "[9]", 0, 8)), "expected its shape to fill its bytes"},
      {one(entry("F8_E4M3", "[3,3]", 0, 8)), "expected its shape to fill its bytes"},
      {one(entry("F8_E5M2", "[]", 0, 8)), "expected its shape to fill its bytes"},
      {one(entry("F32", "[3]", 0, 8)), "expected its shape to fill its bytes"},
      {one(entry("F4", "[15]", 0, 8)), "expected its shape to fill its bytes, 60 bits"},
      {one(entry("F6_E2M3", "[10]", 0, 8)), "expected its shape to fill its bytes, 60 bits"},
      {one(entry("F32", "[4294967296,4294967296]", 0, 0), ""), "a shape that 63 bits can count"},
      {one(entry("F64", "[2305843009213693952]", 0, 0), ""), "a shape that 63 bits can count"},
      {one(entry("U8", "[0,4611686018427387904,4611686018427387904]", 0, 0), ""), "a shape that 63 bits can count"},
      {one(entry("U8", "[4611686018427387904,4,0]", 0, 0), ""), "a shape that 63 bits can count"},
  });
  std::string axes = "[1";
  for (int i = 0; i < 64; ++i) axes += ",1";
  CHECK(why(one(entry("U8", axes + "]", 0, 1), "x")).find("at most 64 extents") != std::string::npos);
}

TEST_CASE("safetensors: every dtype, and its conversion") {
  const auto doubles = [](const std::string& dtype, const std::string& data, int count) {
    const std::string bytes = one(entry(dtype, "[" + std::to_string(count) + "]", 0, data.size()), data);
    return safetensors::parse(bytes_of(bytes), "m").load<double>("a").values;
  };
  using values = std::vector<double>;
  CHECK(doubles("F64", raw(0.1, -1e300), 2) == values{0.1, -1e300});
  CHECK(doubles("F32", raw(1.5f, -0.25f), 2) == values{1.5, -0.25});
  CHECK(doubles("F16", raw(half(1.5f), half(-65504.f)), 2) == values{1.5, -65504});
  CHECK(doubles("BF16", raw(bf16(1.5f), bf16(-0x1p100f)), 2) == values{1.5, -0x1p100});
  CHECK(doubles("I64", raw(std::int64_t(-1) << 40, std::int64_t(3)), 2) == values{-0x1p40, 3});
  CHECK(doubles("U64", raw(~0ull), 1) == values{0x1p64});
  CHECK(doubles("I32", raw(-70000), 1) == values{-70000});
  CHECK(doubles("U32", raw(4000000000u), 1) == values{4000000000});
  CHECK(doubles("I16", raw(std::int16_t(-300)), 1) == values{-300});
  CHECK(doubles("U16", raw(std::uint16_t(65535)), 1) == values{65535});
  CHECK(doubles("I8", "\x80\x7f", 2) == values{-128, 127});
  CHECK(doubles("U8", "\x80\x7f", 2) == values{128, 127});
  CHECK(doubles("BOOL", std::string("\0\1", 2), 2) == values{0, 1});
  CHECK(doubles("F8_E5M2", "\x3c\xc2\x7b\x01\x7c", 5) == values{1, -3, 57344, 0x1p-16, INFINITY});
  CHECK(doubles("F8_E4M3", "\x38\xc4\x7e\x01\x08", 5) == values{1, -3, 448, 0x1p-9, 0x1p-6});
  CHECK(std::isnan(doubles("F8_E4M3", "\xff", 1)[0]));
  CHECK(doubles("F8_E8M0", std::string("\x7f\x00\x80\xfe", 4), 4) == values{1, 0x1p-127, 2, 0x1p127});
  CHECK(std::isnan(doubles("F8_E8M0", "\xff", 1)[0]));
  CHECK(message<file_error>([&] { doubles("F4", "x", 2); }) ==
        "coefdyn: m: tensor 'a': expected numbers that this library converts, given F4; take the tensor's bytes");
  CHECK(message<file_error>([&] { doubles("F8_E4M3FNUZ", "x", 1); }).find("take the tensor's bytes") != std::string::npos);
  CHECK(message<file_error>([&] { doubles("C64", raw(1.f, 2.f), 1); }).find("given C64") != std::string::npos);
  const std::string complex_bytes = one(entry("C64", "[1]", 0, 8), raw(1.f, 2.f));
  CHECK(safetensors::parse(bytes_of(complex_bytes), "m").load<coefdyn::complex<double>>("a").values[0].im == 2);
}

TEST_CASE("safetensors: tensors where they lie, by the type that they have") {
  const scratch folder;
  put(folder.file("m.safetensors"), safetensors_bytes(R"({"a":)" + entry("F32", "[2,1]", 0, 8) + "}", raw(1.5f, -2.f)));
  auto file = safetensors::read(folder.file("m.safetensors"));
  const auto v = file.view_of<float, 2>("a");
  const auto moved = std::move(file);
  CHECK(v(1, 0) == -2);
  CHECK(static_cast<const void*>(v.data) == moved.at("a").bytes.data());
  CHECK(message<file_error>([&] {
          moved.view_of<double, 2>("a");
        }).ends_with("tensor 'a': expected F64 for a view of its numbers, given F32; load converts"));
  CHECK_THROWS_AS((moved.view_of<float, 1>("a")), invalid_input);
  put(folder.file("odd.safetensors"), one(pair_of_floats, raw(1.5f, -2.f)));
  const auto odd = safetensors::read(folder.file("odd.safetensors"));
  REQUIRE(reinterpret_cast<std::uintptr_t>(odd.at("a").bytes.data()) % 4 != 0);
  CHECK(message<file_error>([&] { odd.view_of<float, 1>("a"); }).ends_with("load copies them"));
  CHECK(odd.load<float>("a").values == std::vector<float>{1.5f, -2});
  CHECK(message<file_error>([&] { safetensors::read(folder.path.string()); }).ends_with("given a folder"));
}

TEST_CASE("safetensors: written with the reference writer's bytes, and read back") {
  const scratch folder;
  const std::string path = folder.file("w.safetensors");
  std::vector<float> w{1, 2, 3, 4, 5, 6};
  const std::vector<bf16> b{bf16(1.f), bf16(-2.f), bf16(3.f)};
  const array<std::int64_t> steps{{7}, {}, ""};
  const std::uint8_t flags[] = {1, 2};
  safetensors_writer out;
  out.metadata["format"] = "pt";
  out.add("w\n", view<float, 2>(w.data(), {3, 2}, {1, 3}));
  out.add("b", view(b.data(), 3));
  out.add("a", view(b.data(), 1));
  out.add("steps", steps);
  out.add("flags", view(flags, 2));
  out.save(path);
  // safetensors.serialize of Python's package 0.8.0 gives these bytes
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"steps":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"w\n":{"dtype":"F32","shape":[3,2],)"
      R"("data_offsets":[8,32]},"a":{"dtype":"BF16","shape":[1],"data_offsets":[32,34]},"b":{"dtype":"BF16","shape":[3],"data_offsets":[34,40]},)"
      R"("flags":{"dtype":"U8","shape":[2],"data_offsets":[40,42]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  CHECK(content(path) == safetensors_bytes(padded, raw(steps.values[0], 1.f, 4.f, 2.f, 5.f, 3.f, 6.f, b[0], b[0], b[1], b[2]) + "\1\2"));
  const auto back = safetensors::read(path);
  CHECK(back.view_of<float, 2>("w\n")(1, 1) == 5);
  CHECK(back.view_of<bf16, 1>("b")(2) == 3.f);
  safetensors_writer copy;
  copy.metadata = back.metadata;
  for (const auto& [name, t] : back.tensors) copy.add(name, t);
  copy.save(path);  // over the file that it reads
  CHECK(content(path) == safetensors_bytes(padded, raw(steps.values[0], 1.f, 4.f, 2.f, 5.f, 3.f, 6.f, b[0], b[0], b[1], b[2]) + "\1\2"));
}

TEST_CASE("safetensors: what may not be written") {
  const scratch folder;
  const float x = 1;
  safetensors_writer out;
  out.add("x", view(&x, 1));
  CHECK(message<invalid_input>([&] { out.add("x", view(&x, 1)); }).find("expected a name that is not taken") != std::string::npos);
  CHECK_THROWS_AS(out.add("__metadata__", view(&x, 1)), invalid_input);
  CHECK_THROWS_AS(out.save(folder.file("no/such")), file_error);
  CHECK_THROWS_AS(out.save(folder.path.string()), file_error);
  out.add("\xff", view(&x, 1));
  CHECK(message<invalid_input>([&] { out.save(folder.file("x")); }).find("expected UTF-8") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(folder.file("x")));
}

TEST_CASE("safetensors: an index reads as its shards together") {
  const scratch folder;
  const std::string index = folder.file("model.safetensors.index.json");
  put(folder.file("1.safetensors"), one(pair_of_floats, raw(1.f, 2.f)));
  put(folder.file("2.safetensors"), safetensors_bytes(R"({"b":)" + pair_of_floats + R"(,"__metadata__":{"format":"pt"}})", raw(3.f, 4.f)));
  put(index, R"({"metadata":{"total_size":16},"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})");
  const auto model = safetensors::read(index);
  CHECK(model.tensors.size() == 2);
  CHECK(model.load<float>("a").values == std::vector<float>{1, 2});
  CHECK(model.load<float>("b").values == std::vector<float>{3, 4});
  CHECK(model.metadata.at("format") == "pt");
  const auto refused_index = [&](const std::string& text) {
    put(index, text);
    return message<file_error>([&] { safetensors::read(index); });
  };
  CHECK(refused_index("{}").find("should hold a weight_map") != std::string::npos);
  CHECK(refused_index("[]").find("should hold a weight_map") != std::string::npos);
  CHECK(refused_index(R"({"weight_map":[]})").find("should hold a weight_map") != std::string::npos);
  CHECK(refused_index(R"({"weight_map":{"a":1}})").find("tensor 'a': expected the name of a file beside the index") != std::string::npos);
  CHECK(refused_index(R"({"weight_map":{"a":"../1.safetensors"}})").find("beside the index") != std::string::npos);
  CHECK(refused_index(R"({"weight_map":{"a":"model.safetensors.index.json"}})").find("beside the index") != std::string::npos);
  CHECK(refused_index(R"({"weight_map":{"a":"1.safetensors","a":"2.safetensors"}})").find("'a' twice") != std::string::npos);
  CHECK(refused_index(R"({"weight_map":{"a":"3.safetensors"}})").find("3.safetensors: expected a file to read") != std::string::npos);
  CHECK(refused_index(R"({"weight_map":{"a":"2.safetensors"}})").find("2.safetensors: there is no tensor 'a'") != std::string::npos);
  CHECK(refused_index("{").find("its JSON is broken") != std::string::npos);
}

TEST_CASE("safetensors: no header costs more memory than in proportion to the bytes that are there") {
  const auto cost = [](const std::string& bytes) { return peak_of([&] { why(bytes); }); };
  CHECK(cost(little_endian(99999999, 8) + "{}") < 4096);
  CHECK(cost(one(entry("U8", "[1000000000000]", 0, 1000000000000))) < 8192);
  CHECK(cost(one(entry("F32", "[0,1000000000000]", 0, 0), "")) < 8192);
  const auto long_list = [](const char* item) {
    std::string s = "[";
    for (int i = 0; i < 100000; ++i) s += item;
    return s;
  };
  for (const char* item : {"0,", "[],", "{},", "[[[],"}) {
    const std::string shape = one(R"({"shape":)" + long_list(item)), other = one(R"({"x":)" + long_list(item));
    CHECK(cost(shape) < 16384);             // refused at the first or the 65th
    CHECK(cost(other) < 5 * other.size());  // nlohmann-json keeps what it has read since the last string or number, for its error
  }
  std::string many = "{\"__metadata__\":{";
  for (int i = 0; i < 20000; ++i) many += "\"" + std::to_string(i) + "\":\"\",";
  const std::string bytes = safetensors_bytes(many);
  CHECK(cost(bytes) < 40 * bytes.size());
}
}  // namespace
