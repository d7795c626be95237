// SPDX-License-Identifier: MIT
#pragma once

#include <coefdyn/cpu/products/table.hpp>

#if defined(__GNUC__)

namespace coefdyn::cpu::detail {

/// C[i][j] += sum_c A[i][c] B[j][c] prod_{j<t<=i} f[t][c] for j <= i < m <= 32.
///
/// By halving: below the diagonal, a square of side h with its rows from `mid` on and its columns before `mid` is the
/// plain product of A[i] (f[mid] ... f[i]) and B[j] (f[j+1] ... f[mid-1]); the triangles of four rows between the squares
/// decay B from row to row. Every weight is a product of the given f, so with f <= 1 none exceeds 1; and where an entry lies
/// depends on i and j alone.
template <class T>
struct decayed_gram {
  using R = typename T::real;
  using P = pack<R, T::bytes>;
  using V = typename P::type;
  static constexpr int together = 4;
  static constexpr int width = P::width, span = 1024 / static_cast<int>(sizeof(R)), most_rows = 16;

  [[gnu::always_inline]] static inline void run(int m, int n, const R* a, idx lda, const R* b, idx ldb, const R* f, idx ldf, R* c,
                                                idx ldc) {
    alignas(T::bytes) R left[array_size(most_rows * span)],
        right[array_size(most_rows * span)];  // decayed A and B: (side of a square, span)
    for (int c0 = 0; c0 < n; c0 += span, a += span, b += span, f += span) {
      const int cols = n - c0 < span ? n - c0 : span;
      for (int i = 0; i < m; i += 4)
        triangle(least(4, m - i), cols, a + i * lda, lda, b + i * ldb, ldb, f + i * ldf, ldf, c + i * ldc + i, ldc);
      for (int h = 4; h < m; h *= 2)
        for (int mid = h; mid < m; mid += 2 * h) {
          const int below = m - mid < h ? m - mid : h;
          R* const nearest = right + (h - 1) * span;  // of row mid - 1, which has no decay
          for (int q = 0; q < cols; q += width) copy(cols - q, b + (mid - 1) * ldb + q, nearest + q);
          const operands sides[] = {
              {.rows = below, .x = a + mid * lda, .ldx = lda, .f = f + mid * ldf, .ldf = ldf, .y = left, .ldy = span},
              {.rows = h - 1, .x = b + (mid - 1) * ldb, .ldx = -ldb, .f = f + mid * ldf, .ldf = -ldf, .y = nearest, .ldy = -span}};
          for (const operands& side : sides) decay(cols, side, std::make_integer_sequence<int, together>{});
          for (int i = 0; i < below; i += 2)
            for (int j = 0; j < h; j += 4)
              dots(cols, least(2, below - i), least(4, h - j), left + i * span, right + j * span, c + (mid + i) * ldc + mid - h + j, ldc);
        }
    }
  }

 private:
  static constexpr int least(int x, int y) { return x < y ? x : y; }

  [[gnu::always_inline]] static inline void copy(int count, const R* x, R* y) {
    V v;
    P::load(v, x, count);
    P::store(v, y);
  }

  struct operands {
    int rows;
    const R* x;
    idx ldx;
    const R* f;
    idx ldf;
    R* y;
    idx ldy;
  };
  /// Y[r] = X[r] f[0] ... f[r], r < rows; zero from cols to the end of a strip. With negative strides, row 0
  /// is the one before the given.
  template <int... J>
  [[gnu::always_inline]] static inline void decay(int cols, const operands& o, std::integer_sequence<int, J...>) {
    for (int q = 0; q < cols; q += together * width) {
      V factor[together], v;
      ((factor[J] = V{} + R(1)), ...);
      for (int r = 0; r < o.rows; ++r) {
        const int row = o.ldy < 0 ? r + 1 : r;
        const R *x = o.x + row * o.ldx + q, *f = o.f + row * o.ldf + q;
        ((P::load(v, f + J * width, cols - q - J * width), factor[J] *= v), ...);
        ((P::load(v, x + J * width, cols - q - J * width), P::store(factor[J] * v, o.y + row * o.ldy + q + J * width)), ...);
      }
    }
  }

  /// The entries of rows <= 4 on and below the diagonal.
  [[gnu::always_inline]] static inline void triangle(int rows, int cols, const R* a, idx lda, const R* b, idx ldb, const R* f, idx ldf,
                                                     R* c, idx ldc) {
    V sum[10] = {};  // row after row
    const idx last = rows - 1, r1 = least(1, rows - 1), r2 = least(2, rows - 1);
    const R *const ai[4] = {a, a + r1 * lda, a + r2 * lda, a + last * lda}, *const bi[4] = {b, b + r1 * ldb, b + r2 * ldb, b + last * ldb},
                   *const fi[4] = {f, f + r1 * ldf, f + r2 * ldf, f + last * ldf};
    int q = 0;
    for (; q + width <= cols; q += width) triangle(width, q, ai, bi, fi, sum);
    if (q < cols) triangle(cols - q, q, ai, bi, fi, sum);
    R dot[10];
    P::template sums<8>(dot, sum), P::template sums<2>(dot + 8, sum + 8);
    for (int i = 0, at = 0; i < rows; ++i)
      for (int j = 0; j <= i; ++j) c[i * ldc + j] += dot[at++];
  }
  [[gnu::always_inline]] static inline void triangle(int count, int q, const R* const* a, const R* const* b, const R* const* f, V* sum) {
    V w0, w1, w2, w3, x, y;
    P::load(w0, b[0] + q, count), P::load(y, a[0] + q, count), P::multiply_add(sum[0], y, w0);
    P::load(w1, b[1] + q, count), P::load(x, f[1] + q, count), P::load(y, a[1] + q, count);
    w0 *= x, P::multiply_add(sum[1], y, w0), P::multiply_add(sum[2], y, w1);
    P::load(w2, b[2] + q, count), P::load(x, f[2] + q, count), P::load(y, a[2] + q, count);
    w0 *= x, w1 *= x, P::multiply_add(sum[3], y, w0), P::multiply_add(sum[4], y, w1), P::multiply_add(sum[5], y, w2);
    P::load(w3, b[3] + q, count), P::load(x, f[3] + q, count), P::load(y, a[3] + q, count);
    w0 *= x, w1 *= x, w2 *= x;
    P::multiply_add(sum[6], y, w0), P::multiply_add(sum[7], y, w1), P::multiply_add(sum[8], y, w2), P::multiply_add(sum[9], y, w3);
  }

