// SPDX-License-Identifier: MIT
#include "files/fuzz.hpp"

#include "sample.hpp"

/// Settings of published models with a few bytes changed (files/fuzz.hpp).
namespace {
using namespace coefdyn;
using files::file_error;
using namespace file_tests;

const std::vector<std::string> words{"\"",
                                     "{",
                                     "}",
                                     "[",
                                     "]",
                                     ":",
                                     ",",
                                     "null",
                                     "true",
                                     "false",
                                     "0",
                                     "1",
                                     "2",
                                     "-1",
                                     "16777216",
                                     "4096",
                                     "1e300",
                                     "0.5",
                                     "\"a\"",
                                     "{}",
                                     "\"yarn\"",
                                     "\"llama3\"",
                                     "\"full_attention\"",
                                     "\xff",
                                     std::string(1, '\0')};

TEST_CASE("fuzz: config.json by its keys") {
  const std::vector<std::string> seeds{
      R"({"width":64,"eps":1e-06,"none":null,"tie":true,"types":["a","b"],"act":"silu","sizes":[1,2],"inside":{"width":3,"more":0.5}})",
      R"({"inside":{"tie":false,"sizes":[]},"\u00e9":-1})"};
  std::size_t finished = 0;
  fuzz<file_error>(
      seeds, words, 1000, [](std::string&) {},
      [&](const std::string& s) {
        auto c = models::config::parse(s, "name");
        auto inside = c.part("inside");
        for (auto* each : {&c, &inside})
          for (const std::string& said :
               {message<file_error>([&] { each->whole("width"); }), message<file_error>([&] { each->whole_or("more", 1, 0, 5); }),
                message<file_error>([&] { each->number_or("eps", 1); }), message<file_error>([&] { each->flag_or("tie", true); }),
                message<file_error>([&] { each->texts("types"); }), message<file_error>([&] { each->wholes_or("sizes", {}, 0, 9); }),
                message<file_error>([&] { each->only("act", "silu", "why"); }),
                message<file_error>([&] { each->set("eps", 1), each->finish("x"), ++finished; })})
            CHECK((said.empty() || said.starts_with("coefdyn: name: ")));
      });
  CHECK(finished > 40);
}

/// A model of changed settings on the old tensors: a sentence, or a model that computes. Memory before tensors have their shapes is that of
/// the names of 4096 layers.
TEST_CASE("fuzz: settings of every architecture") {
  std::vector<std::string> seeds;
  std::map<std::string, files::safetensors> tensors;
  std::vector<std::unique_ptr<sample::model>> kept;
  for (const auto& [name, settings] : sample::architectures()) {
    seeds.push_back(settings);
    kept.push_back(std::make_unique<sample::model>(settings));
    kept.back()->save();
    tensors.emplace(name, files::safetensors::read(kept.back()->path("model.safetensors")));
  }
  const std::size_t accepted = fuzz<file_error>(
      seeds, words, 0, [](std::string&) {},
      [&](const std::string& s) {
        auto c = models::config::parse(s, "name");
        const auto known = tensors.find(c.text_or("model_type", ""));
        models::checkpoint from{std::move(c), {}};
        from.tensors.path = "name", from.tensors.tensors = (known == tensors.end() ? tensors.begin() : known)->second.tensors;
        const auto model = models::make(std::move(from), 1);
        const std::vector<std::int64_t> ids{3, 1, 16, 2, 2, 9};
        CHECK(model->logits(ids, 2, 3).size() == 6 * 17);
        const auto past = model->start(6);
        past->prefill(std::span(ids).first(5));
        past->step(ids[5]);
      },
      std::size_t(1) << 26);
  CHECK(accepted > 40);
}
}  // namespace
