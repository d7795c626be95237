// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "array.hpp"

/// What readers of model files give: tensors under names, where they lie in mapped files.
namespace coefdyn::files {

/// Tensors by name, and texts beside them. A tensor costs nothing before it is looked at.
///
/// error   at, load, view_of: file_error that names the file and the tensor
class named_tensors {
 public:
  /// One tensor: its type, its shape, and where its bytes lie.
  struct tensor {
    number_type type = number_type::f32;
    std::string_view dtype;  // as .safetensors names it: "F32"
    std::vector<idx> shape;
    std::span<const std::byte> bytes;
    idx size() const {
      idx s = 1;
      for (const idx e : shape) s *= e;
      return s;
    }
  };
  std::string path;
  std::map<std::string, std::string> metadata;
  std::map<std::string, tensor> tensors;

  bool has(const std::string& name) const { return tensors.contains(name); }
  const tensor& at(const std::string& name) const {
    const auto t = tensors.find(name);
    if (t == tensors.end())
      detail::refuse(path, "there is no tensor " + detail::in_quotes(name) + " among its " + std::to_string(tensors.size()));
    return t->second;
  }
  /// A copy of a tensor, row-major, each number converted to T.
  template <class T>
  array<T> load(const std::string& name) const {
    const tensor& t = at(name);
    return detail::loaded<T>(path, detail::in_quotes(name), t.type, t.dtype, t.bytes, false, t.shape, detail::in_order{});
  }
  /// A tensor where it lies in the file, row-major; the view lasts as long as this object. T is the type of the file's numbers.
  template <class T, int Rank>
  view<const T, Rank> view_of(const std::string& name) const {
    const tensor& t = at(name);
    const std::string what = "tensor " + detail::in_quotes(name) + ": ";
    if (t.type != number_type_of<T>())
      detail::refuse(path, what + "expected " + std::string(entry_of(number_type_of<T>()).safetensors) +
                               " for a view of its numbers, given " + std::string(t.dtype) + "; load converts");
    if (reinterpret_cast<std::uintptr_t>(t.bytes.data()) % alignof(T) != 0)
      detail::refuse(path, what + "expected numbers that lie at multiples of their size, given others; load copies them");
    return detail::row_major<const T, Rank>(reinterpret_cast<const T*>(t.bytes.data()), t.shape, path + ": " + name);
  }

 protected:
  std::vector<mapped_file> files_;
};

namespace detail {
/// Takes a file from its first byte on: little-endian numbers, words, tensors; refuses what goes beyond its end.
struct byte_walk {
  const std::string& path;
  std::span<const std::byte> rest;
  std::size_t at = 0;

  std::span<const std::byte> take(std::size_t count, const std::string& what) {
    if (count > rest.size())
      refuse(path, what + " should have " + std::to_string(count) + " bytes at byte " + std::to_string(at) + ", but the file ends after " +
                       std::to_string(rest.size()));
    const auto taken = rest.first(count);
    rest = rest.subspan(count), at += count;
    return taken;
  }
  std::uint32_t word(const std::string& what) {
    std::uint32_t x = 0;
    const auto bytes = take(4, what);
    for (std::size_t i = 4; i-- > 0;) x = x << 8 | std::to_integer<std::uint32_t>(bytes[i]);
    return x;
  }
  std::string_view text(std::size_t count, const std::string& what) {
    const auto bytes = take(count, what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  named_tensors::tensor tensor(const std::string& name, number_type type, std::vector<idx> shape) {
    const std::string what = "tensor " + in_quotes(name);
    const std::size_t bytes = size_needed(path, what + ": ", shape, std::size_t(entry_of(type).bits) / 8);
    return {type, entry_of(type).safetensors, std::move(shape), take(bytes, what)};
  }
  void expect_end() const {
    if (!rest.empty()) refuse(path, "its tensors should fill the file, but " + std::to_string(rest.size()) + " bytes follow behind them");
  }
};
}  // namespace detail

}  // namespace coefdyn::files
