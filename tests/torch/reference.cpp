// SPDX-License-Identifier: MIT
// reference FOLDER: calls of the C++ library for every named mixer (reference.hpp).
#include <cstdio>
#include <exception>
#include <string>

#define NAME(mixer) void reference_##mixer(const std::string& folder);
#include "names.inc"
#undef NAME

int main(int argc, char** argv) {
  if (argc != 2) {
    std::printf("usage: reference FOLDER\n");
    return 2;
  }
  try {
#define NAME(mixer) reference_##mixer(argv[1]);
#include "names.inc"
#undef NAME
    return 0;
  } catch (const std::exception& e) {
    std::printf("%s\n", e.what());
    return 1;
  }
}
