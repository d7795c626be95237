// SPDX-License-Identifier: MIT
#include "model.hpp"

#include <algorithm>
#include <cmath>
#include <coefdyn/models/open.hpp>
#include <coefdyn/text/open.hpp>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace spectrum_of {
namespace {
using namespace coefdyn;
using json = nlohmann::ordered_json;

/// The first tokens of a text.
text::token_ids tokens_of(const model_request& r, idx vocabulary) {
  const text::tokenizer code = r.tokenizer == "bytes" ? text::bytes() : text::open(r.tokenizer.empty() ? r.path : r.tokenizer, vocabulary);
  const files::mapped_file file(r.text);
  std::string_view all(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  const std::size_t enough = std::size_t(r.tokens) * 64;  // bytes; a token has fewer on the average
  all = all.substr(0, enough);
  all.remove_suffix(text::unfinished(all));
  text::token_ids ids = code.before;
  for (const std::int64_t id : code.encode(all, false)) ids.push_back(id);
  ids.resize(std::min(ids.size(), std::size_t(r.tokens)));
  if (ids.size() < 2) throw invalid_input(r.text, "a text of at least two tokens", std::to_string(ids.size()));
  return ids;
}
json head_json(const summary::head& h) {
  return {{"radius", h.radius}, {"phase", h.phase}, {"near_zero_share", h.near_zero_share}, {"horizon", h.horizon}};
}
/// The share of a row of percentages from bin `first` on.
double from(const std::vector<double>& percent, std::size_t first) {
  double sum = 0;
  for (std::size_t b = first; b < percent.size(); ++b) sum += percent[b];
  return sum;
}
void print_table(const std::vector<std::pair<idx, summary>>& layers) {
  std::printf("\nlayer head  radius %%: (.9, 1]  above 1  phase %% above 10°  median horizon  |alpha| near 0\n");
  for (const auto& [layer, s] : layers)
    for (std::size_t h = 0; h < s.heads.size(); ++h) {
      const auto& head = s.heads[h];
      std::printf("%5ld %4zu %18.1f %8.1f %18.1f %15g %15.3f\n", long(layer), h, head.radius[3], from(head.radius, 4), from(head.phase, 2),
                  head.horizon, head.near_zero_share);
    }
}
}  // namespace

void save_json(const std::string& path, const summary& s) {
  json out{{"policies", s.policies}, {"heads", json::array()}};
  for (const summary::head& h : s.heads) out["heads"].push_back(head_json(h));
  const std::string text = out.dump() + "\n";
  files::write_file(path, std::as_bytes(std::span(text)));
}

int of_model(const model_request& r, const options& how) {
  const auto model = models::open(r.path, r.threads);
  const auto& about = model->about();
  const text::token_ids ids = tokens_of(r, about.vocabulary);
  std::printf("%s: %ld layers of width %ld, %zu tokens of %s\n", about.architecture.c_str(), long(about.layers), long(about.width),
              ids.size(), r.text.c_str());
  std::vector<std::pair<idx, summary>> done;
  json all{{"model", about.architecture},
           {"text", std::filesystem::path(r.text).filename().string()},
           {"tokens", ids.size()},
           {"layers", json::array()}};
  model->visit_mixers(ids, [&](const models::layer_streams& layer) {
    std::printf("\nlayer %ld of %ld: %s\n", long(layer.layer), long(about.layers), layer.policies.c_str());
    std::fflush(stdout);
    const auto k = std::find_if(table().begin(), table().end(), [&](const known& x) { return x.policies == layer.policies; });
    if (k == table().end()) {
      std::printf("  this mixer is not compiled in; one more line in examples/spectrum_of/ adds it\n");
      return;
    }
    arrays in;
    for (const auto& [name, a] : layer.stream) in[name] = {{a.shape.begin(), a.shape.end()}, a.values};
    options o = how;
    o.mixer = k->name + ", layer " + std::to_string(layer.layer), o.folder += "/layer-" + std::to_string(layer.layer);
    o.source = about.architecture + " on " + std::filesystem::path(r.text).filename().string();
    std::filesystem::create_directories(o.folder);
    const summary s = k->analyse(in, o);
    save_json(o.folder + "/spectrum.json", s);
    json heads = json::array();
    for (const auto& h : s.heads) heads.push_back(head_json(h));
    all["layers"].push_back({{"layer", layer.layer}, {"policies", s.policies}, {"heads", heads}});
    done.emplace_back(layer.layer, s);
  });
  if (done.empty()) throw std::runtime_error("no layer's mixer is compiled in, so there is no spectrum");
  print_table(done);
  const std::string text = all.dump() + "\n";
  files::write_file(how.folder + "/model.json", std::as_bytes(std::span(text)));
  std::printf("written: %s/model.json, and a folder for each layer\n", how.folder.c_str());
  return 0;
}

}  // namespace spectrum_of
