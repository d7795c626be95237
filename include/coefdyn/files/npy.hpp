// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>

#include "array.hpp"
#include "npy_header.hpp"

/// NumPy's .npy files as arrays, and arrays and views as files.
///
/// ```cpp statements with call
/// const auto q = files::load_npy<float>("q.npy");  // from any number type of a kind no higher (numbers.hpp)
/// x.q = q.as_view<4>();
/// files::save_npy("y.npy", y);                     // a view of any strides; the file is in C order, little-endian
/// files::save_npy("numbers.npy", numbers, {T, H * n});
/// ```
///
/// Read are versions 1.0, 2.0 and 3.0 of the header, C and Fortran order, both orders of bytes, and every number type but the long
/// doubles; bytes behind the array are left alone, as NumPy does. Written is version 1.0, aside and then renamed.
///
/// error   file_error naming the file and what is wrong with it; invalid_input for a view of another rank
/// source  https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
namespace coefdyn::files {

/// A file's array as it lies there; it keeps the file mapped.
class npy_file {
 public:
  number_type type = number_type::f64;
  std::string descr;  // NumPy's name of the type: "<f8"
  bool big_endian = false, fortran_order = false;
  std::vector<idx> shape;
  std::span<const std::byte> bytes;
  std::string path;

  static npy_file read(const std::string& path) {
    mapped_file file(path);
    npy_file out = parse(file.bytes(), path);
    out.file_ = std::move(file);
    return out;
  }
  /// The same from memory, which has to outlive the result; `name` stands for the file in errors.
  static npy_file parse(std::span<const std::byte> content, const std::string& name);

  /// The numbers in C order, each converted to T.
  template <class T>
  array<T> load() const;

 private:
  mapped_file file_;
};

namespace detail {
inline std::string_view npy_header_text(std::span<const std::byte> content, const std::string& name) {
  const std::string_view all(reinterpret_cast<const char*>(content.data()), content.size());
  if (all.substr(0, 4) == "PK\x03\x04")
    refuse(name, "the file should be one array, but is an archive (.npz); unpack it, and read the .npy files in it");
  if (!all.starts_with("\x93NUMPY")) refuse(name, "the file should begin with \\x93NUMPY, but does not");
  const auto at = [&](std::size_t i) { return std::size_t(static_cast<unsigned char>(all[i])); };
  if (all.size() < 8) refuse(name, "the file should say its version, but ends early");
  if (at(6) < 1 || at(6) > 3 || at(7) != 0)
    refuse(name, "the version should be 1.0, 2.0 or 3.0, but is " + std::to_string(at(6)) + "." + std::to_string(at(7)));
  const std::size_t begin = at(6) == 1 ? 10 : 12;
  if (all.size() < begin) refuse(name, "the file should say its header's length, but ends early");
  std::size_t length = 0;
  for (std::size_t i = begin; i-- > 8;) length = length << 8 | at(i);
  if (length > all.size() - begin)
    refuse(name,
           "the header should have " + std::to_string(length) + " bytes, but ends early, after " + std::to_string(all.size() - begin));
  constexpr std::size_t longest = 10000;  // NumPy's own limit
  if (length > longest) refuse(name, "the header should have at most 10000 bytes, but has " + std::to_string(length));
  return all.substr(begin, length);
}
}  // namespace detail

inline npy_file npy_file::parse(std::span<const std::byte> content, const std::string& name) {
  const std::string_view text = detail::npy_header_text(content, name);
  npy_header header = detail::npy_header_reader(text, name).read();
  const auto width = static_cast<std::size_t>(entry_of(header.type).bits / 8);
  const std::size_t needed = detail::size_needed(name, "", header.shape, width);
  const std::size_t begin = static_cast<std::size_t>(reinterpret_cast<const std::byte*>(text.data()) - content.data()) + text.size();
  if (needed > content.size() - begin)
    detail::refuse(name, "the data should have " + std::to_string(needed) + " bytes, but have " + std::to_string(content.size() - begin));
  npy_file out;
  out.type = header.type, out.descr = std::move(header.descr);
  out.big_endian = header.big_endian, out.fortran_order = header.fortran_order;
  out.shape = std::move(header.shape);
  out.bytes = content.subspan(begin, needed);
  out.path = name;
  return out;
}

template <class T>
array<T> npy_file::load() const {
  if (!fortran_order || shape.size() < 2) return detail::loaded<T>(path, "", type, descr, bytes, big_endian, shape, detail::in_order{});
  std::vector<std::size_t> strides;  // of the file, first axis fastest
  for (std::size_t stride = 1; const idx e : shape) {
    strides.push_back(stride);
    stride *= static_cast<std::size_t>(e);
  }
  return detail::loaded<T>(path, "", type, descr, bytes, big_endian, shape, [&](std::size_t i) {
    std::size_t place = 0;
    for (std::size_t a = shape.size(); a-- > 0; i /= static_cast<std::size_t>(shape[a]))
      place += i % static_cast<std::size_t>(shape[a]) * strides[a];
    return place;
  });
}

/// Reads a `.npy` file into an array of its own, row-major.
template <class T>
array<T> load_npy(const std::string& path) {
  return npy_file::read(path).load<T>();
}

namespace detail {
inline std::string npy_preamble(const std::string& path, number_type type, std::span<const idx> shape) {
  const number_type_entry& entry = entry_of(type);
  if (entry.npy.empty())
    refuse(path, "expected numbers that .npy can hold, given " + std::string(entry.safetensors) + "; convert them to float first");
  std::string header =
      std::string("{'descr': '") + (entry.bits == 8 ? '|' : '<') + std::string(entry.npy) + "', 'fortran_order': False, 'shape': (";
  for (std::size_t a = 0; a < shape.size(); ++a)
    header += std::to_string(shape[a]) + (shape.size() == 1 ? "," : a + 1 < shape.size() ? ", " : "");
  header += "), }";
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  if (header.size() > 0xffff) refuse(path, "expected a shape of at most 64 axes, given " + std::to_string(shape.size()));
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size() & 0xff) + static_cast<char>(header.size() >> 8) + header;
}
}  // namespace detail

/// Writes a view of any strides.
template <class T, int Rank>
void save_npy(const std::string& path, const view<T, Rank>& v) {
  const std::string preamble = detail::npy_preamble(path, number_type_of<std::remove_const_t<T>>(), std::span(v.extents, Rank));
  file_writer file(path);
  file.write(std::as_bytes(std::span(preamble)));
  detail::in_row_major_order(v, [&](auto part) { file.write(std::as_bytes(part)); });
  file.finish();
}

/// Writes row-major numbers.
///
/// shape   values: the product of the extents; no extents for a single number
/// error   invalid_input for a wrong size
template <class T>
void save_npy(const std::string& path, std::span<const T> values, std::span<const idx> shape) {
  const std::string preamble = detail::npy_preamble(path, number_type_of<T>(), shape);
  std::size_t count = 1;
  for (const idx e : shape) count *= static_cast<std::size_t>(e);
  if (count != values.size())
    COEFDYN_THROW invalid_input(path, std::to_string(count) + " numbers for its shape", std::to_string(values.size()));
  file_writer file(path);
  file.write(std::as_bytes(std::span(preamble)));
  file.write(std::as_bytes(values));
  file.finish();
}
/// The same from vectors.
template <class T>
void save_npy(const std::string& path, const std::vector<T>& values, const std::vector<idx>& shape) {
  save_npy(path, std::span<const T>(values), std::span<const idx>(shape));
}

}  // namespace coefdyn::files
