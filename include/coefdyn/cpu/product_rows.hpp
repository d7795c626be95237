// SPDX-License-Identifier: MIT
#pragma once

#include <coefdyn/cpu/simd.hpp>

#if defined(__GNUC__)

/// Elementwise kernels, dot products and the decode step. A row's last, partial vector is padded with zeros and goes
/// through the same instructions, so an entry's bits do not depend on where the row ends.
namespace coefdyn::cpu::detail {

// What happens to an entry: apply(y, f, x), and whether the old y and the factor f are read.
struct product_of {
  static constexpr bool has_y = false, has_f = true;
  template <class V>
  [[gnu::always_inline]] static inline void apply(V& y, const V& f, const V& x) {
    y = f * x;
  }
};
struct sum_with_product {
  static constexpr bool has_y = true, has_f = true;
  template <class V>
  [[gnu::always_inline]] static inline void apply(V& y, const V& f, const V& x) {
    y += f * x;
  }
};
struct sum_of {
  static constexpr bool has_y = true, has_f = false;
  template <class V>
  [[gnu::always_inline]] static inline void apply(V& y, const V&, const V& x) {
    y += x;
  }
};
struct copy_of {
  static constexpr bool has_y = false, has_f = false;
  template <class V>
  [[gnu::always_inline]] static inline void apply(V& y, const V&, const V& x) {
    y = x;
  }
};

/// Y := op(Y, F, X), entry by entry; all (m, n).
template <class T, class Op>
struct entrywise {
  using R = typename T::real;
  using P = pack<R, T::bytes>;
  using V = typename P::type;
  static constexpr int width = P::width;

  [[gnu::always_inline]] static inline void run(int m, int n, const R* f, idx ldf, const R* x, idx ldx, R* y, idx ldy) {
    for (int i = 0; i < m; ++i, f += ldf, x += ldx, y += ldy) {
      int c = 0;
      for (; c + width <= n; c += width) vector(width, f + c, x + c, y + c);
      if (c < n) vector(n - c, f + c, x + c, y + c);
    }
  }

 private:
  [[gnu::always_inline]] static inline void vector(int count, const R* f, const R* x, R* y) {
    V vx, vf{}, vy{};
    P::load(vx, x, count);
    if constexpr (Op::has_f) P::load(vf, f, count);
    if constexpr (Op::has_y) P::load(vy, y, count);
    Op::apply(vy, vf, vx);
    P::store(vy, y, count);
  }
};

/// Y[i][c] = f[i] X[i][c].
template <class T>
struct scaled_rows {
  using R = typename T::real;
  using P = pack<R, T::bytes>;
  [[gnu::always_inline]] static inline void run(int m, int n, const R* f, const R* x, idx ldx, R* y, idx ldy) {
    for (int i = 0; i < m; ++i, x += ldx, y += ldy)
      for (int c = 0; c < n; c += P::width) {
        typename P::type v;
        P::load(v, x + c, n - c);
        v *= f[i];
        P::store(v, y + c, n - c);
      }
  }
};

/// out[i] += <X_i, Y_i>: four partial sums of every fourth vector, then a tree.
template <class T>
struct dots_of_rows {
  using R = typename T::real;
  using P = pack<R, T::bytes>;
  using V = typename P::type;
  static constexpr int width = P::width;

  [[gnu::always_inline]] static inline void run(int m, int n, const R* x, idx ldx, const R* y, idx ldy, R* out) {
    for (int i = 0; i < m; ++i, x += ldx, y += ldy) {
      V s0{}, s1{}, s2{}, s3{};
      for (int c = 0; c < n; c += 4 * width) {
        add(s0, n - c, x + c, y + c);
        add(s1, n - c - width, x + c + width, y + c + width);
        add(s2, n - c - 2 * width, x + c + 2 * width, y + c + 2 * width);
        add(s3, n - c - 3 * width, x + c + 3 * width, y + c + 3 * width);
      }
      R dot;
      P::sum(dot, (s0 + s1) + (s2 + s3));
      out[i] += dot;
    }
  }

 private:
  [[gnu::always_inline]] static inline void add(V& sum, int count, const R* x, const R* y) {
    if (count <= 0) return;
    V a, b;
    P::load(a, x, count);
    P::load(b, y, count);
    P::multiply_add(sum, a, b);
  }
};

/// Kernels that keep a strip of columns in registers while the rows pass: four vectors, then one at a time.
template <class T, class Kernel>
struct strips {
  static constexpr int width = pack<typename T::real, T::bytes>::width;
  template <class... Args>
  [[gnu::always_inline]] static inline void run(int m, int n, Args... args) {
    int c = 0;
    for (; c + 4 * width <= n; c += 4 * width) Kernel::template strip<4>(m, c, width, args...);
    for (; c < n; c += width) Kernel::template strip<1>(m, c, n - c, args...);
  }
};

/// out[c] += sum_i X[i][c] Y[i][c], i in order.
template <class T>
struct dots_of_columns {
  using R = typename T::real;
  using P = pack<R, T::bytes>;
  template <int N>
  [[gnu::always_inline]] static inline void strip(int m, int c, int count, const R* x, idx ldx, const R* y, idx ldy,
                                                  R* out) {
    strip(m, count, x + c, ldx, y + c, ldy, out + c, std::make_integer_sequence<int, N>{});
  }

 private:
  template <int... J>
  [[gnu::always_inline]] static inline void strip(int m, int count, const R* x, idx ldx, const R* y, idx ldy, R* out,
                                                  std::integer_sequence<int, J...>) {
    typename P::type sum[sizeof...(J)], a, b;
    (P::load(sum[J], out + J * P::width, count), ...);
    for (int i = 0; i < m; ++i, x += ldx, y += ldy)
      ((P::load(a, x + J * P::width, count), P::load(b, y + J * P::width, count), P::multiply_add(sum[J], a, b)), ...);
    (P::store(sum[J], out + J * P::width, count), ...);
  }
};

/// S := diag(w) S + kb v', then y += S' q, rows in order; w may be null.
template <class T>
struct decode_step {
  using R = typename T::real;
  using P = pack<R, T::bytes>;
  template <int N>
  [[gnu::always_inline]] static inline void strip(int n, int c, int count, const R* w, const R* kb, const R* v,
                                                  const R* q, R* s, idx lds, R* y) {
    strip(n, count, w, kb, v + c, q, s + c, lds, y + c, std::make_integer_sequence<int, N>{});
  }

 private:
  template <int... J>
  [[gnu::always_inline]] static inline void strip(int n, int count, const R* w, const R* kb, const R* v, const R* q,
                                                  R* s, idx lds, R* y, std::integer_sequence<int, J...>) {
    typename P::type sum[sizeof...(J)], write[sizeof...(J)], old;
    (P::load(sum[J], y + J * P::width, count), ...);
    (P::load(write[J], v + J * P::width, count), ...);
    for (int i = 0; i < n; ++i, s += lds) {
      const R decay = w == nullptr ? R(1) : w[i];
      ((P::load(old, s + J * P::width, count), old = decay * old + kb[i] * write[J], P::multiply_add(sum[J], q[i], old),
        P::store(old, s + J * P::width, count)),
       ...);
    }
    (P::store(sum[J], y + J * P::width, count), ...);
  }
};

}  // namespace coefdyn::cpu::detail

#endif  // __GNUC__
