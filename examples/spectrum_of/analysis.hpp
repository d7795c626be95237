// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/files/npy.hpp>
#include <coefdyn/mixers/all.hpp>
#include <coefdyn/names.hpp>
#include <coefdyn/spectrum/coefficients.hpp>
#include <coefdyn/spectrum/forgetting.hpp>
#include <coefdyn/spectrum/pictures.hpp>
#include <cstdio>
#include <stdexcept>

#include "known.hpp"

/// The analysis of one mixer: histograms by head, a table, .npy and JSON, and four pictures.
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
          throw std::runtime_error(std::string(Need::tag::name) + " should have " + std::to_string(rank) + " axes, but is " +
                                   text_of(a.shape));
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
inline void say(const spectrum::picture& p) { std::printf("  %s%s\n", p.image.c_str(), p.drawn ? "" : (" not drawn: " + p.note).c_str()); }

template <class M, field Over>
void analyse(const arrays& in, const options& o) {
  tokens<M, double, heads::grouped_queries, Over> x;
  bind(x, in, typename decltype(x)::needs{});
  const extents e = check(x);
  std::printf("%ld sequences of %ld tokens, %d reading heads, n = %d\n", long(e.batch), long(e.time), e.readers, e.n);

  const auto heads_count = static_cast<std::size_t>(e.readers);
  std::vector<std::vector<spectrum::spectrum_histogram>> all(static_cast<std::size_t>(e.sequences),
                                                             std::vector<spectrum::spectrum_histogram>(heads_count));
  std::vector<spectrum::point_set> points(std::min<std::size_t>(heads_count, 6));
  for (std::size_t h = 0; h < points.size(); ++h) points[h].title = "head " + std::to_string(h);
  std::vector<std::complex<double>> flat;
  const auto report = spectrum::eigenvalues(x, [&](const spectrum::token_spectrum& s) {
    auto& h = all[std::size_t(s.sequence)][std::size_t(s.reader)];
    if (!s.has_ratio) h.exclude();
    for (const auto& z : s.values) h.add(z);
    if (s.sequence == 0 && std::size_t(s.reader) < points.size())
      points[std::size_t(s.reader)].points.insert(points[std::size_t(s.reader)].points.end(), s.values.begin(), s.values.end());
    flat.insert(flat.end(), s.values.begin(), s.values.end());
  });
  std::printf("eigenvalues: %ld spectra, %zu read off, %zu bracketed, %zu simultaneous, %zu dense; %ld rows without a ratio%s\n",
              long(report.spectra), report.paths[spectrum::how::read_off], report.paths[spectrum::how::bracketed],
              report.paths[spectrum::how::simultaneous], report.paths[spectrum::how::dense], long(report.no_ratio),
              report.is_degree_one_part ? "; the degree-one part of the lift's spectrum" : "");

  spectrum::coefficients alpha(x);
  const auto eta = spectrum::log_eta_of(x);
  std::vector<spectrum::bar_panel> radius, phase;
  std::vector<spectrum::horizon_line> horizon_lines;
  summary written{name_of<M>(), {}};
  std::printf(
      "radius in %% of eigenvalues, bins (0, .1], (.1, .5], (.5, .9], (.9, 1], (1, 10], (10, 100], above; phase (0, 1], (1, 10], (10, 45], "
      "(45, 90], (90, 180] degrees\n");
  for (std::size_t h = 0; h < heads_count; ++h) {
    spectrum::histogram_over_sequences r, p;
    for (const auto& s : all) r.add(s[h].radius), p.add(s[h].phase);
    const double share = alpha.near_zero_share(0, int(h), o.near_zero);
    std::printf("head %zu: share of |alpha| <= %g: %.3f\n", h, o.near_zero, share);
    print_row("radius", r.mean(), r.deviation());
    print_row("phase", p.mean(), p.deviation());
    const std::string title = "head " + std::to_string(h);
    if (h < 6) {
      radius.push_back({title, r.mean(), r.deviation(), {}, {}});
      phase.push_back({title, p.mean(), p.deviation(), {}, {}});
      horizon_lines.push_back({title, spectrum::horizons_of(x, eta, 0, int(h))});
    }
    written.heads.push_back({r.mean(), p.mean(), share});
  }

  const std::string to = o.folder + "/";
  save_json(to + "spectrum.json", written);
  const std::vector<idx> shape{e.sequences, e.states, e.time > 0 ? e.time - 1 : 0, e.readers / e.states, e.n};
  if (report.no_ratio == 0) files::save_npy(to + "eigenvalues.npy", flat, shape);
  const idx shown = std::min<idx>(e.time, o.alpha_tokens);
  std::vector<double> map(static_cast<std::size_t>(shown * shown * traits<M>::writes));
  alpha.tile(0, 0, 0, shown, 0, shown * traits<M>::writes, map);
  std::printf("written:\n");
  say(spectrum::draw_histograms(to + "radius.png", spectrum::radius_edges, radius, "radius"));
  say(spectrum::draw_histograms(to + "phase.png", spectrum::phase_edges, phase, "phase", "degrees"));
  say(spectrum::draw_plane(to + "plane.png", points, "eigenvalues, sequence 0"));
  if (traits<M>::writes == 1)
    say(spectrum::draw_coefficients(to + "alpha.png", map, static_cast<std::size_t>(shown), "coefficients, sequence 0, head 0"));
  say(spectrum::draw_horizons(to + "horizon.png", horizon_lines, "memory horizon, sequence 0"));
  std::printf("  %sspectrum.json%s\n", to.c_str(), report.no_ratio == 0 ? (", " + to + "eigenvalues.npy").c_str() : "");
}

/// One mixer for the table.
template <class M, field Over = field::real>
known entry(const char* name) {
  return {name, name_of<M>(), names_of(needs_of<M, Over>{}), analyse<M, Over>};
}

}  // namespace spectrum_of
