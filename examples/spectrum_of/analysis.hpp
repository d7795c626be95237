// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <coefdyn/files/npy.hpp>
#include <coefdyn/mixers/all.hpp>
#include <coefdyn/names.hpp>
#include <coefdyn/spectrum/coefficients.hpp>
#include <coefdyn/spectrum/forgetting.hpp>
#include <cstdio>
#include <stdexcept>

#include "findings.hpp"
#include "known.hpp"

/// The analysis of one mixer: histograms by head, a table, .npy and JSON, and pictures.
namespace spectrum_of {

using namespace coefdyn;

/// Shape text of a stream, for messages.
inline std::string text_of(const std::vector<long>& shape) {
  std::string s = "(";
  for (std::size_t a = 0; a < shape.size(); ++a) s += (a ? ", " : "") + std::to_string(shape[a]);
  return s + ")";
}

template <class X, class... Need>
void bind(X& x, const arrays& in, list<Need...>) {
  static const double ones[1] = {1};
  (
      [&] {
        using E = const element_of<Need, double>;
        view<E, Need::rank> v;
        const auto found = in.find(Need::tag::name);
        if (found == in.end()) {
          if constexpr (std::is_same_v<typename Need::tag, stream::v>) {  // the spectrum does not depend on the values
            const auto& k = in.at("k").shape;
            v = view<E, 4>{ones, {k[0], k[1], k[2], 1}, {0, 0, 0, 0}};
            x.template set<Need>(v);
            return;
          }
          throw std::runtime_error(std::string("the file has no array named ") + Need::tag::name);
        }
        const array& a = found->second;
        constexpr std::size_t rank = Need::rank + (Need::over == field::complex ? 1 : 0);
        if (a.shape.size() != rank)
          throw std::runtime_error(std::string(Need::tag::name) + " should have " + std::to_string(rank) + (rank == 1 ? " axis" : " axes") +
                                   ", but is " + text_of(a.shape));
        v.data = reinterpret_cast<E*>(a.values.data());
        idx stride = 1;
        for (int axis = Need::rank - 1; axis >= 0; --axis)
          v.extents[axis] = a.shape[std::size_t(axis)], v.strides[axis] = stride, stride *= v.extents[axis];
        x.template set<Need>(v);
      }(),
      ...);
}
template <class... Need>
std::vector<std::string> names_of(list<Need...>) {
  return {Need::tag::name...};
}

inline void print_row(const char* what, const std::vector<double>& mean, const std::vector<double>& deviation) {
  std::printf("  %-14s", what);
  for (std::size_t b = 0; b < mean.size(); ++b) std::printf(" %6.2f +- %-5.2f", mean[b], deviation[b]);
  std::printf("\n");
}

/// Eigenvalues of every token, counted by sequence and head, and all of them in a row.
template <class X>
spectrum::eigenvalue_report count_eigenvalues(const X& x, const extents& e, findings& found, std::vector<std::complex<double>>& flat) {
  const auto heads_count = static_cast<std::size_t>(e.readers);
  found.histograms.assign(static_cast<std::size_t>(e.sequences), std::vector<spectrum::spectrum_histogram>(heads_count));
  for (std::size_t h = 0; h < std::min(heads_count, heads_shown); ++h) found.points.push_back({"head " + std::to_string(h), {}});
  const auto report = spectrum::eigenvalues(x, [&](const spectrum::token_spectrum& s) {
    const auto head = std::size_t(s.reader);
    auto& h = found.histograms[std::size_t(s.sequence)][head];
    if (!s.has_ratio) h.exclude();
    for (const auto& z : s.values) h.add(z);
    if (s.sequence == 0 && head < found.points.size())
      found.points[head].points.insert(found.points[head].points.end(), s.values.begin(), s.values.end());
    flat.insert(flat.end(), s.values.begin(), s.values.end());
  });
  found.is_degree_one_part = report.is_degree_one_part;
  std::printf("eigenvalues: %ld spectra, %zu read off, %zu bracketed, %zu simultaneous, %zu dense; %ld rows without a ratio%s\n",
              long(report.spectra), report.paths[spectrum::how::read_off], report.paths[spectrum::how::bracketed],
              report.paths[spectrum::how::simultaneous], report.paths[spectrum::how::dense], long(report.no_ratio),
              report.is_degree_one_part ? "; the degree-one part of the lift's spectrum" : "");
  return report;
}

/// Coefficients of the first tokens; where a token writes several times, its largest.
template <class M, class Alpha>
spectrum::coefficient_map map_of(Alpha& alpha, int head, idx shown) {
  constexpr idx writes = traits<M>::writes;
  std::vector<double> all(static_cast<std::size_t>(shown * shown * writes));
  alpha.tile(0, head, 0, shown, 0, shown * writes, all);
  spectrum::coefficient_map map{"head " + std::to_string(head), std::vector<double>(static_cast<std::size_t>(shown * shown), 0),
                                static_cast<std::size_t>(shown)};
  for (std::size_t at = 0; at < all.size(); ++at) {
    double& cell = map.alpha[at / std::size_t(writes)];
    if (!(std::abs(all[at]) <= cell)) cell = std::abs(all[at]);
  }
  return map;
}

/// The median over tokens but the last, which has no step after it.
inline double median_but_last(std::vector<double> steps) {
  if (steps.size() > 1) steps.pop_back();
  std::nth_element(steps.begin(), steps.begin() + std::ptrdiff_t(steps.size() / 2), steps.end());
  return steps[steps.size() / 2];
}
/// The table, printed and for the JSON.
template <class X, class Alpha>
void tabulate(const X& x, Alpha& alpha, const findings& found, const options& o, summary& written) {
  std::printf(
      "radius in %% of eigenvalues, bins [0, .1], (.1, .5], (.5, .9], (.9, 1], (1, 10], (10, 100], above; phase [0, 1], (1, 10], (10, 45], "
      "(45, 90], (90, 180] degrees\n");
  for (std::size_t h = 0; h < found.histograms[0].size(); ++h) {
    spectrum::histogram_over_sequences r, p;
    for (const auto& s : found.histograms) r.add(s[h].radius), p.add(s[h].phase);
    const double share = alpha.near_zero_share(0, int(h), o.near_zero);
    written.heads.push_back({r.mean(), p.mean(), share, median_but_last(spectrum::horizons_of(x, alpha.eta(), 0, int(h)))});
    std::printf("head %zu: share of |alpha| <= %g: %.3f; median horizon %g tokens\n", h, o.near_zero, share, written.heads.back().horizon);
    print_row("radius", r.mean(), r.deviation());
    print_row("phase", p.mean(), p.deviation());
  }
}

template <class M, field Over>
summary analyse(const arrays& in, const options& o) {
  tokens<M, double, heads::grouped_queries, Over> x;
  bind(x, in, typename decltype(x)::needs{});
  const extents e = check(x);
  std::printf("%ld sequences of %ld tokens, %d reading heads, n = %d\n", long(e.batch), long(e.time), e.readers, e.n);
  if (e.sequences == 0 || e.time == 0 || e.readers == 0) throw std::runtime_error("the arrays hold no token, so there is no spectrum");

  findings found;
  found.mixer = o.mixer;
  found.tokens = std::size_t(e.time);
  found.settings = name_of<M>() + "; n = " + std::to_string(e.n) + ", T = " + std::to_string(e.time) + ", " + o.source;
  std::vector<std::complex<double>> flat;
  const auto report = count_eigenvalues(x, e, found, flat);
  spectrum::coefficients alpha(x);
  summary written{name_of<M>(), {}};
  tabulate(x, alpha, found, o, written);

  const std::string to = o.folder + "/";
  const std::vector<idx> shape{e.sequences, e.states, e.time - 1, e.readers / e.states, e.n};
  if (report.no_ratio == 0) files::save_npy(to + "eigenvalues.npy", flat, shape);
  for (int h = 0; h < int(found.points.size()); ++h) {
    if (h < 4) found.alpha.push_back(map_of<M>(alpha, h, std::min<idx>(e.time, o.alpha_tokens)));
    found.horizons.push_back({"head " + std::to_string(h), spectrum::horizons_of(x, alpha.eta(), 0, h)});
  }
  std::printf("written:\n");
  draw(found, o.folder);
  std::printf("  %sspectrum.json%s\n", to.c_str(), report.no_ratio == 0 ? (", " + to + "eigenvalues.npy").c_str() : "");
  return written;
}

/// One mixer for the table.
template <class M, field Over = field::real>
known entry(const char* name) {
  return {name, name_of<M>(), names_of(needs_of<M, Over>{}), analyse<M, Over>};
}

}  // namespace spectrum_of
