// SPDX-License-Identifier: MIT
#pragma once

#include <coefdyn/cpu/products/table.hpp>
#include <cstddef>
#include <stdexcept>

/// COEFDYN_TARGETS says where the vector targets are. 1, as CMake's coefdyn::coefdyn and pkg-config's coefdyn define it: in the
/// library that is linked, of which this is the reference, and with them the checks of a call (core/config.hpp). 0: in another file
/// of the program, which includes targets.hpp, or nowhere. Where nothing has been said, a note says what is missing.
#if defined(COEFDYN_TARGETS) && COEFDYN_TARGETS
namespace coefdyn::cpu::detail {
bool add_targets();  // targets.cpp
inline const bool targets_added = add_targets();
}  // namespace coefdyn::cpu::detail
#elif !defined(COEFDYN_TARGETS) && !defined(__CUDACC__) && defined(__GNUC__) && (defined(__x86_64__) || defined(__aarch64__))
#pragma message( \
    "coefdyn: no vector targets here, so that CPU forms run plain loops: link coefdyn::coefdyn (CMake, pkg-config), or include <coefdyn/cpu/targets.hpp> first in one file and compile the others with -DCOEFDYN_TARGETS=0")
#endif

namespace coefdyn::cpu {

/// The small dense products and elementwise kernels that the chunkwise forms are written in, for one target.
///
/// shape   row-major with a row stride in entries, at least the width; any size from 0 on, no alignment demanded.
///         Outputs do not overlap inputs, but an elementwise output may be one of its inputs.
/// range   the target `portable` is plain loops, for any R; the others are for float and double, in programs that
///         link the package's library or of which one file includes <coefdyn/cpu/targets.hpp>
/// error   `on` throws std::invalid_argument for a target that machine or program lacks; NaN in gives NaN out
/// bits    an entry's sum runs in an order that depends on its number of terms, the target and R alone: not on the other
///         rows or columns of the call, nor on alignment or threads. No allocation; at most 64 KB of stack.
template <class R>
struct products {
  /// The fastest target that both the machine and the program have.
  static products best() {
    for (target t : {target::avx512, target::avx2, target::neon})
      if (table(t) != nullptr && has_target(t)) return products(table(t));
    return products(table(target::portable));
  }
  /// Products (nn to tn_lower_left) whose factors are rounded to bf16, to nearest even, with sums in R: where float has
  /// them (AVX512-BF16), all else as best(); where not, best(). Subnormal factors and sums may become 0.
  static products rounded() {
    constexpr target t = target::avx512_bf16;
    return table(t) != nullptr && has_target(t) ? products(table(t)) : best();
  }
  static products on(target t) {
    if (!has_target(t)) COEFDYN_THROW std::invalid_argument("coefdyn: this machine lacks the target asked for; use best().");
    if (table(t) == nullptr)
      COEFDYN_THROW std::invalid_argument(
          "coefdyn: this program lacks the target asked for; link coefdyn::coefdyn or include <coefdyn/cpu/targets.hpp> in one of "
          "its files (float and double).");
    return products(table(t));
  }
  /// The target that this handle runs on.
  target where() const { return table_->name; }

