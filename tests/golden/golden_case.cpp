// SPDX-License-Identifier: MIT
#include "golden_case.hpp"

#include <cstdio>
#include <filesystem>

#include "coefdyn/files/safetensors.hpp"

namespace golden {

golden_case::golden_case(const coefdyn::files::safetensors& file)
    : name(std::filesystem::path(file.path).stem().string()), metadata(file.metadata) {
  kind = text("kind");
  for (const auto& [key, t] : file.tensors)
    if (key == "cu_seqlens") offsets = file.load<idx>(key).values;
    else tensors[key] = {t.shape, file.load<double>(key).values};
  if (kind == "parameterisation") return;
  const auto size = [&](const char* key, std::size_t axis) {
    const tensor* t = find(key);
    if (!t || t->shape.size() <= axis) throw std::runtime_error(std::string("its ") + key + " is missing or has another rank");
    return t->shape[axis];
  };
  B = size("q", 0), T = size("q", 1), Hq = size("q", 2), n = size("q", 3);
  Hkv = size("k", 2), d = size("v", 3);
  writes = text("writes_per_token").empty() ? 1 : std::stoll(text("writes_per_token"));
}

double golden_case::largest_gradient() const {
  double m = 0;
  for (const auto& [key, t] : tensors)
    if (key.starts_with("d_")) m = std::max(m, largest(t.values));
  return m;
}

tolerances::tolerances(const golden_case& c) {
  const double noise = std::max(c.number("f32_y", 0), c.number("f32_y_recurrent", 0)), gradient_noise = c.number("f32_grad", 0);
  y[0] = c.name == "stress_gate40_mlstm" ? 1e-11 : 1e-12;
  y[1] = std::isfinite(noise) ? 10 * std::max(noise, 2e-7) : 1e-5;
  gradient[0] = 1e-11;
  gradient[1] = std::isfinite(gradient_noise) ? 10 * std::max(gradient_noise, 5e-7) : 1e-5;
  eigenvalue[0] = std::max(1e-12, 10 * c.number("dense_solver_error_vs_40_digits", 0));
  eigenvalue[1] = 1e-5;
}

void report::measure(const std::string& what, double error, double tolerance) {
  const double share = std::isnan(error) ? INFINITY : error / tolerance;
  if (share > worst) worst = share, where = what;
  if (share <= 1) return;
  char text[64];
  std::snprintf(text, sizeof text, ": error %.2e, tolerance %.1e", error, tolerance);
  fail(what + text);
}

}  // namespace golden
