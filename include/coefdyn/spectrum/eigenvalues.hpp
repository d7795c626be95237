// SPDX-License-Identifier: MIT
#pragma once
#include <complex>

#include "eta.hpp"
#include "histogram.hpp"
#include "token_solver.hpp"

/// eig(Lambda_i) = (eta_{i-1} / eta_i) eig(A_i) for every type the library can express, token by token: the state matrix of
/// the coefficient dynamics with eta absorbed. Exact for a linear phi and for A = I; for a nonlinear phi with A != I it is the
/// degree-one part of the lift's spectrum (`is_degree_one_part`).
///
/// ```cpp statements with call
/// spectrum::eigenvalues(x, [](const spectrum::token_spectrum& at) {
///   for (auto lambda : at.values) std::cout << at.token << " " << lambda << "\n";
/// });
/// ```
///
/// source  arXiv:2510.09379
namespace coefdyn::spectrum {

/// What a visitor sees: the spectrum of Lambda at one token (1, 2, .. of its sequence) of one reading head.
struct token_spectrum {
  idx sequence = 0, token = 0;
  int state_head = 0, reader = 0;
  double ratio = 0;                              // eta_{i-1} / eta_i
  bool has_ratio = true;                         // false where a row has no weight: values are empty
  std::span<const std::complex<double>> values;  // n of them
  std::span<const double> conditions;            // of those that were solved densely, n of them: how much a change of A moves each
  double error = 0;                              // about what rounding of A's entries can have moved the worst by, before eta; 0 of others
  how path = how::read_off;
};
/// What eigenvalues are wanted with.
struct eigenvalue_options {
  bool conditions = true;  // condition numbers and errors of dense solutions, which take about as long as these
};
/// How the eigenvalues of a call were found, and how well.
struct eigenvalue_report {
  rank_one_tally paths;  // by path
  idx spectra = 0, no_ratio = 0;
  double largest_error = 0;  // of all, each in units of its spectrum's largest value: at 1e-8 half the digits are lost
  bool is_degree_one_part = false;
};

namespace detail {
/// Where a spectrum is, for errors.
struct spectrum_place {
  idx sequence;
  int state_head;
  idx token;
  std::string text() const {
    return "sequence " + std::to_string(sequence) + ", state head " + std::to_string(state_head) + ", token " + std::to_string(token);
  }
};
/// The solver's path at one token, its values in the solver; what A holds and they are must be finite.
template <class Solver, class Frame>
how finite_solution(Solver& solver, const Frame& f, idx i, const spectrum_place& at) {
  how path{};
#if defined(__cpp_exceptions)
  try {
    path = solver.solve(f, i, at.token);
  } catch (const std::invalid_argument& bad) {
    COEFDYN_THROW invalid_input("evolution at " + at.text(), "finite numbers", bad.what());
  }
#else
  path = solver.solve(f, i, at.token);
#endif
  for (const auto& z : solver.values)
    if (!math::is_finite(z.real()) || !math::is_finite(z.imag()))
      COEFDYN_THROW invalid_input("evolution at " + at.text(), "finite numbers", "an eigenvalue that is not finite");
  return path;
}
/// eta_{i-1} / eta_i of one reading head, row `row` of its batch row.
inline eta_ratio ratio_at(const log_eta_values& eta, idx batch, idx row, int reader, const spectrum_place& at) {
  const std::size_t now = eta.at(batch, row, reader), before = eta.at(batch, row - 1, reader);
  for (const std::size_t k : {before, now})
    if (eta.sign[k] != 0 && !math::is_finite(eta.log_abs[k]))
      COEFDYN_THROW invalid_input("eta of reading head " + std::to_string(reader) + " at " + at.text() + " or the token before",
                                  "a finite logarithm", std::to_string(eta.log_abs[k]));
  return ratio_of(eta.log_abs[before], eta.sign[before], eta.log_abs[now], eta.sign[now]);
}
/// The spectrum of A_i times the ratio, in `scaled` where that is not 1.
inline void set_ratio(token_spectrum& out, const eta_ratio& ratio, std::span<const std::complex<double>> of_A,
                      std::vector<std::complex<double>>& scaled) {
  out.has_ratio = ratio.exists, out.ratio = ratio.value;
  if (!out.has_ratio) {
    out.values = {};
  } else if (out.ratio == 1) {
    out.values = of_A;
  } else {
    for (std::size_t c = 0; c < scaled.size(); ++c) scaled[c] = out.ratio * of_A[c];
    out.values = scaled;
  }
}

/// Goes through the tokens of one state head after another.
template <class X, class Visit>
class spectrum_walk {
  using M = typename X::mixer_type;
  using Frame = evolution_frame<M, X::over>;
  static constexpr idx window = 64;
  const X& x_;
  extents size_;
  Visit& visit_;
  bool want_conditions_;
  log_eta_values eta_;
  std::vector<std::byte> memory_;
  Frame frame_;
  std::vector<double> scratch_;
  std::vector<std::complex<double>> scaled_;

