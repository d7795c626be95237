// SPDX-License-Identifier: MIT
// Figures of arXiv:2510.09389 (P1) and arXiv:2510.09379 (P2), from runs to pictures.
//
//   figure --list
//   figure P2-1 --small      again: goes on where it was stopped, and repeats nothing
//   figure all --small       all of them, and a line for each at the end
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <thread>

#include "figures.hpp"

namespace figures {

const std::vector<known_figure>& known_figures() {
  static const std::vector<known_figure> all{
      {"P1-1", "readout maps: coefficients near 0 against accuracy, six maps, two tasks", readout_maps},
      {"P1-2", "learned positions: accuracy with and without, two evolutions", positions},
      {"P1-3", "the evolution A_t alone differs: accuracy of eight, two tasks", evolutions_compared},
      {"P1-5", "time of a forward pass against length, recurrent and quadratic", time_against_length},
      {"P2-1", "eigenvalues before and after training: six models, two tasks", spectra_of_models},
      {"P2-2", "the same of softmax, linear and norm attention, plain, convolved and gated", spectra_of_parts},
      {"P2-3", "the same of one layer: Mamba-2 and softmax, with and without convolution", spectra_of_one_layer},
      {"P2-4", "the same of four norm functions, and of a time-invariant Mamba-2", spectra_of_norms},
  };
  return all;
}

namespace {
const known_figure& figure_of(const std::string& name) {
  std::string names;
  for (const known_figure& f : known_figures()) {
    if (f.name == name) return f;
    names += (names.empty() ? "" : ", ") + f.name;
  }
  throw usage_error((name.empty() ? "expected the name of a figure" : "no figure is called " + name) + "; there are " + names + ".");
}
void print_list() {
  for (const known_figure& f : known_figures()) std::printf("%-6s%s\n", f.name.c_str(), f.about.c_str());
}
void make(const known_figure& f, const options& o) {
  const fs::path folder = fs::absolute(o.out) / f.name;
  fs::create_directories(folder);
  f.make(folder, o);
}
/// Every figure; one that fails does not keep the others. Ends with a line for each. The exit code: 1 if one failed.
int make_all(const options& o) {
  std::vector<std::string> lines;
  bool failed = false;
  for (const known_figure& f : known_figures()) {
    const auto begun = std::chrono::steady_clock::now();
    std::string said = "made";
    std::printf("\n== %s: %s\n", f.name.c_str(), f.about.c_str());
    try {
      make(f, o);
    } catch (const std::exception& e) {
      said = std::string("failed: ") + e.what(), failed = true;
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    lines.push_back(f.name + "  " + said + ", " + std::to_string(long(seconds)) + " s");
  }
  std::printf("\n");
  for (const std::string& line : lines) std::printf("%s\n", line.c_str());
  return failed ? 1 : 0;
}
int run_command(int argc, char** argv) {
  std::string name;
  bool list = false, small = false, full = false;
  options o{.out = FIGURE_OUT, .jobs = int(std::max(1u, std::thread::hardware_concurrency()))};
  CLI::App app("Makes a figure of the papers: runs, a table, pictures, in build/figures/NAME.", "./run figure");
  app.set_help_flag("--help", "this text");
  app.add_option("name", name, "as --list has them; all: every one");
  app.add_flag("--list", list, "the figures that there are");
  app.add_flag("--small", small, "sizes of minutes on two cores (the default)");
  app.add_flag("--full", full, "the papers' sizes: not made yet");
  app.add_option("--jobs", o.jobs, "trainings side by side; else as many as cores")->check(CLI::PositiveNumber);
  app.add_option("--data", o.data, "folder of data sets (cifar10/, imdb/, text/); without it their tasks are left out");
  app.add_option("--out", o.out, "folder that holds the figures'; else build/figures");
  app.add_option("--steps", o.steps, "")->group("")->check(CLI::PositiveNumber);
  app.add_option("--runs", o.runs, "")->group("")->check(CLI::PositiveNumber);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::printf("%s", app.help().c_str());
    return 0;
  } catch (const CLI::ParseError& e) {
    throw usage_error(std::string(e.what()) + "; `./run figure --help` lists the options.");
  }
  if (list) return print_list(), 0;
  if (!o.data.empty()) o.data = fs::absolute(o.data).string();
  if (full) throw usage_error("--full: the papers' sizes are not made yet; write ./run figure " + name + " --small.");
  if (name == "all") return make_all(o);
  make(figure_of(name), o);
  return 0;
}
}  // namespace
}  // namespace figures

int main(int argc, char** argv) {
  try {
    return figures::run_command(argc, argv);
  } catch (const std::exception& e) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}
