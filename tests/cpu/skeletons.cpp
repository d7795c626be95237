// SPDX-License-Identifier: MIT
// Skeletons know a value and no mixer: here is none, and chunks, tiles and state rows made of values alone agree with each other.
#include <coefdyn/cpu/skeletons/chunk.hpp>
#include <coefdyn/cpu/skeletons/constant_map.hpp>
#include <coefdyn/cpu/skeletons/state_rows.hpp>
#include <coefdyn/cpu/skeletons/tile_backward.hpp>

// If one of these headers knew a mixer or a policy, their names would have two meanings.
namespace coefdyn {
struct mixer;
struct traits;
struct readout;
struct evolution;
struct scaling;
struct normalization;
struct feature;
struct mixers;
}  // namespace coefdyn

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

namespace {
using namespace coefdyn;
using namespace coefdyn::cpu::skeletons;

constexpr int tokens = 37, channels = 6, columns = 5;

std::mt19937 random_bits{std::random_device{}()};
double uniform(double low, double high) { return std::uniform_real_distribution<double>(low, high)(random_bits); }
void draw(double* p, idx count, double low, double high) {
  for (idx i = 0; p && i < count; ++i) p[i] = uniform(low, high);
}

/// Operands of one window, queries and a state, drawn without a policy.
template <skeleton Kind>
struct window {
  using O = operands<Kind, double>;
  std::vector<std::byte> memory = std::vector<std::byte>(1 << 22, std::byte{0xff});
  arena all{memory.data(), memory.size()};
  O o{all, tokens, channels, columns, true};
  int n = o.n;
  double* Q = all.take<double>(idx(o.rows) * n);
  double* p = all.take<double>(tokens);
  double* S = all.take<double>(idx(n) * columns);

  window() {
    draw(o.K, idx(o.rows) * n, -0.5, 0.5), draw(o.row, idx(o.rows) * n, -0.5, 0.5), draw(o.col, idx(o.rows) * n, -0.5, 0.5);
    draw(o.V, idx(o.rows) * columns, -1, 1), draw(o.g, idx(o.rows) * o.decay_width(), -0.4, 0), draw(o.s, o.rows, -0.9, 0.1);
    draw(o.b, o.rows, 0.2, 1), draw(p, tokens, -1, 1), draw(S, idx(n) * columns, -1, 1);
    for (int r = 0; r < o.rows; ++r) {
      if (r % O::micro != 0 && o.g) o.g[r * o.decay_width()] = 0;  // the decay acts before the first micro-step
      if (r % O::micro != 0 && O::channel) cpu::clear(o.g + idx(r) * n, n);
    }
    cpu::clear(Q, idx(o.rows) * n);
    for (int i = 0; i < tokens; ++i) draw(Q + idx(O::read_row(i)) * n, n, -1, 1);
  }
};

/// The largest difference of reads and of final states between a chunk and one pass a row over the state.
template <skeleton Kind>
double difference() {
  using O = operands<Kind, double>;
  window<Kind> w;
  const int n = w.n;
  std::vector<double> S(w.S, w.S + n * columns), Y(std::size_t(w.o.rows) * columns, NAN);
  chunk<Kind, double> k(w.all, w.o.rows, n, columns, cpu::products<double>::best(), false);
  k.prepare(w.o, S.data());
  k.read(w.o, w.Q, w.p, S.data(), Y.data());
  k.advance(w.o, S.data());

  state_rows<Kind, double> one(w.all, channels, columns, tokens, 1);
  one.o = w.o;
  for (int r = 0; O::has_decays && r < w.o.rows * w.o.decay_width(); ++r) one.w[r] = std::exp(w.o.g[r]);
  one.from = one.to = w.S, one.ld_from = one.ld_to = columns;
  one.queries[0] = w.Q, one.reads_to = one.Y, one.ld_reads = one.width();
  for (int i = 0; i < tokens; ++i) one.p[i] = w.p[i];
  double worst = 0;
  for (int i = 0; i < tokens; ++i) {
    if (O::before) one.read(i, 1);
    one.token(i, 1);
    for (int v = 0; v < columns; ++v)
      worst = std::fmax(worst, std::fabs(Y[std::size_t(O::read_row(i) * columns + v)] - one.result(0, i)[v]));
  }
  for (int i = 0; i < n * columns; ++i) worst = std::fmax(worst, std::fabs(S[std::size_t(i)] - w.S[i]));
  return std::isnan(worst) ? 1e300 : worst;
}

TEST_CASE("a chunk of a value is the recurrence of that value") {
  using enum decaying;
  CHECK(difference<skeleton{}>() < 1e-11);
  CHECK(difference<skeleton{.structure = {.decay = scalar}}>() < 1e-11);
  CHECK(difference<skeleton{.structure = {.decay = channel}, .scalar_scale = false}>() < 1e-11);
  CHECK(difference<skeleton{.structure = {.correction = rank_one::along_key}}>() < 1e-11);
  CHECK(difference<skeleton{.structure = {.decay = channel, .correction = rank_one::along_key}}>() < 1e-11);
  CHECK(difference<skeleton{.structure = {.decay = scalar, .correction = rank_one::free, .row_sees = sees::undecayed}}>() < 1e-11);
  CHECK(difference<skeleton{.structure = {.decay = channel, .correction = rank_one::free, .row_sees = sees::undecayed}}>() < 1e-11);
  CHECK(difference<skeleton{.structure = {.decay = channel, .order = reads::before_write}}>() < 1e-11);
  CHECK(difference<skeleton{.structure = {.decay = scalar, .correction = rank_one::along_key, .micro_steps = 3}}>() < 1e-11);
  CHECK(difference<skeleton{.structure = {.decay = scalar, .over = field::complex}}>() < 1e-11);
}

TEST_CASE("what a loop cannot tell apart has one value") {
  constexpr skeleton plain = canonical({.structure = {.decay = decaying::scalar}});
  constexpr skeleton other =
      canonical({.structure = {.decay = decaying::scalar, .row_sees = sees::undecayed, .writes_each = false, .constant = true}});
  static_assert(std::is_same_v<chunk<plain, float>, chunk<other, float>>);
  constexpr skeleton turning_alike = canonical({.structure = {.turns = turning::half_pairs, .constant = true}});
  static_assert(turning_alike.structure.constant);
  constexpr skeleton corrected = canonical({.structure = {.correction = rank_one::free, .row_sees = sees::undecayed}});
  static_assert(corrected.structure.row_sees == sees::undecayed);
  constexpr skeleton product = canonical({.structure = {.micro_steps = 2, .writes_each = false}});
  static_assert(!product.structure.writes_each);
  CHECK(plain.structure.decay == other.structure.decay);
}

}  // namespace
