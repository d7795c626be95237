// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <charconv>
#include <complex>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <ios>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "json.hpp"

/// Results as files: NumPy's .npy (version 1.0, little-endian, C order), and JSON through json_writer.
namespace coefdyn::spectrum {

static_assert(std::endian::native == std::endian::little, "coefdyn: .npy files are written for little-endian machines.");

template <class T>
concept npy_number = std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, std::complex<double>>;

/// NumPy's name of the type: <f4, <f8, <c16.
template <npy_number T>
constexpr std::string_view npy_name() {
  if constexpr (std::same_as<T, float>) return "<f4";
  if constexpr (std::same_as<T, double>) return "<f8";
  if constexpr (std::same_as<T, std::complex<double>>) return "<c16";
}

/// A file's array. Any of the three types can be read as any wider one.
struct npy_array {
  std::string type;
  std::vector<std::size_t> shape;
  std::vector<std::byte> bytes;

  std::size_t size() const {
    std::size_t count = 1;
    for (const std::size_t extent : shape) count *= extent;
    return count;
  }
  template <npy_number T>
  std::vector<T> as() const;
};

namespace detail {

template <class Stored, class T>
std::vector<T> converted(const std::vector<std::byte>& bytes) {
  std::vector<T> out(bytes.size() / sizeof(Stored));
  for (std::size_t i = 0; i < out.size(); ++i) {
    Stored value;
    std::memcpy(&value, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    out[i] = static_cast<T>(value);
  }
  return out;
}

/// What follows 'key': in the header, up to the comma or bracket that ends it.
inline std::string header_entry(const std::string& path, const std::string& header, const std::string& key) {
  const std::size_t at = header.find("'" + key + "':");
  if (at == std::string::npos) refuse_file(path, "the header should hold '" + key + "', but does not");
  const std::size_t begin = header.find_first_not_of(' ', at + key.size() + 3);
  const std::size_t end = begin == std::string::npos ? begin : header.find(header[begin] == '(' ? ")" : ",}", begin);
  const std::size_t stop = end == std::string::npos ? header.find_first_of(",}", begin) : end;
  if (stop == std::string::npos) refuse_file(path, "the header should close '" + key + "', but does not");
  return header.substr(begin, stop - begin);
}

inline std::vector<std::size_t> parsed_shape(const std::string& path, const std::string& text) {
  std::vector<std::size_t> shape;
  for (const char* at = text.data() + 1; at < text.data() + text.size();) {
    std::size_t extent = 0;
    const auto [next, error] = std::from_chars(at, text.data() + text.size(), extent);
    if (error != std::errc()) refuse_file(path, "the shape should hold whole numbers, but is " + text + ")");
    shape.push_back(extent);
    at = next;
    while (at < text.data() + text.size() && (*at == ',' || *at == ' ')) ++at;
  }
  return shape;
}

}  // namespace detail

template <npy_number T>
std::vector<T> npy_array::as() const {
  if (type == "<f4") return detail::converted<float, T>(bytes);
  if constexpr (!std::same_as<T, float>)
    if (type == "<f8") return detail::converted<double, T>(bytes);
  if constexpr (std::same_as<T, std::complex<double>>)
    if (type == "<c16") return detail::converted<std::complex<double>, T>(bytes);
  throw std::runtime_error("npy_array: numbers of type " + type + " should be read as a type no narrower, but " +
                           std::string(npy_name<T>()) + " was asked for.");
}

/// Writes an array.
///
/// shape   values: the product of the extents; no extents for a single number
/// error   std::invalid_argument for a wrong size, std::runtime_error naming the file that cannot be written
template <npy_number T>
void write_npy(const std::string& path, std::span<const T> values, std::span<const std::size_t> shape) {
  std::size_t count = 1;
  std::string header = "{'descr': '" + std::string(npy_name<T>()) + "', 'fortran_order': False, 'shape': (";
  for (const std::size_t extent : shape) {
    count *= extent;
    header += std::to_string(extent) + (shape.size() == 1 ? "," : &extent == &shape.back() ? "" : ", ");
  }
  header += "), }";
  if (count != values.size())
    throw std::invalid_argument("write_npy: " + path + " should receive " + std::to_string(count) + " numbers for its shape, but got " +
                                std::to_string(values.size()) + ".");
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  const char prefix[] = {
      '\x93', 'N', 'U', 'M', 'P', 'Y', '\x01', '\x00', static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  std::ofstream file(path, std::ios::binary);
  file.write(prefix, sizeof(prefix));
  file.write(header.data(), static_cast<std::streamsize>(header.size()));
  file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size_bytes()));
  file.close();
  if (!file) detail::refuse_file(path, "the file should be writable, but writing failed");
}

/// Reads an array of float32, float64 or complex128.
///
/// error   std::runtime_error naming the file and what is wrong with it: missing, no .npy, another type, Fortran order,
///         fewer bytes than its shape needs
inline npy_array read_npy(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) detail::refuse_file(path, "the file should be readable, but cannot be opened");
  unsigned char prefix[12] = {};
  file.read(reinterpret_cast<char*>(prefix), 10);
  if (!file || std::memcmp(prefix, "\x93NUMPY", 6) != 0) detail::refuse_file(path, "the file should begin with \\x93NUMPY, but does not");
  std::size_t length = prefix[8] + 256u * prefix[9];
  if (prefix[6] >= 2) {
    file.read(reinterpret_cast<char*>(prefix) + 10, 2);
    length += 65536u * prefix[10] + 16777216u * prefix[11];
  }
  if (length > (1u << 24)) detail::refuse_file(path, "the header should be short, but claims 16 MiB and more");
  std::string header(length, ' ');
  file.read(header.data(), static_cast<std::streamsize>(length));
  if (!file) detail::refuse_file(path, "the header should have " + std::to_string(length) + " bytes, but ends early");

  npy_array array;
  array.type = detail::header_entry(path, header, "descr");
  std::erase(array.type, '\'');
  const std::size_t width = array.type == "<f4" ? 4 : array.type == "<f8" ? 8 : array.type == "<c16" ? 16 : 0;
  if (width == 0) detail::refuse_file(path, "the type should be <f4, <f8 or <c16, but is " + array.type);
  if (detail::header_entry(path, header, "fortran_order") != "False")
    detail::refuse_file(path, "the array should be in C order, but is in Fortran order");
  array.shape = detail::parsed_shape(path, detail::header_entry(path, header, "shape"));

  const auto begin = file.tellg();
  file.seekg(0, std::ios::end);
  const auto present = static_cast<std::size_t>(file.tellg() - begin);
  std::size_t needed = width;
  for (const std::size_t extent : array.shape) {
    if (extent != 0 && needed > SIZE_MAX / extent) detail::refuse_file(path, "the shape should fit into memory");
    needed *= extent;
  }
  if (present < needed)
    detail::refuse_file(path, "the data should have " + std::to_string(needed) + " bytes, but have " + std::to_string(present));
  array.bytes.resize(needed);
  file.seekg(begin);
  file.read(reinterpret_cast<char*>(array.bytes.data()), static_cast<std::streamsize>(needed));
  if (!file) detail::refuse_file(path, "the data should be readable, but reading failed");
  return array;
}

}  // namespace coefdyn::spectrum
