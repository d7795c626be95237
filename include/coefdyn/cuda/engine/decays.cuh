// SPDX-License-Identifier: MIT
// Above 300 lines: one type, its gradients beside what they are of.
#pragma once
#include "operands.cuh"

/// Decays within a chunk and the Gram matrices they weight, by a team. Exponents are sums of log decays taken directly over
/// their range, as in cpu/skeletons/decays.hpp: never positive, and exact for log decays of any sizes mixed.
namespace coefdyn::cuda::generic::skeletons {

using cpu::skeletons::up_to;

template <skeleton Kind, class R, int Passes>
struct decays_of {
  using O = operands<Kind, R>;
  using P = products<R, Passes>;
  static constexpr int block = 16;
  int rows = 0, n = 0, ln = 0, lr = 0;
  R* D = nullptr;                                             // scalar: (rows, rows), e^(g_{j+1} + .. + g_i), 0 above
  R *prefix = nullptr, *suffix = nullptr, *all = nullptr;     // (rows, 1 or n): e^(g_0..g_i), e^(g_{i+1}..); (1 or n)
  R *anchored = nullptr, *factor = nullptr, *left = nullptr;  // channel: (rows, n), (rows, n), (block, n), backward twice

  /// Of a sum of log decays; where products are rounded to tf32 the hardware's own is exact enough.
  static __device__ R exp(R x) {
    if constexpr (std::is_same_v<R, float> && Passes == 1) {
      return __expf(x);
    } else {
      return math::exp(x);
    }
  }

  decays_of() = default;
  COEFDYN_HD decays_of(memory& a, int rows_, int n_, bool backward) : rows(rows_), n(n_), ln(padded(n_)), lr(padded(rows_)) {
    if (!O::has_decays) return;
    const int w = O::channel ? ln : 1;
    all = a.take<R>(w), prefix = a.take<R>(idx(rows) * w), suffix = a.take<R>(idx(rows) * w);
    if (!O::channel) D = a.take<R>(idx(rows) * lr);
    if (O::channel && rows > block)
      left = a.take<R>(idx(backward ? 2 : 1) * block * ln), anchored = a.take<R>(idx(rows) * ln), factor = a.take<R>(idx(rows) * ln);
  }

  // Each kernel function works on a copy of its object, so that the object's members are registers to it, not memory.
  __device__ __noinline__ void prepare(const O& o) {
    rows = o.rows;
    const O mine = o;
    const decays_of here = *this;
    here.prepare_here(mine);
  }
  __device__ __forceinline__ void prepare_here(const O& o) const {
    if constexpr (O::has_decays) {
      if constexpr (O::channel) {
        each_unsynced(2 * n, [&](int k) {
          const int c = k % n;
          R sum(0);
          if (k < n) {
            for (int r = 0; r < rows; ++r) prefix[r * ln + c] = exp(sum += o.g[r * ln + c]);
            all[c] = exp(sum);
          } else {
            for (int r = rows - 1; r >= 0; --r) suffix[r * ln + c] = exp(sum), sum += o.g[r * ln + c];
          }
        });
      } else {
        constexpr int piece = 16;
        each_unsynced((rows + piece - 1) / piece * rows, [&](int k) {  // column j, rows from i0
          const int j = k % rows, i0 = k / rows * piece, end = i0 + piece < rows ? i0 + piece : rows;
          R sum(0);
          for (int i = j + 1; i < i0; ++i) sum += o.g[i];
          for (int i = i0; i < end; ++i) {
            if (i > j) sum += o.g[i];
            D[i * lr + j] = i < j ? R(0) : exp(sum);
          }
        });
        each_unsynced(rows, [&](int r) {
          R before(0), after(0);
          for (int i = 0; i <= r; ++i) before += o.g[i];
          for (int i = rows - 1; i > r; --i) after += o.g[i];
          prefix[r] = exp(before), suffix[r] = exp(after);
          if (r == rows - 1) all[0] = exp(before);
        });
      }
      __syncthreads();
    }
  }
  /// What a row operand has seen from the chunk's start; what is left to its end.
  __device__ R start(up_to how, int r, int c) const {
    if constexpr (!O::has_decays) return R(1);
    else if (how == up_to::own_row) return prefix[O::channel ? r * ln + c : r];
    else return r ? prefix[O::channel ? (r - 1) * ln + c : r - 1] : R(1);
  }
  __device__ R end(int r, int c) const {
    if constexpr (!O::has_decays) return R(1);
    else return suffix[O::channel ? r * ln + c : r];
  }
  __device__ R whole(int c) const {
    if constexpr (!O::has_decays) return R(1);
    else return all[O::channel ? c : 0];
  }
  __device__ __noinline__ void from_start(up_to how, const R* X, R* Y) const {
    const decays_of here = *this;
    each2(here.rows, here.n, [&](int r, int c) { Y[r * here.ln + c] = here.start(how, r, c) * X[r * here.ln + c]; });
  }
  __device__ __noinline__ void to_end(const R* X, R* Y) const {
    const decays_of here = *this;
    each2(here.rows, here.n, [&](int r, int c) { Y[r * here.ln + c] = here.end(r, c) * X[r * here.ln + c]; });
  }

