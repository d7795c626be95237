// SPDX-License-Identifier: MIT
#pragma once

#include <coefdyn/cpu/products/register_tile.hpp>
#include <coefdyn/cpu/products/rows.hpp>

#if defined(__GNUC__)

/// Products of matrices of any size from tiles: a panel of B, as wide as a tile, is copied to the stack (for B' through
/// a transpose in registers) and met with the rows of A, tile after tile.
namespace coefdyn::cpu::detail {

/// panel (k, register_tile<T>::cols) := B (k, cols), zero beyond cols.
template <class T>
struct copy_panel {
  using R = typename T::real;
  using P = pack<R, T::bytes>;
  static constexpr int panel_cols = register_tile<T>::cols;

  [[gnu::always_inline]] static inline void run(int k, int cols, const R* b, idx ldb, R* panel) {
    for (int p = 0; p < k; ++p)
      for (int j = 0; j < panel_cols; j += P::width) {
        typename P::type v;
        P::load(v, b + p * ldb + j, cols - j);
        P::store(v, panel + p * panel_cols + j);
      }
  }
};

/// panel (k, cols) of row stride ldp := B', B stored (cols, k). Padded, rows go on with zeros to the end of a vector.
template <class T, bool Padded = false>
struct transpose_panel {
  using R = typename T::real;
  using P = pack<R, T::bytes>;
  using V = typename P::type;
  static constexpr int width = P::width, lane = 16 / static_cast<int>(sizeof(R));

  [[gnu::always_inline]] static inline void run(int k, int cols, const R* b, idx ldb, R* panel, idx ldp) {
    for (int j = 0; j < cols; j += width)
      for (int p = 0; p < k; p += width) block(k - p, cols - j, b + j * ldb + p, ldb, panel + p * ldp + j, ldp, typename P::lanes{});
  }

 private:
  template <int... I>
  [[gnu::always_inline]] static inline void block(int k, int cols, const R* b, idx ldb, R* panel, idx ldp,
                                                  std::integer_sequence<int, I...>) {
    V row[array_size(width)], next[array_size(width)];
    if (k >= width && cols >= width) {
      (P::load(row[I], b + I * ldb), ...);
    } else {
      for (int i = 0; i < width; ++i) {
        row[i] = V{};
        if (i < cols) P::load(row[i], b + i * ldb, k);
      }
    }
    if constexpr (lane == 4) {
      (interleave<I>(next, row), ...);
      (interleave<I>(row, next), ...);
    } else {
      (interleave<I>(next, row), ...);
      ((row[I] = next[I]), ...);
    }
    exchange<lane, I...>(row, next);
    if (Padded || cols >= width) {
      ((I < k ? P::store(row[I], panel + I * ldp) : void()), ...);
      return;
    }
    alignas(T::bytes) R edge[array_size(width * width)];
    (P::store(row[I], edge + I * width), ...);
    for (int i = 0; i < width && i < k; ++i)
      for (int j = 0; j < cols; ++j) panel[i * ldp + j] = edge[i * width + j];
  }

  /// Within 128 bits: rows i and i + lane / 2 of a group of `lane` rows become rows 2 i and 2 i + 1.
  template <int Half>
  struct interleaved {
    static constexpr int at(int i) { return i / lane * lane + i % lane / 2 + Half * (lane / 2) + (i % 2) * width; }
  };
  template <int I>
  [[gnu::always_inline]] static inline void interleave(V* out, const V* in) {
    constexpr int from = I / lane * lane + I % lane / 2;
    P::template shuffle<interleaved<I % 2>>(out[I], in[from], in[from + lane / 2]);
  }

  /// Between groups: the blocks at distance D off the diagonal change places.
  template <int D, bool Upper>
  struct exchanged {
    static constexpr int at(int i) {
      if (Upper) return (i & D) == 0 ? i : width + i - D;
      return (i & D) == 0 ? i + D : width + i;
    }
  };
  template <int D, int... I>
  [[gnu::always_inline]] static inline void exchange(V* row, V* next) {
    if constexpr (D < width) {
      (P::template shuffle<exchanged<D, (I & D) == 0>>(next[I], row[I & ~D], row[I | D]), ...);
      ((row[I] = next[I]), ...);
      exchange<2 * D, I...>(row, next);
    }
  }
};

/// The products over one shape. Sums over more than `depth` terms are split there: C + (first terms) + (next terms).
template <class T>
struct panels {
  using R = typename T::real;
  static constexpr target name = T::name;
  static constexpr int rows = register_tile<T>::rows, cols = register_tile<T>::cols, depth = 240;
  static_assert(depth % rows == 0, "coefdyn: a tile's triangle must not straddle two panels");

  enum class side { plain, transposed };

