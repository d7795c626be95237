// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <limits>
#include <tuple>

#include "json.hpp"
#include "named_tensors.hpp"

/// Reads .safetensors files: an 8-byte little-endian header length, a JSON header {name: {dtype, shape, data_offsets}} with an
/// optional "__metadata__" of strings, then the data. The file is mapped: a tensor costs nothing before it is looked at.
///
/// ```cpp statements with call
/// const auto file = files::safetensors::read("model.safetensors");  // or model.safetensors.index.json: all its shards as one
/// const auto q = file.load<float>("layers.0.q");                    // files::array<float>: each number converted (numbers.hpp)
/// x.q = q.as_view<4>();
/// x.k = file.view_of<float, 4>("layers.0.k");                       // nothing converted, nothing copied
/// const auto& v = file.at("layers.0.v");                            // v.shape, v.dtype, v.bytes: of every type
/// ```
///
/// What the reference reader refuses is refused, and beyond it: a name twice, even where both say the same; a tensor given as a list;
/// more than 64 axes; a shape whose product, zeros left out, passes 2^63.
///
/// error   file_error that names the file, the tensor and what is wrong with it; nothing outside the file is ever read, and memory is in
///         proportion to the bytes of the header that are there, whatever it claims
/// source  https://github.com/huggingface/safetensors
namespace coefdyn::files {

/// A mapped safetensors file, or an index with its shards: tensors by name, metadata.
class safetensors : public named_tensors {
 public:
  /// A file, or an index (.json) with the files beside it that it names: no more and no fewer tensors than it names, each in its file
  /// alone.
  static safetensors read(const std::string& path);
  /// A file's content from memory, which has to outlive the result; `name` stands for the file in errors.
  static safetensors parse(std::span<const std::byte> content, const std::string& name);

 private:
  static safetensors read_index(const mapped_file& index, const std::string& path);
};

namespace detail {
/// What a header says of a tensor, before it is known to be true.
struct tensor_claim {
  std::string_view dtype;  // in number_types; empty: not said yet
  number_type type = number_type::f32;
  std::vector<idx> shape;
  std::uint64_t offsets[2] = {};
  std::size_t offsets_said = 0;
  bool shape_said = false;
};

/// Takes the values of a header one by one.
struct safetensors_header {
  const std::string& file;
  std::map<std::string, tensor_claim>& claims;
  std::map<std::string, std::string>& metadata;
  using kind = json_value::kind;

