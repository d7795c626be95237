// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/core/random.hpp>
#include <coefdyn/files/json_tree.hpp>
#include <coefdyn/files/llama2c.hpp>
#include <coefdyn/files/rwkv_bin.hpp>
#include <coefdyn/files/safetensors.hpp>
#include <functional>

#include "model_bytes.hpp"

/// Checkpoints: shards under an index, llama2.c's and rwkv.cpp's files, settings.
namespace {
using namespace coefdyn;
using namespace coefdyn::files;
using namespace file_tests;

std::string why(const std::function<void()>& f) { return message<file_error>(f); }
bool same(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin());
}

TEST_CASE("llama2.c: every tensor under its name, at its place") {
  for (const bool tied : {true, false}) {
    const llama2c_case c{.dim = 8, .hidden = 5, .layers = 3, .heads = 4, .kv_heads = 2, .vocabulary = 7, .positions = 6, .tied = tied};
    const std::string bytes = c.bytes();
    const auto model = llama2c::parse(bytes_of(bytes), "m.bin");
    CHECK((model.size.dim == 8 && model.size.hidden == 5 && model.size.layers == 3 && model.size.heads == 4 && model.size.kv_heads == 2));
    CHECK((model.size.vocabulary == 7 && model.size.positions == 6 && model.size.tied == tied));
    CHECK(model.tensors.size() == std::size_t(9 * 3 + 2 + !tied));
    // numbers count up from 0 through the file, so a tensor's first number is its place
    idx at = 0;
    const auto next = [&](const std::string& name, std::vector<idx> shape) {
      const auto a = model.load<float>(name);
      REQUIRE(a.shape == shape);
      for (const float x : a.values) REQUIRE(x == float(at++));
    };
    const auto each = [&](const std::string& name, const std::vector<idx>& shape) {
      for (const char* l : {"0", "1", "2"}) next("layers." + std::string(l) + "." + name + ".weight", shape);
    };
    next("tok_embeddings.weight", {7, 8});
    each("attention_norm", {8});
    each("attention.wq", {8, 8}), each("attention.wk", {4, 8}), each("attention.wv", {4, 8}), each("attention.wo", {8, 8});
    each("ffn_norm", {8});
    each("feed_forward.w1", {5, 8}), each("feed_forward.w2", {8, 5}), each("feed_forward.w3", {5, 8});
    next("norm.weight", {8});
    at += 2 * 6 * 1;
    if (!tied) next("output.weight", {7, 8});
    CHECK(at * 4 + 28 == idx(bytes.size()));
  }
}

TEST_CASE("llama2.c: sizes that are none, do not fit each other or the file") {
  const llama2c_case good{.dim = 8, .hidden = 5, .layers = 1, .heads = 4, .kv_heads = 2, .vocabulary = 7, .positions = 6};
  const auto fault = [](const std::string& bytes) { return why([&] { llama2c::parse(bytes_of(bytes), "m.bin"); }); };
  const std::string bytes = good.bytes();
  CHECK(fault(bytes).empty());
  CHECK(fault(bytes.substr(0, 10)) == "coefdyn: m.bin: the size n_layers should have 4 bytes at byte 8, but the file ends after 2");
  CHECK(fault(bytes.substr(0, bytes.size() - 1)).find("tensor 'freq_sin' should have 24 bytes at byte") != std::string::npos);
  CHECK(fault(bytes + "x").find("should fill the file, but 1 bytes follow") != std::string::npos);
  const auto with = [&](std::size_t which, std::int32_t value) { return std::string(bytes).replace(which * 4, 4, raw(value)); };
  CHECK(fault(with(0, 0)).find("the size dim should be 1 .. 2^28, but is 0") != std::string::npos);
  CHECK(fault(with(1, -1)).find("hidden_dim should be 1 .. 2^28, but is -1") != std::string::npos);
  CHECK(fault(with(2, 1 << 29)).find("n_layers should be") != std::string::npos);
  CHECK(fault(with(3, 3)).find("heads should divide dim into even widths") != std::string::npos);
  CHECK(fault(with(3, 8)).find("even widths") != std::string::npos);
  CHECK(fault(with(4, 3)).find("kv heads divide heads") != std::string::npos);
  CHECK(fault(with(5, std::numeric_limits<std::int32_t>::min())).find("vocab_size should be") != std::string::npos);
  CHECK(fault(with(6, 0)).find("seq_len should be") != std::string::npos);
  CHECK(fault(with(0, 1 << 28)).find("tensor 'tok_embeddings.weight' should have") != std::string::npos);
  CHECK(fault(with(2, 1 << 28)).find("'layers.") != std::string::npos);
}

