// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <vector>

#include "../core/complex.hpp"
#include "../core/errors.hpp"
#include "../core/tensor.hpp"
#include "../spectrum/writers.hpp"

/// NumPy's .npy files as arrays with views, and views as files.
///
/// ```cpp statements with call
/// const auto q = interop::load_npy<float>("q.npy");  // float32 from float32; double also takes float32
/// x.q = q.as_view<4>();
/// interop::save_npy("y.npy", y);                     // any strides; the file is in C order
/// ```
///
/// error   std::runtime_error naming the file and what is wrong with it; invalid_input for another rank
namespace coefdyn::interop {

/// An array read from a file; it owns its memory.
template <class T>
struct npy_tensor {
  std::vector<T> values;
  std::vector<std::size_t> shape;
  std::string path;

  template <int Rank>
  view<const T, Rank> as_view() const {
    if (shape.size() != std::size_t(Rank))
      throw invalid_input(path, "rank " + std::to_string(Rank), "rank " + std::to_string(shape.size()));
    view<const T, Rank> v;
    v.data = values.data();
    idx stride = 1;
    for (int a = Rank - 1; a >= 0; --a) {
      v.extents[a] = idx(shape[std::size_t(a)]);
      v.strides[a] = stride;
      stride *= v.extents[a];
    }
    return v;
  }
};

namespace detail {
template <class T>
struct npy_element {
  using type = T;
};
template <class R>
struct npy_element<complex<R>> {
  using type = std::complex<R>;
};
}  // namespace detail

/// float, double or complex<double>.
template <class T>
npy_tensor<T> load_npy(const std::string& path) {
  using E = typename detail::npy_element<T>::type;
  const spectrum::npy_array file = spectrum::read_npy(path);
  npy_tensor<T> out{{}, file.shape, path};
  for (const E& e : file.as<E>()) {
    if constexpr (is_complex<T>) out.values.push_back({e.real(), e.imag()});
    else out.values.push_back(e);
  }
  return out;
}

template <class T, int Rank>
void save_npy(const std::string& path, const view<T, Rank>& v) {
  using E = typename detail::npy_element<std::remove_const_t<T>>::type;
  std::vector<E> values;
  std::vector<std::size_t> shape(v.extents, v.extents + Rank);
  idx at[Rank] = {};
  for (idx i = 0; i < v.size(); ++i) {
    idx offset = 0;
    for (int a = 0; a < Rank; ++a) offset += at[a] * v.strides[a];
    if constexpr (is_complex<std::remove_const_t<T>>) values.push_back({v.data[offset].re, v.data[offset].im});
    else values.push_back(v.data[offset]);
    for (int a = Rank - 1; a >= 0 && ++at[a] == v.extents[a]; --a) at[a] = 0;
  }
  spectrum::write_npy<E>(path, values, shape);
}

}  // namespace coefdyn::interop
