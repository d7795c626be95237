// SPDX-License-Identifier: MIT
#pragma once
#include "eta.hpp"
#include "histogram.hpp"

/// Numbers of the analysis script published with arXiv:2510.09379, kept apart so that nobody takes them for the definition
/// (eigenvalues.hpp): they let figures be compared with the paper's. How they differ from the definition:
///
///   softmax   nu_i = sum_{j<=i} exp(s_ij - M_i) + (T - 1 - i), s without 1/sqrt(n), M_i the maximum of a row that holds 0 at its
///             masked positions; ratio nu_{i-1} / nu_i exp(M_{i-1} - M_i), which depends on T
///   linear    a sum of 0 counts as 2e-23
///   all       the layer's input is taken at its output, without norm and convolution (the caller's business), and values on an
///             edge of a histogram count twice: edge_rule::twice_on_edges
///
/// Norm attention (exp(psi_{i-1} - psi_i)) and Mamba-2 (exp(-Delta_i a)) are the definition's numbers.
namespace coefdyn::spectrum::as_published {

/// eta_{i-1} / eta_i of softmax attention as the script has it: (T - 1) numbers of one sequence and reading head; O(T^2 n) time,
/// O(T) memory. Only q and k are used.
template <class X>
std::vector<double> softmax_ratios(const X& x, idx batch, int reader) {
  const extents e = check(x);
  const int key_head = reader / (e.readers / e.keys);
  std::vector<double> top(static_cast<std::size_t>(e.time)), nu(top.size()), ratio, s(top.size());
  for (idx i = 0; i < e.time; ++i) {
    double largest = i + 1 < e.time ? 0.0 : math::unset_maximum<double>();
    for (idx j = 0; j <= i; ++j) {
      double dot = 0;
      for (int c = 0; c < e.n; ++c) dot += double(x.q(batch, i, reader, c)) * double(x.k(batch, j, key_head, c));
      s[std::size_t(j)] = dot;
      largest = std::max(largest, dot);
    }
    double sum = double(e.time - 1 - i);
    for (idx j = 0; j <= i; ++j) sum += std::exp(s[std::size_t(j)] - largest);
    top[std::size_t(i)] = largest, nu[std::size_t(i)] = sum;
  }
  for (std::size_t i = 1; i < nu.size(); ++i) ratio.push_back(nu[i - 1] / nu[i] * std::exp(top[i - 1] - top[i]));
  return ratio;
}

/// eta_{i-1} / eta_i where eta is a sum of a linear readout, with the script's 2e-23 for a sum of 0.
template <class X>
std::vector<double> linear_ratios(const X& x, idx batch, int reader) {
  static_assert(traits<typename X::mixer_type>::linear && traits<typename X::mixer_type>::needs_sum,
                "coefdyn: as_published::linear_ratios is for linear attention with a sum.");
  const log_eta_values eta = log_eta_of(x);
  const auto value = [&](idx i) {
    const std::size_t at = eta.at(batch, i, reader);
    return eta.sign[at] == 0 ? 2e-23 : eta.sign[at] * std::exp(eta.log_abs[at]);
  };
  std::vector<double> ratio;
  for (idx i = 1; i < eta.time; ++i) ratio.push_back(value(i - 1) / value(i));
  return ratio;
}

/// A histogram as the script fills it.
inline histogram histogram_of(std::span<const double> edges, std::span<const double> values) {
  histogram h(edges, edge_snap<double>, edge_rule::twice_on_edges);
  for (const double v : values) h.add(v);
  return h;
}

}  // namespace coefdyn::spectrum::as_published
