// SPDX-License-Identifier: MIT
// Eigenvalues and histograms on the device against the CPU's eta, formulas and bins, from the same rounded inputs in float64.
#include "coefdyn/cuda/spectrum.cuh"
#include "law.cuh"
#include "mixers.cuh"

namespace gpu_test {
namespace {
using spectrum::eta_ratio;
using eigenvalue = coefdyn::complex<double>;

/// eig(Lambda) as (B, T, H_q, n); NaN at each sequence's first token and where there is no ratio.
struct reference {
  std::vector<eigenvalue> values;
  std::vector<eta_ratio> ratios;             // (B, T, H_q)
  std::vector<std::pair<idx, idx>> windows;  // tokens of each sequence, counted through the batch
};
template <class X>
reference on_the_cpu(const X& x) {
  using M = typename X::mixer_type;
  using Frame = spectrum::detail::evolution_frame<M, X::over>;
  using form = spectrum::closed_form<typename M::evolution>;
  const extents e = check(x);
  const auto eta = spectrum::log_eta_of(x);
  const cpu::frame_shape shape{e.n, e.d, e.d, 1};
  arena counted;
  Frame f(counted, shape);
  std::vector<std::byte> memory(counted.used + 64);
  arena a{memory.data(), memory.size(), 0};
  f = Frame(a, shape);
  std::vector<double> scratch(std::size_t(e.n) + 1), work(form::work_size(e.n) + 1);
  reference out;
  out.values.assign(std::size_t(e.batch * e.time * e.readers * e.n), {NAN, NAN});
  out.ratios.resize(std::size_t(e.batch * e.time * e.readers));
  const int readers = cpu::readers_per_state(e);
  for (idx s = 0; s < e.sequences; ++s) {
    const sequence q = sequence_at(x, e, s);
    out.windows.push_back({q.batch * e.time + q.begin, q.batch * e.time + q.end});
    for (int r = 0; r < e.readers; ++r)
      for (idx t = 1; t < q.end - q.begin; ++t) {
        cpu::gather<M>(x, e, q, {r / readers, r}, t, 1, true, f, scratch.data());
        const form values(f, 0, t, work.data());
        const std::size_t now = eta.at(q.batch, q.begin + t, r), before = eta.at(q.batch, q.begin + t - 1, r);
        out.ratios[now] = spectrum::ratio_of(eta.log_abs[before], eta.sign[before], eta.log_abs[now], eta.sign[now]);
        if (out.ratios[now].exists)
          for (int c = 0; c < e.n; ++c)
            out.values[now * std::size_t(e.n) + std::size_t(c)] = out.ratios[now].value * values(f.at(0, 0, t), c);
      }
  }
  return out;
}

template <class Subject, class Types = float>
struct spectrum_law {
  using P = problem<Subject, Types>;
  using M = typename P::M;
  static constexpr auto turns = traits<M>::structure.turns;
  static constexpr bool pairs = turns == turning::half_pairs || turns == turning::adjacent_pairs;
  // a sum that may cancel amplifies the rounding of its terms
  static constexpr double limit = traits<M>::needs_sum && traits<M>::linear ? 1e-8 : 1e-10;
  std::string line;
  double worst = 0;
  int failed_before = total.failed;

