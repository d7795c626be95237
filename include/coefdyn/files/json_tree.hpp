// SPDX-License-Identifier: MIT
#pragma once
#include <limits>
#include <memory>
#include <utility>

#include "../core/config.hpp"
#include "json.hpp"

namespace coefdyn::files {

/// A JSON document as a tree, for settings such as config.json. Each value knows its file and its place there, so that what is missing
/// or of another kind is refused by name.
///
/// ```cpp statements
/// const auto config = files::json_tree::read("config.json");
/// const idx width = config["hidden_size"].whole(1, 1 << 20);
/// const double eps = config["rms_norm_eps"].number_or(1e-6);  // where the file is silent, or says null
/// for (const auto& kind : config["layer_types"].elements()) (void)kind.text();
/// ```
///
/// error   file_error: "PATH: rope_scaling.factor: expected a number, given \"8\""
class json_tree {
 public:
  static json_tree read(const std::string& path) {
    const mapped_file file(path);
    return parse({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, path);
  }
  /// A document from memory; `name` stands for the file in errors.
  static json_tree parse(std::string_view text, const std::string& name) {
    detail::read_json(text, name, [](const detail::json_path&, const detail::json_value&) {});
    return json_tree(nlohmann::json::parse(text.begin(), text.end(), nullptr, false), name);
  }
  /// A value that was made elsewhere; `name` stands for its file in errors.
  json_tree(nlohmann::json value, const std::string& name) {
    auto all = std::make_shared<document>(document{name, std::move(value)});
    at_ = &all->top, all_ = std::move(all);
  }
  /// A copy of this object with a member changed or added.
  json_tree with(const std::string& name, nlohmann::json value) const {
    nlohmann::json changed = json();
    changed[name] = std::move(value);
    json_tree out(std::move(changed), all_->path);
    out.place_ = place_, out.name_ = name_;
    return out;
  }

  bool is_absent() const { return !at_ || at_->is_null(); }
  bool is_object() const { return at_ && at_->is_object(); }
  bool is_list() const { return at_ && at_->is_array(); }
  /// A member of an object; absent where there is none, or where this itself is absent.
  json_tree operator[](const std::string& name) const {
    if (is_absent()) return child(nullptr, name);
    if (!is_object()) wrong("an object");
    const auto found = at_->find(name);
    return child(found == at_->end() ? nullptr : &*found, name);
  }
  /// An array's elements, or an object's members.
  std::vector<json_tree> elements() const {
    if (!is_object() && !is_list()) wrong("a list");
    std::vector<json_tree> out;
    out.reserve(at_->size());
    for (auto each = at_->begin(); each != at_->end(); ++each)
      out.push_back(child(&*each, is_object() ? each.key() : std::to_string(out.size())));
    return out;
  }
  /// A member's name, or an element's number, with those of what is around it: "rope_scaling.factor".
  const std::string& place() const { return place_; }
  /// A member's own name.
  const std::string& name() const { return name_; }
  const std::string& file() const { return all_->path; }
  /// The value as nlohmann-json has it; null where it is absent.
  const nlohmann::json& json() const {
    static const nlohmann::json none;
    return at_ ? *at_ : none;
  }
  idx whole(idx least = 0, idx most = std::numeric_limits<idx>::max()) const {
    const bool fits = json().is_number_unsigned()
                          ? json().get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<idx>::max())
                          : json().is_number_integer();
    if (!fits || json().get<idx>() < least || json().get<idx>() > most)
      wrong("a whole number of " + std::to_string(least) + " .. " + std::to_string(most));
    return json().get<idx>();
  }
  double number() const {
    if (!json().is_number()) wrong("a number");
    return json().get<double>();
  }
  bool truth() const {
    if (!json().is_boolean()) wrong("true or false");
    return json().get<bool>();
  }
  const std::string& text() const {
    if (!json().is_string()) wrong("a string");
    return json().get_ref<const std::string&>();
  }
  /// The same, or `otherwise` where the value is absent or null.
  idx whole_or(idx otherwise, idx least = 0, idx most = std::numeric_limits<idx>::max()) const {
    return is_absent() ? otherwise : whole(least, most);
  }
  double number_or(double otherwise) const { return is_absent() ? otherwise : number(); }
  bool truth_or(bool otherwise) const { return is_absent() ? otherwise : truth(); }
  std::string text_or(std::string otherwise) const { return is_absent() ? std::move(otherwise) : text(); }
  /// Refuses the file for this value: "PATH: PLACE: SENTENCE".
  [[noreturn]] void refuse(const std::string& sentence) const {
    files::detail::refuse(all_->path, (place_.empty() ? "" : shown(place_) + ": ") + sentence);
  }
  /// Refuses it as another than what was expected.
  [[noreturn]] void wrong(const std::string& expected) const { refuse("expected " + expected + ", given " + shown_value()); }
  /// The value as JSON in ASCII, of a long one the beginning; "none" where it is absent.
  std::string shown_value() const {
    if (!at_) return "none";
    const std::string all = at_->dump(-1, ' ', true);
    return all.size() > 80 ? all.substr(0, 80) + "..." : all;
  }

 private:
  struct document {
    std::string path;
    nlohmann::json top;
  };
  json_tree() = default;
  static std::string shown(const std::string& place) {
    const std::string quoted = detail::in_quotes(place);
    return quoted.substr(1, quoted.size() - 2);
  }
  json_tree child(const nlohmann::json* at, const std::string& name) const {
    json_tree out;
    out.all_ = all_, out.at_ = at, out.name_ = name;
    out.place_ = place_.empty() ? name : place_ + "." + name;
    return out;
  }
  std::shared_ptr<const document> all_;
  const nlohmann::json* at_ = nullptr;  // none: absent
  std::string place_, name_;
};

}  // namespace coefdyn::files
