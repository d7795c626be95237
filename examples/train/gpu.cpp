// SPDX-License-Identifier: MIT
#include "gpu.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "command_line.hpp"

namespace train_command {
namespace {
std::string from_environment(const char* name) {
  const char* const text = std::getenv(name);
  return text ? text : "";
}
bool runs(const std::string& program) { return access(program.c_str(), X_OK) == 0; }
std::string find_nvcc() {
  if (const std::string said = from_environment("CUDACXX"); !said.empty()) {
    if (runs(said)) return said;
    throw usage_error("--device cuda: expected nvcc at CUDACXX, and no program is at " + said + ".");
  }
  std::istringstream folders(from_environment("PATH") + ":/usr/local/cuda/bin");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (!folder.empty() && runs(folder + "/nvcc")) return folder + "/nvcc";
  throw usage_error("--device cuda: the layer is compiled by nvcc, and there is none in PATH or /usr/local/cuda/bin.");
}
/// The driver's library, asked by its own interface, so that this program needs no CUDA to be built.
std::string find_architecture() {
  if (const std::string said = from_environment("COEFDYN_GPU_ARCH"); !said.empty()) return said;
  const usage_error none("--device cuda: expected an NVIDIA GPU, and the driver has none.");
  void* const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!driver) throw usage_error("--device cuda: expected an NVIDIA GPU, and there is no driver of one (libcuda.so.1).");
  const auto call = [&](const char* name, auto... arguments) {
    const auto function = reinterpret_cast<int (*)(decltype(arguments)...)>(dlsym(driver, name));
    if (!function || function(arguments...) != 0) throw none;
  };
  int count = 0, device = 0, major = 0, minor = 0;
  call("cuInit", 0u);
  call("cuDeviceGetCount", &count);
  if (count < 1) throw none;
  call("cuDeviceGet", &device, 0);
  call("cuDeviceGetAttribute", &major, 75, device), call("cuDeviceGetAttribute", &minor, 76, device);  // compute capability
  const std::string architecture = std::to_string(major) + std::to_string(minor);
  return architecture == "90" ? "90a" : architecture;
}
}  // namespace

gpu find_gpu() { return {find_nvcc(), find_architecture()}; }

}  // namespace train_command
