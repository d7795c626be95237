// SPDX-License-Identifier: MIT
#pragma once
#include <set>

#include "../files/json_tree.hpp"

/// config.json, read strictly: every key is asked for, known to change nothing here, or refused by name.
namespace coefdyn::models {

/// A JSON object of settings (files::json_tree) with the keys that were asked for.
///
/// error   files::file_error that names the file and the key: one that is missing, of another type or out of range
class config {
 public:
  /// From a file's text; `name` stands for the file in errors.
  static config parse(std::string_view text, const std::string& name) { return config(files::json_tree::parse(text, name)); }
  explicit config(files::json_tree object) : object_(std::move(object)) {
    if (!object_.is_object()) object_.refuse("its JSON should be an object of settings, but is another value");
  }

  const std::string& file() const { return object_.file(); }
  /// Whether a key is there and not null.
  bool has(const std::string& key) const { return !object_[key].is_absent(); }
  /// The value of a key, which is asked for hereby.
  files::json_tree operator[](const std::string& key) {
    asked_.insert(key);
    return object_[key];
  }
  /// Changes or adds one, for what a reader knows from elsewhere.
  void set(const std::string& key, const nlohmann::json& value) { object_ = object_.with(key, value); }

  /// A whole number of least .. most; that of `otherwise` where the key is absent and one is given.
  idx whole(const std::string& key, idx least = 1, idx most = idx(1) << 24) { return (*this)[key].whole(least, most); }
  idx whole_or(const std::string& key, idx otherwise, idx least = 1, idx most = idx(1) << 24) {
    return (*this)[key].whole_or(otherwise, least, most);
  }
  double number(const std::string& key) { return (*this)[key].number(); }
  double number_or(const std::string& key, double otherwise) { return (*this)[key].number_or(otherwise); }
  bool flag_or(const std::string& key, bool otherwise) { return (*this)[key].truth_or(otherwise); }
  std::string text_or(const std::string& key, const std::string& otherwise) { return (*this)[key].text_or(otherwise); }
  std::vector<std::string> texts(const std::string& key) {
    std::vector<std::string> out;
    for (const files::json_tree& one : list(key, "a list of strings")) out.push_back(one.text());
    return out;
  }
  std::vector<idx> wholes_or(const std::string& key, std::vector<idx> otherwise, idx least, idx most) {
    if (!has(key)) return asked_.insert(key), otherwise;
    otherwise.clear();
    for (const files::json_tree& one : list(key, "a list of whole numbers")) otherwise.push_back(one.whole(least, most));
    return otherwise;
  }
  /// An object inside; empty where the key is absent.
  config part(const std::string& key) {
    const files::json_tree inside = (*this)[key];
    if (!inside.is_absent() && !inside.is_object()) inside.wrong("an object");
    return config(inside, asked{});
  }

  /// Refuses another value than the one that is supported; an absent key is that one.
  void only(const std::string& key, const nlohmann::json& supported, const std::string& why = "") {
    if (const files::json_tree given = (*this)[key]; !given.is_absent() && given.json() != supported)
      unsupported(key, supported.dump(), why);
  }
  [[noreturn]] void unsupported(const std::string& key, const std::string& supported, const std::string& why = "") const {
    const files::json_tree given = object_[key];
    given.refuse("supported is " + supported + ", given " + given.shown_value() + (why.empty() ? "" : "; " + why));
  }
  [[noreturn]] void wrong(const std::string& key, const std::string& expected) const { object_[key].wrong(expected); }
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
    if (object_.is_absent()) return;
    for (const files::json_tree& one : object_.elements())
      if (!asked_.contains(one.name()) && !one.is_absent())
        one.refuse(architecture + " has no such setting that this reader knows, so " + one.shown_value() +
                   " cannot be honoured; take the key out if it changes nothing");
  }

 private:
  using asked = std::set<std::string>;
  config(files::json_tree object, asked keys) : object_(std::move(object)), asked_(std::move(keys)) {}
  std::vector<files::json_tree> list(const std::string& key, const char* expected) {
    const files::json_tree all = (*this)[key];
    if (!all.is_list()) all.wrong(expected);
    return all.elements();
  }
  files::json_tree object_;
  asked asked_;
};

}  // namespace coefdyn::models
