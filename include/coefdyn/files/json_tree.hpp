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
/// error   file_error: "PATH: rope_scaling.factor: expected a number, given a string"
class json_tree {
 public:
  using kind = detail::json_value::kind;

  static json_tree read(const std::string& path) {
    const mapped_file file(path);
    return parse({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, path);
  }
  /// A document from memory; `name` stands for the file in errors.
  static json_tree parse(std::string_view text, const std::string& name) {
    auto all = std::make_shared<document>(document{name, {}});
    std::vector<node*> open;  // a parent stays where it is while its children come
    detail::read_json(text, name, [&](const detail::json_path& at, const detail::json_value& v) {
      node made{v.is, v.truth, v.whole, v.number, std::string(v.text), {}, {}};
      if (at.empty()) {
        all->top = std::move(made);
        open = {&all->top};
        return;
      }
      open.resize(at.size());
      node& parent = *open.back();
      if (parent.is == kind::object) made.name = at.back().key;
      parent.children.push_back(std::move(made));
      open.push_back(&parent.children.back());
    });
    json_tree out;
    out.at_ = &all->top, out.all_ = std::move(all);
    return out;
  }

  bool is_absent() const { return !at_ || at_->is == kind::null; }
  bool is(kind k) const { return at_ && at_->is == k; }
  /// A member of an object; absent where there is none, or where this itself is absent.
  json_tree operator[](std::string_view name) const {
    if (!is_absent()) expect(kind::object, "an object");
    if (at_)
      for (const node& c : at_->children)
        if (c.name == name) return child(&c, name);
    return child(nullptr, name);
  }
  /// An array's elements, or an object's members.
  std::vector<json_tree> elements() const {
    if (!is(kind::object)) expect(kind::array, "a list");
    std::vector<json_tree> out;
    for (const node& c : at_->children) out.push_back(child(&c, at_->is == kind::object ? c.name : std::to_string(out.size())));
    return out;
  }
  /// A member's name, or an element's number, with those of what is around it: "rope_scaling.factor".
  const std::string& place() const { return place_; }
  /// A member's own name.
  const std::string& name() const {
    expect_present();
    return at_->name;
  }
  idx whole(idx least = 0, idx most = std::numeric_limits<idx>::max()) const {
    expect(kind::whole, "a whole number");
    if (at_->whole > static_cast<std::uint64_t>(most) || static_cast<idx>(at_->whole) < least)
      refuse("expected a whole number in " + std::to_string(least) + " .. " + std::to_string(most) + ", given " +
             std::to_string(at_->whole));
    return static_cast<idx>(at_->whole);
  }
  double number() const {
    if (!is(kind::whole)) expect(kind::number, "a number");
    return at_->number;
  }
  bool truth() const {
    expect(kind::boolean, "true or false");
    return at_->truth;
  }
  const std::string& text() const {
    expect(kind::text, "a string");
    return at_->text;
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

 private:
  json_tree() = default;
  struct node {
    kind is = kind::null;
    bool truth = false;
    std::uint64_t whole = 0;
    double number = 0;
    std::string text, name;
    std::vector<node> children;
  };
  struct document {
    std::string path;
    node top;
  };
  static std::string shown(const std::string& place) {
    const std::string quoted = detail::in_quotes(place);
    return quoted.substr(1, quoted.size() - 2);
  }
  static const char* name_of(kind k) {
    constexpr const char* names[] = {"null", "true or false", "a whole number", "a number", "a string", "an object", "a list"};
    return names[static_cast<std::size_t>(k)];
  }
  json_tree child(const node* at, std::string_view name) const {
    json_tree out;
    out.all_ = all_, out.at_ = at;
    out.place_ = place_.empty() ? std::string(name) : place_ + "." + std::string(name);
    return out;
  }
  void expect_present() const {
    if (!at_) refuse("it is missing");
  }
  void expect(kind k, const char* what) const {
    if (!at_) refuse(std::string("expected ") + what + ", given nothing");
    if (at_->is != k) refuse(std::string("expected ") + what + ", given " + name_of(at_->is));
  }
  std::shared_ptr<const document> all_;
  const node* at_ = nullptr;
  std::string place_;
};

}  // namespace coefdyn::files