  void see(const P& p, const char* what, bool condition) {
    if (condition) {
      ++total.passed;
      return;
    }
    ++total.failed;
    line += std::string("    FAILED ") + p.c.name + " " + what + "\n";
  }
  template <class R>
  void values(P& p, const reference& want, double allowed) {
    const extents& e = p.e;
    const idx count = e.batch * e.time * e.readers * e.n;
    both<coefdyn::complex<R>> got(count), again(count);
    const view<coefdyn::complex<R>, 4> out(got.device, e.batch, e.time, idx(e.readers), idx(e.n)),
        second(again.device, e.batch, e.time, idx(e.readers), idx(e.n));
    const std::size_t bytes = spectrum::eigenvalue_workspace_bytes(device::cuda{}, p.x);
    both<unsigned char> ws{idx(bytes)};
    got.spoil(), again.spoil(), ws.spoil();
    spectrum::eigenvalues(device::cuda{}, p.x, out, workspace(reinterpret_cast<std::byte*>(ws.device), bytes));
    spectrum::eigenvalues(device::cuda{}, p.x, second);
    got.down(), again.down();
    double error = 0;
    bool same_gaps = true;
    for (std::size_t i = 0; i < got.host.size(); ++i) {
      const eigenvalue w = want.values[i], g{double(got.host[i].re), double(got.host[i].im)};
      same_gaps = same_gaps && std::isnan(w.re) == std::isnan(g.re) && std::isnan(w.im) == std::isnan(g.im);
      if (!std::isnan(w.re)) error = std::fmax(error, std::hypot(g.re - w.re, g.im - w.im) / std::fmax(1, std::hypot(w.re, w.im)));
    }
    worst = std::fmax(worst, error / allowed);
    see(p, "eigenvalues", error <= allowed);
    see(p, "rows without an eigenvalue", same_gaps);
    const std::size_t size = got.host.size() * sizeof got.host[0];
    see(p, "same bits twice", size == 0 || !std::memcmp(got.host.data(), again.host.data(), size));
    if (e.batch > 1 && size > 0) {
      auto alone = p.x;
      law<Subject, Types>::row_alone(alone, typename P::needs{});
      again.spoil();
      spectrum::eigenvalues(device::cuda{}, alone, view<coefdyn::complex<R>, 4>(again.device, idx(1), e.time, idx(e.readers), idx(e.n)));
      again.down();
      see(p, "row alone", !std::memcmp(got.host.data() + got.host.size() / 2, again.host.data(), size / 2));
    }
  }
  /// Counts that differ by more than the values near to an edge may move.
  static bool agree(const spectrum::histogram& got, const spectrum::histogram& want, std::uint64_t near) {
    std::uint64_t moved = 0;
    const auto compare = [&](std::uint64_t a, std::uint64_t b) { moved += a > b ? a - b : b - a; };
    for (std::size_t b = 0; b < want.counts().size(); ++b) compare(got.counts()[b], want.counts()[b]);
    compare(got.below(), want.below()), compare(got.above(), want.above());
    return got.total() == want.total() && got.excluded() == want.excluded() && moved <= 2 * near;
  }
  static bool near_edge(const spectrum::histogram& h, double value) {
    for (const double edge : h.edges())
      if (std::isfinite(edge) && std::fabs(value - edge) <= 1e-5 * std::fmax(1, std::fabs(edge))) return true;
    return false;
  }
  void histograms(P& p, const reference& want, const spectrum::spectrum_histogram& bins) {
    const extents& e = p.e;
    const int radii = bins.radius.bins().counters(), phases = bins.phase.bins().counters();
    both<std::uint64_t> radius(e.sequences * e.readers * radii), phase(e.sequences * e.readers * phases);
    spectrum::histogram_counters out;
    out.radius = view<std::uint64_t, 3>(radius.device, e.sequences, idx(e.readers), idx(radii));
    out.phase = view<std::uint64_t, 3>(phase.device, e.sequences, idx(e.readers), idx(phases));
    radius.spoil(), phase.spoil();
    spectrum::eigenvalue_histograms(device::cuda{}, p.x, bins, out);
    radius.down(), phase.down();
    const auto radius_once = radius.host, phase_once = phase.host;
    spectrum::eigenvalue_histograms(device::cuda{}, p.x, bins, out);
    radius.down(), phase.down();
    see(p, "same counts twice", radius.host == radius_once && phase.host == phase_once);
    bool same = true;
    for (idx s = 0; s < e.sequences; ++s)
      for (int r = 0; r < e.readers; ++r) {
        spectrum::spectrum_histogram mine = bins, device = bins;
        std::uint64_t near_radius = 0, near_phase = 0;
        const auto [begin, end] = want.windows[std::size_t(s)];
        for (idx t = begin + 1; t < end; ++t) {
          const std::size_t row = std::size_t(t * e.readers + r);
          if (!want.ratios[row].exists) mine.exclude();
          for (int c = 0; want.ratios[row].exists && c < e.n; ++c) {
            const eigenvalue z = want.values[row * std::size_t(e.n) + std::size_t(c)];
            mine.add({z.re, z.im});
            near_radius += near_edge(bins.radius, std::hypot(z.re, z.im)),
                near_phase += near_edge(bins.phase, spectrum::phase_of(z.re, z.im));
          }
        }
        const auto row = [&](const both<std::uint64_t>& all, int length) {
          return std::span<const std::uint64_t>(all.host).subspan(std::size_t((s * e.readers + r) * length), std::size_t(length));
        };
        device.radius.add_counted(row(radius, radii)), device.phase.add_counted(row(phase, phases));
        same = same && agree(device.radius, mine.radius, near_radius) && agree(device.phase, mine.phase, near_phase);
      }
    see(p, "histograms", same);
  }
  void operator()() {
    static const std::vector<config> more = {
        {"odd", 2, 37, 7, 5, false, false, {}, 0}, {"n1", 2, 9, 1, 3, false, false, {}, 0}, {"n300", 1, 20, 300, 8, false, false, {}, 0}};
    const std::vector<double> few{0.25, 0.75, 0.95};
    const spectrum::spectrum_histogram other{spectrum::histogram(few),
                                             spectrum::histogram(spectrum::phase_edges, 0, spectrum::edge_rule::twice_on_edges)};
    for (const auto* list : {&configs(), &more})
      for (const config& c : *list) {
        if (c.first_read > 0 || (pairs && c.n % 2) || (small && c.T > 40)) continue;
        P p(c);
        const reference want = on_the_cpu(p.ref);
        values<double>(p, want, limit);
        values<float>(p, want, 1e-6);
        histograms(p, want, {});
        histograms(p, want, other);
      }
    std::printf("%s %-32s spectrum, worst %.0e of the limit\n", total.failed == failed_before ? "ok  " : "FAIL", Subject::name, worst);
    if (!line.empty()) std::printf("%.1500s", line.c_str());
    std::fflush(stdout);
  }
};

void expect_here(bool condition, const char* what) {
  if (condition) ++total.passed;
  else ++total.failed, std::printf("    FAILED spectrum: %s\n", what);
}
template <class F>
bool refuses(F f) {
  try {
    f();
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}
void refusals() {
  using P = problem<subject<3>, float>;
  static const config c{"refusals", 2, 9, 16, 8, false, false, {}, 0};
  P p(c);
  both<coefdyn::complex<float>> memory(p.e.batch * p.e.time * p.e.readers * p.e.n);
  const view<coefdyn::complex<float>, 4> out(memory.device, p.e.batch, p.e.time, idx(p.e.readers), idx(p.e.n)),
      short_of_one(memory.device, p.e.batch, p.e.time - 1, idx(p.e.readers), idx(p.e.n));
  const device::cuda on;
  expect_here(refuses([&] { spectrum::eigenvalues(on, p.x, short_of_one); }), "an output of another shape is refused");
  expect_here(refuses([&] { spectrum::eigenvalues(on, p.x, out, workspace()); }), "a workspace that is too small is refused");
  both<std::uint64_t> radius(2 * 4 * 12), phase(2 * 4 * 10);
  const spectrum::histogram_counters counters{view<std::uint64_t, 3>(radius.device, idx(2), idx(4), idx(12)),
                                              view<std::uint64_t, 3>(phase.device, idx(2), idx(4), idx(10))};
  std::vector<double> edges(80);
  for (std::size_t i = 0; i < edges.size(); ++i) edges[i] = double(i);
  const spectrum::spectrum_histogram many{spectrum::histogram(edges), spectrum::histogram(spectrum::phase_edges)};
  expect_here(refuses([&] { spectrum::eigenvalue_histograms(on, p.x, many, counters); }), "more bins than a device has are refused");
  static const config cached{"cache", 1, 40, 16, 8, false, false, {}, 23};
  P cache(cached);
  expect_here(refuses([&] { spectrum::eigenvalue_workspace_bytes(on, cache.x); }), "tokens that are not read are refused");

  for (std::size_t i = 0; i < p.names.size(); ++i)
    if (std::string(p.names[i]) == "log_decay") {
      reinterpret_cast<float*>(p.memory[i].host.data())[5 * 4 + 2] = NAN;  // token 5, head 2 of the first sequence
      p.memory[i].up();
    }
  spectrum::eigenvalue_histograms(on, p.x, {}, counters);
  radius.down(), phase.down();
  const auto row = [](const std::vector<std::uint64_t>& all, int reader, int length) {
    return std::span<const std::uint64_t>(all).subspan(std::size_t(reader * length), std::size_t(length));
  };
  spectrum::spectrum_histogram h;
  expect_here(row(radius.host, 2, 12).back() == 16 && row(phase.host, 2, 10).back() == 16 && row(radius.host, 1, 12).back() == 0,
              "values that are no number are counted apart");
  expect_here(
      refuses([&] { h.radius.add_counted(row(radius.host, 2, 12)); }) && !refuses([&] { h.radius.add_counted(row(radius.host, 1, 12)); }),
      "and refused on the host");
}

/// Weights of both signs, so that eta changes its own; and rows without any weight.
struct signed_sum : subject<3> {
  using mixer_type = mixer<r::linear, ev::scalar, sc::one, no::sum>;
  static constexpr const char* name = "scalar, sum of both signs";
};
struct empty_rows : subject<3> {
  using mixer_type = mixer<r::relu, ev::identity, sc::one, no::sum>;
  static constexpr const char* name = "relu, rows without weight";
};
template <int... Case>
void each_subject() {
  (spectrum_law<subject<Case>>{}(), ...);
}

}  // namespace
}  // namespace gpu_test

void spectra() {
  using namespace gpu_test;
  try {
    each_subject<1, 3, 4, 6, 9, 11, 12, 18, 21, 22, 23, 24, 25, 27, 31, 34, 37, 39>();
    spectrum_law<signed_sum>{}(), spectrum_law<empty_rows>{}();
    spectrum_law<subject<13>, bf16>{}(), spectrum_law<subject<26>, double>{}();
    refusals();
  } catch (const std::exception& error) {
    expect_here(false, error.what());
  }
}
