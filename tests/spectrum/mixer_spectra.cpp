// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <coefdyn/evolution/dense.hpp>
#include <coefdyn/evolution/diagonal.hpp>
#include <coefdyn/evolution/diagonal_householder.hpp>
#include <coefdyn/evolution/diagonal_plus_rank_one.hpp>
#include <coefdyn/evolution/fixed_complex_diagonal.hpp>
#include <coefdyn/evolution/gated_householder.hpp>
#include <coefdyn/evolution/householder_product.hpp>
#include <coefdyn/evolution/identity.hpp>
#include <coefdyn/evolution/read_before.hpp>
#include <coefdyn/evolution/rotation_decay.hpp>
#include <coefdyn/evolution/writes.hpp>
#include <coefdyn/feature/elu_plus_one.hpp>
#include <coefdyn/normalization/floored_sum.hpp>
#include <coefdyn/normalization/gate.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/normalization/sqrt_dim.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/exponential.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/readout/relu.hpp>
#include <coefdyn/readout/tanh.hpp>
#include <coefdyn/scaling/beta.hpp>
#include <coefdyn/scaling/exp_input.hpp>
#include <coefdyn/scaling/inverse_sqrt_dim.hpp>
#include <coefdyn/scaling/one.hpp>
#include <coefdyn/scaling/product.hpp>
#include <coefdyn/scaling/sqrt_one_minus_lambda2.hpp>
#include <coefdyn/spectrum/as_published.hpp>
#include <coefdyn/spectrum/coefficients.hpp>
#include <coefdyn/spectrum/forgetting.hpp>

#include "inputs.hpp"
#include "matching.hpp"

