// SPDX-License-Identifier: MIT
// Above 300 lines: all fill one table.
#pragma once

#include <coefdyn/cpu/products/exp.hpp>
#include <coefdyn/cpu/products/table.hpp>

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
    if constexpr (!Op::has_f) f = x, ldf = ldx;  // an address to count from: null has none
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

/// Y[i][c] += f[i] X[i][c].
template <class T>
struct added_scaled_rows {
  using R = typename T::real;
  using P = pack<R, T::bytes>;
  [[gnu::always_inline]] static inline void run(int m, int n, const R* f, const R* x, idx ldx, R* y, idx ldy) {
    for (int i = 0; i < m; ++i, x += ldx, y += ldy)
      for (int c = 0; c < n; c += P::width) {
        typename P::type v, old;
        P::load(v, x + c, n - c);
        P::load(old, y + c, n - c);
        P::multiply_add(old, f[i], v);
        P::store(old, y + c, n - c);
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

/// Kernels that keep a strip of columns in registers while the rows pass: `Wide` vectors, four, then one at a time.
template <class T, class Kernel, int Wide = 4>
struct strips {
  static constexpr int width = pack<typename T::real, T::bytes>::width;
  template <class... Args>
  [[gnu::always_inline]] static inline void run(int m, int n, Args... args) {
    int c = 0;
    if constexpr (Wide > 4)
      for (; c + Wide * width <= n; c += Wide * width) Kernel::template strip<Wide>(m, c, width, args...);
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
  [[gnu::always_inline]] static inline void strip(int m, int c, int count, const R* x, idx ldx, const R* y, idx ldy, R* out) {
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

/// out[i][c] += sum_{s<=i} X[s][c] Y[s][c], s in order.
template <class T>
struct running_dots_of_columns {
  using R = typename T::real;
  using P = pack<R, T::bytes>;
  template <int N>
  [[gnu::always_inline]] static inline void strip(int m, int c, int count, const R* x, idx ldx, const R* y, idx ldy, R* out, idx ldo) {
    strip(m, count, x + c, ldx, y + c, ldy, out + c, ldo, std::make_integer_sequence<int, N>{});
  }

 private:
  template <int... J>
  [[gnu::always_inline]] static inline void strip(int m, int count, const R* x, idx ldx, const R* y, idx ldy, R* out, idx ldo,
                                                  std::integer_sequence<int, J...>) {
    typename P::type sum[sizeof...(J)] = {}, a, b;
    for (int i = 0; i < m; ++i, x += ldx, y += ldy, out += ldo)
      ((P::load(a, x + J * P::width, count), P::load(b, y + J * P::width, count), P::multiply_add(sum[J], a, b),
        P::load(a, out + J * P::width, count), P::store(a + sum[J], out + J * P::width, count)),
       ...);
  }
};

/// One row of a linear recurrence on a state (n, d), a strip of columns at a time so that its second pass meets the first
/// cache: r = s S' row, S := diag(w) S + col r' + k (b v)', y := S' q; see products::state_row. The pass that updates may also sum
/// S' row of the call that follows, which is then one pass, with the same bits; else it fetches what the next first pass reads: all
/// of it if the first cache holds both, else the start of each row, which the machine follows (not with a direction of its own,
/// where it was measured to cost more than it gives).
template <class T>
struct state_row {
  using R = typename T::real;
  using P = pack<R, T::bytes>;
  using V = typename P::type;
  static constexpr idx first_cache = 32768;  // bytes
  template <int N>
  [[gnu::always_inline]] static inline void strip(int n, int c, int count, const state_row_operands<R>& o) {
    if (o.col != nullptr) strip<N, true>(n, c, count, o);
    else strip<N, false>(n, c, count, o);
  }

 private:
  /// Own: the correction has a direction of its own, col.
  template <int N, bool Own>
  [[gnu::always_inline]] static inline void strip(int n, int c, int count, const state_row_operands<R>& o) {
    if (o.ahead != nullptr) {  // its sums want registers
      strip<Own, true, 0>(n, c, count, o, nullptr, std::make_integer_sequence<int, N <= 4 ? N : 4>{});
      if constexpr (N > 4) strip<Own, true, 0>(n, c + 4 * P::width, count, o, nullptr, std::make_integer_sequence<int, N - 4>{});
      return;
    }
    const std::make_integer_sequence<int, N> vectors;
    const int after = c + N * P::width;
    const bool two_passes = o.row != nullptr && o.known == nullptr;
    const bool both_fit = n * N * idx(T::bytes) <= first_cache / 2;
    const R* const next = after >= o.d ? o.next : two_passes ? o.from + after : nullptr;
    if (next == nullptr || (Own && !both_fit)) strip<Own, false, 0>(n, c, count, o, next, vectors);
    else if (both_fit) strip<Own, false, N>(n, c, count, o, next, vectors);
    else strip<Own, false, 1>(n, c, count, o, next, vectors);
  }
  /// Sums over the even and the odd rows.
  template <int N>
  struct sums {
    V even[array_size(N)] = {}, odd[array_size(N)] = {};
  };
  /// Fetched: vectors of each row of `next`.
  template <bool Own, bool Ahead, int Fetched, int... J>
  [[gnu::always_inline]] static inline void strip(int n, int c, int count, const state_row_operands<R>& o, const R* next,
                                                  std::integer_sequence<int, J...>) {
    constexpr int N = sizeof...(J);
    const idx ld_from = o.ld_from, ld_to = o.ld_to;
    V along[array_size(N)] = {}, write[array_size(N)];
    if (o.known != nullptr) ((P::load(along[J], o.known + c + J * P::width, count), along[J] *= o.s), ...);
    else if (o.row != nullptr) read_row<J...>(n, c, count, o, along);
    ((P::load(write[J], o.v + c + J * P::width, count), write[J] *= o.b), ...);
    if constexpr (!Own) ((P::opaque(write[J]), P::opaque(along[J]), write[J] += along[J]), ...);
    const R decay = o.decay, *w = o.w == nullptr ? &decay : o.w, *k = o.k, *q = o.q == nullptr ? k : o.q;
    const R *col = o.col, *row_ahead = o.row_ahead, *from = o.from + c, *const end = k + n;
    const idx by_row = o.w == nullptr ? 0 : 1;
    R* to = o.to + c;
    sums<N> read;
    sums<Ahead ? N : 1> ahead;
    constexpr std::size_t vectors = array_size(N);
    const auto pass = [&](int i, const R* from_, R* to_, V* read_, V* ahead_) __attribute__((always_inline)) {
      V x[vectors];
      ((P::load(x[J], from_ + J * P::width, count), x[J] = w[i * by_row] * x[J], P::multiply_add(x[J], k[i], write[J])), ...);
      if constexpr (Own) (P::multiply_add(x[J], col[i], along[J]), ...);
      ((P::multiply_add(read_[J], q[i], x[J]), P::store(x[J], to_ + J * P::width, count)), ...);
      if constexpr (Ahead) (P::multiply_add(ahead_[J], row_ahead[i], x[J]), ...);
    };
    for (; k + 2 <= end; from += 2 * ld_from, to += 2 * ld_to) {
      if constexpr (Fetched > 0) (fetch<J, Fetched>(next, ld_from), ...), next += 2 * ld_from;
      pass(0, from, to, read.even, ahead.even);
      pass(1, from + ld_from, to + ld_to, read.odd, ahead.odd);
      k += 2, q += 2, w += 2 * by_row;
      if constexpr (Own) col += 2;
      if constexpr (Ahead) row_ahead += 2;
    }
    if (k < end) pass(0, from, to, read.even, ahead.even);
    if (o.q != nullptr) ((P::store(read.even[J] + read.odd[J], o.y + c + J * P::width, count)), ...);
    if constexpr (Ahead) ((P::store(ahead.even[J] + ahead.odd[J], o.ahead + c + J * P::width, count)), ...);
  }
  /// along := s S' row, in a pass of its own.
  template <int... J>
  [[gnu::always_inline]] static inline void read_row(int n, int c, int count, const state_row_operands<R>& o, V* along) {
    constexpr int N = sizeof...(J);
    const idx ld_from = o.ld_from;
    V old;
    sums<N> first;
    const R *from = o.from + c, *row = o.row, *const end = row + n;
    for (; row + 2 <= end; row += 2, from += 2 * ld_from) {
      ((P::load(old, from + J * P::width, count), P::multiply_add(first.even[J], row[0], old)), ...);
      ((P::load(old, from + ld_from + J * P::width, count), P::multiply_add(first.odd[J], row[1], old)), ...);
    }
    if (row < end) ((P::load(old, from + J * P::width, count), P::multiply_add(first.even[J], row[0], old)), ...);
    ((along[J] = o.s * (first.even[J] + first.odd[J])), ...);
  }
  template <int J, int Fetched>
  [[gnu::always_inline]] static inline void fetch(const R* next, idx ld) {
    if constexpr (J < Fetched) __builtin_prefetch(next + J * P::width), __builtin_prefetch(next + ld + J * P::width);
  }
};

/// Rows of scores become e^(z - top), top the larger of the given maximum and the row's own; factor: e^(old - new maximum);
/// total: the row's sum.
/// Entries of -inf give 0; the maximum of nothing is math::unset_maximum.
template <class T>
struct exponential_rows {
  using R = typename T::real;
  using P = pack<R, T::bytes>;
  using V = typename P::type;
  using exponential = vector_exp<R, T::bytes>;
  static constexpr int together = exponential::together, width = P::width;

  /// Maxima first, then the factors side by side: one alone would wait for the exponential of a single number.
  [[gnu::always_inline]] static inline void run(int m, int n, R* z, idx ldz, R* top, R* factor, R* total) {
    for (int i = 0; i < m; ++i) {
      R now;
      largest_of(now, n, z + i * ldz, top[i]);
      factor[i] = now > top[i] ? top[i] - now : R(0);
      top[i] = now;
    }
    exp_row<T>::run(m, factor, factor);
    for (int i = 0; i < m; ++i) row(n, z + i * ldz, top[i], total[i], std::make_integer_sequence<int, together>{});
  }

 private:
  [[gnu::always_inline]] static inline void largest_of(R& now, int n, const R* z, R top) {
    V most = V{} + top, v;
    int c = 0;
    for (; c + width <= n; c += width) {
      P::load(v, z + c);
      most = most < v ? v : most;
    }
    P::largest(now, most);
    for (; c < n; ++c) now = now < z[c] ? z[c] : now;
  }
  template <int... J>
  [[gnu::always_inline]] static inline void row(int n, R* z, R top, R& total, std::integer_sequence<int, J...>) {
    V v[array_size(together)], sum[array_size(together)] = {};
    int c = 0;
    for (; c + together * width <= n; c += together * width) {
      ((P::load(v[J], z + c + J * width), v[J] -= top), ...);
      exponential::at(v);
      ((P::store(v[J], z + c + J * width)), ...);
      ((sum[J] += v[J]), ...);
    }
    if (c < n) {
      ((P::load(v[J], z + c + J * width, n - c - J * width), v[J] -= top), ...);
      exponential::at(v);
      ((P::store(v[J], z + c + J * width, n - c - J * width)), ...);
      (keep_first(v[J], n - c - J * width), ...);
      ((sum[J] += v[J]), ...);
    }
    for (int j = 1; j < together; ++j) sum[0] += sum[j];
    P::sum(total, sum[0]);
  }
  [[gnu::always_inline]] static inline void keep_first(V& v, int count) {
    V kept{};
    P::replace_first(kept, count, v);
    v = kept;
  }
};

}  // namespace coefdyn::cpu::detail

#endif  // __GNUC__
