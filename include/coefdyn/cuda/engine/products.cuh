// SPDX-License-Identifier: MIT
#pragma once
#include "team.cuh"

/// Matrix products of a team over matrices in its memory, any sizes: C += A B with A, B as they lie or transposed. Floats go
/// through the tensor cores as tf32 (one product for 16-bit storage, three, error about 2^-23, for 32-bit), doubles through
/// plain arithmetic. Every element of C has one owner and a fixed order of sums. Not inlined: a chunk
/// has dozens of them.
namespace coefdyn::cuda::generic {

/// Rows of a matrix in shared memory lie so that eight rows by four columns meet 32 banks.
COEFDYN_HD constexpr int padded(int columns) { return (columns + 3) / 4 * 4 + 4; }

/// Which part of a product is known to be zero.
enum class part {
  all,
  lower_left,  // A is lower triangular: C_i takes B_k, k <= i
  upper_left,  // A transposed is lower triangular: C_i takes B_k, k >= i
  lower_out    // only C_ij with j <= i is wanted (others may or may not be added)
};

__device__ __forceinline__ void mma_tf32(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
/// Rounded to tf32.
__device__ __forceinline__ unsigned rounded(float x) {
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
}
/// x as two tf32 numbers: rounded to nearest, so that the second has room for all but one of the bits that the first drops.
__device__ __forceinline__ void split(float x, unsigned& high, unsigned& low) {
  high = rounded(x);
  low = rounded(x - __uint_as_float(high));
}

template <class R, int Passes>
struct products {
  /// C (m, n) += A (m, k) B (k, n); A_ik at A[i ai + k ak], B_kj at B[k bk + j bj], C_ij at C[i ldc + j].
  static __device__ __noinline__ void multiply(part how, int m, int n, int k, const R* A, int ai, int ak, const R* B, int bk, int bj, R* C,
                                               int ldc) {
    if constexpr (std::is_same_v<R, float>) {
      constexpr int across = 4;  // tiles of 8 columns that a warp has at once
      const int warp = int(threadIdx.x) / 32, warps = int(blockDim.x) / 32, g = int(threadIdx.x) % 32 / 4, t = int(threadIdx.x) % 4;
      const int down = (m + 15) / 16, right = (n + 8 * across - 1) / (8 * across);
      for (int tile = warp; tile < down * right; tile += warps) {
        const int i0 = tile / right * 16, j0 = tile % right * (8 * across);
        if (how == part::lower_out && j0 > i0 + 15) continue;
        const int begin = how == part::upper_left ? i0 / 8 * 8 : 0, end = how == part::lower_left ? (i0 + 16 < k ? i0 + 16 : k) : k;
        const bool low_row = i0 + g < m, high_row = i0 + g + 8 < m;
        const R* const a_low = A + (i0 + g) * ai;
        const R* const a_high = a_low + 8 * ai;
        float c[across][4] = {};
#pragma unroll 2
        for (int k0 = begin; k0 < end; k0 += 8) {
          const int k1 = k0 + t, k2 = k1 + 4;
          const bool in1 = k1 < end, in2 = k2 < end;
          unsigned a[4], a_rest[4], b[2], b_rest[2];
          const float x[4] = {low_row && in1 ? a_low[k1 * ak] : 0.f, high_row && in1 ? a_high[k1 * ak] : 0.f,
                              low_row && in2 ? a_low[k2 * ak] : 0.f, high_row && in2 ? a_high[k2 * ak] : 0.f};
#pragma unroll
          for (int i = 0; i < 4; ++i) {
            if constexpr (Passes == 3) split(x[i], a[i], a_rest[i]);
            else a[i] = rounded(x[i]);
          }
#pragma unroll
          for (int s = 0; s < across; ++s) {
            const int j = j0 + 8 * s + g;
            const bool here = j < n;
            const float y[2] = {here && in1 ? B[k1 * bk + j * bj] : 0.f, here && in2 ? B[k2 * bk + j * bj] : 0.f};
#pragma unroll
            for (int i = 0; i < 2; ++i) {
              if constexpr (Passes == 3) split(y[i], b[i], b_rest[i]);
              else b[i] = rounded(y[i]);
            }
            if constexpr (Passes == 3) mma_tf32(c[s], a_rest, b), mma_tf32(c[s], a, b_rest);
            mma_tf32(c[s], a, b);
          }
        }
#pragma unroll
        for (int s = 0; s < across; ++s)
#pragma unroll
          for (int i = 0; i < 4; ++i) {
            const int row = i0 + g + (i / 2) * 8, column = j0 + 8 * s + 2 * t + i % 2;
            if (row < m && column < n) C[row * ldc + column] += c[s][i];
          }
      }
    } else {
      for (int at = int(threadIdx.x); at < m * n; at += int(blockDim.x)) {
        const int i = at / n, j = at % n;
        if (how == part::lower_out && j > i) continue;
        const int begin = how == part::upper_left ? i : 0, end = how == part::lower_left ? (i + 1 < k ? i + 1 : k) : k;
        R sum(0);
        for (int l = begin; l < end; ++l) sum += A[i * ai + l * ak] * B[l * bk + j * bj];
        C[i * ldc + j] += sum;
      }
    }
    __syncthreads();
  }
  static __device__ void nn(int m, int n, int k, const R* A, int lda, const R* B, int ldb, R* C, int ldc, part how = part::all) {
    multiply(how, m, n, k, A, lda, 1, B, ldb, 1, C, ldc);
  }
  static __device__ void nt(int m, int n, int k, const R* A, int lda, const R* B, int ldb, R* C, int ldc, part how = part::all) {
    multiply(how, m, n, k, A, lda, 1, B, 1, ldb, C, ldc);
  }
  static __device__ void tn(int m, int n, int k, const R* A, int lda, const R* B, int ldb, R* C, int ldc, part how = part::all) {
    multiply(how, m, n, k, A, 1, lda, B, ldb, 1, C, ldc);
  }

  /// X (m, n) <- (I - L)^-1 X by substitution in blocks of 16 rows; L (m, m) strictly lower triangular.
  static __device__ __noinline__ void solve_lower(int m, int n, const R* L, int ldl, R* X, int ldx) {
    for (int i0 = 0; i0 < m; i0 += 16) {
      const int end = i0 + 16 < m ? i0 + 16 : m;
      each(n, [&](int v) {
        for (int i = i0 + 1; i < end; ++i) {
          R sum = X[i * ldx + v];
          for (int j = i0; j < i; ++j) sum += L[i * ldl + j] * X[j * ldx + v];
          X[i * ldx + v] = sum;
        }
      });
      if (end < m) nn(m - end, n, end - i0, L + end * ldl + i0, ldl, X + i0 * ldx, ldx, X + end * ldx, ldx);
    }
  }
  /// X <- (I - L)^-T X.
  static __device__ __noinline__ void solve_lower_transposed(int m, int n, const R* L, int ldl, R* X, int ldx) {
    for (int i0 = (m - 1) / 16 * 16; i0 >= 0; i0 -= 16) {
      const int end = i0 + 16 < m ? i0 + 16 : m;
      each(n, [&](int v) {
        for (int i = end - 2; i >= i0; --i) {
          R sum = X[i * ldx + v];
          for (int j = i + 1; j < end; ++j) sum += L[j * ldl + i] * X[j * ldx + v];
          X[i * ldx + v] = sum;
        }
      });
      if (i0 > 0) tn(i0, n, end - i0, L + i0 * ldl, ldl, X + i0 * ldx, ldx, X, ldx);
    }
  }
  /// out_r += sum_c A_rc B_rc.
  static __device__ __noinline__ void row_dots(int m, int n, const R* A, int lda, const R* B, int ldb, R* out) {
    each_sum(m, n, [&](int r, int c) { return A[r * lda + c] * B[r * ldb + c]; }, [&](int r, R sum) { out[r] += sum; });
  }
};

}  // namespace coefdyn::cuda::generic