  /// C (m, n) += A B, A (m, k), B (k, n).
  void nn(int m, int n, int k, const R* A, idx lda, const R* B, idx ldb, R* C, idx ldc) const {
    table_->nn(m, n, k, A, lda, B, ldb, C, ldc);
  }
  /// C (m, n) += A B', A (m, k), B stored (n, k).
  void nt(int m, int n, int k, const R* A, idx lda, const R* B, idx ldb, R* C, idx ldc) const {
    table_->nt(m, n, k, A, lda, B, ldb, C, ldc);
  }
  /// C (m, n) += A' B, A stored (k, m), B (k, n).
  void tn(int m, int n, int k, const R* A, idx lda, const R* B, idx ldb, R* C, idx ldc) const {
    table_->tn(m, n, k, A, lda, B, ldb, C, ldc);
  }
  /// The columns <= row of C (m, m) += A B', A (m, k), B stored (m, k). Entries above the diagonal keep their value.
  void nt_lower(int m, int k, const R* A, idx lda, const R* B, idx ldb, R* C, idx ldc) const {
    table_->nt_lower(m, k, A, lda, B, ldb, C, ldc);
  }
  /// C (m, n) += A B, A (m, m) lower triangular with its diagonal. What is stored above the diagonal is not used, and
  /// row i of C does not depend on the rows of B after i.
  void nn_lower_left(int m, int n, const R* A, idx lda, const R* B, idx ldb, R* C, idx ldc) const {
    table_->nn_lower_left(m, n, A, lda, B, ldb, C, ldc);
  }
  /// C (m, n) += A' B, A as above: row i of C does not depend on the rows of B before i.
  void tn_lower_left(int m, int n, const R* A, idx lda, const R* B, idx ldb, R* C, idx ldc) const {
    table_->tn_lower_left(m, n, A, lda, B, ldb, C, ldc);
  }
  /// X (m, n) := (I - L)^{-1} X by forward substitution; only the entries of L below the diagonal are used.
  void solve_lower(int m, int n, const R* L, idx ldl, R* X, idx ldx) const { table_->solve_lower(m, n, L, ldl, X, ldx); }
  /// X (m, n) := (I - L')^{-1} X by backward substitution; L as above.
  void solve_lower_transposed(int m, int n, const R* L, idx ldl, R* X, idx ldx) const {
    table_->solve_lower_transposed(m, n, L, ldl, X, ldx);
  }
  /// y = e^x within 2 ulp; 0 for -inf, +inf beyond the largest R.
  void exp(idx count, const R* x, R* y) const { table_->exp(count, x, y); }
  /// Y[i][c] = f[i] X[i][c].
  void scale_rows(int m, int n, const R* f, const R* X, idx ldx, R* Y, idx ldy) const { table_->scale_rows(m, n, f, X, ldx, Y, ldy); }
  /// Y = F o X, entry by entry, row after row: X may also be Y one row behind, which makes running products.
  void multiply(int m, int n, const R* F, idx ldf, const R* X, idx ldx, R* Y, idx ldy) const {
    table_->multiply(m, n, F, ldf, X, ldx, Y, ldy);
  }
  /// Y += F o X, entry by entry.
  void multiply_add(int m, int n, const R* F, idx ldf, const R* X, idx ldx, R* Y, idx ldy) const {
    table_->multiply_add(m, n, F, ldf, X, ldx, Y, ldy);
  }
  /// Y += X.
  void add(int m, int n, const R* X, idx ldx, R* Y, idx ldy) const { table_->add(m, n, X, ldx, Y, ldy); }
  /// out[i] += <X_i, Y_i>.
  void row_dots(int m, int n, const R* X, idx ldx, const R* Y, idx ldy, R* out) const { table_->row_dots(m, n, X, ldx, Y, ldy, out); }
  /// out[c] += sum_i X[i][c] Y[i][c].
  void col_dots(int m, int n, const R* X, idx ldx, const R* Y, idx ldy, R* out) const { table_->col_dots(m, n, X, ldx, Y, ldy, out); }
  /// C[i][j] += sum_c A[i][c] B[j][c] prod_{j<t<=i} f[t][c] for j <= i < m <= 32; A, B, f (m, n). Decays are products of the
  /// given f, never ratios: with f <= 1 none is larger. Entries above the diagonal are untouched.
  void decayed_gram_lower(int m, int n, const R* A, idx lda, const R* B, idx ldb, const R* f, idx ldf, R* C, idx ldc) const {
    if (m > 32) COEFDYN_THROW std::invalid_argument("coefdyn: decayed_gram_lower takes at most 32 rows; call it per block.");
    table_->decayed_gram_lower(m, n, A, lda, B, ldb, f, ldf, C, ldc);
  }
  /// Its backward, from d = dC (m, m), m <= 16: da += dA, db += dB and, without differences, dlog += d(log f).
  void decayed_gram_backward(int m, int n, const detail::gram_gradient_operands<R>& o) const {
    if (m > 16) COEFDYN_THROW std::invalid_argument("coefdyn: decayed_gram_backward takes at most 16 rows; call it per block.");
    table_->decayed_gram_backward(m, n, o);
  }
  /// out[i][c] += sum_{s<=i} X[s][c] Y[s][c], s in order; strides may be negative, to sum from the last row, or 0.
  void running_dots(int m, int n, const R* X, idx ldx, const R* Y, idx ldy, R* out, idx ldo) const {
    table_->running_dots(m, n, X, ldx, Y, ldy, out, ldo);
  }
  /// Y[i][c] += f[i] X[i][c].
  void add_scaled_rows(int m, int n, const R* f, const R* X, idx ldx, R* Y, idx ldy) const {
    table_->add_scaled_rows(m, n, f, X, ldx, Y, ldy);
  }
  /// Y (n, m) := X', X (m, n).
  void transpose(int m, int n, const R* X, idx ldx, R* Y, idx ldy) const { table_->transpose(m, n, X, ldx, Y, ldy); }
  /// Z[i][c] := exp(Z[i][c] - top[i]), top[i] first raised to the row's largest entry; factor[i]: e^(old - new top), 0
  /// where the old one is math::unset_maximum, that of nothing; sum[i]: of the row's new entries.
  void exp_rows(int m, int n, R* Z, idx ldz, R* top, R* factor, R* sum) const { table_->exp_rows(m, n, Z, ldz, top, factor, sum); }
  /// One row of a linear recurrence, one pass over the state from memory:
  /// r = s from' row, to = diag(w) from + col r' + k (b v)', y = to' q; without col, the correction is along k.
  void state_row(int n, const detail::state_row_operands<R>& o) const { table_->state_row(n, o.d, o); }
  /// One decode step on a state S (n, d) in one pass: S = diag(w) S + kb v', then y = S' q; w may be null, for 1.
  void step(int n, int d, const R* w, const R* kb, const R* v, const R* q, R* S, idx lds, R* y) const {
    state_row(n, {.w = w,
                  .row = nullptr,
                  .col = nullptr,
                  .k = kb,
                  .v = v,
                  .q = q,
                  .s = R(0),
                  .b = R(1),
                  .decay = R(1),
                  .from = S,
                  .ld_from = lds,
                  .to = S,
                  .ld_to = lds,
                  .y = y,
                  .d = d});
  }

 private:
  static const detail::product_table<R>* table(target t) { return detail::tables<R>[static_cast<std::size_t>(t)]; }
  explicit products(const detail::product_table<R>* table) : table_(table) {}
  const detail::product_table<R>* table_;
};

}  // namespace coefdyn::cpu
