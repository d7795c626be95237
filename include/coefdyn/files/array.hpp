// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "../core/errors.hpp"
#include "../core/tensor.hpp"
#include "file.hpp"
#include "numbers.hpp"

/// An array that came from a file, and views on their way into one.
namespace coefdyn::files {

/// Row-major numbers with their shape; it owns its memory. `name` is what errors call it: the file and, in it, the tensor.
///
/// error   as_view: invalid_input for another rank
template <class T>
struct array {
  std::vector<T> values;
  std::vector<idx> shape;
  std::string name;

  template <int Rank>
  view<const T, Rank> as_view() const {
    return view_as<const T, Rank>(values.data());
  }
  template <int Rank>
  view<T, Rank> as_view() {
    return view_as<T, Rank>(values.data());
  }

 private:
  template <class E, int Rank>
  view<E, Rank> view_as(E* data) const;
};

namespace detail {
/// Row-major numbers of a shape that is known at run time as a view.
template <class T, int Rank>
view<T, Rank> row_major(T* data, std::span<const idx> shape, const std::string& name) {
  if (shape.size() != std::size_t(Rank))
    COEFDYN_THROW invalid_input(name, "rank " + std::to_string(Rank), "rank " + std::to_string(shape.size()));
  view<T, Rank> v;
  v.data = data;
  idx stride = 1;
  for (int a = Rank - 1; a >= 0; --a) {
    v.extents[a] = shape[std::size_t(a)];
    v.strides[a] = stride;
    stride *= v.extents[a];
  }
  return v;
}

/// The extents' product times `unit`; refuses a shape whose product, zeros left out, passes 2^63, since its strides would not fit.
inline std::size_t size_needed(const std::string& path, const std::string& what, const std::vector<idx>& shape, std::size_t unit) {
  constexpr auto most = static_cast<std::size_t>(std::numeric_limits<idx>::max());
  std::size_t needed = unit;
  bool empty = false;
  for (const idx e : shape) {
    const auto extent = static_cast<std::size_t>(e);
    empty = empty || extent == 0;
    if (extent == 0) continue;
    if (needed > most / extent) refuse(path, what + "expected a shape that 63 bits can count, its zeros left out, given a larger one");
    needed *= extent;
  }
  return empty ? 0 : needed;
}

/// `bytes` of a tensor of a file as an array of R; at(i) is the place in them of the i-th number in row-major order.
template <class R, class At>
array<R> loaded(const std::string& path, const std::string& tensor, number_type t, std::string_view type_name,
                std::span<const std::byte> bytes, bool swapped, const std::vector<idx>& shape, At at) {
  const std::string what = tensor.empty() ? "" : "tensor " + tensor + ": ";
  std::size_t count = 1, which = 0;
  for (const idx e : shape) count *= static_cast<std::size_t>(e);
  array<R> out{{}, shape, tensor.empty() ? path : path + ": " + tensor};
  if (!with_stored_type(t, []<class E>() {}))
    refuse(path, what + "expected numbers that this library converts, given " + std::string(type_name) + "; take the tensor's bytes");
  out.values.resize(count);
  switch (convert(t, bytes, swapped, out.values.data(), count, at, which)) {
    case conversion::done:
      break;
    case conversion::no_such:
      refuse(path, what + "expected numbers of the kind asked for or a lower one (boolean, whole, real, complex), given " +
                       std::string(type_name) + "; ask for a type of its kind");
    case conversion::does_not_fit:
      refuse(path, what + "expected numbers that fit into the whole type asked for, given another at index " + std::to_string(which) +
                       " of " + std::string(type_name) + "; ask for a wider type");
  }
  return out;
}

/// Calls f with spans of a view's elements in row-major order: once where they lie so, else through a buffer.
template <class T, int Rank, class F>
void in_row_major_order(const view<T, Rank>& v, F f) {
  using E = std::remove_const_t<T>;
  idx dense = 1;
  bool lies_so = true;
  for (int a = Rank - 1; a >= 0; --a) {
    lies_so = lies_so && (v.strides[a] == dense || v.extents[a] == 1);
    dense *= v.extents[a];
  }
  if (dense == 0) return;
  if (lies_so) return f(std::span<const E>(v.data, static_cast<std::size_t>(dense)));
  std::vector<E> buffer;
  buffer.reserve(4096);
  idx at[static_cast<std::size_t>(Rank)] = {};
  for (idx i = 0; i < dense; ++i) {
    idx offset = 0;
    for (int a = 0; a < Rank; ++a) offset += at[a] * v.strides[a];
    buffer.push_back(v.data[offset]);
    for (int a = Rank - 1; a >= 0 && ++at[a] == v.extents[a]; --a) at[a] = 0;
    if (buffer.size() < buffer.capacity() && i + 1 < dense) continue;
    f(std::span<const E>(buffer));
    buffer.clear();
  }
}
}  // namespace detail

template <class T>
template <class E, int Rank>
view<E, Rank> array<T>::view_as(E* data) const {
  return detail::row_major<E, Rank>(data, shape, name);
}

}  // namespace coefdyn::files
