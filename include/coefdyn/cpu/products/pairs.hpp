// SPDX-License-Identifier: MIT
#pragma once

#include <coefdyn/cpu/products/panels.hpp>

#if defined(__x86_64__) && defined(__GNUC__)

/// Products of floats whose factors are rounded to bf16, with sums in float (AVX512-BF16). Two consecutive terms of a sum
/// share the 32 bits of a float, the first in the low half: a pair. The machine multiplies a pair of A with one of B and
/// adds both terms, and takes subnormal numbers for 0.
namespace coefdyn::cpu::detail {

// Compilers look for the instruction set at every function that names an instruction, so each of them carries it.
#define COEFDYN_AVX512_BF16 gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma,avx512bf16")

/// The instructions and the packing of pairs.
struct bf16_pairs {
  using P = pack<float, 64>;
  using V = P::type;
  static constexpr int width = P::width;

  /// A number of pairs rounded up to whole vectors.
  static constexpr int whole(int count) { return (count + width - 1) / width * width; }

  /// sum += the two products of each lane.
  [[COEFDYN_AVX512_BF16, gnu::always_inline]] static inline void multiply_add(V& sum, const V& a, const V& b) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  }
  /// The pair at p in every lane.
  [[COEFDYN_AVX512_BF16, gnu::always_inline]] static inline void broadcast(V& v, const float* p) {
    asm("vpbroadcastd %1, %0" : "=v"(v) : "m"(*p));
  }
  /// Pairs whose second term is 0.
  [[COEFDYN_AVX512_BF16, gnu::always_inline]] static inline void keep_first_term(V& v) {
    P::bits bits;
    __builtin_memcpy(&bits, &v, sizeof v);
    bits &= 0xffff;
    __builtin_memcpy(&v, &bits, sizeof v);
  }

  /// to (m, ldp): the pairs along the rows of X (m, k), zero beyond k; ldp is k / 2 rounded up to whole vectors.
  [[COEFDYN_AVX512_BF16, gnu::noinline]] static void along_rows(int m, int k, const float* x, idx ldx, float* to, idx ldp) {
    for (int i = 0; i < m; ++i, x += ldx, to += ldp)
      for (int c = 0; c < k; c += 2 * width) {
        V low, high{};
        P::load(low, x + c, k - c);
        if (k - c > width) P::load(high, x + c + width, k - c - width);
        round(low, low, high);
        P::store(low, to + c / 2);
      }
  }
  /// to (k / 2 rounded up, ldp): the pairs down the columns of X (k, n), zero beyond k and, to the end of a vector, n.
  [[COEFDYN_AVX512_BF16, gnu::noinline]] static void down_columns(int k, int n, const float* x, idx ldx, float* to, idx ldp) {
    for (int p = 0; p < k; p += 2, x += 2 * ldx, to += ldp)
      for (int c = 0; c < n; c += width) {
        V first, second{};
        P::load(first, x + c, n - c);
        if (p + 1 < k) P::load(second, x + ldx + c, n - c);
        round(first, first, second);
        interleave(first, std::make_integer_sequence<short, 2 * width>{});
        P::store(first, to + c);
      }
  }

 private:
  /// 32 numbers in bf16, in order: to nearest, ties to even; NaN stays NaN.
  [[COEFDYN_AVX512_BF16, gnu::always_inline]] static inline void round(V& out, const V& low, const V& high) {
    asm("vcvtne2ps2bf16 %2, %1, %0" : "=v"(out) : "v"(high), "v"(low));
  }
  /// Pairs of the numbers i and i + width.
  template <short... I>
  [[COEFDYN_AVX512_BF16, gnu::always_inline]] static inline void interleave(V& v, std::integer_sequence<short, I...>) {
    using words = typename P::vector_of<short>::type;
    words in, out;
    __builtin_memcpy(&in, &v, sizeof v);
#if defined(__clang__)
    out = __builtin_shufflevector(in, in, I / 2 + I % 2 * width...);
#else
    out = __builtin_shuffle(in, words{I / 2 + I % 2 * width...});
#endif
    __builtin_memcpy(&v, &out, sizeof v);
  }
};