  /// C += A B with A (m, k) of strides (a_row, a_k), B (k, n) or stored (n, k); only the columns <= row if `lower`.
  static void product(int m, int n, int k, const R* a, idx a_row, idx a_k, const R* b, idx ldb, side b_side, R* c, idx ldc, bool lower) {
    alignas(64) R panel[array_size(depth * cols)];
    for (int k0 = 0; k0 < k && m > 0; k0 += depth)
      for (int j = 0; j < n; j += cols) {
        const int terms = least(k - k0, depth), width = least(n - j, cols);
        const R *from = panel, *given = b + (b_side == side::plain ? k0 * ldb + j : j * ldb + k0);
        idx ldf = cols;
        if (b_side == side::transposed) T::template enter<transpose_panel<T, true>>(terms, width, given, ldb, &panel[0], idx(cols));
        else if (width < cols || (is_far(ldb) && m > 2 * rows)) T::template enter<copy_panel<T>>(terms, width, given, ldb, &panel[0]);
        else from = given, ldf = ldb;
        for (int i = lower ? j / rows * rows : 0; i < m; i += rows)
          run({.rows = least(m - i, rows),
               .cols = width,
               .k = terms,
               .a = a + i * a_row + k0 * a_k,
               .a_row = a_row,
               .a_k = a_k,
               .b = from,
               .ldb = ldf,
               .c = c + i * ldc + j,
               .ldc = ldc,
               .last = lower ? i - j : cols,
               .end = tile_end::add});
      }
  }

  /// C += A B with A (m, m) lower triangular, diagonal included, of strides (a_row, a_k); any sign of stride.
  static void lower_left(int m, int n, const R* a, idx a_row, idx a_k, const R* b, idx ldb, R* c, idx ldc) {
    alignas(64) R panel[array_size(depth * cols)];
    for (int k0 = 0; k0 < m; k0 += depth)
      for (int j = 0; j < n; j += cols) {
        const int terms = least(m - k0, depth), width = least(n - j, cols);
        const R* from = b + k0 * ldb + j;
        idx ldf = ldb;
        if (width < cols || is_far(ldb)) {
          T::template enter<copy_panel<T>>(terms, width, from, ldb, &panel[0]);
          from = panel, ldf = cols;
        }
        for (int i = k0; i < m; i += rows) {
          const bool crosses = i < k0 + terms;
          register_tile<T>::at({.rows = least(m - i, rows),
                                .cols = width,
                                .k = crosses ? i - k0 : terms,
                                .a = a + i * a_row + k0 * a_k,
                                .a_row = a_row,
                                .a_k = a_k,
                                .b = from,
                                .ldb = ldf,
                                .c = c + i * ldc + j,
                                .ldc = ldc,
                                .last = cols,
                                .end = crosses ? tile_end::triangle : tile_end::add});
        }
      }
  }

  /// X := (I - L)^{-1} X with L (m, m) strictly lower triangular of strides (l_row, l_k); any sign of stride.
  static void solve(int m, int n, const R* l, idx l_row, idx l_k, R* x, idx ldx) {
    for (int k0 = 0; k0 < m; k0 += depth) {
      const int terms = least(m - k0, depth), next = k0 + terms;
      const R* const diagonal = l + k0 * l_row + k0 * l_k;
      for (int j = 0; j < n; j += cols)
        if (n - j < cols || is_far(ldx)) solve_copy(terms, least(n - j, cols), diagonal, l_row, l_k, x + k0 * ldx + j, ldx);
        else solve_panel(terms, diagonal, l_row, l_k, x + k0 * ldx + j, ldx);
      product(m - next, n, terms, l + next * l_row + k0 * l_k, l_row, l_k, x + k0 * ldx, ldx, side::plain, x + next * ldx, ldx, false);
    }
  }

 protected:
  static int least(int a, int b) { return a < b ? a : b; }

 private:
  /// Whether rows so far apart crowd into few sets of the first cache.
  static bool is_far(idx stride) { return (stride < 0 ? -stride : stride) * idx(sizeof(R)) > 1024; }

  static void solve_panel(int m, const R* l, idx l_row, idx l_k, R* x, idx ldx) {
    for (int i = 0; i < m; i += rows)
      register_tile<T>::at({.rows = least(m - i, rows),
                            .cols = cols,
                            .k = i,
                            .a = l + i * l_row,
                            .a_row = l_row,
                            .a_k = l_k,
                            .b = x,
                            .ldb = ldx,
                            .c = x + i * ldx,
                            .ldc = ldx,
                            .last = cols,
                            .end = tile_end::solve});
  }
  static void solve_copy(int m, int width, const R* l, idx l_row, idx l_k, R* x, idx ldx) {
    alignas(64) R panel[array_size(depth * cols)];
    T::template enter<copy_panel<T>>(m, width, static_cast<const R*>(x), ldx, &panel[0]);
    solve_panel(m, l, l_row, l_k, panel, cols);
    T::template enter<entrywise<T, copy_of>>(m, width, static_cast<const R*>(nullptr), idx(0), static_cast<const R*>(panel), idx(cols), x,
                                             ldx);
  }

  /// A tile of a plain product, by the narrow kernel where one vector holds its columns.
  static void run(const tile_operands<R>& t) {
    if (least(t.cols, t.last + t.rows) <= cols / T::vectors) register_tile<T, 1>::at(t);
    else register_tile<T>::at(t);
  }
};

}  // namespace coefdyn::cpu::detail

#endif  // __GNUC__
