// SPDX-License-Identifier: MIT
#pragma once
#include <Eigen/Core>
#include <complex>
#include <string>

#include "../core/complex.hpp"
#include "../core/errors.hpp"
#include "../core/tensor.hpp"

/// Eigen's matrices, vectors and maps (any storage order, any strides) as views, and views as Eigen maps. Nothing is copied.
///
/// ```cpp statements with eigen
/// Eigen::MatrixXf q(T, H * n), beta(T, H);
/// Eigen::VectorXf decay(H);
/// x.q = interop::by_heads(q, H);          // one row per token, heads side by side: (1, T, H, n)
/// x.k = interop::by_heads(q, H, B);       // (B T, H n) as (B, T, H, n)
/// x.beta = interop::by_tokens(beta);      // (T, H) as (1, T, H)
/// x.log_decay = interop::as_view(decay);  // a vector as (H), a matrix as (H, n): streams that are fixed in time
/// Eigen::MatrixXf S = interop::matrix_of(view(s.S.data(), N, H, n, d), 0, h);  // of a state<M> s
/// ```
///
/// std::complex<R> is read as coefdyn::complex<R>, which has its layout. A view lasts as long as the matrix.
/// error   invalid_input where columns are no multiple of H, or rows no multiple of B
namespace coefdyn::interop {

namespace detail {
template <class T>
struct element {
  using type = T;
};
template <class R>
struct element<std::complex<R>> {
  using type = complex<R>;
};
template <class R>
struct element<const std::complex<R>> {
  using type = const complex<R>;
};
template <class T>
auto* pointer_of(T* p) {
  return reinterpret_cast<typename element<T>::type*>(p);
}
/// An expression of Eigen's whose numbers lie in memory.
template <class D>
concept has_memory = (D::Flags & Eigen::DirectAccessBit) != 0;
/// Element type as the matrix gives it: const through a const matrix or a map of const.
template <class M>
using pointee = std::remove_pointer_t<decltype(pointer_of(std::declval<M&>().data()))>;

inline idx divided(const char* what, idx size, idx parts) {
  if (parts <= 0 || size % parts != 0)
    COEFDYN_THROW invalid_input("matrix", std::string("a number of ") + what + " that " + std::to_string(parts) + " divides",
                                std::to_string(size));
  return size / parts;
}
}  // namespace detail

/// A vector as a view of rank 1, a matrix as one of rank 2.
template <class M>
  requires detail::has_memory<std::remove_cvref_t<M>>
auto as_view(M&& m) {
  using T = detail::pointee<M>;
  if constexpr (std::remove_cvref_t<M>::IsVectorAtCompileTime)
    return view<T, 1>(detail::pointer_of(m.data()), {idx(m.size())}, {idx(m.innerStride())});
  else return view<T, 2>(detail::pointer_of(m.data()), {idx(m.rows()), idx(m.cols())}, {idx(m.rowStride()), idx(m.colStride())});
}

/// (B T, H n) as (B, T, H, n).
template <class M>
  requires detail::has_memory<std::remove_cvref_t<M>>
auto by_heads(M&& m, idx heads, idx batch = 1) {
  using T = detail::pointee<M>;
  const idx time = detail::divided("rows", m.rows(), batch), n = detail::divided("columns", m.cols(), heads);
  const idx row = m.rowStride(), column = m.colStride();
  return view<T, 4>(detail::pointer_of(m.data()), {batch, time, heads, n}, {time * row, row, n * column, column});
}

/// (B T, H) as (B, T, H).
template <class M>
  requires detail::has_memory<std::remove_cvref_t<M>>
auto by_tokens(M&& m, idx batch = 1) {
  using T = detail::pointee<M>;
  const idx time = detail::divided("rows", m.rows(), batch), row = m.rowStride();
  return view<T, 3>(detail::pointer_of(m.data()), {batch, time, idx(m.cols())}, {time * row, row, idx(m.colStride())});
}

/// The type of a view's elements in Eigen.
template <class T>
struct eigen_scalar {
  using type = T;
};
template <class R>
struct eigen_scalar<complex<R>> {
  using type = std::complex<R>;
};

/// A row-major matrix of Eigen's over memory of somebody else's.
template <class T>
using matrix_map =
    Eigen::Map<std::conditional_t<std::is_const_v<T>,
                                  const Eigen::Matrix<typename eigen_scalar<std::remove_const_t<T>>::type, Eigen::Dynamic, Eigen::Dynamic,
                                                      Eigen::RowMajor>,
                                  Eigen::Matrix<typename eigen_scalar<T>::type, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>,
               Eigen::Unaligned, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>;

/// A view of rank 2 as a map of its rows and columns.
template <class T>
matrix_map<T> matrix_of(const view<T, 2>& v) {
  using E = typename eigen_scalar<std::remove_const_t<T>>::type;
  using P = std::conditional_t<std::is_const_v<T>, const E, E>;
  return matrix_map<T>(reinterpret_cast<P*>(v.data), v.extents[0], v.extents[1], {v.strides[0], v.strides[1]});
}
/// One head of a state S (N, H, n, d): a map of n rows and d columns.
template <class T>
matrix_map<T> matrix_of(const view<T, 4>& S, idx sequence, idx head) {
  return matrix_of(
      view<T, 2>(S.data + sequence * S.strides[0] + head * S.strides[1], {S.extents[2], S.extents[3]}, {S.strides[2], S.strides[3]}));
}
/// One head of a stream (B, T, H, n): a map of T rows and n columns.
template <class T>
matrix_map<T> tokens_of(const view<T, 4>& x, idx row, idx head) {
  return matrix_of(
      view<T, 2>(x.data + row * x.strides[0] + head * x.strides[2], {x.extents[1], x.extents[3]}, {x.strides[1], x.strides[3]}));
}

}  // namespace coefdyn::interop
