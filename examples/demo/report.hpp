// SPDX-License-Identifier: MIT
#pragma once
#include <complex>
#include <string>
#include <vector>

#include "corpus.hpp"

/// What the demo says about one mixer, without its type.
namespace demo {

constexpr int mixer_count = 19;

struct form_result {
  std::string name;
  bool exists = false;
  int rows = 0, tokens = 0;  // tokens of each row
  double tokens_per_second = 0;
  double disagreement = 0;  // to the definition on the first row, relative to its largest output
};
struct report {
  std::string name;
  std::string phi, evolution, scaling, normalization, feature;
  std::vector<form_result> forms;
  std::vector<double> alpha;                      // (mapped, mapped): the largest |alpha| of a token's writes, first row, first head
  double near_zero = 0;                           // percent of |alpha| <= 1e-3
  std::vector<std::complex<double>> eigenvalues;  // of Lambda_i, i = 1 .. mapped - 1, first row, first head
  bool is_degree_one_part = false;                // of the spectrum: phi is not linear and A is not I
};

/// Takes each report as soon as it is there.
class sink {
 public:
  virtual ~sink() = default;
  virtual void start(const std::string& name) = 0;
  virtual void take(report r) = 0;
};

void run_attention(const corpus& text, sink& out);
void run_linear(const corpus& text, sink& out);
void run_gated(const corpus& text, sink& out);
void run_delta(const corpus& text, sink& out);
void run_recurrent(const corpus& text, sink& out);

/// Adds coefficients and eigenvalues.
void analyse(report& r, const corpus& text);
void analyse_recurrent(report& r, const corpus& text);

}  // namespace demo
