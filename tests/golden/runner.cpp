// SPDX-License-Identifier: MIT
#include <dlfcn.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>

#include "checks.hpp"
#include "coefdyn/files/safetensors.hpp"

/// golden_runner CASES UNITS [--units-only]: every case of a folder, or one file, against the library, through the units compiled in
/// UNITS; --units-only skips the cases that need none. Exit code 0 iff none failed.
namespace {

namespace fs = std::filesystem;

/// The library's own sentence of a failed compilation, or else the first error.
std::string reason_in(const fs::path& log) {
  std::ifstream in(log);
  std::string first;
  for (std::string line; std::getline(in, line);) {
    const auto sentence = line.find("coefdyn: ");
    if (sentence != std::string::npos && line.find("static assertion") != std::string::npos) return line.substr(sentence);
    if (first.empty() && line.find("error: ") != std::string::npos) first = line;
  }
  return first;
}
const golden::unit& load(const fs::path& units, const golden::combination& c) {
  const fs::path path = fs::absolute(units / (c.unit() + ".so"));
  if (!fs::exists(path)) throw std::runtime_error(c.mixer + " did not compile: " + reason_in(path.string() + ".log"));
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) throw std::runtime_error(dlerror());
  const auto unit = reinterpret_cast<golden::unit_function>(dlsym(library, "golden_unit"));
  if (!unit) throw std::runtime_error(path.string() + " holds no unit");
  return *unit();
}
/// Nothing for a case that is skipped.
std::optional<golden::report> check(const fs::path& path, const fs::path& units, bool units_only) {
  golden::report r;
  try {
    const auto file = coefdyn::files::safetensors::read(path.string());
    const golden::golden_case c(file);
    if (c.kind == "parameterisation") {
      if (units_only) return {};
      golden::check_parameterisation(c, r);
    } else {
      const golden::unit& u = load(units, golden::combination_of(file));
      golden::check_forward(u, c, r);
      golden::check_spectrum(u, c, r);
      golden::check_gradients(u, c, r);
    }
  } catch (const std::exception& e) {
    r.fail(e.what());
  }
  return r;
}
void print(const std::string& name, const golden::report& r) {
  std::printf("%s %-40s %5.3f of the tolerance", r.failures.empty() ? "pass" : "FAIL", name.c_str(), r.worst);
  if (!r.where.empty()) std::printf(" (%s)", r.where.c_str());
  std::printf("; ");
  for (std::size_t i = 0; i < r.forms.size(); ++i) std::printf("%s%s", i ? ", " : "", r.forms[i].c_str());
  std::printf("\n");
  for (const std::string& n : r.notes) std::printf("     note: %s\n", n.c_str());
  constexpr std::size_t shown = 12;
  for (std::size_t i = 0; i < r.failures.size() && i < shown; ++i) std::printf("     %s\n", r.failures[i].c_str());
  if (r.failures.size() > shown) std::printf("     and %zu more\n", r.failures.size() - shown);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const bool units_only = argc == 4 && std::string(argv[3]) == "--units-only";
  if (argc != 3 && !units_only) return std::fprintf(stderr, "usage: golden_runner CASES UNITS [--units-only]\n"), 2;
  std::set<fs::path> files;
  if (!fs::is_directory(argv[1])) files.insert(argv[1]);
  else
    for (const auto& entry : fs::directory_iterator(argv[1]))
      if (entry.path().extension() == ".safetensors") files.insert(entry.path());
  if (files.empty()) {
    std::printf("%s holds no .safetensors file\n0 passed, 0 failed, 1 skipped\n", argv[1]);
    return 0;
  }
  int passed = 0, failed = 0, skipped = 0;
  for (const fs::path& path : files) {
    const auto r = check(path, argv[2], units_only);
    if (r) print(path.stem().string(), *r);
    ++(!r ? skipped : r->failures.empty() ? passed : failed);
  }
  std::printf("%d passed, %d failed", passed, failed);
  if (skipped) std::printf(", %d skipped", skipped);
  std::printf("\n");
  return failed == 0 ? 0 : 1;
}
