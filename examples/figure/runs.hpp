// SPDX-License-Identifier: MIT
#pragma once
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

/// What a figure is made of: runs, each in a folder that is named by a hash of its settings. A run that is finished is not repeated, one
/// that was stopped goes on.
namespace figures {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

/// What the user wrote wrong, as a sentence.
struct usage_error : std::runtime_error {
  using runtime_error::runtime_error;
};

struct options {
  std::string out;        // holds a folder for each figure
  std::string data = "";  // of data sets, whose tasks are left out without it
  int jobs = 1;           // runs side by side
  long runs = 0;          // the first of them alone; 0: all
  long steps = 0;         // of every training; 0: the figure's own
};
/// A training, or a measurement of this program.
struct run {
  std::string name;                         // "softmax on mqar"
  std::vector<std::string> settings;        // of a training the arguments of `train`, task and layer first; all that its numbers depend on
  std::function<json()> measure = nullptr;  // or none: a training
};

/// The folder of a run within its figure's.
std::string folder_name(const run& r);

/// Carries out what is not finished: trainings side by side, then measurements, one after the other. A line on standard output for each.
/// What a run left: `train`'s figures.json, or what `measure` returned.
///
/// file    FOLDER/HASH/: figures.json, finished.json (settings, commit, seconds), and what `train` writes
/// error   std::runtime_error, a sentence, where a run failed or Ctrl-C stopped them; the others are kept
std::vector<json> results_of(const std::vector<run>& runs, const fs::path& folder, const options& o);

json read_json(const fs::path& path);
void write_text(const fs::path& path, const std::string& text);

}  // namespace figures
