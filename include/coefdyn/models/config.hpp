// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "../files/json.hpp"

/// config.json, read strictly: every key is asked for, known to change nothing here, or refused by name.
namespace coefdyn::models {

/// A JSON object of settings with the keys that were asked for.
///
/// error   files::file_error that names the file and the key: one that is missing, of another type or out of range
class config {
 public:
  /// From a file's text; `name` stands for the file in errors.
  static config parse(std::string_view text, const std::string& name) {
    files::detail::read_json(text, name, [&](const files::detail::json_path& path, const files::detail::json_value& value) {
      if (path.empty() && value.is != files::detail::json_value::kind::object)
        files::detail::refuse(name, "its JSON should be an object of settings, but is another value");
    });
    return config(nlohmann::json::parse(text.begin(), text.end(), nullptr, false), name, "");
  }
  config(nlohmann::json object, std::string file, std::string inside)
      : object_(std::move(object)), file_(std::move(file)), inside_(std::move(inside)) {}

  const std::string& file() const { return file_; }
  /// Whether a key is there and not null.
  bool has(const std::string& key) const { return object_.contains(key) && !object_[key].is_null(); }
  /// Changes or adds one, for what a reader knows from elsewhere.
  template <class T>
  void set(const std::string& key, const T& value) {
    object_[key] = value;
  }

  /// A whole number of least .. most; that of `otherwise` where the key is absent and one is given.
  idx whole(const std::string& key, idx least = 1, idx most = idx(1) << 24) { return whole_of(need(key), key, least, most); }
  idx whole_or(const std::string& key, idx otherwise, idx least = 1, idx most = idx(1) << 24) {
    return ask(key) ? whole_of(object_[key], key, least, most) : otherwise;
  }
  /// A finite number.
  double number(const std::string& key) { return number_of(need(key), key); }
  double number_or(const std::string& key, double otherwise) { return ask(key) ? number_of(object_[key], key) : otherwise; }
  bool flag_or(const std::string& key, bool otherwise) {
    if (!ask(key)) return otherwise;
    if (!object_[key].is_boolean()) wrong(key, "true or false");
    return object_[key].template get<bool>();
  }
  std::string text_or(const std::string& key, const std::string& otherwise) {
    if (!ask(key)) return otherwise;
    if (!object_[key].is_string()) wrong(key, "a string");
    return object_[key].template get<std::string>();
  }
  std::vector<std::string> texts(const std::string& key) {
    const nlohmann::json& list = need(key);
    if (!list.is_array()) wrong(key, "a list of strings");
    std::vector<std::string> out;
    for (const auto& one : list) {
      if (!one.is_string()) wrong(key, "a list of strings");
      out.push_back(one.template get<std::string>());
    }
    return out;
  }
  std::vector<idx> wholes_or(const std::string& key, std::vector<idx> otherwise, idx least, idx most) {
    if (!ask(key)) return otherwise;
    if (!object_[key].is_array()) wrong(key, "a list of whole numbers");
    otherwise.clear();
    for (const auto& one : object_[key]) otherwise.push_back(whole_of(one, key, least, most));
    return otherwise;
  }
  /// An object inside; empty where the key is absent.
  config part(const std::string& key) {
    if (!ask(key)) return config(nlohmann::json::object(), file_, inside_ + key + ".");
    if (!object_[key].is_object()) wrong(key, "an object");
    return config(object_[key], file_, inside_ + key + ".");
  }
  /// The JSON value of a key, asked for; null where it is absent.
  const nlohmann::json& raw(const std::string& key) {
    static const nlohmann::json none;
    return ask(key) ? object_[key] : none;
  }

  /// Refuses another value than the one that is supported; an absent key is that one.
  void only(const std::string& key, const nlohmann::json& supported, const std::string& why = "") {
    if (ask(key) && object_[key] != supported) unsupported(key, supported.dump(), why);
  }
  [[noreturn]] void unsupported(const std::string& key, const std::string& supported, const std::string& why = "") const {
    files::detail::refuse(file_, inside_ + key + ": supported is " + supported + ", given " +
                                     (object_.contains(key) ? cut(object_[key].dump(-1, ' ', false, replace)) : "none") +
                                     (why.empty() ? "" : "; " + why));
  }
  [[noreturn]] void wrong(const std::string& key, const std::string& expected) const {
    files::detail::refuse(file_, inside_ + key + ": expected " + expected + ", given " +
                                     (object_.contains(key) ? cut(object_[key].dump(-1, ' ', false, replace)) : "none"));
  }
  /// Keys that change nothing of what is computed here: training, generation, bookkeeping.
  void ignore(std::initializer_list<const char*> keys) {
    for (const char* key : keys) asked_.insert(key);
  }
  /// Refuses the keys that nobody asked for.
  void finish(const std::string& architecture) {
    ignore({"architectures",
            "model_type",
            "transformers_version",
            "torch_dtype",
            "dtype",
            "_name_or_path",
            "auto_map",
            "use_cache",
            "bos_token_id",
            "eos_token_id",
            "pad_token_id",
            "sep_token_id",
            "decoder_start_token_id",
            "unk_token_id",
            "initializer_range",
            "output_attentions",
            "output_hidden_states",
            "return_dict",
            "use_return_dict",
            "torchscript",
            "is_encoder_decoder",
            "is_decoder",
            "id2label",
            "label2id",
            "problem_type",
            "chunk_size_feed_forward",
            "max_position_embeddings",
            "attention_dropout",
            "_attn_implementation",
            "_commit_hash",
            "generation_config",
            "name_or_path"});
    for (const auto& [key, value] : object_.items())
      if (!asked_.contains(key) && !value.is_null())
        files::detail::refuse(file_, inside_ + key + ": " + architecture + " has no such setting that this reader knows, so " +
                                         cut(value.dump(-1, ' ', false, replace)) +
                                         " cannot be honoured; take the key out if it changes nothing");
  }

 private:
  static constexpr auto replace = nlohmann::json::error_handler_t::replace;
  static std::string cut(const std::string& s) { return s.size() > 80 ? s.substr(0, 80) + "..." : s; }
  bool ask(const std::string& key) {
    asked_.insert(key);
    return has(key);
  }
  const nlohmann::json& need(const std::string& key) {
    if (!ask(key)) wrong(key, "a value");
    return object_[key];
  }
  idx whole_of(const nlohmann::json& v, const std::string& key, idx least, idx most) const {
    if (!v.is_number_integer() || (v.is_number_unsigned() && v.template get<std::uint64_t>() > std::uint64_t(most)) ||
        v.template get<std::int64_t>() < least || v.template get<std::int64_t>() > most)
      wrong(key, "a whole number of " + std::to_string(least) + " .. " + std::to_string(most));
    return v.template get<idx>();
  }
  double number_of(const nlohmann::json& v, const std::string& key) const {
    if (!v.is_number() || !std::isfinite(v.template get<double>())) wrong(key, "a finite number");
    return v.template get<double>();
  }
  nlohmann::json object_;
  std::string file_, inside_;
  std::set<std::string> asked_;
};

}  // namespace coefdyn::models
