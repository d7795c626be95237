// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>
#include <vector>

#include "combination.hpp"
#include "unit.hpp"

namespace golden {

struct tensor {
  std::vector<idx> shape;
  std::vector<double> values;
};

/// A file's inputs and expected outputs, all in double, and its sizes.
struct golden_case {
  std::string name, kind;
  std::map<std::string, std::string> metadata;
  std::map<std::string, tensor> tensors;
  std::vector<idx> offsets;  // cu_seqlens, empty where the case is not packed
  idx B = 0, T = 0, Hq = 0, Hkv = 0, n = 0, d = 0, writes = 1;

  explicit golden_case(const coefdyn::files::safetensors& file);
  const tensor* find(const std::string& tensor_name) const {
    const auto t = tensors.find(tensor_name);
    return t == tensors.end() ? nullptr : &t->second;
  }
  std::string text(const std::string& key) const {
    const auto t = metadata.find(key);
    return t == metadata.end() ? "" : t->second;
  }
  /// A number of the metadata; `otherwise` where there is none.
  double number(const std::string& key, double otherwise) const {
    const std::string t = text(key);
    return t.empty() ? otherwise : std::stod(t);
  }
  idx sequences() const { return offsets.empty() ? B : static_cast<idx>(offsets.size()) - 1; }
  double largest_gradient() const;
};

/// Sizes and values are those of README.md's table of the golden folder; nothing here widens them.
struct tolerances {
  double y[2], gradient[2], eigenvalue[2];  // double, float
  explicit tolerances(const golden_case& c);
};

inline double largest(const std::vector<double>& x) {
  double m = 0;
  for (const double v : x) m = std::max(m, std::abs(v));
  return m;
}

/// Largest error of a case against its tolerance, and what failed.
struct report {
  double worst = 0;  // error / tolerance
  std::string where;
  std::vector<std::string> failures;
  std::vector<std::string> forms;
  std::vector<std::string> notes;
  void ran(const std::string& form) {
    if (std::find(forms.begin(), forms.end(), form) == forms.end()) forms.push_back(form);
  }
  void fail(const std::string& what) { failures.push_back(what); }
  void measure(const std::string& what, double error, double tolerance);
  /// max|got - expected| / max(max|expected|, floor) against the tolerance; NaN fails.
  template <class R>
  void compare(const std::string& what, const std::vector<R>& got, const std::vector<double>& expected, double tolerance,
               double floor = 0) {
    if (got.size() != expected.size())
      return fail(what + ": " + std::to_string(got.size()) + " numbers instead of " + std::to_string(expected.size()));
    double difference = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double x = static_cast<double>(got[i]);
      const double e = x == expected[i] ? 0 : std::abs(x - expected[i]);
      if (!(e <= difference)) difference = e;
      if (std::isnan(e)) break;
    }
    measure(what, difference == 0 ? 0 : difference / std::max(largest(expected), floor), tolerance);
  }
};

}  // namespace golden
