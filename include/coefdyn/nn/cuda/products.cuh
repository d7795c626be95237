// SPDX-License-Identifier: MIT
#pragma once
#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "../../core/low_precision.hpp"
#include "../../cuda/device.cuh"

/// Matrix products of a GPU by cuBLASLt.
namespace coefdyn::nn::gpu {

/// A call of cuBLASLt that failed, with its own words.
struct cublas_error : std::runtime_error {
  cublasStatus_t code;
  cublas_error(cublasStatus_t code_, const std::string& call)
      : std::runtime_error("coefdyn: " + call + " failed: " + cublasLtGetStatusString(code_)), code(code_) {}
};
/// Throws where a call failed.
inline void checked(cublasStatus_t code, const char* call) {
  if (code != CUBLAS_STATUS_SUCCESS) COEFDYN_THROW cublas_error(code, call);
}

/// A row-major matrix, rows `stride` apart.
template <class T>
struct matrix {
  T* data;
  idx rows, columns, stride;
};

/// C = A B or C += A B for row-major matrices, each of A and B as it stands or transposed. The algorithm is the first that cuBLASLt's
/// heuristics name for the shape, which no timing decides; it is asked for once a shape. Sums of split products are added in a fixed order.
/// Single precision throughout for float, unless `tf32` is allowed; factors may be bf16 beside a result in float, with sums in float.
class products {
 public:
  bool tf32 = false;
  bool bf16_factors = false;  // projections round theirs to bf16 before (nn/cuda/linear.cuh)

  explicit products(const device::cuda& on) : stream_(on.stream) {}
  products(const products&) = delete;
  products& operator=(const products&) = delete;
  ~products() {
    for (auto& [key, plan] : plans_) destroy(plan);
    if (handle_) cublasLtDestroy(handle_);
    cudaFree(workspace_);
  }
  /// `swap_a`, `swap_b`: A and B are the transposes of what is given.
  template <class F, class R>
  void operator()(matrix<const F> A, bool swap_a, matrix<const F> B, bool swap_b, matrix<R> C, bool add) {
    static_assert(std::is_same_v<F, R> || (std::is_same_v<F, bf16> && std::is_same_v<R, float>));
    // column-major, all three are transposed: C' = B' A'
    const shape key{sizeof(F),
                    swap_b,
                    swap_a,
                    add,
                    tf32,
                    C.columns,
                    C.rows,
                    swap_a ? A.rows : A.columns,
                    stride_of(B),
                    stride_of(A),
                    stride_of(C),
                    alignment(B.data),
                    alignment(A.data),
                    alignment(C.data)};
    const plan& p = plan_of<F, R>(key);
    const R one = R(1), beta = R(add ? 1 : 0);
    checked(cublasLtMatmul(handle_, p.product, &one, B.data, p.a, A.data, p.b, &beta, C.data, p.c, C.data, p.c, &p.algorithm, workspace_,
                           workspace_bytes, stream_),
            "cublasLtMatmul");
  }

 private:
  static constexpr std::size_t workspace_bytes = std::size_t(32) << 20;
  using shape = std::array<idx, 14>;
  struct plan {
    cublasLtMatmulDesc_t product = nullptr;
    cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr;
    cublasLtMatmulAlgo_t algorithm{};
  };
  template <class T>
  static idx stride_of(const matrix<T>& m) {
    return m.rows > 1 ? m.stride : std::max(m.stride, m.columns);
  }
  static idx alignment(const void* p) {
    const auto address = reinterpret_cast<std::uintptr_t>(p) | 256;
    return idx(address & (~address + 1));
  }
  template <class F, class R>
  const plan& plan_of(const shape& key) {
    const auto found = plans_.find(key);
    if (found != plans_.end()) return found->second;
    if (!handle_) checked(cublasLtCreate(&handle_), "cublasLtCreate");
    if (!workspace_) coefdyn::cuda::checked(cudaMalloc(&workspace_, workspace_bytes), "cudaMalloc");
    plan p;
    try {
      make<F, R>(key, p);
    } catch (...) {
      destroy(p);
      throw;
    }
    return plans_.emplace(key, p).first->second;
  }
  template <class F, class R>
  void make(const shape& key, plan& p) const {
    static_assert(std::is_same_v<R, float> || std::is_same_v<R, double>);
    constexpr bool single = std::is_same_v<R, float>;
    const auto [bytes, swap_a, swap_b, add, fast, m, n, k, lda, ldb, ldc, align_a, align_b, align_c] = key;
    const cudaDataType_t type = single ? CUDA_R_32F : CUDA_R_64F, factors = std::is_same_v<F, bf16> ? CUDA_R_16BF : type;
    const cublasComputeType_t compute = !single ? CUBLAS_COMPUTE_64F : fast ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    checked(cublasLtMatmulDescCreate(&p.product, compute, type), "cublasLtMatmulDescCreate");
    const cublasOperation_t op_a = swap_a ? CUBLAS_OP_T : CUBLAS_OP_N, op_b = swap_b ? CUBLAS_OP_T : CUBLAS_OP_N;
    checked(cublasLtMatmulDescSetAttribute(p.product, CUBLASLT_MATMUL_DESC_TRANSA, &op_a, sizeof op_a), "cublasLtMatmulDescSetAttribute");
    checked(cublasLtMatmulDescSetAttribute(p.product, CUBLASLT_MATMUL_DESC_TRANSB, &op_b, sizeof op_b), "cublasLtMatmulDescSetAttribute");
    const auto layout = [&](cublasLtMatrixLayout_t& to, cudaDataType_t of, bool swapped, idx rows, idx columns, idx stride) {
      checked(cublasLtMatrixLayoutCreate(&to, of, std::uint64_t(swapped ? columns : rows), std::uint64_t(swapped ? rows : columns), stride),
              "cublasLtMatrixLayoutCreate");
    };
    layout(p.a, factors, swap_a, m, k, lda), layout(p.b, factors, swap_b, k, n, ldb), layout(p.c, type, false, m, n, ldc);
    cublasLtMatmulPreference_t wish = nullptr;
    checked(cublasLtMatmulPreferenceCreate(&wish), "cublasLtMatmulPreferenceCreate");
    const auto set = [&](cublasLtMatmulPreferenceAttributes_t what, auto value) {
      checked(cublasLtMatmulPreferenceSetAttribute(wish, what, &value, sizeof value), "cublasLtMatmulPreferenceSetAttribute");
    };
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t(workspace_bytes));
    set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, std::uint32_t(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, std::uint32_t(align_a));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, std::uint32_t(align_b));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, std::uint32_t(align_c));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, std::uint32_t(align_c));
    cublasLtMatmulHeuristicResult_t first{};
    int found = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(handle_, p.product, p.a, p.b, p.c, p.c, wish, 1, &first, &found);
    cublasLtMatmulPreferenceDestroy(wish);
    checked(status, "cublasLtMatmulAlgoGetHeuristic");
    if (found == 0) checked(CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmulAlgoGetHeuristic");
    p.algorithm = first.algo;
  }
  static void destroy(plan& p) {
    if (p.product) cublasLtMatmulDescDestroy(p.product);
    for (const auto layout : {p.a, p.b, p.c})
      if (layout) cublasLtMatrixLayoutDestroy(layout);
  }
  cudaStream_t stream_;
  cublasLtHandle_t handle_ = nullptr;
  void* workspace_ = nullptr;
  std::map<shape, plan> plans_;
};

}  // namespace coefdyn::nn::gpu
