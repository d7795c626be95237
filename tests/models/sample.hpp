// SPDX-License-Identifier: MIT
#pragma once
#include <unistd.h>

#include <coefdyn/core/random.hpp>
#include <coefdyn/files/save_safetensors.hpp>
#include <coefdyn/models/open.hpp>

namespace sample {
using namespace coefdyn;
namespace fs = std::filesystem;

/// A model on disk in a folder of the test's own, with random weights: a reader's refusals say which tensors it wants.
class model {
 public:
  std::map<std::string, files::array<float>> tensors;
  nlohmann::json config;
  fs::path folder;

  explicit model(const std::string& settings) : config(nlohmann::json::parse(settings)) {
    static int count = 0;
    folder = fs::temp_directory_path() / ("coefdyn-models-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
    fs::create_directories(folder);
    static std::map<std::string, std::map<std::string, files::array<float>>> made;  // a file is written for each tensor that is asked for
    const auto found = made.find(settings);
    if (found != made.end()) {
      tensors = found->second;
      return;
    }
    complete();
    made[settings] = tensors;
  }
  model(const model&) = delete;
  model& operator=(const model&) = delete;
  ~model() { fs::remove_all(folder); }

  void add(const std::string& name, std::vector<idx> shape) {
    files::array<float>& a = tensors[name];
    idx size = 1;
    for (const idx e : shape) size *= e;
    random_stream r(7, 1, tensors.size(), std::uint64_t(size));
    const double scale = shape.size() > 1 ? 1.5 / std::sqrt(double(shape.back())) : 0.3;
    for (idx i = 0; i < size; ++i) a.values.push_back(float(scale * r.normal()));
    a.shape = std::move(shape);
  }
  std::string path(const std::string& file = "") const { return (folder / file).string(); }
  void save() const {
    const std::string text = config.dump();
    files::write_file(path("config.json"), std::as_bytes(std::span(text)));
    files::safetensors_writer to;
    for (const auto& [name, a] : tensors) to.add(name, a);
    to.save(path("model.safetensors"));
  }
  std::unique_ptr<models::language_model> open(int threads = 1) const {
    save();
    return models::open(path(), threads);
  }
  /// The sentence of a refusal, without what stands before the file's own name; empty where the model opens.
  std::string refusal() const {
    try {
      open();
    } catch (const std::exception& e) {
      const std::string text = e.what(), at = "coefdyn: " + path();
      return text.starts_with(at) ? text.substr(at.size()) : text;
    }
    return "";
  }

 private:
  /// Adds what is missing until nothing is.
  void complete() {
    for (int turn = 0; turn < 500; ++turn) {
      const std::string text = refusal();
      const auto begin = text.find("tensor '"), shape = text.find("expected one of shape (");
      if (text.empty()) return;
      if (begin == std::string::npos || shape == std::string::npos) throw std::runtime_error("not a model: " + text);
      const std::string name = text.substr(begin + 8, text.find('\'', begin + 8) - begin - 8);
      std::vector<idx> extents;
      std::size_t at = shape + 23;
      for (;;) {
        std::size_t used = 0;
        extents.push_back(std::stoll(text.substr(at), &used));
        at += used;
        if (text[at] != ',') break;
        at += 2;
      }
      add(name, extents);
    }
    throw std::runtime_error("not a model: it never has enough tensors");
  }
};

inline std::vector<std::int64_t> ids(idx count, std::int64_t vocabulary, std::uint64_t seed = 1) {
  random_stream r(seed, 2, 3, 4);
  std::vector<std::int64_t> out;
  for (idx i = 0; i < count; ++i) out.push_back(std::int64_t(r.below(std::uint64_t(vocabulary))));
  return out;
}

/// Small models of every architecture with a config.json, of odd sizes.
inline const std::map<std::string, std::string>& architectures() {
  static const std::map<std::string, std::string> all{
      {"llama",
       R"({"model_type":"llama","hidden_size":12,"intermediate_size":10,"num_hidden_layers":2,"num_attention_heads":3,"num_key_value_heads":1,
           "head_dim":6,"vocab_size":17,"attention_bias":true,"mlp_bias":true,"tie_word_embeddings":true,"rope_theta":100.0,
           "rope_scaling":{"rope_type":"linear","factor":2.0}})"},
      {"mamba",
       R"({"model_type":"mamba","hidden_size":10,"state_size":3,"num_hidden_layers":2,"vocab_size":17,"conv_kernel":3,"use_bias":true})"},
      {"mamba2",
       R"({"model_type":"mamba2","hidden_size":12,"num_heads":6,"head_dim":4,"n_groups":3,"state_size":5,"num_hidden_layers":2,"vocab_size":17})"},
      {"minimax",
       R"({"model_type":"minimax","hidden_size":12,"intermediate_size":7,"num_hidden_layers":3,"num_attention_heads":3,"num_key_value_heads":1,
           "head_dim":4,"vocab_size":17,"num_local_experts":4,"num_experts_per_tok":2,"sliding_window":5})"},
      {"olmo_hybrid",
       R"({"model_type":"olmo_hybrid","hidden_size":12,"intermediate_size":7,"num_hidden_layers":2,"num_attention_heads":2,"vocab_size":17,
           "layer_types":["linear_attention","full_attention"],"linear_key_head_dim":3,"linear_value_head_dim":5})"},
      {"qwen3_next",
       R"({"model_type":"qwen3_next","hidden_size":12,"intermediate_size":9,"num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":1,
           "head_dim":8,"vocab_size":17,"layer_types":["linear_attention","full_attention"],"linear_num_key_heads":2,"linear_num_value_heads":4,
           "linear_key_head_dim":3,"linear_value_head_dim":5,"num_experts":3,"num_experts_per_tok":2,"moe_intermediate_size":4,
           "shared_expert_intermediate_size":5,"mlp_only_layers":[0]})"},
      {"recurrent_gemma",
       R"({"model_type":"recurrent_gemma","hidden_size":12,"intermediate_size":14,"num_hidden_layers":3,"num_attention_heads":3,"vocab_size":17,
           "num_key_value_heads":1,"lru_width":9,"attention_window_size":4,"conv1d_width":3,"block_types":["recurrent","attention"]})"},
      {"rwkv",
       R"({"model_type":"rwkv","hidden_size":10,"attention_hidden_size":14,"intermediate_size":11,"num_hidden_layers":3,"vocab_size":17,"rescale_every":2})"},
      {"xlstm",
       R"({"model_type":"xlstm","hidden_size":12,"num_hidden_layers":2,"num_heads":3,"vocab_size":17,"ffn_round_up_to_multiple_of":5})"}};
  return all;
}
}  // namespace sample