TEST_CASE("rwkv.cpp: tensors by name, shapes in PyTorch's order, two number types") {
  const std::string bytes = rwkv_header(5, 2, 1) +
                            rwkv_tensor("emb.weight", {5, 2}, raw(0.f, 1.f, 2.f, 3.f, 4.f, 5.f, 6.f, 7.f, 8.f, 9.f)) +
                            rwkv_tensor("blocks.0.time", {3, 1, 1}, raw(half(1.5f), half(-2.f), half(3.f)), 1);
  const auto model = rwkv_bin::parse(bytes_of(bytes), "m.bin");
  CHECK((model.vocabulary == 5 && model.width == 2 && model.layers == 1 && model.tensors.size() == 2));
  CHECK(model.at("emb.weight").shape == std::vector<idx>{5, 2});
  CHECK(model.load<float>("emb.weight").values[7] == 7);
  CHECK(model.at("blocks.0.time").shape == std::vector<idx>{3, 1, 1});
  CHECK(model.load<double>("blocks.0.time").values == std::vector<double>{1.5, -2, 3});
}

TEST_CASE("rwkv.cpp: other files, versions, types, and tensors that the file does not hold") {
  const std::string tensor = rwkv_tensor("a", {2}, raw(1.f, 2.f)), header = rwkv_header(5, 2, 1);
  const auto fault = [](const std::string& bytes) { return why([&] { rwkv_bin::parse(bytes_of(bytes), "m.bin"); }); };
  CHECK(fault(header).empty());
  CHECK(fault(header + tensor).empty());
  CHECK(fault("").find("the magic number should have 4 bytes at byte 0") != std::string::npos);
  CHECK(fault("GGUF" + header.substr(4)).find("should begin with the number 67676d66") != std::string::npos);
  CHECK(fault(std::string(header).replace(4, 4, raw(102))).find("version should be 100 or 101, but is 102") != std::string::npos);
  CHECK(fault(std::string(header).replace(20, 4, raw(7))).find("the file's type should be 0 (F32) or 1 (F16), but is 7; a quantised") !=
        std::string::npos);
  CHECK(fault(header + rwkv_tensor("a", {2}, raw(1.f, 2.f), 8)).find("the type of the tensor at byte 24 should be 0") != std::string::npos);
  CHECK(fault(header + tensor + tensor).find("tensor 'a': expected each name once, but it stands again at byte 49") != std::string::npos);
  CHECK(fault(header + tensor.substr(0, tensor.size() - 1)).find("tensor 'a' should have 8 bytes at byte 41, but the file ends after 7") !=
        std::string::npos);
  CHECK(fault(header + raw(0, 1, 0)).find("should have 1 .. 4 axes, but has 0") != std::string::npos);
  CHECK(fault(header + raw(5, 1, 0)).find("should have 1 .. 4 axes, but has 5") != std::string::npos);
  CHECK(fault(header + raw(1, -1, 0, 2) + "a").find("the name of the tensor at byte 24 should have 4294967295 bytes") != std::string::npos);
  CHECK(fault(header + raw(4, 1, 0, -1, -1, -1, -1) + "a").find("a shape that 63 bits can count") != std::string::npos);
  CHECK(fault(header + raw(1, 1, 0, -1) + "a").find("tensor 'a' should have 17179869180 bytes") != std::string::npos);
}

TEST_CASE("checkpoints of both formats are the .safetensors that were made from them, byte for byte") {
  const std::string folder = std::string(COEFDYN_TEST_DATA) + "/checkpoints/";
  if (!std::filesystem::exists(folder)) {
    MESSAGE("skipped: no folder " << folder);
    return;
  }
  const auto compare = [](const named_tensors& a, const safetensors& b) {
    CHECK(a.tensors.size() == b.tensors.size());
    for (const auto& [name, t] : b.tensors) {
      REQUIRE(a.has(name));
      CHECK((a.at(name).shape == t.shape && a.at(name).type == t.type && same(a.at(name).bytes, t.bytes)));
    }
  };
  compare(llama2c::read(folder + "stories260K.bin"), safetensors::read(folder + "stories260K.safetensors"));
  compare(rwkv_bin::read(folder + "tiny-rwkv-5v2-730K-FP32.bin"), safetensors::read(folder + "tiny-rwkv-5v2-730K-FP32.safetensors"));
}