  /// G_ij = sum_c A_ic B_jc e^(decay between), for j <= i (own_row) or j < i (row_before, decay up to row i - 1); 0 elsewhere.
  __device__ __noinline__ void gram(const O& o, up_to how, const R* A, const R* B, R* G) const {
    const O mine = o;
    const decays_of here = *this;
    here.gram_here(mine, how, A, B, G);
  }
  __device__ __forceinline__ void gram_here(const O& o, up_to how, const R* A, const R* B, R* G) const {
    const int skip = how == up_to::row_before ? 1 : 0;
    each2(rows, rows, [&](int i, int j) { G[i * lr + j] = R(0); });
    if (rows <= skip) return;
    if constexpr (!O::channel) {
      P::nt(rows - skip, rows - skip, n, A + skip * ln, ln, B, ln, G + skip * lr, lr, part::lower_out);
      each2(rows, rows, [&](int i, int j) {
        if (j > i - skip) G[i * lr + j] = R(0);
        else if constexpr (O::has_decays) G[i * lr + j] = D[(i - skip) * lr + j] * G[i * lr + j];
      });
    } else {
      for_each_block(o, how, A, B, [&](int i0, int m) { P::nt(m, i0, n, left, ln, anchored, ln, G + i0 * lr, lr); });
      const int warp = int(threadIdx.x) / 32, warps = int(blockDim.x) / 32, lane = int(threadIdx.x) % 32;
      for (int j = warp; j < rows; j += warps) {  // within blocks, a warp has a column
        const int end = j / block * block + block < rows ? j / block * block + block : rows;
        R sum[block] = {};
        for (int c = lane; c < n; c += 32) {
          R log(0);
          const R b = B[j * ln + c];
#pragma unroll
          for (int k = 0; k < block; ++k) {
            const int i = j + skip + k;
            if (i < end) {
              if (k > 0) log += o.g[(i - skip) * ln + c];
              sum[k] += A[i * ln + c] * (b * exp(log));
            }
          }
        }
        // sixteen sums over the warp at once: each step halves the values that a lane has
#pragma unroll
        for (int half = block / 2; half >= 1; half /= 2) {
          const int other = 2 * half;  // lanes that differ in this bit exchange
          const bool up = lane & other;
#pragma unroll
          for (int k = 0; k < half; ++k) {
            const R give = up ? sum[k] : sum[k + half], keep = up ? sum[k + half] : sum[k];
            sum[k] = keep + __shfl_xor_sync(~0u, give, other);
          }
        }
        const R total = sum[0] + __shfl_xor_sync(~0u, sum[0], 1);
        const int k = lane / 2;
        if (lane % 2 == 0 && j + skip + k < end) G[(j + skip + k) * lr + j] = total;
      }
      __syncthreads();
    }
  }
  /// dA, dB += from dG, which is 0 where G is; by channel dg (rows, ln) too, which is what passes each decay: sums without differences,
  /// exactly 0 where nothing passes.
  __device__ __noinline__ void gram_backward(const O& o, up_to how, const R* A, const R* B, R* dG, R* dA, R* dB, R* dg) const {
    const O mine = o;
    const decays_of here = *this;
    here.gram_backward_here(mine, how, A, B, dG, dA, dB, dg);
  }
  __device__ __forceinline__ void gram_backward_here(const O& o, up_to how, const R* A, const R* B, R* dG, R* dA, R* dB,
                                                     [[maybe_unused]] R* dg) const {
    const int skip = how == up_to::row_before ? 1 : 0;
    if (rows <= skip) return;
    if constexpr (!O::channel) {
      R* d = dG + skip * lr;
      if constexpr (O::has_decays) each2(rows - skip, rows, [&](int i, int j) { d[i * lr + j] = D[i * lr + j] * d[i * lr + j]; });
      P::nn(rows - skip, n, rows - skip, d, lr, B, ln, dA + skip * ln, ln, part::lower_left);
      P::tn(rows - skip, n, rows - skip, d, lr, A + skip * ln, ln, dB, ln, part::upper_left);
    } else {
      for_each_block(o, how, A, B, [&](int i0, int m) { across_blocks_backward(o, i0, m, skip, A, dG + i0 * lr, dA, dB, dg); });
      each2((rows + block - 1) / block, n, [&](int b, int c) { within_block_backward(o, b * block, c, skip, A, B, dG, dA, dB, dg); });
    }
  }
  /// dg of what every row i takes from the chunk's start: the decays up to the one that it has seen pass <x_i, dx_i>. Into
  /// `out`: by channel dg itself, else (rows), which `sum_decays` takes.
  __device__ __noinline__ void add_inflow(up_to how, const R* x, const R* dx, [[maybe_unused]] R* out) const {
    const decays_of here = *this;
    const int skip = how == up_to::row_before ? 1 : 0, ln = here.ln, n = here.n, rows = here.rows;
    if constexpr (O::channel) {
      each(n, [&](int c) {
        const int last = (rows - 1) * ln + c;
        add_running(rows - skip, [&](int k) { return x[last - k * ln] * dx[last - k * ln]; }, out + last - skip * ln, -ln);
      });
    } else if constexpr (O::has_decays) {
      each_sum(
          rows - skip, n, [&](int r, int c) { return x[(r + skip) * ln + c] * dx[(r + skip) * ln + c]; },
          [&](int r, R sum) { out[r] += sum; });
    }
  }
  /// dg of what every row gives to the chunk's end: the decays after it pass <x_r, dx_r>, dx behind its own decay; likewise.
  __device__ __noinline__ void add_outflow(const R* x, const R* dx, [[maybe_unused]] R* out) const {
    const decays_of here = *this;
    const int ln = here.ln, n = here.n, rows = here.rows;
    if constexpr (O::channel) {
      each(n, [&](int c) { add_running(rows - 1, [&](int r) { return x[r * ln + c] * dx[r * ln + c]; }, out + ln + c, ln); });
    } else if constexpr (O::has_decays) {
      each_sum(rows, n, [&](int r, int c) { return x[r * ln + c] * dx[r * ln + c]; }, [&](int r, R sum) { out[r] += sum; });
    }
  }
  /// dg of a Gram matrix G, of one decay a row: decay t passes G_ij dG_ij of the columns before it and the rows from its own on. G is
  /// overwritten; by channel gram_backward has done it.
  __device__ __noinline__ void add_pairs(up_to how, R* G, const R* dG, R* dg) const {
    const int skip = how == up_to::row_before ? 1 : 0, lr = this->lr, rows = this->rows, lane = int(threadIdx.x) % 32;
    for (int i = int(threadIdx.x) / 32; i < rows; i += int(blockDim.x) / 32) {  // a warp has a row: sums over the columns before each
      R before(0);
      for (int first = 0; first <= i; first += 32) {
        const int j = first + lane;
        R sum = j <= i ? G[i * lr + j] * dG[i * lr + j] : R(0);
        for (int by = 1; by < 32; by *= 2) {
          const R other = __shfl_up_sync(~0u, sum, by);
          if (lane >= by) sum += other;
        }
        const R up_to_last = __shfl_up_sync(~0u, sum, 1);
        if (j <= i) G[i * lr + j] = before + (lane ? up_to_last : R(0));
        before += __shfl_sync(~0u, sum, 31);
      }
    }
    __syncthreads();
    each(rows - skip, [&](int t) {
      R sum(0);
      for (int i = t + skip; i < rows; ++i) sum += G[i * lr + t];
      dg[t] += sum;
    });
  }
  /// Adds to dg what passes all rows (flux: (1 or n)), and of one decay a row what comes from the start and goes to the end.
  __device__ __noinline__ void sum_decays(const R* inflow, const R* outflow, const R* flux, R* dg) const {
    if constexpr (O::channel) {
      each2(rows, n, [&](int r, int c) { dg[r * ln + c] += flux[c]; });
    } else if constexpr (O::has_decays) {
      each(1, [&](int) {
        R written = flux[0], read(0);
        for (int t = 0; t < rows; ++t) dg[t] += written, written += outflow[t];
        for (int t = rows - 1; t >= 0; --t) dg[t] += read += inflow[t];
      });
    }
  }