/// Spectra, coefficients and memory of whole mixers, against the definition built densely.
namespace {
using namespace coefdyn;
using spectrum_tests::inputs;
namespace r = readout;
namespace e = evolution;
namespace b = scaling;
namespace eta = normalization;
using Z = std::complex<double>;

template <class M, field Over = field::real>
struct mixer_case {
  using type = M;
  static constexpr field over = Over;
};
#define MIXERS                                                                                                                    \
  mixer_case<mixer<r::linear, e::gated_householder<>, b::beta, eta::sqrt_dim>>,                                                   \
      mixer_case<mixer<r::linear, e::diagonal_householder<>, b::beta, eta::floored_sum>>,                                         \
      mixer_case<mixer<r::linear, e::diagonal_plus_rank_one, b::one, eta::one>>,                                                  \
      mixer_case<mixer<r::linear, e::writes<3, e::gated_householder<>>, b::beta, eta::sqrt_dim>>,                                 \
      mixer_case<mixer<r::linear, e::householder_product<2, decaying::scalar>, b::inverse_sqrt_dim, eta::floored_sum>>,           \
      mixer_case<mixer<r::linear, e::read_before<e::diagonal>, b::product<b::exp_input, b::inverse_sqrt_dim>, eta::floored_sum>>, \
      mixer_case<mixer<r::linear, e::diagonal, b::one, eta::sum, feature::elu_plus_one>>,                                         \
      mixer_case<mixer<r::linear, e::rotation_decay<>, b::one, eta::gate<eta::psi::softplus>>>,                                   \
      mixer_case<mixer<r::linear, e::fixed_complex_diagonal, b::sqrt_one_minus_lambda2, eta::one>, field::complex>,               \
      mixer_case<mixer<r::linear, e::dense<>, b::one, eta::one>>,                                                                 \
      mixer_case<mixer<r::exponential, e::identity, b::inverse_sqrt_dim, eta::sum>>,                                              \
      mixer_case<mixer<r::tanh, e::householder_product<2>, b::exp_input, eta::gate<eta::psi::sigmoid, eta::offset::yes>>>

/// One token's streams, as policies see them.
template <class Frame, class In>
struct loaded_token {
  std::vector<std::byte> memory;
  Frame f;
  loaded_token(const In& in, idx batch, int head, int reader, idx t) {
    using M = typename decltype(in.x)::mixer_type;
    const extents size = in.size();
    const cpu::frame_shape shape{size.n, size.d, size.d + 1, 1};
    arena counted;
    f = Frame(counted, shape);
    memory.resize(counted.used + 64);
    arena a{memory.data(), memory.size(), 0};
    f = Frame(a, shape);
    std::vector<double> scratch(16);
    cpu::gather<M>(in.x, size, sequence_at(in.x, size, batch), {head, reader}, t, 1, true, f, scratch.data());
  }
};
template <class In>
using state_side = loaded_token<cpu::state_frame<typename decltype(In::x)::mixer_type, double, decltype(In::x)::over>, In>;
template <class In>
using reader_side = loaded_token<cpu::reader_frame<typename decltype(In::x)::mixer_type, double, decltype(In::x)::over>, In>;

template <class E>
void put_parts(std::vector<double>& out, std::size_t c, const E& v, double sign) {
  if constexpr (is_complex<E>) out[c] = v.re, out[out.size() / 2 + c] = sign * v.im;
  else out[c] = v;
}
/// b_j k_j times a factor, and q_i with Re(q'h) as a plain product: complex ones as [Re; Im] and [Re; -Im].
template <class In>
std::vector<double> impulse_of(const In& in, idx batch, int head, idx j, double factor) {
  using M = typename decltype(in.x)::mixer_type;
  state_side<In> t(in, batch, head, head * 2, j);
  std::vector<state_element<M, double>> h(static_cast<std::size_t>(in.n));
  cpu::write_impulse<M>(t.f.at(0, traits<M>::micro - 1, j), h.data(), 1);
  std::vector<double> out(static_cast<std::size_t>(traits<M>::lowered(in.n)));
  for (std::size_t c = 0; c < h.size(); ++c) put_parts(out, c, factor * h[c], 1);
  return out;
}
template <class In>
std::vector<double> query_of(const In& in, idx batch, int reader, idx i) {
  using M = typename decltype(in.x)::mixer_type;
  reader_side<In> t(in, batch, reader / 2, reader, i);
  std::vector<double> out(static_cast<std::size_t>(traits<M>::lowered(in.n)));
  for (int c = 0; c < in.n; ++c) put_parts(out, std::size_t(c), t.f.at(0, 0, i).q[c], -1);
  return out;
}

/// A_t of one head as a dense matrix, by evolving the identity.
template <class In>
std::vector<Z> evolution_matrix(const In& in, idx batch, int head, idx t) {
  using M = typename decltype(in.x)::mixer_type;
  using E = state_element<M, double>;
  const extents size = in.size();
  const state_side<In> loaded(in, batch, head, head * 2, t);
  const auto& f = loaded.f;
  std::vector<E> matrix(static_cast<std::size_t>(size.n * size.n)), work(static_cast<std::size_t>(size.n));
  for (int c = 0; c < size.n; ++c) matrix[std::size_t(c * size.n + c)] = E(1.0);
  for (int l = 0; l < traits<M>::micro; ++l)
    evolve<typename M::evolution, false>(f.at(0, l, t), state_matrix<E>{matrix.data(), size.n, size.n}, work.data());
  std::vector<Z> out;
  for (const E& v : matrix) {
    if constexpr (is_complex<E>) out.emplace_back(v.re, v.im);
    else out.emplace_back(v, 0);
  }
  return out;
}

TEST_CASE_TEMPLATE("eigenvalues are those of (eta_{i-1} / eta_i) A_i built densely", Case, MIXERS) {
  inputs<typename Case::type, Case::over> in;
  const extents size = in.size();
  const auto eta_values = spectrum::log_eta_of(in.x);
  idx visited = 0;
  const auto report = spectrum::eigenvalues(in.x, [&](const spectrum::token_spectrum& s) {
    ++visited;
    const std::size_t now = eta_values.at(s.sequence, s.token, s.reader), before = eta_values.at(s.sequence, s.token - 1, s.reader);
    const double ratio = std::exp(eta_values.log_abs[before] - eta_values.log_abs[now]) * eta_values.sign[before] * eta_values.sign[now];
    CHECK(s.ratio == doctest::Approx(ratio).epsilon(1e-14));
    auto matrix = evolution_matrix(in, s.sequence, s.state_head, s.token);
    for (Z& v : matrix) v *= ratio;
    std::vector<Z> dense(static_cast<std::size_t>(size.n));
    std::vector<double> condition(dense.size());
    spectrum::dense_eigenvalues(std::span<const Z>(matrix), dense.size(), dense, condition);
    CHECK(worst_match({s.values.begin(), s.values.end()}, dense, condition) <= 1e-9);
  });
  CHECK(visited == size.sequences * (size.time - 1) * size.readers);
  CHECK(report.spectra == visited);
}

TEST_CASE_TEMPLATE("sum_j alpha_ij v_j is y_i, whatever the tiles", Case, MIXERS) {
  using M = typename Case::type;
  inputs<M, Case::over> in;
  const extents size = in.size();
  std::vector<double> y(static_cast<std::size_t>(size.batch * size.time * size.readers * size.d));
  run(device::cpu{}, form::definition{}, in.x, view(y.data(), size.batch, size.time, size.readers, size.d));
  spectrum::coefficients alpha(in.x);
  double worst = 0, largest = 0;
  for (idx s = 0; s < size.sequences; ++s)
    for (int reader = 0; reader < size.readers; ++reader)
      alpha.rows(
          s, reader,
          [&](idx i, std::span<const double> row) {
            for (int v = 0; v < size.d; ++v) {
              double sum = 0;
              for (std::size_t j = 0; j < row.size(); ++j) sum += row[j] * in.x.v(s, j, reader / 2, v);
              const double truth = y[std::size_t(((s * size.time + i) * size.readers + reader) * size.d + v)];
              worst = std::fmax(worst, std::abs(sum - truth)), largest = std::fmax(largest, std::abs(truth));
            }
          },
          7);
  CHECK(worst <= 1e-12 * largest);
  // an inner tile holds the same numbers as the rows
  std::vector<double> whole(static_cast<std::size_t>(size.time * size.time * traits<M>::writes)), part(6 * 5);
  alpha.tile(1, 3, 0, size.time, 0, size.time * traits<M>::writes, whole);
  alpha.tile(1, 3, 11, 17, 4, 9, part);
  for (idx i = 0; i < 6; ++i)
    for (idx j = 0; j < 5; ++j)
      CHECK(part[std::size_t(i * 5 + j)] ==
            doctest::Approx(whole[std::size_t((11 + i) * size.time * traits<M>::writes + 4 + j)]).epsilon(1e-13));
  CHECK_THROWS_AS(alpha.tile(0, 0, 0, size.time + 1, 0, 1, part), invalid_input);
}

TEST_CASE_TEMPLATE("the product of the reported Lambda reproduces alpha", Case, MIXERS) {
  using M = typename Case::type;
  if constexpr (traits<M>::linear && traits<M>::structure.order == reads::after_write && traits<M>::writes == 1 && !traits<M>::stabilised) {
    inputs<M, Case::over> in;
    const extents size = in.size();
    const auto eta_values = spectrum::log_eta_of(in.x);
    const int reader = 1;
    spectrum::state_matrix_sequence lambda(in.x, eta_values, 0, reader);
    std::vector<double> alpha(static_cast<std::size_t>(size.time * size.time));
    spectrum::coefficients(in.x).tile(0, reader, 0, size.time, 0, size.time, alpha);
    double worst = 0, largest = 0;
    const auto n = static_cast<std::size_t>(lambda.dimension());
    for (idx j : {idx(0), idx(5)}) {
      std::vector<double> impulse = impulse_of(in, 0, 0, j, std::exp(-eta_values.log_abs[eta_values.at(0, j, reader)]));
      for (idx i = j; i < size.time; ++i) {
        if (i > j) lambda.apply(i, impulse);
        const auto q = query_of(in, 0, reader, i);
        double sum = 0;
        for (std::size_t c = 0; c < n; ++c) sum += q[c] * impulse[c];
        const double truth = std::abs(alpha[std::size_t(i * size.time + j)]);
        worst = std::fmax(worst, std::abs(std::abs(sum) - truth)), largest = std::fmax(largest, truth);
      }
    }
    CHECK(worst <= 1e-12 * largest);
  }
}

TEST_CASE("histograms partition the plane, per sequence and head, of packed sequences too") {
  inputs<mixer<r::linear, e::diagonal_plus_rank_one, b::one, eta::sum>> in;  // negative and complex ones
  const auto check_all = [&](const auto& all) {
    for (const auto& sequence_histograms : all)
      for (const auto& h : sequence_histograms)
        for (const spectrum::histogram* one : {&h.radius, &h.phase}) {
          double total = 0;
          for (const double p : one->percentages()) total += p;
          CHECK(total == doctest::Approx(100).epsilon(1e-12));
        }
  };
  check_all(spectrum::eigenvalue_histograms(in.x));
  inputs<mixer<r::linear, e::diagonal_plus_rank_one, b::one, eta::sum>> packed;
  packed.x.q.extents[0] = packed.x.k.extents[0] = packed.x.v.extents[0] = packed.x.log_decay.extents[0] = packed.x.a.extents[0] =
      packed.x.c.extents[0] = 1;
  const std::int32_t offsets[] = {0, 9, 9, 21};
  packed.x.cu_seqlens = std::span<const std::int32_t>(offsets);
  const auto all = spectrum::eigenvalue_histograms(packed.x);
  CHECK(all.size() == 3);
  CHECK(all[0][0].radius.total() == 8 * 6);
  CHECK(all[1][0].radius.total() == 0);
  CHECK(all[2][0].radius.total() == 11 * 6);
  CHECK_THROWS_AS(spectrum::eigenvalue_array(packed.x), invalid_input);
}

TEST_CASE("rows without any weight have no ratio and are counted apart") {
  inputs<mixer<r::relu, e::identity, b::one, eta::sum>> in;
  for (double& v : in.held[1]) v = 1;                                                   // k
  for (std::size_t i = 0; i < in.held[0].size(); ++i) in.held[0][i] = i % 2 ? -1 : -2;  // q: no positive score anywhere
  const auto report = spectrum::eigenvalues(in.x, [](const spectrum::token_spectrum& s) { CHECK((!s.has_ratio && s.values.empty())); });
  CHECK(report.no_ratio == report.spectra);
  CHECK(spectrum::coefficients(in.x).near_zero_share(0, 0) == 1);
}

TEST_CASE("what is not finite is refused with its place") {
  inputs<mixer<r::linear, e::diagonal_plus_rank_one, b::one, eta::one>> in;
  in.held[4][2 * 2 * 6 + 6 + 3] = NAN;  // a: token 2, head 1
  const auto nothing = [](const spectrum::token_spectrum&) {};
  try {
    spectrum::eigenvalues(in.x, nothing);
    FAIL("accepted a NaN");
  } catch (const invalid_input& bad) {
    CHECK(std::string(bad.what()).find("sequence 0, state head 1, token 2") != std::string::npos);
  }
  inputs<mixer<r::exponential, e::identity, b::one, eta::sum>> soft;
  soft.held[0][3] = INFINITY;
  CHECK_THROWS_AS(spectrum::eigenvalues(soft.x, nothing), invalid_input);
}

TEST_CASE("horizons, exponents, radii and norms of a mixer agree where they have to") {
  inputs<mixer<r::linear, e::diagonal, b::one, eta::one>> in;
  const auto eta_values = spectrum::log_eta_of(in.x);
  const auto fast = spectrum::horizons_of(in.x, eta_values, 0, 0);
  spectrum::state_matrix_sequence lambda(in.x, eta_values, 0, 0);
  for (std::size_t j = 0; j < fast.size(); ++j)
    CHECK(fast[j] == spectrum::horizon([&](std::size_t t, std::span<double> v) { lambda.apply(idx(t), v); }, 6, j, fast.size()));
  const auto exponents = spectrum::lyapunov_of(in.x, eta_values, 0, 0);
  double largest = -1e9;  // of a diagonal Lambda they are the channels' mean log decays
  for (int c = 0; c < 6; ++c) {
    double mean = 0;
    for (idx t = 1; t < in.T; ++t) mean += lambda.log_decay(t, c) / double(in.T - 1);
    largest = std::fmax(largest, mean);
  }
  CHECK(exponents[0] == doctest::Approx(largest).epsilon(1e-12));
  const auto norms = spectrum::norms_of(in.x, eta_values, 0, 0), radii = spectrum::radii_of(in.x, 0, 0);
  for (std::size_t t = 0; t < norms.size(); ++t) CHECK(norms[t] == doctest::Approx(radii[t]).epsilon(1e-13));
  state<mixer<r::linear, e::diagonal, b::one, eta::one>, double> s(1, 1, 3, 2);
  s.S = {1, 0, 0, 1, 0, 0};
  CHECK(spectrum::effective_rank_of(s, 0, 0) == doctest::Approx(2));
}

TEST_CASE("as published: the script's softmax ratio, which is not the definition's") {
  inputs<mixer<r::exponential, e::identity, b::inverse_sqrt_dim, eta::sum>> in;
  const auto ratios = spectrum::as_published::softmax_ratios(in.x, 1, 2);
  std::vector<double> definition;
  spectrum::eigenvalues(in.x, [&](const spectrum::token_spectrum& s) {
    if (s.sequence == 1 && s.reader == 2) definition.push_back(s.ratio);
  });
  CHECK(ratios.size() == definition.size());
  // the last row has no masked position: only the missing 1/sqrt(n) and M differ there; elsewhere they differ by O(1)
  double gap = 0;
  for (std::size_t i = 0; i < ratios.size(); ++i) gap = std::fmax(gap, std::abs(ratios[i] - definition[i]));
  CHECK(gap > 0.05);
  double nu[2] = {}, top[2] = {};  // written once more, for tokens 3 and 4, as the script has it
  for (idx i = 3; i <= 4; ++i) {
    std::vector<double> row(std::size_t(in.T), 0.0);
    for (idx j = 0; j <= i; ++j)
      for (int c = 0; c < in.n; ++c) row[std::size_t(j)] += in.x.q(1, i, 2, c) * in.x.k(1, j, 1, c);
    top[i - 3] = *std::max_element(row.begin(), row.end());
    for (idx j = 0; j < in.T; ++j) nu[i - 3] += j <= i ? std::exp(row[std::size_t(j)] - top[i - 3]) : 1.0;
  }
  CHECK(ratios[3] == doctest::Approx(nu[0] / nu[1] * std::exp(top[0] - top[1])).epsilon(1e-13));
}
}  // namespace
