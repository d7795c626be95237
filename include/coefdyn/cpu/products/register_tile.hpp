// SPDX-License-Identifier: MIT
#pragma once

#include <coefdyn/cpu/products/simd.hpp>

#if defined(__GNUC__)

namespace coefdyn::cpu::detail {

/// What becomes of a tile's sums.
enum class tile_end {
  add,       ///< C += sums
  triangle,  ///< the same, after the terms of the tile's own lower triangle
  solve      ///< C := C + sums, then the tile's own triangular system, in registers; all columns are stored
};

/// One tile: C (rows, cols) from A (rows, k) with strides (a_row, a_k), and B (k, register_tile<...>::cols) with row stride ldb.
template <class R>
struct tile_operands {
  int rows, cols, k;
  const R* a;
  idx a_row, a_k;
  const R* b;
  idx ldb;
  R* c;
  idx ldc;
  int last;  // row r stores the columns up to r + last
  tile_end end;
};

/// The product of a tile, its sums in registers. Each sum runs over k in order, in one chain of fused multiply-adds, so
/// its bits depend on nothing but its own row of A, its column of B, and k. Rows beyond `rows` repeat the last one.
template <class T, int Vectors = T::vectors>
struct register_tile {
  using R = typename T::real;
  using P = pack<R, T::bytes>;
  using V = typename P::type;
  static constexpr int width = P::width, rows = T::rows, vectors = Vectors, cols = width * vectors;

  static void at(const tile_operands<R>& t) { T::template enter<register_tile, const tile_operands<R>&>(t); }

  [[gnu::always_inline]] static inline void run(const tile_operands<R>& t) {
    run(t, std::make_integer_sequence<int, rows * vectors>{}, std::make_integer_sequence<int, rows>{},
        std::make_integer_sequence<int, vectors>{});
  }

  /// Where a tile's sum over k stands.
  struct operands {
    const R* a[array_size(rows)];
    idx offset;  // of the current k in a row of A
    const R* b;
    V row[array_size(vectors)];
    template <int... Row>
    [[gnu::always_inline]] inline operands(const tile_operands<R>& t, std::integer_sequence<int, Row...>)
        : a{t.a + (Row < t.rows ? Row : t.rows - 1) * t.a_row...}, offset(0), b(t.b) {}
  };
  /// C from the sums of all rows and vectors.
  template <int... I>
  [[gnu::always_inline]] static inline void store(const tile_operands<R>& t, const V* sum, std::integer_sequence<int, I...> all) {
    if (t.cols == cols && t.last >= cols - 1)
      ((I / vectors < t.rows ? add(t.c + I / vectors * t.ldc + I % vectors * width, sum[I], t.end) : void()), ...);
    else store_edge(t, sum, all);
  }

 private:
  template <int... I, int... Row, int... J>
  [[gnu::always_inline]] static inline void run(const tile_operands<R>& t, std::integer_sequence<int, I...>,
                                                std::integer_sequence<int, Row...> each_row, std::integer_sequence<int, J...>) {
    operands o(t, each_row);
    V sum[array_size(rows * vectors)];
    if (t.end == tile_end::solve)
      ((P::load(sum[I], t.c + (I / vectors < t.rows ? I / vectors : t.rows - 1) * t.ldc + I % vectors * width)), ...);
    else ((sum[I] = V{}), ...);
    for (const R* const stop = t.b + t.k * t.ldb; o.b != stop; o.b += t.ldb, o.offset += t.a_k) {
      (P::load(o.row[J], o.b + J * width), ...);
      (P::multiply_add(sum[I], o.a[I / vectors][o.offset], o.row[I % vectors]), ...);
    }
    if (t.end == tile_end::triangle) (triangle_term<Row, I...>(sum, o, t), ...);
    if (t.end == tile_end::solve) (solve_term<Row, I...>(sum, o, t), ...);
    store(t, sum, std::integer_sequence<int, I...>{});
  }

  /// sum[r] += A[r][s] B[s] for the rows r >= s.
  template <int S, int... I>
  [[gnu::always_inline]] static inline void triangle_term(V* sum, operands& o, const tile_operands<R>& t) {
    if (S >= t.rows) return;
    for (int j = 0; j < vectors; ++j) P::load(o.row[j], o.b + j * width);
    ((I / vectors >= S ? void(sum[I] += o.a[I / vectors][o.offset] * o.row[I % vectors]) : void()), ...);
    o.offset += t.a_k;
    o.b += t.ldb;
  }

  /// sum[r] += A[r][s] sum[s] for the rows r > s.
  template <int S, int... I>
  [[gnu::always_inline]] static inline void solve_term(V* sum, operands& o, const tile_operands<R>& t) {
    if (S + 1 >= t.rows) return;
    ((I / vectors > S ? void(sum[I] += o.a[I / vectors][o.offset] * sum[S * vectors + I % vectors]) : void()), ...);
    o.offset += t.a_k;
  }

  [[gnu::always_inline]] static inline void add(R* c, const V& sum, tile_end end) {
    V old;
    P::load(old, c);
    old = end == tile_end::solve ? sum : old + sum;
    P::store(old, c);
  }

  /// The store of a tile that crosses the diagonal or the last column. Entries above the diagonal keep their value.
  template <int... I>
  [[gnu::always_inline]] static inline void store_edge(const tile_operands<R>& t, const V* sum, std::integer_sequence<int, I...>) {
    alignas(T::bytes) R edge[array_size(rows * cols)];
    (P::store(sum[I], edge + I * width), ...);
    for (int r = 0; r < t.rows; ++r) {
      const int stop = r + t.last + 1 < t.cols ? r + t.last + 1 : t.cols;
      for (int j = 0; j < stop; j += width) {
        V old, more;
        P::load(old, t.c + r * t.ldc + j, t.cols - j);
        P::load(more, edge + r * cols + j);
        P::replace_first(old, stop - j, old + more);
        P::store(old, t.c + r * t.ldc + j, t.cols - j);
      }
    }
  }
};

}  // namespace coefdyn::cpu::detail

#endif  // __GNUC__
