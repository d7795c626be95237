// SPDX-License-Identifier: MIT
// The spectrum of a mixer on arrays dumped from a model, or of every layer of a published model on a text: tables, .npy and JSON, and
// pictures.
//
//   spectrum_of gated_deltanet layer3.safetensors --out layer3
//   spectrum_of "linear, gated_householder<>, beta, sqrt_dim" q=q.npy k=k.npy log_decay=g.npy beta=b.npy
//   spectrum_of MODEL_DIR --text FILE --tokens 512
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "load.hpp"
#include "model.hpp"

namespace spectrum_of {

std::vector<known>& table() {
  static std::vector<known> all;
  return all;
}

namespace {

struct request {
  std::string what, text, layout = "BTHD";
  std::vector<std::string> files;
  spectrum_of::layout how;
  model_request model;
  options found;
  int threads = 0;
  bool list = false;
};

void print_names() {
  std::printf("\nMixers, by name or by policies \"phi, A, b, eta[, psi]\"; arrays are (B, T, H, ...) under the streams' names:\n");
  for (const known& k : table()) {
    std::printf("  %-24s %s\n%26s", k.name.c_str(), k.policies.c_str(), "");
    for (const std::string& s : k.streams) std::printf(" %s", s.c_str());
    std::printf("\n");
  }
  std::printf("Another combination is one more line in examples/spectrum_of/.\n");
}
/// False where all that was asked for is help.
bool parse(request& r, int argc, char** argv) {
  CLI::App app("The spectrum of a mixer on arrays dumped from a model, or of every layer of a published model on a text.",
               "./run spectrum-of");
  app.set_help_flag("--help", "this text");
  app.option_defaults()->always_capture_default();
  const auto add = [&](const char* name, auto& to, const char* about) { return app.add_option(name, to, about); };
  add("WHAT", r.what, "a mixer, or a model's folder or file with --text")->required();
  add("FILES", r.files, "FILE.safetensors or NAME=FILE.npy, for a mixer");
  add("--out", r.found.folder, "the folder for tables and pictures");
  add("--near-zero", r.found.near_zero, "a coefficient of at most this size counts as 0");
  add("--prefix", r.how.prefix, "arrays of a .safetensors file whose names begin so, without it");
  add("--layout", r.layout, "axes of the arrays: BTHD, or BHTD with heads before time")->check(CLI::IsMember({"BTHD", "BHTD"}));
  app.add_flag("--list", r.list, "what the files hold, no more");
  add("--text", r.text, "the text that a model reads");
  add("--tokens", r.model.tokens, "of the text, from its beginning")->check(CLI::PositiveNumber);
  add("--tokenizer", r.model.tokenizer, "its file, or bytes; else that of the model's folder");
  add("--threads", r.threads, "0: all; changes no bit")->check(CLI::NonNegativeNumber);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::printf("%s", app.help().c_str());
    print_names();
    return false;
  }
  r.how.heads_first = r.layout == "BHTD";
  return true;
}

int of_arrays(request& r) {
  for (const known& k : table()) {
    if (k.name != r.what && k.policies != r.what) continue;
    arrays in;
    for (const std::string& f : r.files) {
      load(in, f, r.how);
      r.found.source += (r.found.source.empty() ? "" : ", ") + std::filesystem::path(f.substr(f.find('=') + 1)).filename().string();
    }
    prepare(in, k);
    std::filesystem::create_directories(r.found.folder);
    std::printf("%s: %s\n", k.name.c_str(), k.policies.c_str());
    r.found.mixer = k.name;
    save_json(r.found.folder + "/spectrum.json", k.analyse(in, r.found));
    return 0;
  }
  std::fprintf(stderr, "spectrum_of: no mixer %s is compiled in; `./run spectrum-of --help` lists them.\n", r.what.c_str());
  return 2;
}
int run(request& r) {
#ifdef _OPENMP
  if (r.threads > 0) omp_set_num_threads(r.threads);
#endif
  if (r.list) {
    for (const std::string& f : r.files.empty() ? std::vector<std::string>{r.what} : r.files) list(f);
    return 0;
  }
  if (r.text.empty()) return of_arrays(r);
  r.model.path = r.what, r.model.text = r.text, r.model.threads = r.threads;
  return of_model(r.model, r.found);
}

}  // namespace
}  // namespace spectrum_of

int main(int argc, char** argv) {
  try {
    spectrum_of::request r;
    return spectrum_of::parse(r, argc, argv) ? spectrum_of::run(r) : 0;
  } catch (const CLI::ParseError& e) {
    std::fprintf(stderr, "spectrum_of: %s; `./run spectrum-of --help` lists the options.\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    std::fflush(stdout);
    std::fprintf(stderr, "spectrum_of: %s\n", e.what());
    return 1;
  }
}
