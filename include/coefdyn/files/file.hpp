// SPDX-License-Identifier: MIT
#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "../core/config.hpp"

/// Files as bytes: one that is read is mapped into memory, one that is written takes its place when it is complete.
///
/// ```cpp statements
/// files::write_file("a.bin", std::vector<std::byte>(3));
/// const files::mapped_file in("a.bin");
/// const std::span<const std::byte> bytes = in.bytes();  // lasts as long as `in`
/// ```
///
/// error   file_error that names the file and says what to do
namespace coefdyn::files {

/// What every reader and writer of a file throws: "coefdyn: PATH: what is wrong with it".
struct file_error : std::runtime_error {
  std::string path, fault;
  file_error(std::string path_, std::string fault_)
      : std::runtime_error("coefdyn: " + path_ + ": " + fault_), path(std::move(path_)), fault(std::move(fault_)) {}
};

namespace detail {
[[noreturn]] inline void refuse(const std::string& path, const std::string& fault) { COEFDYN_THROW file_error(path, fault); }

/// A word out of a file for a sentence: in quotes, cut where it is long, with '?' for what may not print.
inline std::string in_quotes(std::string_view word) {
  constexpr std::size_t shown = 80;
  std::string text = "'";
  for (const char c : word.substr(0, shown)) text += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return text + (word.size() > shown ? "...'" : "'");
}
inline std::string reason() { return std::strerror(errno); }
}  // namespace detail

/// A file's bytes, mapped for reading: pages come from the disk when they are first looked at, and cost no memory of the program's
/// own. The file should not be made shorter meanwhile: the system ends a program that reads what is no longer there.
///
/// error   file_error for a file that is absent, not to be read, or a folder, pipe or device
class mapped_file {
 public:
  explicit mapped_file(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe that nobody writes to must not block
    if (file < 0) detail::refuse(path, "expected a file to read, but it cannot be opened: " + detail::reason());
    struct stat about{};
    const bool known = ::fstat(file, &about) == 0, plain = known && S_ISREG(about.st_mode);
    if (plain && about.st_size > 0) {
      size_ = static_cast<std::size_t>(about.st_size);
      data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
    }
    const std::string why = detail::reason();
    ::close(file);
    if (!plain)
      detail::refuse(path, std::string("expected a file, given a ") + (known && S_ISDIR(about.st_mode) ? "folder" : "pipe or device"));
    if (data_ == MAP_FAILED) {
      data_ = nullptr;
      detail::refuse(path, "expected a file to read, but it cannot be mapped into memory: " + why);
    }
  }
  mapped_file() = default;
  mapped_file(mapped_file&& o) noexcept : data_(std::exchange(o.data_, nullptr)), size_(std::exchange(o.size_, 0)) {}
  mapped_file& operator=(mapped_file&& o) noexcept {
    std::swap(data_, o.data_), std::swap(size_, o.size_);
    return *this;
  }
  ~mapped_file() {
    if (data_) ::munmap(data_, size_);
  }
  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Writes a file aside, beside its place, and renames it into it: whoever opens it meets the old content or the whole new one, and
/// so does the next start after a power cut. Left without `finish`, the part is removed. A link is followed; a pipe or device is
/// written to directly.
///
/// error   file_error for a folder, a place where nothing may be written, a full disk; the old content is then still there
class file_writer {
 public:
  explicit file_writer(std::string path) : path_(std::move(path)), target_(path_) {
    if (char* const end_of_links = ::realpath(path_.c_str(), nullptr)) {
      target_ = end_of_links;
      std::free(end_of_links);
    }
    struct stat about{};
    const bool exists = ::stat(target_.c_str(), &about) == 0;
    if (exists && S_ISDIR(about.st_mode)) detail::refuse(path_, "expected the name of a file to write, given a folder");
    static std::atomic<unsigned> count{0};
    if (!exists || S_ISREG(about.st_mode)) part_ = target_ + ".part-" + std::to_string(::getpid()) + "-" + std::to_string(count++);
    file_ = std::fopen((part_.empty() ? target_ : part_).c_str(), part_.empty() ? "wb" : "wbx");
    if (!file_) fail();
  }
  file_writer(const file_writer&) = delete;
  file_writer& operator=(const file_writer&) = delete;
  ~file_writer() { give_up(); }

  void write(std::span<const std::byte> bytes) {
    if (!bytes.empty() && std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) fail();
  }
  void finish() {
    if (std::fflush(file_) != 0 || (!part_.empty() && ::fsync(::fileno(file_)) != 0)) fail();
    if (std::fclose(std::exchange(file_, nullptr)) != 0) fail();
    if (!part_.empty() && std::rename(part_.c_str(), target_.c_str()) != 0) fail();
    part_.clear();
  }

 private:
  void give_up() {
    if (file_) std::fclose(std::exchange(file_, nullptr));
    if (!part_.empty()) std::remove(part_.c_str());
    part_.clear();
  }
  [[noreturn]] void fail() {
    const std::string why = detail::reason();
    give_up();
    detail::refuse(path_, "expected a file that can be written, but writing failed: " + why);
  }
  std::string path_, target_, part_;
  std::FILE* file_ = nullptr;
};

/// Writes a whole file: aside first, then renamed, so that the old one stays until the new one is complete.
inline void write_file(const std::string& path, std::span<const std::byte> bytes) {
  file_writer file(path);
  file.write(bytes);
  file.finish();
}

}  // namespace coefdyn::files
