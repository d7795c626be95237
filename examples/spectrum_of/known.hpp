// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

/// What spectrum_of can be asked for: mixers by name, each with the analysis of arrays that a model dumped.
namespace spectrum_of {

/// An array from a file, as double; complex ones have a last axis of 2.
struct array {
  std::vector<long> shape;
  std::vector<double> values;
};
using arrays = std::map<std::string, array>;

struct options {
  std::string mixer, source;        // their names, for titles
  std::string folder = "spectrum";  // where pictures and files go
  double near_zero = 1e-3;
  long alpha_tokens = 256;  // of the coefficient map
};

/// What goes to spectrum.json; written by model.cpp, the one unit with a JSON library in it. NaN becomes null.
struct summary {
  struct head {
    std::vector<double> radius, phase;
    double near_zero_share;
    double horizon = 0;  // the median over tokens, steps; infinity: half of them never forget
  };
  std::string policies;
  std::vector<head> heads;
};

struct known {
  std::string name, policies;
  std::vector<std::string> streams;
  std::function<summary(const arrays&, const options&)> analyse;
};
void save_json(const std::string& path, const summary& s);

/// Every mixer that is compiled in; each of the other files adds a family.
std::vector<known>& table();
struct family {
  explicit family(std::vector<known> some) { table().insert(table().end(), some.begin(), some.end()); }
};

}  // namespace spectrum_of
