// SPDX-License-Identifier: MIT
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "case.hpp"

/// golden_nn_generate DIR OUT COMPILER FLAGS...: one translation unit in OUT for each layer type of the files in DIR, with the models of
/// it, and a build.ninja that makes shared objects of them. A file is written only where its content changes.
namespace {

namespace fs = std::filesystem;

struct source {
  std::string layer;
  std::set<std::string> headers, models;
};
void write_if_changed(const fs::path& path, const std::string& text) {
  std::ifstream old(path, std::ios::binary);
  if (old && std::string(std::istreambuf_iterator<char>(old), {}) == text) return;
  std::ofstream(path, std::ios::binary) << text;
}
std::string header_of(const std::string& model) { return model.starts_with("paper_") ? "paper_models" : model; }
std::string text_of(const source& s) {
  std::string text = "// SPDX-License-Identifier: MIT\n// Generated from the metadata of golden files.\n";
  for (const std::string& h : s.headers) text += "#include \"coefdyn/" + h + "\"\n";
  std::set<std::string> model_headers;
  for (const std::string& m : s.models) model_headers.insert(header_of(m));
  for (const std::string& m : model_headers) text += "#include \"coefdyn/nn/models/" + m + ".hpp\"\n";
  text += "#include \"instantiate.hpp\"\n\nusing namespace coefdyn;\nusing golden_layer = " + s.layer + ";\n\n";
  text +=
      "extern \"C\" const golden_nn::unit* golden_nn_unit() {\n  static const golden_nn::unit "
      "u{golden_nn::layer_functions<golden_layer>(), {\n";
  for (const std::string& m : s.models) text += "    {\"" + m + "\", golden_nn::model_functions<nn::" + m + "<golden_layer>>()},\n";
  return text + "  }};\n  return &u;\n}\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return std::fprintf(stderr, "usage: golden_nn_generate DIR OUT COMPILER FLAGS...\n"), 2;
  const fs::path out = argv[2];
  fs::create_directories(out);
  std::map<std::string, source> units;
  std::size_t cases = 0;
  for (const auto& entry : fs::directory_iterator(argv[1])) {
    const std::string name = entry.path().stem().string();
    if (entry.path().extension() != ".safetensors" || !(name.starts_with("layer_") || name.starts_with("model_"))) continue;
    ++cases;
    try {
      const auto j = golden_nn::read_job(entry.path().string());
      source& s = units[j.unit()];
      s.layer = j.layer;
      s.headers.insert(j.headers.begin(), j.headers.end());
      if (!j.model.empty()) s.models.insert(j.model);
    } catch (const std::exception& e) {  // the runner reports the case as failed
      std::printf("%s: %s\n", name.c_str(), e.what());
    }
  }
  std::string ninja = "cxx =";
  for (int i = 3; i < argc; ++i) ninja += std::string(" ") + argv[i];
  ninja +=
      "\nrule unit\n  command = $cxx -fPIC -shared -MMD -MF $out.d $in -o $out > $out.log 2>&1 || (cat $out.log; rm -f $out; exit 1)\n";
  ninja += "  depfile = $out.d\n  deps = gcc\n  description = $what\n";
  for (const auto& [name, s] : units) {
    write_if_changed(out / (name + ".cpp"), text_of(s));
    ninja += "build " + name + ".so: unit " + name + ".cpp\n  what = " + s.layer + "\n";
  }
  write_if_changed(out / "build.ninja", ninja);
  std::printf("%zu cases, %zu layer types\n", cases, units.size());
}