/// A tile as of register_tile<...>, of pairs: k counts pairs, a_k and ldb are steps from pair to pair.
template <int Vectors>
struct pair_tile {
  using float_tile = register_tile<avx512_shape<float>, Vectors>;
  using X = bf16_pairs;
  using V = X::V;
  static constexpr int rows = float_tile::rows, vectors = Vectors;

  [[COEFDYN_AVX512_BF16, gnu::noinline]] static void at(const tile_operands<float>& t) {
    run(t, std::make_integer_sequence<int, rows * vectors>{}, std::make_integer_sequence<int, rows>{},
        std::make_integer_sequence<int, vectors>{});
  }

 private:
  using operands = typename float_tile::operands;  // offset and b: of the current pair

  template <int... I, int... Row, int... J>
  [[COEFDYN_AVX512_BF16, gnu::always_inline]] static inline void run(const tile_operands<float>& t, std::integer_sequence<int, I...> all,
                                                                     std::integer_sequence<int, Row...> each_row,
                                                                     std::integer_sequence<int, J...>) {
    operands o(t, each_row);
    V sum[array_size(rows * vectors)];
    ((sum[I] = V{}), ...);
    for (const float* const stop = t.b + t.k * t.ldb; o.b != stop; o.b += t.ldb, o.offset += t.a_k) {
      (X::P::load(o.row[J], o.b + J * X::width), ...);
      (add_row<Row, J...>(sum, o), ...);
    }
    if (t.end == tile_end::triangle) (triangle_term<Row, J...>(sum, o, t, each_row), ...);
    float_tile::store(t, sum, all);
  }
  template <int Row, int... J>
  [[COEFDYN_AVX512_BF16, gnu::always_inline]] static inline void add_row(V* sum, const operands& o) {
    V a;
    X::broadcast(a, o.a[Row] + o.offset);
    (X::multiply_add(sum[Row * vectors + J], a, o.row[J]), ...);
  }
  /// The pair (S, S + 1) of the rows from S on; row S has the first of the two terms only.
  template <int S, int... J, int... Row>
  [[COEFDYN_AVX512_BF16, gnu::always_inline]] static inline void triangle_term(V* sum, operands& o, const tile_operands<float>& t,
                                                                               std::integer_sequence<int, Row...>) {
    if constexpr (S % 2 == 0) {
      if (S >= t.rows) return;
      (X::P::load(o.row[J], o.b + J * X::width), ...);
      ((Row > S ? add_row<Row, J...>(sum, o) : void()), ...);
      V a;
      X::broadcast(a, o.a[S] + o.offset);
      X::keep_first_term(a);
      ((X::keep_first_term(o.row[J]), X::multiply_add(sum[S * vectors + J], a, o.row[J])), ...);
      o.offset += t.a_k;
      o.b += t.ldb;
    }
  }
};

/// The products over pairs: the rows of A are packed once, as many as fit on the stack, and met with the panels of B.
/// Triangular solves are those of float.
struct rounded_panels : panels<avx512_shape<float>> {
  static constexpr target name = target::avx512_bf16;

