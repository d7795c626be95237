// SPDX-License-Identifier: MIT
#include "calls.hpp"
#include "checks.hpp"
#include "coefdyn/spectrum/as_published.hpp"
#include "coefdyn/spectrum/histogram.hpp"
#include "coefdyn/spectrum/ssm.hpp"

namespace golden {
namespace {

using number = std::complex<double>;

/// Largest distance of two multisets, each expected value taking the nearest that is left.
double multiset_distance(std::vector<number> got, const number* expected) {
  double worst = 0;
  for (std::size_t i = 0, n = got.size(); i < n; ++i) {
    const auto nearest =
        std::min_element(got.begin(), got.end(), [&](number a, number b) { return std::abs(a - expected[i]) < std::abs(b - expected[i]); });
    const double distance = std::abs(*nearest - expected[i]);
    if (!(distance <= worst)) worst = distance;
    got.erase(nearest);
  }
  return worst;
}
/// Percentages within 1e-9.
void compare_histogram(const char* tensor_name, const coefdyn::spectrum::histogram& h, const golden_case& c, report& r) {
  const tensor* expected = c.find(tensor_name);
  if (!expected) return;
  const auto percentages = h.percentages();
  double worst = percentages.size() == expected->values.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < percentages.size() && std::isfinite(worst); ++i)
    worst = std::max(worst, std::abs(percentages[i] - expected->values[i]));
  r.measure(tensor_name, worst, 1e-9);
}
/// S4's exact spectrum from its step sizes, [Hkv, n]: no matrix is formed.
void check_continuous_rule(const golden_case& c, report& r) {
  const tensor *expected = c.find("eig_continuous_rule"), *step = c.find("s4_step");
  if (!expected || !step) return;
  std::vector<double> got;
  std::vector<number> one(static_cast<std::size_t>(c.n));
  for (const double s : step->values) {
    coefdyn::spectrum::hippo_legs_eigenvalues(s, coefdyn::spectrum::discretisation::bilinear, one);
    for (const number x : one) got.push_back(x.real());
  }
  r.compare("eig_continuous_rule", got, expected->values, 1e-12);
}

template <class R>
void check_in(const unit& u, const golden_case& c, report& r) {
  const tolerances t(c);
  const bool single = sizeof(R) == sizeof(float);
  const std::string type = type_name(R());
  const std::size_t n = static_cast<std::size_t>(c.n), spectra = static_cast<std::size_t>(c.B * (c.T - 1) * c.Hq);
  const std::vector<buffer<R>> inputs = buffers_of<R>(u, c);
  const std::vector<named_array> all = cut(inputs, 0, c.T, 0, c.writes);
  std::vector<number> eig(spectra * n, number(NAN, NAN));
  std::vector<double> ratios(spectra, NAN), published(spectra, NAN);
  call k;
  k.inputs = all;
  functions_for<R>(u).spectrum(k, {eig.data(), ratios.data(), published.data()});
  if (const tensor* expected = c.find("eta_ratio")) r.compare(type + " eta_ratio", ratios, expected->values, t.y[single]);
  if (const tensor* expected = c.find("eta_ratio_as_published"))
    r.compare(type + " eta_ratio_as_published", published, expected->values, t.y[single]);
  const tensor* expected = c.find("eig");
  if (expected && !(single && c.text("evolution") == "dense_complex")) {  // S4 has no float32 tolerance
    double difference = expected->values.size() == 2 * eig.size() ? 0 : INFINITY, size = 0;
    for (std::size_t at = 0; at < spectra && std::isfinite(difference); ++at) {
      std::vector<number> wanted(n);
      for (std::size_t j = 0; j < n; ++j) {
        const double* e = expected->values.data() + (at * n + j) * 2;
        wanted[j] = number(e[0], e[1]), size = std::max(size, std::abs(wanted[j]));
      }
      const auto first = eig.begin() + static_cast<std::ptrdiff_t>(at * n);
      const double distance = multiset_distance({first, first + static_cast<std::ptrdiff_t>(n)}, wanted.data());
      if (!(distance <= difference)) difference = distance;
    }
    r.measure(type + " eig", difference == 0 ? 0 : difference / size, t.eigenvalue[single]);
  }
  if (single) return;
  namespace sp = coefdyn::spectrum;
  sp::spectrum_histogram h;
  for (const number x : eig) h.add(x);
  compare_histogram("hist_radius", h.radius, c, r);
  compare_histogram("hist_phase", h.phase, c, r);
  if (c.find("hist_radius_as_published"))
    compare_histogram("hist_radius_as_published", sp::as_published::histogram_of(sp::radius_edges, published), c, r);
}

}  // namespace

void check_spectrum(const unit& u, const golden_case& c, report& r) {
  if (u.on_gpu || (!c.find("eig") && !c.find("eta_ratio"))) return;
  check_in<double>(u, c, r);
  check_in<float>(u, c, r);
  check_continuous_rule(c, r);
  r.ran("spectrum");
}

}  // namespace golden
