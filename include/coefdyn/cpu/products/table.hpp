// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <coefdyn/core/math.hpp>
#include <coefdyn/cpu/products/simd.hpp>
#include <type_traits>

namespace coefdyn::cpu::detail {

/// What one row of a linear recurrence does to a state (n, d): see products::state_row.
template <class R>
struct state_row_operands {
  const R *w, *row, *col, *k, *v, *q;  // (n), but v (d); null: none, for w: `decay`
  R s, b, decay;
  const R* from;
  idx ld_from;
  R* to;
  idx ld_to;
  R* y;  // (d)
  int d;
  const R* next = nullptr;   // the state that the next call reads, rows ld_from apart
  const R* known = nullptr;  // from' row, if the call before has summed it
  const R* row_ahead = nullptr;
  R* ahead = nullptr;  // := to' row_ahead, for the call that follows; null: not wanted
};

/// What decayed_gram_lower's backward reads and adds to: see products. Rows of a, b, f, da, db and dlog are ld apart.
template <class R>
struct gram_gradient_operands {
  const R *a, *b, *f;
  idx ld;
  const R* d;
  idx ldd;
  R *da, *db, *dlog;  // dlog: null for none
};

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
  void (*decayed_gram_backward)(int, int, const gram_gradient_operands<R>&);
  half_product* running_dots;
  void (*add_scaled_rows)(int, int, const R*, const R*, idx, R*, idx);
  solve* transpose;
  void (*exp_rows)(int, int, R*, idx, R*, R*, R*);
  void (*state_row)(int, int, const state_row_operands<R>&);
};

/// Plain loops, for any class with + - * < and an exp in coefdyn::math (or the standard one of long double).
template <class R>
struct plain_products {
  static constexpr target name = target::portable;

