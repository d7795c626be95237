// SPDX-License-Identifier: MIT
#include <coefdyn/files/npy.hpp>
#include <coefdyn/files/save_safetensors.hpp>

int main(int, char** argv) {
  using namespace coefdyn;
  const std::string path = std::string(argv[0]) + ".safetensors";
  const float x[] = {1, 2, 3};
  files::safetensors_writer out;
  out.add("x", view(x, 3));
  out.save(path);
  const float last = files::safetensors::read(path).load<float>("x").as_view<1>()(2);
  std::remove(path.c_str());
  return last == 3 ? 0 : 1;
}
