// SPDX-License-Identifier: MIT
#pragma once
#include "named_tensors.hpp"

namespace coefdyn::files {

/// A checkpoint of llama2.c: seven whole numbers of 32 bits (sizes), then float32 weights without names, those of a kind for all layers
/// together. The names here are those of the authors' PyTorch model: tok_embeddings.weight, layers.I.attention_norm.weight,
/// layers.I.attention.{wq,wk,wv,wo}.weight, layers.I.ffn_norm.weight, layers.I.feed_forward.{w1,w2,w3}.weight, norm.weight, and
/// output.weight where the classifier has weights of its own. RoPE's tables, which the file holds too, are left out.
///
/// ```cpp statements
/// const auto model = files::llama2c::read("stories260K.bin");
/// const auto query = model.load<float>("layers.0.attention.wq.weight");  // (dim, dim)
/// ```
///
/// error   file_error that names the file, the size or the tensor, and the byte
/// source  https://github.com/karpathy/llama2.c, version 0 of its format
class llama2c : public named_tensors {
 public:
  /// Widths in channels; `positions` is the longest sequence in tokens.
  struct sizes {
    int dim = 0, hidden = 0, layers = 0, heads = 0, kv_heads = 0, vocabulary = 0, positions = 0;
    bool tied = true;  // the classifier is the embedding
  };
  sizes size;

  static llama2c read(const std::string& path) {
    mapped_file file(path);
    llama2c out = parse(file.bytes(), path);
    out.files_.push_back(std::move(file));
    return out;
  }
  /// A file's content from memory, which has to outlive the result; `name` stands for the file in errors.
  static llama2c parse(std::span<const std::byte> content, const std::string& name) {
    llama2c out;
    out.path = name;
    detail::byte_walk in{name, content};
    out.read_sizes(in);
    out.place(in);
    return out;
  }

 private:
  void read_sizes(detail::byte_walk& in) {
    const auto number = [&](const char* what) { return static_cast<std::int32_t>(in.word(std::string("the size ") + what)); };
    const auto positive = [&](const char* what, std::int32_t x) {
      if (x < 1 || x > 1 << 28)
        detail::refuse(in.path, std::string("the size ") + what + " should be 1 .. 2^28, but is " + std::to_string(x) +
                                    "; is it a checkpoint of llama2.c, version 0?");
      return int(x);
    };
    for (const auto& [to, what] : {std::pair(&size.dim, "dim"), std::pair(&size.hidden, "hidden_dim"), std::pair(&size.layers, "n_layers"),
                                   std::pair(&size.heads, "n_heads"), std::pair(&size.kv_heads, "n_kv_heads")})
      *to = positive(what, number(what));
    const std::int32_t vocabulary = number("vocab_size");
    size.tied = vocabulary > 0;
    size.vocabulary = positive("vocab_size", vocabulary > -(1 << 28) && vocabulary < 0 ? -vocabulary : vocabulary);
    size.positions = positive("seq_len", number("seq_len"));
    if (size.dim % size.heads != 0 || size.heads % size.kv_heads != 0 || size.dim / size.heads % 2 != 0)
      detail::refuse(in.path, "heads should divide dim into even widths and kv heads divide heads, but dim is " + std::to_string(size.dim) +
                                  ", heads " + std::to_string(size.heads) + ", kv heads " + std::to_string(size.kv_heads));
  }
  void place(detail::byte_walk& in) {
    const idx dim = size.dim, hidden = size.hidden, kv = dim / size.heads * size.kv_heads;
    const auto one = [&](const std::string& name, std::vector<idx> shape) {
      tensors[name] = in.tensor(name, number_type::f32, std::move(shape));
    };
    const auto of_layers = [&](const std::string& name, const std::vector<idx>& shape) {
      for (int l = 0; l < size.layers; ++l) one("layers." + std::to_string(l) + "." + name + ".weight", shape);
    };
    one("tok_embeddings.weight", {size.vocabulary, dim});
    of_layers("attention_norm", {dim});
    of_layers("attention.wq", {dim, dim});
    of_layers("attention.wk", {kv, dim});
    of_layers("attention.wv", {kv, dim});
    of_layers("attention.wo", {dim, dim});
    of_layers("ffn_norm", {dim});
    of_layers("feed_forward.w1", {hidden, dim});
    of_layers("feed_forward.w2", {dim, hidden});
    of_layers("feed_forward.w3", {hidden, dim});
    one("norm.weight", {dim});
    for (const char* table : {"freq_cos", "freq_sin"}) in.tensor(table, number_type::f32, {size.positions, dim / size.heads / 2});
    if (!size.tied) one("output.weight", {size.vocabulary, dim});
    in.expect_end();
  }
};

}  // namespace coefdyn::files
