// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <type_traits>

#include <coefdyn/core/math.hpp>
#include <coefdyn/cpu/simd.hpp>

namespace coefdyn::cpu::detail {

/// The kernels of one target.
template <class R>
struct product_table {
  using product = void(int, int, int, const R*, idx, const R*, idx, R*, idx);
  using half_product = void(int, int, const R*, idx, const R*, idx, R*, idx);
  using solve = void(int, int, const R*, idx, R*, idx);
  using dots = void(int, int, const R*, idx, const R*, idx, R*);

  target name;
  product *nn, *nt, *tn;
  half_product *nt_lower, *nn_lower_left, *tn_lower_left;
  solve *solve_lower, *solve_lower_transposed;
  void (*exp)(idx, const R*, R*);
  void (*scale_rows)(int, int, const R*, const R*, idx, R*, idx);
  half_product *multiply, *multiply_add;
  solve* add;
  dots *row_dots, *col_dots;
  void (*decayed_gram_lower)(int, int, const R*, idx, const R*, idx, const R*, idx, R*, idx);
  void (*step)(int, int, const R*, const R*, const R*, const R*, R*, idx, R*);
};

/// Plain loops, for any class with + - * < and an exp in coefdyn::math (or the standard one of long double).
template <class R>
struct plain_products {
  static constexpr target name = target::portable;

  static void nn(int m, int n, int k, const R* a, idx lda, const R* b, idx ldb, R* c, idx ldc) {
    for (int i = 0; i < m; ++i)
      for (int p = 0; p < k; ++p) add_row(n, a[i * lda + p], b + p * ldb, c + i * ldc);
  }
  static void nt(int m, int n, int k, const R* a, idx lda, const R* b, idx ldb, R* c, idx ldc) {
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j) add_dot(k, a + i * lda, b + j * ldb, c[i * ldc + j]);
  }
  static void tn(int m, int n, int k, const R* a, idx lda, const R* b, idx ldb, R* c, idx ldc) {
    for (int i = 0; i < m; ++i)
      for (int p = 0; p < k; ++p) add_row(n, a[p * lda + i], b + p * ldb, c + i * ldc);
  }
  static void nt_lower(int m, int k, const R* a, idx lda, const R* b, idx ldb, R* c, idx ldc) {
    for (int i = 0; i < m; ++i)
      for (int j = 0; j <= i; ++j) add_dot(k, a + i * lda, b + j * ldb, c[i * ldc + j]);
  }
  static void nn_lower_left(int m, int n, const R* a, idx lda, const R* b, idx ldb, R* c, idx ldc) {
    for (int i = 0; i < m; ++i)
      for (int p = 0; p <= i; ++p) add_row(n, a[i * lda + p], b + p * ldb, c + i * ldc);
  }
  static void tn_lower_left(int m, int n, const R* a, idx lda, const R* b, idx ldb, R* c, idx ldc) {
    for (int i = 0; i < m; ++i)
      for (int p = m - 1; p >= i; --p) add_row(n, a[p * lda + i], b + p * ldb, c + i * ldc);
  }
  static void solve_lower(int m, int n, const R* l, idx ldl, R* x, idx ldx) {
    for (int i = 0; i < m; ++i)
      for (int p = 0; p < i; ++p) add_row(n, l[i * ldl + p], x + p * ldx, x + i * ldx);
  }
  static void solve_lower_transposed(int m, int n, const R* l, idx ldl, R* x, idx ldx) {
    for (int i = m - 1; i >= 0; --i)
      for (int p = m - 1; p > i; --p) add_row(n, l[p * ldl + i], x + p * ldx, x + i * ldx);
  }
  static void exp(idx count, const R* x, R* y) {
    for (idx i = 0; i < count; ++i) y[i] = exp_of(x[i]);
  }
  static void scale_rows(int m, int n, const R* f, const R* x, idx ldx, R* y, idx ldy) {
    for (int i = 0; i < m; ++i)
      for (int c = 0; c < n; ++c) y[i * ldy + c] = f[i] * x[i * ldx + c];
  }
  static void multiply(int m, int n, const R* f, idx ldf, const R* x, idx ldx, R* y, idx ldy) {
    for (int i = 0; i < m; ++i)
      for (int c = 0; c < n; ++c) y[i * ldy + c] = f[i * ldf + c] * x[i * ldx + c];
  }
  static void multiply_add(int m, int n, const R* f, idx ldf, const R* x, idx ldx, R* y, idx ldy) {
    for (int i = 0; i < m; ++i)
      for (int c = 0; c < n; ++c) y[i * ldy + c] = y[i * ldy + c] + f[i * ldf + c] * x[i * ldx + c];
  }
  static void add(int m, int n, const R* x, idx ldx, R* y, idx ldy) {
    for (int i = 0; i < m; ++i)
      for (int c = 0; c < n; ++c) y[i * ldy + c] = y[i * ldy + c] + x[i * ldx + c];
  }
  static void row_dots(int m, int n, const R* x, idx ldx, const R* y, idx ldy, R* out) {
    for (int i = 0; i < m; ++i) add_dot(n, x + i * ldx, y + i * ldy, out[i]);
  }
  static void col_dots(int m, int n, const R* x, idx ldx, const R* y, idx ldy, R* out) {
    for (int i = 0; i < m; ++i)
      for (int c = 0; c < n; ++c) out[c] = out[c] + x[i * ldx + c] * y[i * ldy + c];
  }
  static void decayed_gram_lower(int m, int n, const R* a, idx lda, const R* b, idx ldb, const R* g, idx ldg, R* c,
                                 idx ldc) {
    for (int j = 0; j < m; ++j)
      for (int q = 0; q < n; ++q) {
        R exponent = R(0);
        for (int i = j; i < m; ++i) {
          if (i > j) exponent = exponent + g[i * ldg + q];
          c[i * ldc + j] = c[i * ldc + j] + a[i * lda + q] * b[j * ldb + q] * exp_of(exponent);
        }
      }
  }
  static void step(int n, int d, const R* w, const R* kb, const R* v, const R* q, R* s, idx lds, R* y) {
    for (int i = 0; i < n; ++i, s += lds)
      for (int c = 0; c < d; ++c) {
        s[c] = (w == nullptr ? s[c] : w[i] * s[c]) + kb[i] * v[c];
        y[c] = y[c] + q[i] * s[c];
      }
  }

