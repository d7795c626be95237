// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <vector>

#include "unit.hpp"

/// What a training leaves in its folder beside the checkpoint: figures as JSON, and pictures.
namespace train_command {

struct learning {
  std::vector<double> loss;                 // of every step, the first at 0
  std::vector<double> evaluated, accuracy;  // after how many steps, and of the test split
};
struct record {
  std::string title, settings;  // of the pictures
  std::string settings_json;    // what was asked for
  std::string figures_json;     // what came of it, but for curves and spectra
  learning curve;
  std::vector<layer_spectrum> before, after;
};
/// Writes settings.json, figures.json and the pictures; returns the lines that say so.
std::vector<std::string> write(const record& r, const std::string& folder);
/// The curve of an earlier run in the folder, up to a step: empty where there is none.
learning curve_in(const std::string& folder, long steps);

}  // namespace train_command