 public:
  eigenvalue_report report;

  spectrum_walk(const X& x, Visit& visit, const eigenvalue_options& options)
      : x_(x),
        size_(check(x)),
        visit_(visit),
        want_conditions_(options.conditions),
        eta_(log_eta_of(x)),
        scratch_(static_cast<std::size_t>(size_.n) + 1),
        scaled_(static_cast<std::size_t>(size_.n)) {
    const cpu::frame_shape shape{.n = size_.n, .d = size_.d, .e = size_.d, .tokens = window};
    arena counted;
    Frame counting(counted, shape);
    memory_.resize(counted.used + 64);
    arena a{memory_.data(), memory_.size(), 0};
    frame_ = Frame(a, shape);
    report.is_degree_one_part = !traits<M>::linear && !(traits<M>::structured && is_identity(traits<M>::structure));
  }
  void state_head(idx s, int h) {
    const sequence q = sequence_at(x_, size_, s);
    const idx tokens = q.end - q.begin;
    token_solver<M, X::over> solver(size_.n, want_conditions_);
    for (idx t0 = 0; t0 < tokens; t0 += window) {
      const idx count = tokens - t0 < window ? tokens - t0 : window;
      cpu::gather<M>(x_, size_, q, {h, h * cpu::readers_per_state(size_)}, t0, count, t0 == 0, frame_, scratch_.data());
      for (idx i = t0 == 0 ? 1 : 0; i < count; ++i) token(solver, i, q, {s, h, t0 + i});
    }
  }

 private:
  void token(token_solver<M, X::over>& solver, idx i, const sequence& q, const spectrum_place& at) {
    token_spectrum out;
    out.sequence = at.sequence, out.token = at.token, out.state_head = at.state_head;
    out.path = finite_solution(solver, frame_, i, at);
    out.conditions = solver.conditions, out.error = solver.error;
    ++report.paths.of[static_cast<std::size_t>(out.path)];
    report.largest_error = std::fmax(report.largest_error, solver.relative_error());
    const int readers = cpu::readers_per_state(size_);
    for (out.reader = at.state_head * readers; out.reader < (at.state_head + 1) * readers; ++out.reader) {
      set_ratio(out, ratio_at(eta_, q.batch, q.begin + at.token, out.reader, at), solver.values, scaled_);
      ++report.spectra;
      if (!out.has_ratio) ++report.no_ratio;
      visit_(static_cast<const token_spectrum&>(out));
    }
  }
};
}  // namespace detail

/// Visits the spectrum of Lambda at tokens 1 .. T-1 of every sequence and reading head: sequences outermost, then state heads,
/// tokens, readers. Memory: O(T H_q) numbers for eta, O(n) for the rest.
///
/// error   invalid_input for NaN and infinities in what A reads, naming sequence, head and token; as run for shapes
template <class X, class Visit>
eigenvalue_report eigenvalues(const X& x, Visit visit, const eigenvalue_options& options = {}) {
  detail::spectrum_walk<X, Visit> walk(x, visit, options);
  const extents size = check(x);
  for (idx s = 0; s < size.sequences; ++s)
    for (int h = 0; h < size.states; ++h) walk.state_head(s, h);
  return walk.report;
}

/// All of it as one array: complex (B, T - 1, H_q, n), row-major; plain batch rows only. A row without a ratio is NaN.
template <class X>
std::vector<std::complex<double>> eigenvalue_array(const X& x) {
  const extents e = check(x);
  if (x.cu_seqlens)
    COEFDYN_THROW invalid_input("cu_seqlens", "plain batch rows for one array; visit packed sequences with eigenvalues()",
                                "packed sequences");
  const idx steps = e.time > 0 ? e.time - 1 : 0;
  const double none = math::not_a_number<double>();
  std::vector<std::complex<double>> out(static_cast<std::size_t>(e.batch * steps * e.readers * e.n), {none, none});
  eigenvalues(x, [&](const token_spectrum& s) {
    std::copy(s.values.begin(), s.values.end(), out.begin() + ((s.sequence * steps + s.token - 1) * e.readers + s.reader) * e.n);
  });
  return out;
}

/// Histograms of radius and phase, one for each sequence and reading head: [sequence][head].
template <class X>
std::vector<std::vector<spectrum_histogram>> eigenvalue_histograms(const X& x, const spectrum_histogram& empty = {}) {
  const extents e = check(x);
  std::vector<std::vector<spectrum_histogram>> out(static_cast<std::size_t>(e.sequences),
                                                   std::vector<spectrum_histogram>(static_cast<std::size_t>(e.readers), empty));
  eigenvalues(x, [&](const token_spectrum& s) {
    auto& h = out[static_cast<std::size_t>(s.sequence)][static_cast<std::size_t>(s.reader)];
    if (!s.has_ratio) h.exclude();
    for (const auto& z : s.values) h.add(z);
  });
  return out;
}

}  // namespace coefdyn::spectrum
