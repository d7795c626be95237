// SPDX-License-Identifier: MIT
#pragma once
#include <bit>
#include <cstring>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "../core/low_precision.hpp"

/// Reads .safetensors files: an 8-byte little-endian header length, a JSON header {name: {dtype, shape, data_offsets}} with an
/// optional "__metadata__" of strings, then the data. No JSON library is needed.
///
/// ```cpp statements
/// auto file = safetensors::read("model.safetensors");
/// std::vector<float> w = file.values<float>("layers.0.k");
/// auto shape = file.at("layers.0.k").shape;
/// ```
///
/// error   std::runtime_error that names the file and what is wrong with it; nothing outside the file is ever read
/// source  https://github.com/huggingface/safetensors
namespace coefdyn {

namespace detail {
/// The JSON that such a header may hold, read left to right.
class json_reader {
 public:
  explicit json_reader(std::string_view text) : text_(text) {}

  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  void expect(char c) {
    if (peek() != c) fail(std::string("'") + c + "'");
    ++at_;
  }
  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  std::string string() {
    expect('"');
    std::string s;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] != '\\') {
        s += text_[at_++];
        continue;
      }
      if (++at_ >= text_.size()) break;
      const char c = text_[at_++];
      constexpr std::string_view escapes = "\"\\/bfnrt", meaning = "\"\\/\b\f\n\r\t";
      if (c == 'u') append_code_point(s, code_unit());
      else if (const auto i = escapes.find(c); i != std::string_view::npos) s += meaning[i];
      else fail("an escape of JSON");
    }
    if (at_ >= text_.size()) fail("the end of a string");
    ++at_;
    return s;
  }
  idx whole_number() {
    const char c = peek();
    if (c < '0' || c > '9') fail("a number that is not negative");
    idx value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      if (value > (idx(1) << 58)) fail("a number below 2^58");
      value = 10 * value + (text_[at_] - '0');
    }
    return value;
  }
  std::vector<idx> whole_numbers() {
    std::vector<idx> out;
    expect('[');
    if (accept(']')) return out;
    do out.push_back(whole_number());
    while (accept(','));
    expect(']');
    return out;
  }
  /// Calls f(key) for each member of an object; f reads the value.
  template <class F>
  void object(F f) {
    expect('{');
    if (accept('}')) return;
    do {
      const std::string key = string();
      expect(':');
      f(key);
    } while (accept(','));
    expect('}');
  }
  [[noreturn]] void fail(const std::string& expected) const {
    throw std::runtime_error("expected " + expected + " at byte " + std::to_string(at_) + " of the header");
  }

 private:
  unsigned code_unit() {
    unsigned u = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = at_ < text_.size() ? text_[at_++] : '\0';
      const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (digit < 0) fail("four hexadecimal digits");
      u = 16 * u + static_cast<unsigned>(digit);
    }
    return u;
  }
  void append_code_point(std::string& s, unsigned u) {
    if (u >= 0xd800 && u < 0xdc00 && text_.substr(at_, 2) == "\\u") {
      at_ += 2;
      u = 0x10000 + ((u - 0xd800) << 10) + (code_unit() - 0xdc00);
    }
    if (u < 0x80) s += static_cast<char>(u);
    else if (u < 0x800) s += {static_cast<char>(0xc0 | u >> 6), static_cast<char>(0x80 | (u & 63))};
    else if (u < 0x10000)
      s += {static_cast<char>(0xe0 | u >> 12), static_cast<char>(0x80 | (u >> 6 & 63)), static_cast<char>(0x80 | (u & 63))};
    else
      s += {static_cast<char>(0xf0 | u >> 18), static_cast<char>(0x80 | (u >> 12 & 63)), static_cast<char>(0x80 | (u >> 6 & 63)),
            static_cast<char>(0x80 | (u & 63))};
  }
  std::string_view text_;
  std::size_t at_ = 0;
};

/// Bytes of one element of a dtype; 0 for one that this reader does not know.
inline idx bytes_of_dtype(std::string_view dtype) {
  return dtype == "F64" || dtype == "I64" ? 8 : dtype == "F32" || dtype == "I32" ? 4 : dtype == "BF16" || dtype == "F16" ? 2 : 0;
}
}  // namespace detail

/// A whole file in memory.
struct safetensors {
  struct tensor {
    std::string dtype;  // F64 F32 BF16 F16 I64 I32; tensors of other types are kept as bytes
    std::vector<idx> shape;
    std::string_view bytes;
    idx size() const {
      idx s = 1;
      for (const idx e : shape) s *= e;
      return s;
    }
  };
  std::string path;
  std::map<std::string, std::string> metadata;
  std::map<std::string, tensor> tensors;

