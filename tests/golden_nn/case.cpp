// SPDX-License-Identifier: MIT
#include "case.hpp"

#include <filesystem>
#include <nlohmann/json.hpp>

namespace golden_nn {
namespace {
using nlohmann::json;

/// A JSON value as text: strings as they are, others as they are written.
std::string plain(const json& j) { return j.is_string() ? j.get<std::string>() : j.dump(); }

void read_hyperparameters(const std::string& text, model_call& m) {
  const json h = json::parse(text);
  m.beta1 = h.at("betas").at(0), m.beta2 = h.at("betas").at(1), m.eps = h.at("eps");
  m.decay = h.at("weight_decay"), m.clip = h.at("clip"), m.rate = h.at("lr"), m.least = h.at("lr_min");
  m.warmup = h.at("warmup"), m.total = h.at("total");
}
void read_constructor(const arguments& metadata, job& j) {
  std::vector<std::string> args;
  arguments named;
  const json by_position = json::parse(metadata.contains("args") ? metadata.at("args") : "[]"),
             by_name = json::parse(metadata.contains("kwargs") ? metadata.at("kwargs") : "{}");
  for (const json& a : by_position) args.push_back(plain(a));
  for (const auto& [key, a] : by_name.items()) named[key] = plain(a);
  describe_layer(metadata.at("layer"), args, named, j);
}
}  // namespace

std::string job::unit() const {
  char text[20];
  std::snprintf(text, sizeof text, "u%016zx", std::hash<std::string>{}(layer));
  return text;
}

job read_job(const std::string& path) {
  const auto file = coefdyn::files::safetensors::read(path);
  job j;
  j.name = std::filesystem::path(path).stem().string();
  for (const auto& [name, t] : file.tensors) j.in[name] = {t.shape, file.load<double>(name).values};
  if (file.metadata.contains("layer")) read_constructor(file.metadata, j);
  if (!file.has("logits")) {
    if (j.layer.empty()) throw std::runtime_error("its metadata names no layer, and it has no logits of a model");
    return j;
  }
  for (const auto& [name, t] : j.in)
    if (name.starts_with("after.") && !j.in.contains("param." + name.substr(6)))
      throw std::runtime_error("it has no param." + name.substr(6));
  if (!file.metadata.contains("hyperparameters")) throw std::runtime_error("its metadata has no hyperparameters");
  read_hyperparameters(file.metadata.at("hyperparameters"), j.as_model);
  if (file.metadata.contains("no_decay")) j.as_model.no_decay = json::parse(file.metadata.at("no_decay")).get<std::vector<std::string>>();
  j.as_model.steps = static_cast<long>(j.in.at("norm").values.size());
  describe_model(file.metadata, j);
  return j;
}

}  // namespace golden_nn
