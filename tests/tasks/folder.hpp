// SPDX-License-Identifier: MIT
#pragma once
#include <unistd.h>

#include <coefdyn/core/errors.hpp>
#include <coefdyn/files/file.hpp>
#include <filesystem>
#include <fstream>
#include <string>

namespace task_tests {

/// A folder of files, gone at the end.
struct folder {
  std::string path;
  folder() {
    static int count = 0;
    path =
        (std::filesystem::temp_directory_path() / ("coefdyn_tasks_" + std::to_string(::getpid()) + "_" + std::to_string(count++))).string();
    std::filesystem::create_directories(path);
  }
  folder(const folder&) = delete;
  ~folder() { std::filesystem::remove_all(path); }
  std::string put(const std::string& name, const std::string& text) const {
    const std::string file = path + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(file).parent_path());
    std::ofstream(file, std::ios::binary) << text;  // not write_file, which waits for the disk
    return file;
  }
};
/// What is wrong, as it is said; empty where nothing is.
template <class F>
std::string fault_of(F f) {
  try {
    f();
  } catch (const coefdyn::files::file_error& e) {
    return e.fault;
  } catch (const coefdyn::invalid_input& e) {
    return e.what();
  }
  return "";
}

}  // namespace task_tests
