// SPDX-License-Identifier: MIT
#pragma once

#if !defined(COEFDYN_TARGETS)
#define COEFDYN_TARGETS 0  // here
#endif
#include <coefdyn/cpu/products/exp.hpp>
#include <coefdyn/cpu/products/gram.hpp>
#include <coefdyn/cpu/products/pairs.hpp>
#include <coefdyn/cpu/products/products.hpp>
#include <coefdyn/cpu/products/rows.hpp>

/// Adds the vector targets to a program: include this in one of its files, or in more; the others need products.hpp only. It costs
/// that file some ten seconds of compile time. A program that links the package's library (CMake's coefdyn::coefdyn, pkg-config's
/// coefdyn) has them, compiled once from targets.cpp, and needs no such file.

#if defined(__GNUC__) && !defined(__CUDA_ARCH__)

namespace coefdyn::cpu::detail {

/// The kernels over one shape, with the products of P.
template <class T, class P = panels<T>>
struct shaped_products {
  static constexpr target name = P::name;
  using R = typename T::real;
  using side = typename P::side;

  static void nn(int m, int n, int k, const R* a, idx lda, const R* b, idx ldb, R* c, idx ldc) {
    P::product(m, n, k, a, lda, 1, b, ldb, side::plain, c, ldc, false);
  }
  static void nt(int m, int n, int k, const R* a, idx lda, const R* b, idx ldb, R* c, idx ldc) {
    P::product(m, n, k, a, lda, 1, b, ldb, side::transposed, c, ldc, false);
  }
  static void tn(int m, int n, int k, const R* a, idx lda, const R* b, idx ldb, R* c, idx ldc) {
    P::product(m, n, k, a, 1, lda, b, ldb, side::plain, c, ldc, false);
  }
  static void nt_lower(int m, int k, const R* a, idx lda, const R* b, idx ldb, R* c, idx ldc) {
    P::product(m, m, k, a, lda, 1, b, ldb, side::transposed, c, ldc, true);
  }
  static void nn_lower_left(int m, int n, const R* a, idx lda, const R* b, idx ldb, R* c, idx ldc) {
    P::lower_left(m, n, a, lda, 1, b, ldb, c, ldc);
  }
  // An upper triangle read from its last row and column backwards is a lower one.
  static void tn_lower_left(int m, int n, const R* a, idx lda, const R* b, idx ldb, R* c, idx ldc) {
    if (m > 0) P::lower_left(m, n, a + (m - 1) * (lda + 1), -1, -lda, b + (m - 1) * ldb, -ldb, c + (m - 1) * ldc, -ldc);
  }
  static void solve_lower(int m, int n, const R* l, idx ldl, R* x, idx ldx) { P::solve(m, n, l, ldl, 1, x, ldx); }
  static void solve_lower_transposed(int m, int n, const R* l, idx ldl, R* x, idx ldx) {
    if (m > 0) P::solve(m, n, l + (m - 1) * (ldl + 1), -1, -ldl, x + (m - 1) * ldx, -ldx);
  }
  static constexpr auto exp = &T::template enter<exp_row<T>, idx, const R*, R*>;
  static constexpr auto scale_rows = &T::template enter<scaled_rows<T>, int, int, const R*, const R*, idx, R*, idx>;
  template <class Op>
  static constexpr auto entries = &T::template enter<entrywise<T, Op>, int, int, const R*, idx, const R*, idx, R*, idx>;
  static constexpr auto multiply = entries<product_of>;
  static constexpr auto multiply_add = entries<sum_with_product>;
  static void add(int m, int n, const R* x, idx ldx, R* y, idx ldy) {
    entries<sum_of>(m, n, static_cast<const R*>(nullptr), 0, x, ldx, y, ldy);
  }
  static constexpr auto row_dots = &T::template enter<dots_of_rows<T>, int, int, const R*, idx, const R*, idx, R*>;
  static constexpr auto col_dots = &T::template enter<strips<T, dots_of_columns<T>>, int, int, const R*, idx, const R*, idx, R*>;
  static constexpr auto decayed_gram_lower =
      &T::template enter<decayed_gram<T>, int, int, const R*, idx, const R*, idx, const R*, idx, R*, idx>;
  static constexpr auto decayed_gram_backward =
      &T::template enter<detail::decayed_gram_backward<T>, int, int, const gram_gradient_operands<R>&>;
  static constexpr auto running_dots =
      &T::template enter<strips<T, running_dots_of_columns<T>>, int, int, const R*, idx, const R*, idx, R*, idx>;
  static constexpr auto add_scaled_rows = &T::template enter<added_scaled_rows<T>, int, int, const R*, const R*, idx, R*, idx>;
  static void transpose(int m, int n, const R* x, idx ldx, R* y, idx ldy) { T::template enter<transpose_panel<T>>(n, m, x, ldx, y, ldy); }
  static constexpr auto exp_rows = &T::template enter<exponential_rows<T>, int, int, R*, idx, R*, R*, R*>;
  static constexpr auto state_row =
      &T::template enter<strips<T, detail::state_row<T>, T::bytes == 64 ? 8 : 4>, int, int, const state_row_operands<R>&>;
};

template <class Shape, class Products = panels<Shape>>
void add_table() {
  using R = typename Shape::real;
  tables<R>[static_cast<std::size_t>(Products::name)] = &table_of<R, shaped_products<Shape, Products>>;
}
inline bool add_tables() {
#if defined(__x86_64__)
  add_table<avx2_shape<float>>();
  add_table<avx512_shape<float>>();
  add_table<avx512_shape<float>, rounded_panels>();
  add_table<avx2_shape<double>>();
  add_table<avx512_shape<double>>();
#elif defined(__aarch64__)
  add_table<neon_shape<float>>();
  add_table<neon_shape<double>>();
#endif
  return true;
}
inline const bool tables_added = add_tables();

}  // namespace coefdyn::cpu::detail

#endif  // __GNUC__