  safetensors() = default;
  safetensors(safetensors&&) = default;  // moved, not copied: tensors look into its memory
  safetensors& operator=(safetensors&&) = default;

  static safetensors read(const std::string& path) {
    safetensors file;
    file.path = path;
    try {
      file.load();
    } catch (const std::runtime_error& e) {
      throw std::runtime_error("coefdyn: " + path + ": " + e.what());
    }
    return file;
  }
  bool has(const std::string& name) const { return tensors.contains(name); }
  const tensor& at(const std::string& name) const {
    const auto t = tensors.find(name);
    if (t == tensors.end()) throw std::runtime_error("coefdyn: " + path + ": there is no tensor " + name);
    return t->second;
  }
  /// A copy of a tensor, row-major, each element converted to R.
  template <class R>
  std::vector<R> values(const std::string& name) const {
    const tensor& t = at(name);
    if (t.dtype == "F64") return converted<R, double>(t);
    if (t.dtype == "F32") return converted<R, float>(t);
    if (t.dtype == "BF16") return converted<R, bf16>(t);
    if (t.dtype == "F16") return converted<R, half>(t);
    if (t.dtype == "I64") return converted<R, std::int64_t>(t);
    if (t.dtype == "I32") return converted<R, std::int32_t>(t);
    throw std::runtime_error("coefdyn: " + path + ": " + name + " has dtype " + t.dtype + ", which is not F64, F32, BF16, F16, I64 or I32");
  }

 private:
  template <class R, class E>
  static std::vector<R> converted(const tensor& t) {
    static_assert(std::endian::native == std::endian::little,
                  "coefdyn: .safetensors files are little-endian, as this reader takes the host to be.");
    std::vector<R> out(static_cast<std::size_t>(t.size()));
    for (std::size_t i = 0; i < out.size(); ++i) {
      E x;
      std::memcpy(&x, t.bytes.data() + i * sizeof(E), sizeof(E));
      if constexpr (std::is_same_v<E, bf16> || std::is_same_v<E, half>) out[i] = static_cast<R>(static_cast<float>(x));
      else out[i] = static_cast<R>(x);
    }
    return out;
  }
  void load() {
    std::ifstream in(path, std::ios::binary | std::ios::ate);
    if (!in) throw std::runtime_error("cannot be opened");
    memory_.resize(static_cast<std::size_t>(in.tellg()));
    in.seekg(0);
    if (!in.read(memory_.data(), static_cast<std::streamsize>(memory_.size()))) throw std::runtime_error("cannot be read");
    const std::string_view all(memory_.data(), memory_.size());
    if (all.size() < 8) throw std::runtime_error("is shorter than its header's length");
    std::uint64_t length = 0;
    for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(all[static_cast<std::size_t>(i)]);
    if (length > all.size() - 8) throw std::runtime_error("ends within its header");
    const std::string_view data = all.substr(8 + length);
    detail::json_reader header(all.substr(8, length));
    header.object([&](const std::string& name) {
      if (name == "__metadata__") header.object([&](const std::string& key) { metadata[key] = header.string(); });
      else tensors[name] = entry(header, name, data);
    });
  }
  static tensor entry(detail::json_reader& header, const std::string& name, std::string_view data) {
    tensor t;
    std::vector<idx> offsets;
    header.object([&](const std::string& key) {
      if (key == "dtype") t.dtype = header.string();
      else if (key == "shape") t.shape = header.whole_numbers();
      else if (key == "data_offsets") offsets = header.whole_numbers();
      else header.fail("dtype, shape or data_offsets");
    });
    if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > idx(data.size()))
      throw std::runtime_error("the offsets of " + name + " lie outside the file");
    for (idx left = idx(1) << 44; const idx e : t.shape)
      if (e > 0 && (left /= e) == 0) throw std::runtime_error("the shape of " + name + " is too large");
    const idx bytes = detail::bytes_of_dtype(t.dtype);
    if (bytes > 0 && t.size() * bytes != offsets[1] - offsets[0])
      throw std::runtime_error("the shape of " + name + " does not fill its bytes");
    t.bytes = data.substr(static_cast<std::size_t>(offsets[0]), static_cast<std::size_t>(offsets[1] - offsets[0]));
    return t;
  }
  std::vector<char> memory_;
};

}  // namespace coefdyn