 private:
  static R exp_of(const R& x) {
    if constexpr (std::is_same_v<R, long double>)
      return std::exp(x);
    else
      return math::exp(x);
  }
  static void add_row(int n, const R& f, const R* x, R* y) {
    for (int c = 0; c < n; ++c) y[c] = y[c] + f * x[c];
  }
  static void add_dot(int n, const R* x, const R* y, R& out) {
    R sum = R(0);
    for (int c = 0; c < n; ++c) sum = sum + x[c] * y[c];
    out = out + sum;
  }
};

template <class R, class Kernels>
inline constexpr product_table<R> table_of = {Kernels::name,
                                              Kernels::nn,
                                              Kernels::nt,
                                              Kernels::tn,
                                              Kernels::nt_lower,
                                              Kernels::nn_lower_left,
                                              Kernels::tn_lower_left,
                                              Kernels::solve_lower,
                                              Kernels::solve_lower_transposed,
                                              Kernels::exp,
                                              Kernels::scale_rows,
                                              Kernels::multiply,
                                              Kernels::multiply_add,
                                              Kernels::add,
                                              Kernels::row_dots,
                                              Kernels::col_dots,
                                              Kernels::decayed_gram_lower,
                                              Kernels::step};

/// The tables that the program holds, by target; targets.hpp fills in what it compiles.
template <class R>
inline std::array<const product_table<R>*, 4> tables = {&table_of<R, plain_products<R>>};

}  // namespace coefdyn::cpu::detail
