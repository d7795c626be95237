// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "sample.hpp"

namespace {
using namespace sample;
const std::string norm = "model.norm.weight";
}  // namespace

TEST_CASE("models: tensors that are missing, unknown or of another shape or type are named") {
  sample::model m(architectures().at("llama"));
  REQUIRE(m.refusal().empty());
  const auto kept = m.tensors.at(norm);
  m.tensors.erase(norm);
  CHECK(m.refusal() == "model.safetensors: tensor 'model.norm.weight': expected one of shape (12), but there is none");
  m.add(norm, {13});
  CHECK(m.refusal() == "model.safetensors: tensor 'model.norm.weight': expected shape (12), given shape (13)");
  m.tensors[norm] = kept;
  m.add("model.extra", {2, 3});
  CHECK(m.refusal() ==
        "model.safetensors: tensor 'model.extra': expected no tensor of this name in a model of these settings, but there is one of shape "
        "(2, 3)");
  m.tensors.erase("model.extra");
  m.tensors.erase(norm);
  m.save();
  files::safetensors_writer to;
  for (const auto& [name, a] : m.tensors) to.add(name, a);
  const files::array<std::int32_t> whole{std::vector<std::int32_t>(12, 1), {12}, ""};
  to.add(norm, whole);
  to.save(m.path("model.safetensors"));
  CHECK_THROWS_WITH_AS(models::open(m.path()), doctest::Contains("tensor 'model.norm.weight': expected F32, F16, BF16 or F64, given I32"),
                       files::file_error);
}

TEST_CASE("models: tied embeddings may be written twice, with the same numbers") {
  sample::model m(architectures().at("llama"));
  m.tensors["lm_head.weight"] = m.tensors.at("model.embed_tokens.weight");
  CHECK(m.refusal().empty());
  m.tensors["lm_head.weight"].values[3] += 1;
  CHECK(m.refusal() ==
        "model.safetensors: tensor 'lm_head.weight': expected what 'model.embed_tokens.weight' holds, since the settings tie them, "
        "given other numbers");
}

TEST_CASE("models: settings that are not supported are named with what is") {
  const auto refusal = [](const std::string& architecture, const std::string& key, const nlohmann::json& value) {
    sample::model m(architectures().at(architecture));
    m.config[key] = value;
    return m.refusal();
  };
  CHECK(refusal("llama", "hidden_act", "gelu") == "config.json: hidden_act: supported is \"silu\", given \"gelu\"");
  CHECK(refusal("llama", "rope_scaling", {{"rope_type", "longrope"}, {"factor", 2}}) ==
        "config.json: rope_scaling.rope_type: supported is default, linear, llama3 or yarn, given \"longrope\"");
  CHECK(refusal("llama", "num_key_value_heads", 2) ==
        "config.json: num_key_value_heads: expected a divisor of the 3 attention heads, given 2");
  CHECK(refusal("llama", "hidden_size", -4) == "config.json: hidden_size: expected a whole number of 1 .. 16777216, given -4");
  CHECK(refusal("llama", "hidden_size", 1e99) == "config.json: hidden_size: expected a whole number of 1 .. 16777216, given 1e+99");
  CHECK(refusal("llama", "hidden_size", nullptr) == "config.json: hidden_size: expected a whole number of 1 .. 16777216, given null");
  CHECK(refusal("llama", "rms_norm_eps", "small") == "config.json: rms_norm_eps: expected a number, given \"small\"");
  CHECK(refusal("llama", "attention_bias", 1) == "config.json: attention_bias: expected true or false, given 1");
  CHECK(refusal("llama", "sliding_window", 4).starts_with("config.json: sliding_window: llama has no such setting that this reader knows"));
  CHECK(refusal("mamba2", "time_step_limit", {0.0}) == "config.json: time_step_limit: expected a list of two numbers, given [0.0]");
  CHECK(refusal("mamba2", "expand", 3) == "config.json: expand: expected num_heads head_dim / hidden_size = 24 / 12, given 3");
  CHECK(refusal("mamba", "intermediate_size", 19) ==
        "config.json: intermediate_size: supported is 20, given 19; it is expand times hidden_size");
  CHECK(refusal("qwen3_next", "layer_types", {"linear_attention"}) ==
        "config.json: layer_types: expected a list of 2 words, one a layer, given [\"linear_attention\"]");
  CHECK(refusal("qwen3_next", "num_experts_per_tok", 4) == "config.json: num_experts_per_tok: expected at most the 3 experts, given 4");
  CHECK(refusal("olmo_hybrid", "layer_types", {"linear_attention", "sliding_attention"})
            .starts_with("config.json: layer_types: supported is linear_attention and full_attention"));
  CHECK(refusal("recurrent_gemma", "hidden_activation", "relu") ==
        "config.json: hidden_activation: supported is \"gelu_pytorch_tanh\", given \"relu\"");
  CHECK(refusal("xlstm", "use_bias", true) == "config.json: use_bias: supported is false, given true");
  CHECK(refusal("xlstm", "eps", 0.1) == "config.json: eps: supported is at most 1e-5, given 0.1; it is left out beside a denominator");
  CHECK(refusal("minimax", "num_experts_per_tok", 9) == "config.json: num_experts_per_tok: expected a whole number of 1 .. 4, given 9");
  CHECK(refusal("rwkv", "model_type", "rwkv9").starts_with("config.json: model_type: expected one of llama, llama2c, mamba"));
}

