// SPDX-License-Identifier: MIT
#pragma once
#include "../core/evolve.hpp"
#include "../cpu/stages/frame.hpp"
#include "small.hpp"

/// eig(A_t) where it is a formula, for the CPU and the device.
///
/// source  arXiv:2510.09379 (Lambda); the eigenvalues of diagonal, rotating and rank-one maps
namespace coefdyn::spectrum {

namespace detail {
template <class M, field Over>
using evolution_needs =
    merged<list<need<stream::k, ticks::write, width::key, owner::key, Over>>, coefdyn::detail::streams_t<typename M::evolution>>;
template <class M, field Over>
using evolution_frame = cpu::frame<M, double, evolution_needs<M, Over>>;
}  // namespace detail

/// Which formula: a decay for each channel, real or complex; conjugate pairs at one radius; all but one at the decay; all but two.
enum class formula { none, channels, pairs, rank_one, two_factors };

/// The formula that gives the eigenvalues of evolution A.
template <class A>
constexpr formula formula_of = [] {
  constexpr structure_of s = structure_v<A>;
  if (!declares_structure<A>) return formula::none;
  if (s.correction == rank_one::none) {
    if (s.turns == turning::none || s.turns == turning::channels) return formula::channels;
    return s.decay == decaying::channel ? formula::none : formula::pairs;
  }
  if (s.turns != turning::none || s.decay == decaying::channel) return formula::none;
  if (s.micro_steps == 1) return formula::rank_one;
  return s.micro_steps == 2 && s.row_sees == sees::decayed ? formula::two_factors : formula::none;
}();

/// Weight p_c of channel c in the eigenvalues of D_t plus a rank-one part, whose row may see what D_t (w at c) has done.
template <class A, class At>
COEFDYN_HD double correction_weight(const At& at, int c, double w) {
  return A::strength(at) * column_of<A>(at, c) * A::row(at, c) * (structure_v<A>.row_sees == sees::decayed ? w : 1);
}

/// Numbers of one token that all its eigenvalues take; then eigenvalue c of n.
///
/// shape   `work`: work_size(n) numbers, while it is made
/// range   two_factors: NaN where a factor's row is not its column
/// order   the decay's own values, or pairs (2p, 2p + 1); last those that the corrections move
template <class A>
struct closed_form {
  static constexpr structure_of structure = structure_v<A>;
  static constexpr formula kind = formula_of<A>;
  double decay = 1;  // a scalar one
  int rank = 0;      // of the corrections
  complex<double> moved[2];

  COEFDYN_HD static constexpr std::size_t work_size(int n) {
    return kind == formula::two_factors ? householder_product_work_size(std::size_t(n), 2) : 0;
  }
  template <class Frame>
  COEFDYN_HD closed_form(const Frame& f, idx i, idx position, double* work) {
    const auto at = f.at(i, 0, position);
    if constexpr (structure.decay == decaying::scalar) decay = math::exp(log_decay_of<A>(at, 0));
    if constexpr (kind == formula::rank_one) {
      double total = 0;
      for (int c = 0; c < at.n; ++c) total += correction_weight<A>(at, c, decay);
      rank = at.n > 0;
      moved[0] = decay + total;
    } else if constexpr (kind == formula::two_factors) {
      const auto second = f.at(i, 1, position);
      const auto z = [&](std::size_t l, std::size_t c) { return double(A::row(l ? second : at, int(c))); };
      const auto product =
          detail::product_on_span(std::size_t(at.n), 2, [&](std::size_t l) { return -double(A::strength(l ? second : at)); }, z, work);
      rank = int(product.rank);
      detail::solve_up_to_two(product.matrix, product.rank, moved);
      bool symmetric = true;
      for (int c = 0; c < at.n; ++c)
        symmetric = symmetric && A::row(at, c) == column_of<A>(at, c) && A::row(second, c) == column_of<A>(second, c);
      const double factor = symmetric ? decay : math::not_a_number<double>();
      for (auto& m : moved) m = factor * m;
    }
  }
  template <class At>
  COEFDYN_HD complex<double> operator()(const At& at, int c) const {
    if constexpr (structure.turns == turning::channels) {
      return math::polar_exp(double(log_decay_of<A>(at, c)), double(A::angle(at, c)));
    } else if constexpr (kind == formula::pairs) {
      const double angle = A::angle(at, c / 2);
      const complex<double> first{decay * math::cos(angle), decay * math::sin(angle)};
      return c % 2 ? conj(first) : first;
    } else if constexpr (structure.decay == decaying::channel) {
      return math::exp(double(log_decay_of<A>(at, c)));
    } else {
      return c < at.n - rank ? complex<double>(decay) : moved[c - (at.n - rank)];
    }
  }
};

}  // namespace coefdyn::spectrum
