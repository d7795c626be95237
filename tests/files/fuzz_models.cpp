// SPDX-License-Identifier: MIT
#include <coefdyn/files/json_tree.hpp>
#include <coefdyn/files/llama2c.hpp>
#include <coefdyn/files/rwkv_bin.hpp>
#include <coefdyn/files/safetensors.hpp>

#include "fuzz.hpp"
#include "model_bytes.hpp"

/// The readers of checkpoints and their settings (fuzz.hpp).
namespace {
using namespace coefdyn;
using namespace coefdyn::files;
using namespace file_tests;

/// Every tensor lies in the file, and is read.
std::size_t bytes_looked_at(const named_tensors& model) {
  std::size_t total = 0;
  for (const auto& [name, t] : model.tensors) {
    CHECK(t.bytes.size() * 8 == std::size_t(t.size()) * std::size_t(entry_of(t.type).bits));
    total += t.bytes.size();
    CHECK(model.load<double>(name).values.size() == std::size_t(t.size()));
  }
  return total;
}
const std::vector<std::string> numbers{std::string(4, '\0'), raw(1), raw(2), raw(-1), raw(1 << 28), raw(0x67676d66), "a"};

TEST_CASE("fuzz: checkpoints of llama2.c") {
  std::vector<std::string> seeds;
  for (const bool tied : {true, false})
    for (const int layers : {1, 3})
      seeds.push_back(
          llama2c_case{.dim = 4, .hidden = 3, .layers = layers, .heads = 2, .kv_heads = 1, .vocabulary = 3, .positions = 2, .tied = tied}
              .bytes());
  const std::size_t accepted = fuzz<file_error>(
      seeds, numbers, 100, [](std::string&) {},
      [](const std::string& s) {
        const auto model = llama2c::parse(bytes_of(s), "name");
        CHECK(bytes_looked_at(model) < s.size());
      });
  CHECK(accepted > 40);
}

TEST_CASE("fuzz: checkpoints of rwkv.cpp") {
  const std::vector<std::string> seeds{rwkv_header(5, 2, 1) + rwkv_tensor("emb.weight", {3, 2}, raw(0.f, 1.f, 2.f, 3.f, 4.f, 5.f)) +
                                           rwkv_tensor("blocks.0.time", {3, 1, 1}, raw(half(1.5f), half(-2.f), half(3.f)), 1),
                                       rwkv_header(1, 1, 1) + rwkv_tensor("a", {0}, "") + rwkv_tensor("b", {1}, raw(1.f))};
  const std::size_t accepted = fuzz<file_error>(
      seeds, numbers, 100, [](std::string&) {},
      [](const std::string& s) {
        const auto model = rwkv_bin::parse(bytes_of(s), "name");
        CHECK(bytes_looked_at(model) < s.size());
      });
  CHECK(accepted > 40);
}

TEST_CASE("fuzz: an index of shards") {
  const scratch folder;
  const auto shard = [&](const std::string& file, const std::string& name) {
    put(folder.file(file),
        safetensors_bytes("{\"" + name + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"__metadata__":{"k":"v"}})", "x"));
  };
  shard("1", "a"), shard("2", "b");
  const std::vector<std::string> seeds{R"({"metadata":{"total_size":2},"weight_map":{"a":"1","b":"2"}})", R"({"weight_map":{"b":"2"}})"};
  const std::vector<std::string> words{"\"",    "{",  "}", ":",       ",",          "\"a\"", "\"b\"", "\"1\"",
                                       "\"2\"", "..", "/", "\\u0000", "weight_map", "null",  "[]"};
  std::size_t read = 0, refused = 0;
  fuzz<file_error>(
      seeds, words, 0, [](std::string&) {},
      [&](const std::string& s) {
        put(folder.file("m.json"), s);
        const std::string said = message<file_error>([&] { bytes_looked_at(safetensors::read(folder.file("m.json"))); });
        ++(said.empty() ? read : refused);
        CHECK((said.empty() || said.starts_with("coefdyn: " + folder.path.string())));
      },
      1 << 16);
  CHECK(read > 40);
  CHECK(refused > 40);
}

TEST_CASE("fuzz: settings") {
  const std::vector<std::string> seeds{
      R"({"model_type":"llama","hidden_size":64,"rms_norm_eps":1e-06,"rope_scaling":null,"tie":true,"layer_types":["a","b"]})",
      R"([{"a":{"b":[1,-2,3.5,"\u00e9",[],{}]}}])"};
  const std::vector<std::string> words{
      "\"", "{", "}", "[", "]", ":", ",", "null", "true", "1e999", "-0", "\"a\"", "\\ud800", "\xff", std::string(1, '\0')};
  const auto walk = [](const auto& self, const json_tree& t) -> void {
    if (t.is_object() || t.is_list())
      for (const json_tree& e : t.elements()) self(self, e);
    else
      for (const auto& said : {message<file_error>([&] { t.whole(1, 100); }), message<file_error>([&] { t.number_or(1); }),
                               message<file_error>([&] { t.text(); }), message<file_error>([&] { t["x"].truth(); })})
        CHECK((said.empty() || said.starts_with("coefdyn: name: ")));
  };
  const std::size_t accepted =
      fuzz<file_error>(seeds, words, 400, [](std::string&) {}, [&](const std::string& s) { walk(walk, json_tree::parse(s, "name")); });
  CHECK(accepted > 40);
}
}  // namespace
