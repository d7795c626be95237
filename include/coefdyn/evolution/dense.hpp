// SPDX-License-Identifier: MIT
#pragma once
#include "../core/principle.hpp"
#include "../core/structure.hpp"

namespace coefdyn::evolution {

/// A = a constant n x n matrix per head, real or complex: any LTI system. The any-linear-map tier, with a gradient of its own
/// so that it costs O(n^2) a token.
///
/// streams A [H, n, n], entries of the matrix that acts on the state
/// range   the caller keeps its spectral radius <= 1
/// error   none
/// source  S4 (DPLR, discretised bilinearly), arXiv:2111.00396
template <field Over = field::real>
struct dense {
  using streams = list<need<stream::A, ticks::constant, width::matrix, owner::state, Over>>;
  static constexpr field over = Over;
  static constexpr bool is_constant = true;

  /// x <- A x, through a scratch of fixed size: rows are finished in blocks.
  template <class At, class X>
  COEFDYN_HD static void apply(const At& at, X x) {
    product(at.n, x, [&](int r, int c) { return at.A(r, c); });
  }
  template <class At, class X>
  COEFDYN_HD static void apply_transposed(const At& at, X x) {
    product(at.n, x, [&](int r, int c) { return at.A(c, r); });
  }
  /// dA += p x' for the loss p'(A x).
  template <class At, class P, class X, class D>
  COEFDYN_HD static void pull_back(const At& at, const P& p, const X& x, D& d) {
    for (int r = 0; r < at.n; ++r)
      for (int c = 0; c < at.n; ++c) d.A(r, c) += p[r] * x[c];
  }

  /// Entry (r, c), where a form takes the map as a matrix.
  template <class At>
  COEFDYN_HD static auto entry(const At& at, int r, int c) {
    return at.A(r, c);
  }
  /// dA += p in entry (r, c) for the loss p entry(r, c).
  template <class At, class P, class D>
  COEFDYN_HD static void pull_back_entry(const At&, int r, int c, const P& p, D& d) {
    d.A(r, c) += p;
  }

 private:
  template <class X, class M>
  COEFDYN_HD static void product(int n, X x, M entry) {
    using V = std::remove_reference_t<decltype(x[0])>;
    V out[max_n];
    for (int r = 0; r < n; ++r) {
      V s{};
      for (int c = 0; c < n; ++c) s += entry(r, c) * x[c];
      out[r] = s;
    }
    for (int r = 0; r < n; ++r) x[r] = out[r];
  }

 public:
  static constexpr int max_n = 1024;  // of the state; above it the call is refused

  // facts that principles may use
  static constexpr contraction contractive = contraction::depends;  // on A
};

}  // namespace coefdyn::evolution
