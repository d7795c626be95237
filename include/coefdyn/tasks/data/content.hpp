// SPDX-License-Identifier: MIT
#pragma once
#include <lzma.h>
#include <zlib.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "../../files/file.hpp"
#include "../../text/utf8.hpp"

/// Data sets from a folder: where it is, and files in it, packed or not.
namespace coefdyn::tasks {

namespace detail {
/// Output of a decoder, which grows as it comes.
struct unpacked {
  static constexpr std::size_t piece = std::size_t(1) << 20, most = std::size_t(1) << 33;
  const std::string& path;
  std::string text = {};
  std::size_t used = 0;
  /// Room for another piece.
  char* grow() {
    if (used > most) files::detail::refuse(path, "expected at most 8 GiB when it is unpacked, but it is larger");
    text.resize(used + piece);
    return text.data() + used;
  }
};
inline std::string unpack_xz(const std::string& path, std::string_view packed) {
  constexpr std::uint64_t most_memory = std::uint64_t(1) << 30;
  lzma_stream s = LZMA_STREAM_INIT;
  struct finally {
    lzma_stream& s;
    ~finally() { lzma_end(&s); }
  } const end{s};
  lzma_ret state = lzma_stream_decoder(&s, most_memory, LZMA_CONCATENATED);
  s.next_in = reinterpret_cast<const std::uint8_t*>(packed.data()), s.avail_in = packed.size();
  unpacked out{path};
  while (state == LZMA_OK) {
    s.next_out = reinterpret_cast<std::uint8_t*>(out.grow()), s.avail_out = unpacked::piece;
    state = lzma_code(&s, LZMA_FINISH);
    out.used += unpacked::piece - s.avail_out;
  }
  if (state != LZMA_STREAM_END)
    files::detail::refuse(path, "its .xz stream is " + std::string(state == LZMA_BUF_ERROR ? "cut" : "broken") + " after " +
                                    std::to_string(s.total_in) + " of " + std::to_string(packed.size()) + " bytes");
  out.text.resize(out.used);
  return std::move(out.text);
}
inline std::string unpack_gz(const std::string& path, std::string_view packed) {
  z_stream s{};
  constexpr int gzip_only = 15 + 16;
  if (inflateInit2(&s, gzip_only) != Z_OK) files::detail::refuse(path, "zlib cannot be started");
  struct finally {
    z_stream& s;
    ~finally() { inflateEnd(&s); }
  } const end{s};
  unpacked out{path};
  std::size_t given = 0;  // zlib counts in 32 bits
  int state = Z_OK;
  while (state == Z_OK) {
    if (s.avail_in == 0) {
      s.avail_in = static_cast<uInt>(std::min(packed.size() - given, unpacked::piece));
      s.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + given));
      given += s.avail_in;
    }
    s.next_out = reinterpret_cast<Bytef*>(out.grow()), s.avail_out = static_cast<uInt>(unpacked::piece);
    state = inflate(&s, Z_NO_FLUSH);
    out.used += unpacked::piece - s.avail_out;
    const bool more = s.avail_in > 0 || given < packed.size();
    if (state == Z_STREAM_END && more) state = inflateReset(&s);  // another member
    if (state == Z_OK && !more && s.avail_out > 0) state = Z_BUF_ERROR;
  }
  if (state != Z_STREAM_END)
    files::detail::refuse(path, "its .gz stream is " + std::string(state == Z_BUF_ERROR ? "cut" : "broken") + " at about byte " +
                                    std::to_string(given - s.avail_in) + " of " + std::to_string(packed.size()));
  out.text.resize(out.used);
  return std::move(out.text);
}
}  // namespace detail

/// What a file holds, unpacked if it begins as .xz or .gz files do.
///
/// error   files::file_error for a file that cannot be read, or whose stream is cut or broken
inline std::string content(const std::string& path) {
  const files::mapped_file file(path);
  const std::string_view bytes(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  if (bytes.starts_with(std::string_view("\xfd"
                                         "7zXZ\0",
                                         6)))
    return detail::unpack_xz(path, bytes);
  if (bytes.starts_with("\x1f\x8b")) return detail::unpack_gz(path, bytes);
  return std::string(bytes);
}

/// A folder of data sets, in which a file may stand packed: `name`, `name.xz` or `name.gz`.
///
/// ```cpp statements
/// const tasks::data_folder data("path");  // "": what the environment's COEFDYN_DATA names
/// ```
struct data_folder {
  std::string path;
  explicit data_folder(std::string given = "") : path(std::move(given)) {
    if (const char* const set = path.empty() ? std::getenv("COEFDYN_DATA") : nullptr) path = set;
  }
  /// The path of a file by one of its names; empty where there is none.
  std::string find(std::initializer_list<std::string> names) const {
    for (const std::string& name : names)
      for (const char* packed : {"", ".xz", ".gz"})
        if (std::error_code error; !path.empty() && std::filesystem::exists(path + "/" + name + packed, error))
          return path + "/" + name + packed;
    return "";
  }
  /// The same where it has to be there; `what` says what to get: "CIFAR-10's binary version, ...".
  ///
  /// error   files::file_error with that sentence
  std::string need(std::initializer_list<std::string> names, const std::string& what) const {
    const std::string found = find(names);
    if (!found.empty()) return found;
    std::string all;
    for (const std::string& name : names) all += (all.empty() ? "" : " or ") + name;
    files::detail::refuse(path.empty() ? all : path + "/" + all,
                          "it is absent, also as .xz and .gz; get " + what +
                              (path.empty() ? ", and name its folder (--data DIR), or set COEFDYN_DATA to it" : ", and put it there"));
  }
};

/// Refuses a text that is not UTF-8; `where` is what the sentence says of the place, such as "line 2: ".
///
/// error   files::file_error with the byte's place in the text
inline void expect_utf8(const std::string& path, const std::string& where, std::string_view text) {
  const std::size_t at = text::utf8::first_malformed(text);
  if (at != std::string_view::npos)
    files::detail::refuse(path, where + "expected UTF-8, given another byte at " + std::to_string(at) + " of the text");
}

/// Calls f(line, number from 1) for each line without its end; the last one may lack it.
template <class F>
void for_each_line(std::string_view text, F f) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    f(text.substr(0, end), number);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace coefdyn::tasks