  static void nn(int m, int n, int k, const R* a, idx lda, const R* b, idx ldb, R* c, idx ldc) {
    for (int i = 0; i < m; ++i) add_rows(n, k, a + i * lda, idx(1), b, ldb, c + i * ldc);
  }
  static void nt(int m, int n, int k, const R* a, idx lda, const R* b, idx ldb, R* c, idx ldc) {
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j) add_dot(k, a + i * lda, b + j * ldb, c[i * ldc + j]);
  }
  static void tn(int m, int n, int k, const R* a, idx lda, const R* b, idx ldb, R* c, idx ldc) {
    for (int i = 0; i < m; ++i) add_rows(n, k, a + i, lda, b, ldb, c + i * ldc);
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
  static void decayed_gram_lower(int m, int n, const R* a, idx lda, const R* b, idx ldb, const R* f, idx ldf, R* c, idx ldc) {
    for (int j = 0; j < m; ++j)
      for (int q = 0; q < n; ++q) {
        R decay = R(1);
        for (int i = j; i < m; ++i) {
          if (i > j) decay = decay * f[i * ldf + q];
          c[i * ldc + j] = c[i * ldc + j] + a[i * lda + q] * b[j * ldb + q] * decay;
        }
      }
  }
  static void decayed_gram_backward(int m, int n, const gram_gradient_operands<R>& o) {
    for (int j = 0; j < m; ++j)
      for (int q = 0; q < n; ++q) {
        R decay = R(1);
        for (int i = j; i < m; ++i) {
          const idx x = i * o.ld + q, y = j * o.ld + q;
          if (i > j) decay = decay * o.f[x];
          const R g = o.d[i * o.ldd + j] * decay, through = g * o.a[x] * o.b[y];
          o.da[x] = o.da[x] + g * o.b[y];
          o.db[y] = o.db[y] + g * o.a[x];
          for (int t = j + 1; t <= i && o.dlog != nullptr; ++t) o.dlog[t * o.ld + q] = o.dlog[t * o.ld + q] + through;
        }
      }
  }
  static void running_dots(int m, int n, const R* x, idx ldx, const R* y, idx ldy, R* out, idx ldo) {
    for (int c = 0; c < n; ++c) {
      R sum = R(0);
      for (int i = 0; i < m; ++i) {
        sum = sum + x[i * ldx + c] * y[i * ldy + c];
        out[i * ldo + c] = out[i * ldo + c] + sum;
      }
    }
  }
  static void add_scaled_rows(int m, int n, const R* f, const R* x, idx ldx, R* y, idx ldy) {
    for (int i = 0; i < m; ++i) add_row(n, f[i], x + i * ldx, y + i * ldy);
  }
  static void transpose(int m, int n, const R* x, idx ldx, R* y, idx ldy) {
    for (int i = 0; i < m; ++i)
      for (int c = 0; c < n; ++c) y[c * ldy + i] = x[i * ldx + c];
  }
  static void exp_rows(int m, int n, R* z, idx ldz, R* top, R* factor, R* sum) {
    for (int i = 0; i < m; ++i, z += ldz) {
      R now = top[i];
      for (int c = 0; c < n; ++c) now = now < z[c] ? z[c] : now;
      factor[i] = now > top[i] ? exp_of(top[i] - now) : R(1);
      top[i] = now;
      sum[i] = R(0);
      for (int c = 0; c < n; ++c) z[c] = exp_of(z[c] - now), sum[i] = sum[i] + z[c];
    }
  }
  static void state_row(int n, int d, const state_row_operands<R>& o) {
    for (int c = 0; c < d; ++c) {
      R along = R(0);
      if (o.known != nullptr) along = o.known[c];
      else
        for (int i = 0; i < n && o.row != nullptr; ++i) along = along + o.row[i] * o.from[i * o.ld_from + c];
      along = along * o.s;
      R write = o.v[c] * o.b;
      if (o.col == nullptr) write = write + along;
      R sum = R(0), ahead = R(0);
      for (int i = 0; i < n; ++i) {
        R x = o.from[i * o.ld_from + c];
        x = (o.w != nullptr ? o.w[i] : o.decay) * x;
        x = x + o.k[i] * write;
        if (o.col != nullptr) x = x + o.col[i] * along;
        if (o.q != nullptr) sum = sum + o.q[i] * x;
        if (o.ahead != nullptr) ahead = ahead + o.row_ahead[i] * x;
        o.to[i * o.ld_to + c] = x;
      }
      if (o.q != nullptr) o.y[c] = sum;
      if (o.ahead != nullptr) o.ahead[c] = ahead;
    }
  }

 private:
  static R exp_of(const R& x) {
    if constexpr (std::is_same_v<R, long double>) return std::exp(x);
    else return math::exp(x);
  }
  static void add_row(int n, const R& f, const R* x, R* y) {
    for (int c = 0; c < n; ++c) y[c] = y[c] + f * x[c];
  }
  /// y += sum_p f[p lf] b_p. The rows are summed first: what a long sequence adds up keeps its digits.
  static void add_rows(int n, int k, const R* f, idx lf, const R* b, idx ldb, R* y) {
    constexpr int strip = 16;
    int c = 0;
    for (; c + strip <= n; c += strip) {
      R sum[strip];
      for (int u = 0; u < strip; ++u) sum[u] = R(0);
      for (int p = 0; p < k; ++p) {
        const R factor = f[p * lf];
        const R* const row = b + p * ldb + c;
        for (int u = 0; u < strip; ++u) sum[u] = sum[u] + factor * row[u];
      }
      for (int u = 0; u < strip; ++u) y[c + u] = y[c + u] + sum[u];
    }
    for (; c < n; ++c) {
      R sum = R(0);
      for (int p = 0; p < k; ++p) sum = sum + f[p * lf] * b[p * ldb + c];
      y[c] = y[c] + sum;
    }
  }
  static void add_dot(int n, const R* x, const R* y, R& out) {
    R sum = R(0);
    for (int c = 0; c < n; ++c) sum = sum + x[c] * y[c];
    out = out + sum;
  }
};

#if defined(COEFDYN_TARGETS) && COEFDYN_TARGETS  // in the library, once (targets.cpp)
extern template struct plain_products<float>;
extern template struct plain_products<double>;
#endif

template <class R, class Kernels>
inline constexpr product_table<R> table_of = {.name = Kernels::name,
                                              .nn = Kernels::nn,
                                              .nt = Kernels::nt,
                                              .tn = Kernels::tn,
                                              .nt_lower = Kernels::nt_lower,
                                              .nn_lower_left = Kernels::nn_lower_left,
                                              .tn_lower_left = Kernels::tn_lower_left,
                                              .solve_lower = Kernels::solve_lower,
                                              .solve_lower_transposed = Kernels::solve_lower_transposed,
                                              .exp = Kernels::exp,
                                              .scale_rows = Kernels::scale_rows,
                                              .multiply = Kernels::multiply,
                                              .multiply_add = Kernels::multiply_add,
                                              .add = Kernels::add,
                                              .row_dots = Kernels::row_dots,
                                              .col_dots = Kernels::col_dots,
                                              .decayed_gram_lower = Kernels::decayed_gram_lower,
                                              .decayed_gram_backward = Kernels::decayed_gram_backward,
                                              .running_dots = Kernels::running_dots,
                                              .add_scaled_rows = Kernels::add_scaled_rows,
                                              .transpose = Kernels::transpose,
                                              .exp_rows = Kernels::exp_rows,
                                              .state_row = Kernels::state_row};

/// The tables that the program holds, by target; targets.hpp fills in what it compiles.
template <class R>
inline std::array<const product_table<R>*, target_count> tables = {&table_of<R, plain_products<R>>};

}  // namespace coefdyn::cpu::detail
