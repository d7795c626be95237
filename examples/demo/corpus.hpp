// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <random>
#include <string>
#include <vector>

/// A text as rows of bytes, and fixed random projections of it: what a first layer would feed a mixer with.
namespace demo {

constexpr int row_length = 1024;  // tokens of a row
constexpr int rows_at_once = 25;  // rows of one call
constexpr int head_count = 2, n = 32, d = 32;
constexpr int mapped = 256;  // tokens of the coefficient maps and spectra

struct corpus {
  std::vector<unsigned char> bytes;
  int rows() const { return int(bytes.size()) / row_length; }
};

/// Numbers that depend on the seed alone, whatever the standard library.
class normal_numbers {
 public:
  explicit normal_numbers(const std::string& seed) {
    std::uint64_t hash = 1469598103934665603u;
    for (const char c : seed) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
    random_.seed(hash);
  }
  float operator()() {  // a sum of twelve uniform numbers, less six
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += double(random_() >> 11) * 0x1p-53;
    return float(sum);
  }

 private:
  std::mt19937_64 random_;
};

/// width numbers per token, of variance 1: W (e_t + 0.6 e_{t-1} + 0.3 e_{t-2}), e the 64-dimensional embedding of a byte. W e is
/// tabulated for the 256 bytes.
class projection {
 public:
  projection(const std::string& name, int width) : width_(width), table_(std::size_t(256) * std::size_t(width)) {
    constexpr int embedded = 64;
    normal_numbers byte("embedding"), weight(name);
    std::vector<float> e(256 * embedded), w(std::size_t(embedded) * std::size_t(width));
    for (float& x : e) x = byte();
    for (float& x : w) x = weight() / 8 / 1.2042f;  // sqrt(64), sqrt(1 + 0.36 + 0.09)
    for (std::size_t b = 0; b < 256; ++b)
      for (std::size_t k = 0; k < embedded; ++k)
        for (std::size_t c = 0; c < std::size_t(width); ++c)
          table_[b * std::size_t(width) + c] += e[b * embedded + k] * w[k * std::size_t(width) + c];
  }
  /// Token t of a row into out (width).
  void operator()(const unsigned char* row, int t, float* out) const {
    const float *now = of(row[t]), *before = t > 0 ? of(row[t - 1]) : nullptr, *earlier = t > 1 ? of(row[t - 2]) : nullptr;
    for (int c = 0; c < width_; ++c) out[c] = now[c] + (before ? 0.6f * before[c] : 0) + (earlier ? 0.3f * earlier[c] : 0);
  }

 private:
  const float* of(unsigned char byte) const { return table_.data() + std::size_t(byte) * std::size_t(width_); }
  int width_;
  std::vector<float> table_;
};

}  // namespace demo
