// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <system_error>

#include "script.hpp"

/// Figures as files, through one call of gnuplot (Debian: gnuplot-nox).
namespace coefdyn::pictures {

/// The files of a figure.
struct drawing {
  std::string script;                // always written: script and data
  std::array<std::string, 3> files;  // .png, .svg, .pdf
  bool drawn = false;
  std::string note;  // a sentence when they were not drawn
};

namespace detail {

inline std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  file.close();
  if (!file) COEFDYN_THROW std::runtime_error(path + ": the file should be writable, but writing failed.");
}

inline void replace_each(std::string& text, const std::string& what, const std::string& by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) text.replace(at, what.size(), by);
}

/// Twice as large on a screen; bold type, which gnuplot takes for a family's name; and cells with edges, where viewers would blur a
/// grid's few cells.
inline void finish_svg(const std::string& path) {
  std::string text = read_bytes(path);
  for (const std::string start : {" width=\"", " height=\""}) {
    const std::size_t at = text.find(start), begin = at + start.size(), end = at == std::string::npos ? at : text.find('"', begin);
    if (end != std::string::npos) text.replace(begin, end - begin, number_text(2 * std::stod(text.substr(begin, end - begin))));
  }
  replace_each(text, "font-family=\"sans-serif:Bold\"", "font-family=\"sans-serif\" font-weight=\"bold\"");
  replace_each(text, "<image ", "<image image-rendering='optimizeSpeed' style='image-rendering:pixelated' ");
  write_bytes(path, text);
}

/// The hour is no part of a picture: the same data give the same bytes.
inline void finish_pdf(const std::string& path) {
  std::string text = read_bytes(path);
  const std::size_t at = text.find("/CreationDate (D:");
  if (at == std::string::npos) return;
  for (std::size_t i = at + 17; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i)
    text[i] = i == at + 17 ? '2' : i == at + 22 || i == at + 24 ? '1' : '0';
  write_bytes(path, text);
}

/// 0 if gnuplot took the script; 127 if there is none. The script goes through a pipe: no path meets the shell.
inline int run_gnuplot(const std::filesystem::path& folder, const std::string& script) {
  // What gnuplot leaves unread, or a missing one, the shell reads, so that writing does not end in a signal.
  std::FILE* pipe = popen("gnuplot >/dev/null 2>&1; status=$?; while read -r line; do :; done; exit $status", "w");
  if (pipe == nullptr) return 127;
  if (!folder.empty()) std::fputs(("cd " + quoted(folder.string()) + "\n").c_str(), pipe);
  std::fputs(script.c_str(), pipe);
  const int status = pclose(pipe);
  return status > 255 ? status / 256 : status;
}

}  // namespace detail

/// Writes stem.gp, and with gnuplot stem.png (300 dots per inch), stem.svg and stem.pdf; the same bytes for the same figure on
/// the same machine. Pictures of an earlier call are gone if they cannot be drawn anew.
///
/// error   std::invalid_argument for a stem that ends as a picture does and for what `script_of` refuses, std::runtime_error
///         naming a file that cannot be written
inline drawing draw(const figure& f, const std::string& stem) {
  drawing result{stem + ".gp", {stem + ".png", stem + ".svg", stem + ".pdf"}, false, ""};
  for (const char* ending : {".png", ".svg", ".pdf"})
    if (stem.ends_with(ending))
      COEFDYN_THROW std::invalid_argument("draw: the stem should have no ending, since each is written, but is " + stem + ".");
  const std::filesystem::path path(stem);
  const std::string script = script_of(f, path.filename().string());
  detail::write_bytes(result.script, script);
  std::error_code ignored;
  for (const std::string& file : result.files) std::filesystem::remove(file, ignored);
  const int status = detail::run_gnuplot(path.parent_path(), script);
  result.drawn = status == 0;
  for (const std::string& file : result.files)
    result.drawn = result.drawn && std::filesystem::exists(file) && std::filesystem::file_size(file) > 0;
  if (result.drawn) {
    detail::finish_svg(result.files[1]);
    detail::finish_pdf(result.files[2]);
  } else {
    result.note = std::string(status == 127 ? "gnuplot is missing (Debian: gnuplot-nox)" : "gnuplot refused the script") +
                  "; script and data are in " + result.script + ".";
  }
  return result;
}

}  // namespace coefdyn::pictures