  [[noreturn]] void wrong(const std::string& name, const char* key, const char* expected) const {
    refuse(file, "tensor " + in_quotes(name) + ": expected " + key + " to be " + expected);
  }
  void operator()(const json_path& path, const json_value& v) const {
    if (path.empty()) {
      if (v.is != kind::object) refuse(file, "the header should be a JSON object, but is another value");
    } else if (const std::string& name = path[0].key; name == "__metadata__") {
      if (path.size() == 1 && v.is != kind::object && v.is != kind::null)
        refuse(file, "__metadata__ should be an object of strings, but is another value");
      if (path.size() < 2) return;
      if (v.is != kind::text) refuse(file, "__metadata__ should hold strings alone, but " + in_quotes(path[1].key) + " is another value");
      metadata.emplace(path[1].key, v.text);
    } else if (path.size() == 1) {
      if (v.is != kind::object) refuse(file, "tensor " + in_quotes(name) + ": expected an object of dtype, shape and data_offsets");
      claims.emplace(name, tensor_claim{});
    } else if (path.size() == 2) {
      begin(name, path[1].key, v);
    } else if (path.size() == 3 && path[1].key == "shape") {
      extent(name, v);
    } else if (path.size() == 3 && path[1].key == "data_offsets") {
      offset(name, v);
    }
  }
  void begin(const std::string& name, const std::string& key, const json_value& v) const {
    if (key == "dtype") {
      if (v.is != kind::text) wrong(name, "dtype", "a string such as F32");
      const auto known = std::find_if(std::begin(number_types), std::end(number_types),
                                      [&](const auto& e) { return !e.safetensors.empty() && e.safetensors == v.text; });
      if (known == std::end(number_types))
        refuse(file, "tensor " + in_quotes(name) + ": expected a dtype of the format, given " + in_quotes(v.text));
      tensor_claim& claim = claims.at(name);
      claim.dtype = known->safetensors, claim.type = static_cast<number_type>(known - number_types);
    } else if (key == "shape") {
      if (v.is != kind::array) wrong(name, "shape", "a list of whole numbers");
      claims.at(name).shape_said = true;
    } else if (key == "data_offsets" && v.is != kind::array) {
      wrong(name, "data_offsets", "a list of two whole numbers");
    }  // other members are left to whoever put them there
  }
  void extent(const std::string& name, const json_value& v) const {
    constexpr std::size_t most_axes = 64;
    if (v.is != kind::whole || v.whole > std::uint64_t(std::numeric_limits<idx>::max()))
      wrong(name, "shape", "a list of whole numbers below 2^63");
    std::vector<idx>& shape = claims.at(name).shape;
    if (shape.size() == most_axes) wrong(name, "shape", "a list of at most 64 extents");
    shape.push_back(static_cast<idx>(v.whole));
  }
  void offset(const std::string& name, const json_value& v) const {
    tensor_claim& claim = claims.at(name);
    if (v.is != kind::whole || claim.offsets_said == 2) wrong(name, "data_offsets", "a list of two whole numbers");
    claim.offsets[claim.offsets_said++] = v.whole;
  }
};

/// The bytes of the tensors of a file, which have to follow upon each other from the first byte of the data to the last.
inline void place_tensors(const std::string& file, const std::map<std::string, tensor_claim>& claims, std::span<const std::byte> data,
                          std::map<std::string, safetensors::tensor>& out) {
  std::vector<std::map<std::string, tensor_claim>::const_pointer> order;
  for (const auto& claim : claims) order.push_back(&claim);
  const auto key = [](const auto* c) { return std::tie(c->second.offsets[0], c->second.offsets[1], c->first); };
  std::sort(order.begin(), order.end(), [&](const auto* a, const auto* b) { return key(a) < key(b); });
  std::uint64_t end = 0;
  for (const auto* entry : order) {
    const auto& [name, claim] = *entry;
    const std::string what = "tensor " + in_quotes(name) + ": ";
    const auto refuse_it = [&](const std::string& why) { refuse(file, what + why); };
    if (claim.dtype.empty()) refuse_it("expected a dtype, given none");
    if (!claim.shape_said) refuse_it("expected a shape, given none");
    if (claim.offsets_said != 2) refuse_it("expected data_offsets of two numbers, given " + std::to_string(claim.offsets_said));
    const std::string range = std::to_string(claim.offsets[0]) + " to " + std::to_string(claim.offsets[1]);
    if (claim.offsets[0] != end || claim.offsets[1] < claim.offsets[0])
      refuse_it("expected its bytes to follow upon those before it, from " + std::to_string(end) + " on, given " + range);
    end = claim.offsets[1];
    if (end > data.size()) refuse_it("expected its bytes in the file's " + std::to_string(data.size()) + " of data, given " + range);
    const auto bits = static_cast<std::size_t>(entry_of(claim.type).bits);
    const std::size_t total = size_needed(file, what, claim.shape, bits);
    if (total % 8 != 0 || total / 8 != claim.offsets[1] - claim.offsets[0])
      refuse_it("expected its shape to fill its bytes, " + std::to_string(total) + " bits, given " + range);
    out[name] = {claim.type, claim.dtype, claim.shape, data.subspan(claim.offsets[0], claim.offsets[1] - claim.offsets[0])};
  }
  if (end != data.size())
    refuse(file, "its tensors should fill the file, but end after " + std::to_string(end) + " of " + std::to_string(data.size()) +
                     " bytes of data");
}
}  // namespace detail

inline safetensors safetensors::parse(std::span<const std::byte> content, const std::string& name) {
  const std::string_view all(reinterpret_cast<const char*>(content.data()), content.size());
  if (all.size() < 8)
    detail::refuse(name, "the file should begin with its header's length in 8 bytes, but has " + std::to_string(all.size()));
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(all[i]);
  constexpr std::uint64_t longest = 100'000'000;  // the reference reader's
  if (length > longest) detail::refuse(name, "the header should have at most 10^8 bytes, but claims " + std::to_string(length));
  if (length > all.size() - 8)
    detail::refuse(
        name, "the header should have " + std::to_string(length) + " bytes, but the file ends after " + std::to_string(all.size() - 8));
  safetensors out;
  out.path = name;
  std::map<std::string, detail::tensor_claim> claims;
  detail::read_json(all.substr(8, length), name, detail::safetensors_header{name, claims, out.metadata});
  detail::place_tensors(name, claims, content.subspan(8 + length), out.tensors);
  return out;
}

inline safetensors safetensors::read(const std::string& path) {
  mapped_file file(path);
  if (path.ends_with(".json")) return read_index(file, path);
  safetensors out = parse(file.bytes(), path);
  out.files_.push_back(std::move(file));
  return out;
}

namespace detail {
/// {"metadata": {...}, "weight_map": {tensor: file}} as tensors by file; the files lie beside the index.
inline std::map<std::string, std::set<std::string>> shards_of(std::string_view text, const std::string& path) {
  using kind = json_value::kind;
  std::map<std::string, std::set<std::string>> shards;
  bool map_said = false;
  read_json(text, path, [&](const json_path& at, const json_value& v) {
    if (at.size() == 1 && at[0].key == "weight_map") map_said = v.is == kind::object;
    if (at.size() != 2 || at[0].key != "weight_map") return;
    if (v.is != kind::text || v.text.empty() || v.text.find_first_of(std::string_view("/\\\0", 3)) != std::string_view::npos ||
        v.text.ends_with(".json"))
      refuse(path, "tensor " + in_quotes(at[1].key) + ": expected the name of a file beside the index");
    shards[std::string(v.text)].insert(at[1].key);
  });
  if (!map_said) refuse(path, "an index should hold a weight_map of tensors to files, but does not");
  return shards;
}
}  // namespace detail

inline safetensors safetensors::read_index(const mapped_file& index, const std::string& path) {
  const std::string_view text(reinterpret_cast<const char*>(index.bytes().data()), index.bytes().size());
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  safetensors out;
  for (const auto& [home, named] : detail::shards_of(text, path)) {
    safetensors shard = read(folder + home);
    for (const std::string& name : named) shard.at(name);
    for (auto& [name, t] : shard.tensors) {
      if (!named.contains(name))
        detail::refuse(shard.path, "tensor " + detail::in_quotes(name) + ": expected tensors that " + path +
                                       " says are here, given another; mend the index");
      out.tensors.emplace(name, std::move(t));
    }
    out.metadata.merge(shard.metadata);
    for (mapped_file& f : shard.files_) out.files_.push_back(std::move(f));
  }
  out.path = path;
  return out;
}

}  // namespace coefdyn::files
