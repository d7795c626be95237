// SPDX-License-Identifier: MIT
#pragma once
#include <initializer_list>

#include "support.hpp"

/// Checkpoints of llama2.c and rwkv.cpp, built byte by byte.
namespace file_tests {

/// A file of llama2.c whose numbers count up from 0.
struct llama2c_case {
  int dim, hidden, layers, heads, kv_heads, vocabulary, positions;
  bool tied = true;
  std::string bytes() const {
    const int kv = dim / heads * kv_heads, table = positions * (dim / heads / 2);
    const int layer = 2 * dim + 2 * dim * dim + 2 * kv * dim + 3 * hidden * dim;
    const int numbers = vocabulary * dim * (tied ? 1 : 2) + layers * layer + dim + 2 * table;
    std::string s = raw(dim, hidden, layers, heads, kv_heads, tied ? vocabulary : -vocabulary, positions);
    for (int i = 0; i < numbers; ++i) s += raw(float(i));
    return s;
  }
};

inline std::string rwkv_header(int vocabulary, int width, int layers) { return raw(0x67676d66, 101, vocabulary, width, layers, 0); }
/// A tensor of rwkv.cpp's; its extents in PyTorch's order.
inline std::string rwkv_tensor(const std::string& name, std::initializer_list<int> shape, const std::string& numbers, int type = 0) {
  std::string s = raw(int(shape.size()), int(name.size()), type);
  for (auto e = std::rbegin(shape); e != std::rend(shape); ++e) s += raw(*e);
  return s + name + numbers;
}

}  // namespace file_tests