  /// C[i][j] += <X_i, Y_j> for i < rows <= 2, j < cols <= 4, rows of X and Y `span` apart.
  [[gnu::always_inline]] static inline void dots(int terms, int rows, int cols, const R* x, const R* y, R* c, idx ldc) {
    const R* const x1 = rows > 1 ? x + span : x;
    const R* const yj[4] = {y, y + (cols > 1 ? 1 : 0) * span, y + (cols > 2 ? 2 : 0) * span, y + (cols > 3 ? 3 : 0) * span};
    V sum[8] = {}, u0, u1, v;
    for (int q = 0; q < terms; q += width) {
      P::load(u0, x + q);
      P::load(u1, x1 + q);
      P::load(v, yj[0] + q), P::multiply_add(sum[0], u0, v), P::multiply_add(sum[4], u1, v);
      P::load(v, yj[1] + q), P::multiply_add(sum[1], u0, v), P::multiply_add(sum[5], u1, v);
      P::load(v, yj[2] + q), P::multiply_add(sum[2], u0, v), P::multiply_add(sum[6], u1, v);
      P::load(v, yj[3] + q), P::multiply_add(sum[3], u0, v), P::multiply_add(sum[7], u1, v);
    }
    R dot[8];
    P::template sums<8>(dot, sum);
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < cols; ++j) c[i * ldc + j] += dot[4 * i + j];
  }
};

/// The backward of decayed_gram, m <= 16, by the same squares, a vector of channels at a time: they do not meet.
template <class T>
struct decayed_gram_backward {
  using R = typename T::real;
  using P = pack<R, T::bytes>;
  using V = typename P::type;
  static constexpr int most_rows = 16;

  [[gnu::always_inline]] static inline void run(int m, int n, const gram_gradient_operands<R>& o) {
    for (int c = 0; c < n; c += P::width) strip(m, c, n - c, o);
  }

 private:
  [[gnu::always_inline]] static inline void strip(int m, int c, int count, const gram_gradient_operands<R>& o) {
    V a[most_rows], b[most_rows], f[most_rows], da[most_rows], db[most_rows], dlog[most_rows], w[most_rows], x[most_rows];
    for (int i = 0; i < m; ++i) {
      const idx at = i * o.ld + c;
      P::load(a[i], o.a + at, count), P::load(b[i], o.b + at, count), P::load(f[i], o.f + at, count);
      const R own = o.d[i * o.ldd + i];
      da[i] = own * b[i], db[i] = own * a[i], dlog[i] = V{};
    }
    for (int h = 1; h < m; h *= 2)
      for (int mid = h; mid < m; mid += 2 * h) {
        const int end = mid + h < m ? mid + h : m;
        V decay = f[mid], through{};
        for (int i = mid; i < end; ++i) {  // weighted rows of this square, then of its columns
          if (i > mid) decay *= f[i];
          w[i] = decay, x[i] = decay * a[i];
        }
        decay = V{} + R(1);
        for (int j = mid - 1; j >= mid - h; --j) {
          if (j < mid - 1) decay *= f[j + 1];
          w[j] = decay, x[j] = decay * b[j];
        }
        for (int i = end - 1; i >= mid; --i) {  // a decay is passed by the rows from its own on
          V dx{};
          for (int j = mid - h; j < mid; ++j) P::multiply_add(dx, o.d[i * o.ldd + j], x[j]);
          P::multiply_add(da[i], w[i], dx);
          P::multiply_add(through, x[i], dx);
          dlog[i] += through;
        }
        through = V{};
        for (int j = mid - h; j < mid; ++j) {  // and by the columns before it
          dlog[j] += through;
          V dx{};
          for (int i = mid; i < end; ++i) P::multiply_add(dx, o.d[i * o.ldd + j], x[i]);
          P::multiply_add(db[j], w[j], dx);
          P::multiply_add(through, x[j], dx);
        }
      }
    for (int i = 0; i < m; ++i) leave(i * o.ld + c, count, o, da[i], db[i], dlog[i]);
  }
  [[gnu::always_inline]] static inline void leave(idx at, int count, const gram_gradient_operands<R>& o, const V& da, const V& db,
                                                  const V& dlog) {
    add(count, da, o.da + at), add(count, db, o.db + at);
    if (o.dlog != nullptr) add(count, dlog, o.dlog + at);
  }
  [[gnu::always_inline]] static inline void add(int count, const V& more, R* to) {
    V old;
    P::load(old, to, count);
    P::store(old + more, to, count);
  }
};

}  // namespace coefdyn::cpu::detail

#endif  // __GNUC__
