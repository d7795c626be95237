// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cmath>
#include <complex>
#include <span>
#include <vector>

#include "closed_form.hpp"
#include "dense.hpp"
#include "rank_one.hpp"
#include "small.hpp"

namespace coefdyn::spectrum::detail {

/// eig(A_t) of one token at a time.
template <class M, field Over>
class token_solver {
  std::size_t n_;
  bool want_conditions_, solved_ = false;

 public:
  using A = typename M::evolution;
  static constexpr structure_of structure = traits<M>::structure;
  static constexpr int micro = traits<M>::micro;

  token_solver(int n, bool want_conditions)
      : n_(static_cast<std::size_t>(n)),
        want_conditions_(want_conditions),
        values(n_),
        w_(n_),
        p_(n_),
        work_(std::max(rank_one_work_size(n_), householder_product_work_size(n_, micro))) {
    if constexpr (micro > 1) factors_.resize(n_ * micro), columns_.resize(n_ * micro), strengths_.resize(micro);
  }
  std::vector<std::complex<double>> values;
  std::vector<double> conditions;
  double error = 0;

  how solve(const evolution_frame<M, Over>& f, idx i, idx position) {
    if (!traits<M>::structured && structure.constant && solved_) return how::dense;
    conditions.clear(), error = 0;
    if constexpr (!traits<M>::structured) {
      solved_ = true;
      return dense(f, i, position);
    } else if constexpr (formula_of<A> != formula::none && formula_of<A> != formula::two_factors) {
      const auto at = f.at(i, 0, position);
      const closed_form<A> form(f, i, position, nullptr);
      for (int c = 0; c < at.n; ++c) {
        const auto z = form(at, c);
        values[std::size_t(c)] = {z.re, z.im};
      }
      return how::read_off;
    } else if constexpr (structure.turns != turning::none) {
      return dense(f, i, position);
    } else if constexpr (micro > 1) {
      return several(f, i, position);
    } else {
      return secular(f.at(i, 0, position));
    }
  }
  double relative_error() const {
    double largest = 0;
    for (const auto& z : values) largest = std::fmax(largest, std::abs(z));
    return error == 0 ? 0 : error / largest;
  }

 private:
  std::vector<double> w_, p_, work_, factors_, columns_, strengths_, matrix_;

  template <class At>
  how secular(const At& at) {
    for (std::size_t c = 0; c < n_; ++c) {
      w_[c] = std::exp(log_decay_of<A>(at, int(c)));
      p_[c] = correction_weight<A>(at, int(c), w_[c]);
    }
    return rank_one_eigenvalues(w_, p_, values, work_, dense_eigenvalues).path;
  }
  how several(const evolution_frame<M, Over>& f, idx i, idx position) {
    if constexpr (structure.decay == decaying::channel || structure.row_sees == sees::undecayed) {
      return dense(f, i, position);
    } else {
      bool symmetric = true;
      for (int l = 0; l < micro; ++l) {
        const auto at = f.at(i, l, position);
        strengths_[std::size_t(l)] = -A::strength(at);
        for (std::size_t c = 0; c < n_; ++c) {
          factors_[std::size_t(l) * n_ + c] = A::row(at, int(c));
          symmetric = symmetric && A::row(at, int(c)) == column_of<A>(at, int(c));
        }
      }
      if (!symmetric) return dense(f, i, position);
      const double decay_value = std::exp(log_decay_of<A>(f.at(i, 0, position), 0));
      return householder_product_eigenvalues(decay_value, strengths_, factors_, n_, values, work_, dense_eigenvalues).path;
    }
  }
  how dense(const evolution_frame<M, Over>& f, idx i, idx position) {
    using E = state_element<M, double>;
    using Z = std::conditional_t<is_complex<E>, std::complex<double>, double>;
    std::vector<E> a(n_ * n_), work(n_ + 1);
    for (std::size_t c = 0; c < n_; ++c) a[c * n_ + c] = E(1.0);
    for (int l = 0; l < micro; ++l) evolve<A, false>(f.at(i, l, position), state_matrix<E>{a.data(), idx(n_), int(n_)}, work.data());
    std::vector<Z> m(n_ * n_);
    for (std::size_t k = 0; k < a.size(); ++k) {
      if constexpr (is_complex<E>) m[k] = {a[k].re, a[k].im};
      else m[k] = a[k];
    }
    if (want_conditions_) conditions.resize(n_);
    dense_eigenvalues(std::span<const Z>(m), n_, values, conditions, &error);
    return how::dense;
  }
};

}  // namespace coefdyn::spectrum::detail
