// SPDX-License-Identifier: MIT
#pragma once
#include <filesystem>
#include <memory>

#include "../files/named_tensors.hpp"
#include "../nn/weights.hpp"
#include "config.hpp"

/// A published checkpoint as a reader of an architecture meets it: settings, and tensors by name; and the way of the tensors into a model's
/// parameters.
namespace coefdyn::models {

/// Settings and tensors of a model on disk. A reader of another format fills the same.
struct checkpoint {
  config settings;
  files::named_tensors tensors;  // its path names the file in errors
};

namespace detail {
inline std::string text_of(const std::vector<idx>& shape) { return coefdyn::detail::shape_text(shape.data(), int(shape.size())); }
/// Columns of a row: those of a tensor's axes after the first.
inline idx columns_of(const std::vector<idx>& shape) {
  idx columns = 1;
  for (std::size_t a = 1; a < shape.size(); ++a) columns *= shape[a];
  return columns;
}
}  // namespace detail

/// How a model's parameters are made of a checkpoint's tensors. A parameter of which nothing is said is the tensor of its own name and
/// shape; the rest is said before `finish`. Strict: a tensor is looked at when it is named, and in the end every one is used, every
/// parameter complete. What a model takes is allocated after that, so that settings alone cannot ask for memory.
///
/// error   files::file_error with the file's and the tensor's name: one that is missing, unknown, of another shape or of a type that is no
///         real number
class tensor_map {
 public:
  tensor_map(const files::named_tensors& from, const nn::parameter_list& to) : from_(from), to_(to) {}

  /// A tensor of this shape, whose rows go where `rows` say.
  void tensor(const std::string& name, const std::vector<idx>& shape) {
    known_.insert(name);
    if (!from_.has(name)) refuse(name, "expected one of shape " + detail::text_of(shape) + ", but there is none");
    const auto& t = from_.at(name);
    if (t.shape != shape) refuse(name, "expected shape " + detail::text_of(shape) + ", given shape " + detail::text_of(t.shape));
    using files::number_type;
    if (t.type != number_type::f32 && t.type != number_type::f16 && t.type != number_type::bf16 && t.type != number_type::f64)
      refuse(name, "expected F32, F16, BF16 or F64, given " + std::string(t.dtype));
  }
  /// Rows first .. first + count - 1 of a tensor are rows own_first .. of a parameter; a vector has a row a number.
  /// `added` is to its numbers: 1 where a norm is published as weight - 1.
  void rows(const std::string& tensor, const std::string& own, idx first, idx own_first, idx count, double added = 0) {
    std::function<double(double)> f;
    if (added != 0) f = [added](double x) { return x + added; };
    pieces_.push_back({tensor, own, first, own_first, count, std::move(f)});
    said_.insert(own);
  }
  /// The whole tensor is the whole parameter, whose numbers are f(number).
  void whole(const std::string& from, const std::string& own, const std::vector<idx>& shape, std::function<double(double)> f = {}) {
    tensor(from, shape);
    pieces_.push_back({from, own, 0, 0, entry(own).shape[0], std::move(f)});
    said_.insert(own);
  }
  /// Number i of the parameter is number place(i) of the tensor.
  void numbers(const std::string& from, const std::string& own, const std::vector<idx>& shape, std::function<idx(idx)> place) {
    tensor(from, shape);
    pieces_.push_back({from, own, 0, 0, entry(own).shape[0], {}, std::move(place)});
    said_.insert(own);
  }
  /// The parameter is made of no tensor here: its reader fills it.
  void without(const std::string& own) { said_.insert(own); }
  bool has(const std::string& tensor) const { return from_.has(tensor); }
  /// The numbers of a parameter of the tensor's own name and shape are f(number).
  void through(const std::string& own, std::function<double(double)> f) { whole(own, own, entry(own).shape, std::move(f)); }
  /// A tensor that may be there and has to hold what another one does: tied embeddings that are written twice.
  void repeats(const std::string& name, const std::string& other) { repeated_[name] = other; }
  /// A tensor that may be there and that nothing is made of: a buffer.
  void unused(const std::string& name) { unused_.insert(name); }

  /// Nothing more is said.
  void finish() {
    for (const auto& e : to_.entries())
      if (!said_.contains(e.name)) whole(e.name, e.name, e.shape);
    for (const auto& [name, t] : from_.tensors)
      if (!known_.contains(name) && !repeated_.contains(name) && !unused_.contains(name))
        refuse(name, "expected no tensor of this name in a model of these settings, but there is one of shape " + detail::text_of(t.shape));
  }
  /// Fills the parameters.
  template <class W>
  void fill(W& w) const {
    files::array<float> numbers;
    const std::string* held = nullptr;  // whose numbers these are: pieces of one tensor stand together
    for (const piece& p : pieces_) {
      if (!held || *held != p.tensor) numbers = from_.load<float>(p.tensor), held = &p.tensor;
      copy(w, p, numbers.values);
    }
    for (const auto& [name, other] : repeated_)
      if (from_.has(name)) expect_equal(name, other);
  }

 private:
  struct piece {
    std::string tensor, own;
    idx first = 0, own_first = 0, count = 0;
    std::function<double(double)> f = {};
    std::function<idx(idx)> place = {};
  };
  [[noreturn]] void refuse(const std::string& tensor, const std::string& fault) const {
    files::detail::refuse(from_.path, "tensor " + files::detail::in_quotes(tensor) + ": " + fault);
  }
  const nn::parameter_entry& entry(const std::string& own) const {
    const nn::parameter_entry* e = to_.find(own);
    if (!e) throw invalid_input(own, "a parameter of this model", "no such name");
    return *e;
  }
  template <class W>
  void copy(W& w, const piece& p, const std::vector<float>& numbers) const {
    const nn::parameter_entry& e = entry(p.own);
    const auto own = w(p.own);
    const idx rows = e.shape[0], row = idx(own.size()) / rows;
    if (p.own_first + p.count > rows || (p.first + p.count) * row > idx(numbers.size()))
      throw invalid_input(p.own, "rows of " + p.tensor, "more than there are");
    for (idx i = 0; i < p.count * row; ++i) {
      const float x = numbers[std::size_t(p.place ? p.place(i) : p.first * row + i)];
      own[std::size_t(p.own_first * row + i)] = p.f ? static_cast<float>(p.f(double(x))) : x;
    }
  }
  void expect_equal(const std::string& name, const std::string& other) const {
    const auto a = from_.load<float>(name), b = from_.load<float>(other);
    if (a.shape != b.shape || a.values != b.values)
      refuse(name, "expected what " + files::detail::in_quotes(other) + " holds, since the settings tie them, given other numbers");
  }
  const files::named_tensors& from_;
  const nn::parameter_list& to_;
  std::vector<piece> pieces_;
  std::set<std::string> known_, said_, unused_;
  std::map<std::string, std::string> repeated_;
};

}  // namespace coefdyn::models