TEST_CASE("an index and its shards say the same: a tensor in another shard, in two, in none") {
  const scratch folder;
  const auto shard = [&](const std::string& file, const std::string& names) {
    std::string header = "{";
    for (std::size_t i = 0; i < names.size(); ++i)
      header += (i ? ",\"" : "\"") + names.substr(i, 1) + R"(":{"dtype":"U8","shape":[1],"data_offsets":[)" + std::to_string(i) + "," +
                std::to_string(i + 1) + "]}";
    put(folder.file(file), safetensors_bytes(header + "}", names));
  };
  const auto fault = [&](const std::string& map) {
    put(folder.file("m.index.json"), R"({"weight_map":{)" + map + "}}");
    return why([&] { safetensors::read(folder.file("m.index.json")); });
  };
  shard("1", "ab"), shard("2", "c");
  CHECK(fault(R"("a":"1","b":"1","c":"2")").empty());
  CHECK(fault(R"("a":"1","c":"2")").find("/1: tensor 'b': expected tensors that ") != std::string::npos);  // in no place of the index
  CHECK(fault(R"("a":"1","b":"2","c":"2")").find("/1: tensor 'b': expected tensors that ") != std::string::npos);
  CHECK(fault(R"("a":"1","b":"1","c":"2","d":"2")").find("/2: there is no tensor 'd' among its 1") != std::string::npos);
  shard("2", "bc");
  CHECK(fault(R"("a":"1","b":"1","c":"2")").find("/2: tensor 'b': expected tensors that ") != std::string::npos);  // in two
  for (const char* outside : {"/etc/passwd", "../1", "x/../1", "..\\\\1", "\\u0000"})
    CHECK(fault("\"a\":\"" + std::string(outside) + "\"").find("expected the name of a file beside the index") != std::string::npos);
  CHECK(fault(R"("a":"..")").find("expected a file, given a folder") != std::string::npos);
}

TEST_CASE("settings: values by name, and what is missing or of another kind is refused with its place") {
  const auto t = json_tree::parse(R"({"a":{"b":[1,-2,3.5,"x",true,null]},"n":null,"big":9223372036854775808})", "c.json");
  const auto list = t["a"]["b"].elements();
  REQUIRE(list.size() == 6);
  CHECK((list[0].whole() == 1 && list[1].number() == -2 && list[2].number() == 3.5 && list[3].text() == "x" && list[4].truth()));
  CHECK((list[5].is_absent() && t["n"].whole_or(7) == 7 && t["none"].number_or(0.5) == 0.5 && t["none"]["deeper"].text_or("z") == "z"));
  CHECK(t["a"].elements()[0].name() == "b");
  const auto fault = [](const std::function<void()>& f) { return why(f); };
  CHECK(fault([&] { list[3].whole(); }) == "coefdyn: c.json: a.b.3: expected a whole number of 0 .. 9223372036854775807, given \"x\"");
  CHECK(fault([&] { list[1].whole(); }).ends_with("given -2"));
  CHECK(fault([&] { list[0].whole(2, 5); }).ends_with("a.b.0: expected a whole number of 2 .. 5, given 1"));
  CHECK(fault([&] { t["big"].whole(); }).ends_with("given 9223372036854775808"));
  CHECK(fault([&] { t["a"]["c"].text(); }).ends_with("a.c: expected a string, given none"));
  CHECK(fault([&] { t["n"].truth(); }).ends_with("n: expected true or false, given null"));
  CHECK(fault([&] { list[0]["x"].text(); }).ends_with("a.b.0: expected an object, given 1"));
  CHECK(fault([&] { t["a"]["b"].number_or(1); }).ends_with("a.b: expected a number, given [1,-2,3.5,\"x\",true,null]"));
  CHECK(fault([] { json_tree::parse("[1,2", "c.json"); }).find("its JSON is broken") != std::string::npos);
  CHECK(json_tree::parse("3", "c.json").whole() == 3);
  CHECK(fault([] { json_tree::parse("3", "c.json").elements(); }) == "coefdyn: c.json: expected a list, given 3");
}
}  // namespace
