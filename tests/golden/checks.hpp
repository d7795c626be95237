// SPDX-License-Identifier: MIT
#pragma once
#include "golden_case.hpp"

/// What is compared for a case; each adds to the report.
namespace golden {

/// y and final states in every form, whole, in pieces and split; alpha, eta and log_eta.
void check_forward(const unit& u, const golden_case& c, report& r);
/// eig, eta_ratio and the histograms.
void check_spectrum(const unit& u, const golden_case& c, report& r);
/// d_X in every form.
void check_gradients(const unit& u, const golden_case& c, report& r);
/// param_*: log_decay and its gradients.
void check_parameterisation(const golden_case& c, report& r);

inline const char* type_name(double) { return "float64"; }
inline const char* type_name(float) { return "float32"; }
template <class R>
const functions& functions_for(const unit& u) {
  return sizeof(R) == sizeof(double) ? u.in_double : u.in_float;
}

}  // namespace golden
