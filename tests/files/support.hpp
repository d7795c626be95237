// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/files/file.hpp>
#include <cstdint>
#include <filesystem>
#include <string>

/// What the tests of files share: files built byte by byte, a folder for them, and the memory that a call took.
namespace file_tests {

/// A folder that is gone after the test.
struct scratch {
  std::filesystem::path path;
  scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "coefdyn_files_XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~scratch() { std::filesystem::remove_all(path); }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  std::string file(const std::string& name) const { return (path / name).string(); }
};

inline std::span<const std::byte> bytes_of(const std::string& s) { return std::as_bytes(std::span(s)); }
inline void put(const std::string& path, const std::string& content) { coefdyn::files::write_file(path, bytes_of(content)); }
inline std::string content(const std::string& path) {
  const coefdyn::files::mapped_file file(path);
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}
inline std::string little_endian(std::uint64_t x, int bytes) {
  std::string s;
  for (int i = 0; i < bytes; ++i) s += static_cast<char>(x >> (8 * i) & 0xff);
  return s;
}
/// The raw bytes of numbers.
template <class... T>
std::string raw(T... x) {
  std::string s;
  (s.append(reinterpret_cast<const char*>(&x), sizeof(T)), ...);
  return s;
}

/// A .safetensors file from its header and its data.
inline std::string safetensors_bytes(const std::string& header, const std::string& data = "") {
  return little_endian(header.size(), 8) + header + data;
}
/// A .npy file from its header and its data; the header's length as it is, or as `length` claims.
inline std::string npy_bytes(const std::string& header, const std::string& data = "", char version = 1, std::uint64_t length = ~0ull) {
  return std::string("\x93NUMPY") + version + '\0' + little_endian(length == ~0ull ? header.size() : length, version == 1 ? 2 : 4) +
         header + data;
}

/// What f's exception says; "" where it throws none. Only `Error` is let through, so another exception fails the test.
template <class Error, class F>
std::string message(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

/// The most memory that operator new gave out at once during f, beyond what there was before (memory.cpp counts).
std::size_t memory_now();
void restart_peak();
std::size_t memory_peak();
template <class F>
std::size_t peak_of(F f) {
  const std::size_t before = memory_now();
  restart_peak();
  f();
  return memory_peak() - before;
}

}  // namespace file_tests
