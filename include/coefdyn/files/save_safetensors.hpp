// SPDX-License-Identifier: MIT
#pragma once
#include <functional>

#include "safetensors.hpp"

/// Writes .safetensors files, with the same bytes as the reference writer: tensors in the order of their types, then of their names;
/// the data begin at a multiple of 8.
///
/// ```cpp statements with call
/// files::safetensors_writer to;
/// to.metadata["step"] = "1200";
/// to.add("layers.0.y", y);                // any strides; the memory has to last until `save`
/// to.save("checkpoint.safetensors");      // written aside, then renamed: the old file or the new, never a part
/// ```
///
/// error   invalid_input for a name twice, "__metadata__" as a tensor's name or a name that is no UTF-8; file_error where writing fails
namespace coefdyn::files {

/// Gathers named arrays and writes them as a safetensors file.
class safetensors_writer {
 public:
  std::map<std::string, std::string> metadata;

  template <class T, int Rank>
  void add(const std::string& name, const view<T, Rank>& v) {
    constexpr number_type type = number_type_of<std::remove_const_t<T>>();
    static_assert(type != number_type::c128,
                  "coefdyn: .safetensors has no complex numbers of double; write complex<float>, or two arrays.");
    add(name, type, std::vector<idx>(v.extents, v.extents + Rank), sizeof(T) * static_cast<std::size_t>(v.size()),
        [v](file_writer& to) { detail::in_row_major_order(v, [&](auto part) { to.write(std::as_bytes(part)); }); });
  }
  /// Row-major numbers of any rank, 0 too; they have to last as well.
  template <class T>
  void add(const std::string& name, const array<T>& a) {
    add(name, {number_type_of<T>(), "", a.shape, std::as_bytes(std::span(a.values))});
  }
  /// Numbers as they lie in a file, of any type: what safetensors::at gave.
  void add(const std::string& name, const safetensors::tensor& t) {
    add(name, t.type, t.shape, t.bytes.size(), [bytes = t.bytes](file_writer& to) { to.write(bytes); });
  }
  void save(const std::string& path) const {
    std::vector<const entry*> order;
    for (const entry& e : entries_) order.push_back(&e);
    std::sort(order.begin(), order.end(),
              [](const entry* a, const entry* b) { return a->type != b->type ? a->type > b->type : a->name < b->name; });
    const std::string header = header_of(order);
    std::byte length[8];
    for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<std::byte>(header.size() >> (8 * i) & 0xff);
    file_writer file(path);
    file.write(length);
    file.write(std::as_bytes(std::span(header)));
    for (const entry* e : order) e->write(file);
    file.finish();
  }

 private:
  struct entry {
    std::string name;
    number_type type;
    std::vector<idx> shape;
    std::size_t bytes;
    std::function<void(file_writer&)> write;
  };
  void add(const std::string& name, number_type type, std::vector<idx> shape, std::size_t bytes, std::function<void(file_writer&)> write) {
    if (name == "__metadata__") COEFDYN_THROW invalid_input("tensor " + name, "a name of its own", "the name of the metadata");
    for (const entry& e : entries_)
      if (e.name == name) COEFDYN_THROW invalid_input("tensor " + name, "a name that is not taken", "one that is there already");
    entries_.push_back({name, type, std::move(shape), bytes, std::move(write)});
  }
  std::string header_of(const std::vector<const entry*>& order) const {
    std::string text = "{";
    if (!metadata.empty()) {
      text += "\"__metadata__\":{";
      for (const auto& [key, value] : metadata)
        text += (text.back() == '{' ? "" : ",") + detail::json_text(key) + ":" + detail::json_text(value);
      text += "}";
    }
    std::size_t at = 0;
    for (const entry* e : order) {
      text += (text.back() == '{' ? "" : ",") + detail::json_text(e->name) + ":{\"dtype\":\"" + std::string(entry_of(e->type).safetensors) +
              "\",\"shape\":[";
      for (const idx extent : e->shape) text += (text.back() == '[' ? "" : ",") + std::to_string(extent);
      text += "],\"data_offsets\":[" + std::to_string(at) + "," + std::to_string(at + e->bytes) + "]}";
      at += e->bytes;
    }
    text += "}";
    text.resize((text.size() + 7) / 8 * 8, ' ');
    return text;
  }
  std::vector<entry> entries_;
};

}  // namespace coefdyn::files