  /// As panels::product; one of a_row and a_k is 1 or -1.
  static void product(int m, int n, int k, const float* a, idx a_row, idx a_k, const float* b, idx ldb, side b_side, float* c, idx ldc,
                      bool lower) {
    packed p;
    for (int k0 = 0; k0 < k && m > 0; k0 += depth) {
      const int terms = least(k - k0, depth);
      for (int i0 = 0, count = 0; i0 < m; i0 += count) {
        count = p.take_rows(m - i0, terms, a + i0 * a_row + k0 * a_k, a_row, a_k);
        for (int j = 0; j < n && !(lower && j >= i0 + count); j += cols) {
          const int width = least(n - j, cols);
          p.take_panel(terms, width, b + (b_side == side::plain ? k0 * ldb + j : j * ldb + k0), ldb, b_side);
          for (int i = lower && j > i0 ? (j - i0) / rows * rows : 0; i < count; i += rows)
            run({.rows = least(count - i, rows),
                 .cols = width,
                 .k = (terms + 1) / 2,
                 .a = p.left + i * p.row,
                 .a_row = p.row,
                 .a_k = p.pair,
                 .b = p.panel,
                 .ldb = cols,
                 .c = c + (i0 + i) * ldc + j,
                 .ldc = ldc,
                 .last = lower ? i0 + i - j : cols,
                 .end = tile_end::add});
        }
      }
    }
  }
  /// As panels::lower_left.
  static void lower_left(int m, int n, const float* a, idx a_row, idx a_k, const float* b, idx ldb, float* c, idx ldc) {
    packed p;
    for (int k0 = 0; k0 < m; k0 += depth) {
      const int terms = least(m - k0, depth);
      for (int i0 = k0, count = 0; i0 < m; i0 += count) {
        count = p.take_rows(m - i0, terms, a + i0 * a_row + k0 * a_k, a_row, a_k);
        for (int j = 0; j < n; j += cols) {
          const int width = least(n - j, cols);
          p.take_panel(least(terms, i0 + count - k0), width, b + k0 * ldb + j, ldb, side::plain);
          for (int i = i0; i < i0 + count; i += rows) {
            const bool crosses = i < k0 + terms;
            run({.rows = least(i0 + count - i, rows),
                 .cols = width,
                 .k = crosses ? (i - k0) / 2 : (terms + 1) / 2,
                 .a = p.left + (i - i0) * p.row,
                 .a_row = p.row,
                 .a_k = p.pair,
                 .b = p.panel,
                 .ldb = cols,
                 .c = c + i * ldc + j,
                 .ldc = ldc,
                 .last = cols,
                 .end = crosses ? tile_end::triangle : tile_end::add});
          }
        }
      }
    }
  }

 private:
  struct packed {
    static constexpr int room = 8192, pairs = bf16_pairs::whole(depth / 2);
    alignas(64) float memory[room];
    alignas(64) float panel[pairs * cols];
    const float* left = nullptr;  // the first row's first pair
    idx row = 0, pair = 0;        // from row to row and from pair to pair

    /// Packs rows of A, as many of m as there is room for; returns how many.
    int take_rows(int m, int terms, const float* a, idx a_row, idx a_k) {
      if (a_k == 1) {
        row = bf16_pairs::whole((terms + 1) / 2), pair = 1, left = memory;
        const int count = least(m, room / static_cast<int>(row) / rows * rows);
        bf16_pairs::along_rows(count, terms, a, a_row, memory, row);
        return count;
      }
      const int count = least(m, room / ((terms + 1) / 2) / bf16_pairs::width * bf16_pairs::width);
      row = a_row, pair = bf16_pairs::whole(count), left = a_row < 0 ? memory + count - 1 : memory;
      bf16_pairs::down_columns(terms, count, a_row < 0 ? a - (count - 1) : a, a_k, memory, pair);
      return count;
    }
    void take_panel(int terms, int width, const float* b, idx ldb, side b_side) {
      if (b_side == side::plain) return bf16_pairs::down_columns(terms, width, b, ldb, panel, cols);
      alignas(64) float along[bf16_pairs::width * pairs];
      const int ld = bf16_pairs::whole((terms + 1) / 2);
      for (int j = 0; j < width; j += bf16_pairs::width) {
        const int count = least(width - j, bf16_pairs::width);
        bf16_pairs::along_rows(count, terms, b + j * ldb, ldb, along, ld);
        avx512_shape<float>::enter<transpose_panel<avx512_shape<float>, true>>(ld, count, static_cast<const float*>(along), idx(ld),
                                                                               panel + j, idx(cols));
      }
    }
  };

  static void run(const tile_operands<float>& t) {
    if (least(t.cols, t.last + t.rows) <= bf16_pairs::width) pair_tile<1>::at(t);
    else pair_tile<2>::at(t);
  }
};

#undef COEFDYN_AVX512_BF16

}  // namespace coefdyn::cpu::detail

#endif  // __x86_64__ && __GNUC__
