// SPDX-License-Identifier: MIT
#pragma once
#include <zlib.h>

#include <coefdyn/files/file.hpp>
#include <span>
#include <string>
#include <vector>

namespace show_tasks {

/// Writes grey pixels, 0 .. 255, as a .png in which each is a square of `scale` pixels a side.
///
/// error   files::file_error for a file that cannot be written
inline void write_png(const std::string& path, std::span<const std::int64_t> pixels, std::size_t columns, std::size_t scale) {
  const std::size_t rows = pixels.size() / columns;
  std::string lines;
  for (std::size_t y = 0; y < rows * scale; ++y) {
    lines += '\0';  // no filter
    for (std::size_t x = 0; x < columns * scale; ++x) lines += static_cast<char>(pixels[y / scale * columns + x / scale]);
  }
  uLongf size = compressBound(static_cast<uLong>(lines.size()));
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(lines.data()), static_cast<uLong>(lines.size()));
  packed.resize(size);

  const auto word = [](std::size_t n) {
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(n >> shift & 255);
    return out;
  };
  std::string png = "\x89PNG\r\n\x1a\n";
  const auto chunk = [&](const std::string& type, const std::string& data) {
    const std::string body = type + data;
    png += word(data.size()) + body + word(crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size())));
  };
  chunk("IHDR", word(columns * scale) + word(rows * scale) + std::string("\x08\0\0\0\0", 5));  // 8 bits of grey
  chunk("IDAT", packed);
  chunk("IEND", "");
  coefdyn::files::write_file(path, std::as_bytes(std::span(png)));
}

}  // namespace show_tasks
