// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "coefdyn/files/safetensors.hpp"
#include "combination.hpp"

/// golden_generate DIR OUT [COMPILER FLAGS...]: one translation unit in OUT for each distinct combination of the files in
/// DIR and, given a compiler, a build.ninja that makes shared objects of them. A file is written only where its content changes.
namespace {

namespace fs = std::filesystem;

void write_if_changed(const fs::path& path, const std::string& text) {
  std::ifstream old(path, std::ios::binary);
  if (old && std::string(std::istreambuf_iterator<char>(old), {}) == text) return;
  std::ofstream(path, std::ios::binary) << text;
}

std::string source_of(const golden::combination& c) {
  std::string text = "// SPDX-License-Identifier: MIT\n// Generated from the metadata of golden files; see tests/golden/names.hpp.\n";
  for (const std::string& h : c.headers) text += "#include \"coefdyn/" + h + "\"\n";
  if (c.eta) text += "#define GOLDEN_ETA\n";
  if (c.spectrum) text += "#define GOLDEN_SPECTRUM\n";
  text += "#include \"instantiate.hpp\"\n\nusing namespace coefdyn;\nusing combination = " + c.mixer + ";\n\n";
  text += "extern \"C\" const golden::unit* golden_unit() {\n  return golden::unit_of<combination, field::" +
          std::string(c.complex_reads ? "complex" : "real");
  return text + ">(\"" + c.mixer + "\");\n}\n";
}

std::string ninja_of(const std::map<std::string, golden::combination>& units, const std::vector<std::string>& compiler) {
  std::string text = "cxx =";
  for (const std::string& word : compiler) text += " " + word;
  text += "\nrule unit\n  command = $cxx -fPIC -shared -MMD -MF $out.d $in -o $out > $out.log 2>&1 || (cat $out.log; rm -f $out; exit 1)\n";
  text += "  depfile = $out.d\n  deps = gcc\n  description = $what\n";
  for (const auto& [name, c] : units) text += "build " + name + ".so: unit " + name + ".cpp\n  what = " + c.mixer + "\n";
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "usage: golden_generate DIR OUT [COMPILER FLAGS...]\n"), 2;
  const fs::path out = argv[2];
  fs::create_directories(out);
  std::map<std::string, golden::combination> units;
  std::size_t cases = 0;
  for (const auto& entry : fs::directory_iterator(argv[1])) {
    if (entry.path().extension() != ".safetensors") continue;
    ++cases;
    try {
      const auto file = coefdyn::files::safetensors::read(entry.path().string());
      if (golden::metadata(file, "kind") == "parameterisation") continue;
      const auto c = golden::combination_of(file);
      auto& unit = units.emplace(c.unit(), c).first->second;
      unit.eta |= c.eta, unit.spectrum |= c.spectrum;
    } catch (const std::exception& e) {  // the runner reports the case as failed
      std::printf("%s: %s\n", entry.path().filename().c_str(), e.what());
    }
  }
  for (const auto& [name, c] : units) write_if_changed(out / (name + ".cpp"), source_of(c));
  if (argc > 3) write_if_changed(out / "build.ninja", ninja_of(units, {argv + 3, argv + argc}));
  std::printf("%zu cases, %zu combinations\n", cases, units.size());
}