TEST_CASE("models: config.json that is no object of settings, twice the same key, no file") {
  sample::model m(architectures().at("mamba"));
  const auto with = [&](const std::string& text) {
    files::write_file(m.path("config.json"), std::as_bytes(std::span(text)));
    try {
      models::open(m.path());
    } catch (const files::file_error& e) {
      return e.fault;
    }
    return std::string("opened");
  };
  CHECK(with("[1]") == "its JSON should be an object of settings, but is another value");
  CHECK(with("{\"a\":1,\"a\":2}") == "its JSON should hold each name once, but holds 'a' twice");
  CHECK(with("{").starts_with("its JSON is broken"));
  fs::remove(m.path("config.json"));
  CHECK_THROWS_AS(models::open(m.path()), files::file_error);
  m.save();
  fs::remove(m.path("model.safetensors"));
  CHECK_THROWS_AS(models::open(m.path()), files::file_error);
}

TEST_CASE("models: ids, lengths and capacities are checked") {
  const sample::model m(architectures().at("llama"));
  const auto model = m.open();
  const std::vector<std::int64_t> good{1, 2, 3}, bad{1, 17};
  CHECK_THROWS_AS(model->logits(bad, 1, 2), invalid_input);
  CHECK_THROWS_AS(model->logits(good, 2, 2), invalid_input);
  CHECK_THROWS_AS(model->logits({}, 0, 0), invalid_input);
  const auto d = model->start(2);
  CHECK_THROWS_AS(d->prefill({}), invalid_input);
  CHECK_THROWS_AS(d->prefill(good), invalid_input);
  d->prefill(std::span(good).first(2));
  CHECK_THROWS_AS(d->step(1), invalid_input);
  CHECK(d->length() == 2);
  d->clear();
  CHECK(d->logits().empty());
  CHECK_NOTHROW(d->step(1));
}

TEST_CASE("models: experts as one tensor of all, and as three of each, are the same model") {
  sample::model m(architectures().at("qwen3_next"));
  const auto text = ids(8, 17);
  const auto want = m.open()->logits(text, 1, 8);
  const std::string at = "model.layers.1.mlp.experts.";
  REQUIRE(m.tensors.contains(at + "0.gate_proj.weight"));
  files::array<float> gate_up, down;
  gate_up.shape = {3, 8, 12}, down.shape = {3, 12, 4};
  for (int e = 0; e < 3; ++e) {
    const auto take = [&](const std::string& name, files::array<float>& to) {
      const auto one = m.tensors.extract(at + std::to_string(e) + "." + name + ".weight").mapped();
      to.values.insert(to.values.end(), one.values.begin(), one.values.end());
    };
    take("gate_proj", gate_up), take("up_proj", gate_up), take("down_proj", down);
  }
  m.tensors[at + "gate_up_proj"] = gate_up, m.tensors[at + "down_proj"] = down;
  CHECK(m.open()->logits(text, 1, 8) == want);
}