 private:
  // decay from a block's start to what its row i has seen
  __device__ R within(const O& o, int i0, int i, int c, int skip) const {
    R log(0);
    for (int k = 0; k <= i - skip; ++k) log += o.g[(i0 + k) * ln + c];
    return exp(log);
  }
  // gram_backward of block i0 of m rows and the columns before it: dG those rows'
  __device__ __forceinline__ void across_blocks_backward(const O& o, int i0, int m, int skip, const R* A, const R* dG, R* dA, R* dB,
                                                         R* dg) const {
    R* const passed = left + block * ln;
    each2(m, n, [&](int i, int c) {
      R t(0);
      for (int j = 0; j < i0; ++j) t += dG[i * lr + j] * anchored[j * ln + c];
      const R da = within(o, i0, i, c, skip) * t;
      dA[(i0 + i) * ln + c] += da;
      passed[i * ln + c] = A[(i0 + i) * ln + c] * da;
    });
    each2(i0, n, [&](int j, int c) {  // dB_j += factor_j o sum_i dG_ij left_i
      R t(0);
      for (int i = 0; i < m; ++i) t += dG[i * lr + j] * left[i * ln + c];
      dB[j * ln + c] += factor[j * ln + c] * t;
      anchored[j * ln + c] = anchored[j * ln + c] * t;
    });
    each(2 * n, [&](int k) {
      const int c = k % n;
      if (k < n) {  // a decay before the block is passed by the columns before it
        add_running(i0 - 1, [&](int j) { return anchored[j * ln + c]; }, dg + ln + c, ln);
      } else {  // one of the block by the rows from its own on
        const int last = (m - 1) * ln + c;
        add_running(m - skip, [&](int i) { return passed[last - i * ln]; }, dg + (i0 - skip) * ln + last, -ln);
      }
    });
  }
  // gram_backward of the rows and columns of the block at i0, channel c: a thread has a channel
  __device__ __forceinline__ void within_block_backward(const O& o, int i0, int c, int skip, const R* A, const R* B, const R* dG, R* dA,
                                                        R* dB, R* dg) const {
    constexpr int batch = 4;  // loads at once
    const int end = i0 + block < rows ? i0 + block : rows;
    for (int j = i0; j < end; ++j) {
      R log(0), dB_j(0), pair[block];
      const R b_j = B[j * ln + c];
#pragma unroll
      for (int first = 0; first < block; first += batch) {
        R g[batch], a[batch], d[batch], da[batch];
#pragma unroll
        for (int k = 0; k < batch; ++k) {
          const int i = j + skip + first + k;
          const bool here = i < end;
          g[k] = here && first + k > 0 ? o.g[(i - skip) * ln + c] : R(0), d[k] = here ? dG[i * lr + j] : R(0);
          a[k] = here ? A[i * ln + c] : R(0), da[k] = here ? dA[i * ln + c] : R(0);
        }
#pragma unroll
        for (int k = 0; k < batch; ++k) {
          const int i = j + skip + first + k;
          pair[first + k] = R(0);
          if (i < end) {
            const R f = d[k] * exp(log += g[k]);
            dA[i * ln + c] = da[k] + f * b_j;
            dB_j += f * a[k];
            pair[first + k] = f * a[k] * b_j;
          }
        }
      }
      dB[j * ln + c] += dB_j;
      add_running_pairs<batch>(pair, end - skip - j, dg + j * ln + c);
    }
  }
  // Decay k of a column passes its pairs from the k-th on: into dg_k for 0 < k < count.
  template <int Batch>
  __device__ __forceinline__ void add_running_pairs(const R (&pair)[block], int count, R* dg) const {
    R sum(0);
#pragma unroll
    for (int first = block - Batch; first >= 0; first -= Batch) {
      R before[Batch];
#pragma unroll
      for (int k = 0; k < Batch; ++k) before[k] = first + k < count ? dg[(first + k) * ln] : R(0);
#pragma unroll
      for (int k = Batch - 1; k >= 0; --k) {
        sum += pair[first + k];
        if (first + k > 0 && first + k < count) dg[(first + k) * ln] = before[k] + sum;
      }
    }
  }
  // out_k += term(0) + .. + term(k) for k < count, rows of `out` by `stride`: eight loads at once.
  template <class Term>
  static __device__ __forceinline__ void add_running(int count, Term term, R* out, int stride) {
    constexpr int batch = 8;
    R sum(0);
    for (int first = 0; first < count; first += batch) {
      R x[batch], before[batch];
#pragma unroll
      for (int k = 0; k < batch; ++k) {
        const bool here = first + k < count;
        x[k] = here ? term(first + k) : R(0), before[k] = here ? out[(first + k) * stride] : R(0);
      }
#pragma unroll
      for (int k = 0; k < batch; ++k) {
        sum += x[k];
        if (first + k < count) out[(first + k) * stride] = before[k] + sum;
      }
    }
  }
  // For each block after the first: `anchored` = rows of B before it, decayed to its start; `left` = rows of A from its start.
  template <class F>
  __device__ void for_each_block(const O& o, up_to how, const R* A, const R* B, F body) const {
    const int skip = how == up_to::row_before ? 1 : 0;
    for (int i0 = block; i0 < rows; i0 += block) {
      const int last = i0 - block, m = rows - i0 < block ? rows - i0 : block;
      each(n, [&](int c) {
        R sum(0);
        for (int j = i0 - 1; j >= last; --j) factor[j * ln + c] = exp(sum), sum += o.g[j * ln + c];
        const R through = exp(sum);
        for (int j = 0; j < last; ++j) factor[j * ln + c] = factor[j * ln + c] * through;
      });
      each2(i0 + m, n, [&](int j, int c) {
        if (j < i0) anchored[j * ln + c] = factor[j * ln + c] * B[j * ln + c];
        else left[(j - i0) * ln + c] = within(o, i0, j - i0, c, skip) * A[j * ln + c];
      });
      body(i0, m);
    }
  }
};

}  // namespace coefdyn::cuda::generic::skeletons
