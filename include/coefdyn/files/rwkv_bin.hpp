// SPDX-License-Identifier: MIT
#pragma once
#include "named_tensors.hpp"

namespace coefdyn::files {

/// A checkpoint of rwkv.cpp: a header of six 32-bit numbers (magic 67676d66, version 100 or 101, vocabulary, width, layers, type), then
/// tensors, each with its axes, name, type, extents (the last axis first) and numbers. Names are those of the authors' PyTorch model;
/// shapes are in PyTorch's order. The format stores time_decay as -exp(w) for RWKV-4 and as exp(-exp(w)) for RWKV-5.
///
/// ```cpp statements
/// const auto model = files::rwkv_bin::read("model.bin");
/// const auto key = model.load<float>("blocks.0.att.key.weight");
/// ```
///
/// error   file_error that names the file, the tensor and the byte; quantised tensors are refused by the number of their type
/// source  https://github.com/RWKV/rwkv.cpp, docs/FILE_FORMAT.md
class rwkv_bin : public named_tensors {
 public:
  idx vocabulary = 0, width = 0, layers = 0;

  static rwkv_bin read(const std::string& path) {
    mapped_file file(path);
    rwkv_bin out = parse(file.bytes(), path);
    out.files_.push_back(std::move(file));
    return out;
  }
  /// A file's content from memory, which has to outlive the result; `name` stands for the file in errors.
  static rwkv_bin parse(std::span<const std::byte> content, const std::string& name) {
    rwkv_bin out;
    out.path = name;
    detail::byte_walk in{name, content};
    out.read_header(in);
    while (!in.rest.empty()) out.read_tensor(in);
    return out;
  }

 private:
  static number_type type_of(detail::byte_walk& in, const std::string& what) {
    const std::uint32_t type = in.word(what);
    if (type > 1)
      detail::refuse(in.path, what + " should be 0 (F32) or 1 (F16), but is " + std::to_string(type) +
                                  "; a quantised file cannot be read: convert the model to F16");
    return type == 0 ? number_type::f32 : number_type::f16;
  }
  void read_header(detail::byte_walk& in) {
    constexpr std::uint32_t magic = 0x67676d66;
    if (in.word("the magic number") != magic)
      detail::refuse(in.path, "the file should begin with the number 67676d66 of rwkv.cpp, but does not");
    const std::uint32_t version = in.word("the version");
    if (version != 100 && version != 101) detail::refuse(in.path, "the version should be 100 or 101, but is " + std::to_string(version));
    vocabulary = in.word("n_vocab"), width = in.word("n_embed"), layers = in.word("n_layer");
    type_of(in, "the file's type");
  }
  void read_tensor(detail::byte_walk& in) {
    const std::string where = "the tensor at byte " + std::to_string(in.at);
    const std::uint32_t axes = in.word(where), letters = in.word(where);
    if (axes < 1 || axes > 4) detail::refuse(in.path, where + " should have 1 .. 4 axes, but has " + std::to_string(axes));
    const number_type type = type_of(in, "the type of " + where);
    std::vector<idx> shape(axes);
    for (std::size_t a = axes; a-- > 0;) shape[a] = in.word(where);
    const std::string name(in.text(letters, "the name of " + where));
    if (!tensors.emplace(name, in.tensor(name, type, std::move(shape))).second)
      detail::refuse(in.path, "tensor " + detail::in_quotes(name) + ": expected each name once, but it stands again at byte " +
                                  where.substr(where.rfind(' ') + 1));
  }
};

}  // namespace coefdyn::files
