// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "../core/errors.hpp"
#include "../core/random.hpp"

/// Parameters of a model: names and layouts as published checkpoints have them, places in one flat arena, initial laws, weight decay.
namespace coefdyn::nn {

/// Where a matrix of parameters lies in the arena: rows x columns, rows `stride` apart. A vector has one row.
struct parameter {
  idx offset = -1, rows = 0, columns = 0, stride = 0;
  constexpr explicit operator bool() const { return offset >= 0; }
  constexpr idx size() const { return rows * columns; }
  /// Some of its rows: one projection of a fused one.
  constexpr parameter row_block(idx first, idx count) const { return {offset + first * stride, count, columns, stride}; }
  constexpr parameter column_block(idx first, idx count) const { return {offset + first, rows, count, stride}; }
};

/// How a parameter starts: fills its numbers from a stream of its own.
using law = std::function<void(random_stream&, std::span<double>)>;
/// Fills a parameter from others that have started before: f(numbers, values of a parameter by name).
using dependent_law = std::function<void(std::span<double>, const std::function<std::span<const double>(const std::string&)>&)>;

/// One parameter of a model: its name, shape and place, and how it starts.
struct parameter_entry {
  std::string name;        // "layers.0.attn.q_proj.weight"
  std::vector<idx> shape;  // [out, in] for a matrix
  parameter place;
  bool decays = false;  // under weight decay
  law start;
  dependent_law then{};      // after all others, where it is not empty
  bool is_dynamics = false;  // of a state space's A, B or step size, to which an optimiser can give a rate of their own
  double momentum = 0;       // of a running number x, which training moves to momentum x + (1 - momentum) (what backward leaves for it)
  /// Whether it is a parameter indeed, and no running number.
  bool is_trained() const { return momentum == 0; }
};

/// The list of a model's parameters, in the order in which the model names them.
class parameter_list {
 public:
  const std::vector<parameter_entry>& entries() const { return entries_; }
  /// Numbers in the arena; each parameter begins at a multiple of 16.
  idx size() const { return size_; }
  /// Numbers that are parameters; running numbers are none.
  idx count() const {
    idx sum = 0;
    for (const auto& e : entries_)
      if (e.is_trained()) sum += e.place.size();
    return sum;
  }
  const parameter_entry* find(const std::string& name) const {
    for (const auto& e : entries_)
      if (e.name == name) return &e;
    return nullptr;
  }
  /// A new parameter; one of that name and shape that is there already is the same one.
  parameter add(std::string name, std::vector<idx> shape, law start, bool decays) {
    if (const parameter_entry* e = find(name)) {
      if (e->shape != shape) throw invalid_input(name, "shape " + text(e->shape) + ", as named before", "shape " + text(shape));
      return e->place;
    }
    idx columns = 1, left = most - size_;
    for (std::size_t a = 0; a < shape.size(); ++a) {
      if (shape[a] < 1) throw invalid_input(name, "a shape without a 0", "shape " + text(shape));
      left /= shape[a];
      if (a > 0 || shape.size() == 1) columns *= left > 0 ? shape[a] : 1;
    }
    if (left < 1) throw invalid_input(name, "a model of less than 2^60 numbers", "shape " + text(shape));
    const idx rows = shape.size() > 1 ? shape[0] : 1;
    const parameter place{size_, rows, columns, columns};
    size_ += (place.size() + 15) / 16 * 16;
    entries_.push_back({std::move(name), std::move(shape), place, decays, std::move(start)});
    return place;
  }
  /// f(entry) of that name, to say more of it.
  template <class F>
  void say(const std::string& name, F f) {
    for (auto& e : entries_)
      if (e.name == name) f(e);
  }
  /// Says that a parameter starts from others.
  void start_from_others(const std::string& name, dependent_law then) {
    say(name, [&](parameter_entry& e) { e.then = std::move(then); });
  }
  static std::string text(const std::vector<idx>& shape) { return coefdyn::detail::shape_text(shape.data(), int(shape.size())); }

 private:
  static constexpr idx most = idx(1) << 60;
  std::vector<parameter_entry> entries_;
  idx size_ = 0;
};

namespace start {
/// All of one value.
inline law constant(double c) {
  return [c](random_stream&, std::span<double> x) {
    for (double& v : x) v = c;
  };
}
/// U(low, high).
inline law uniform(double low, double high) {
  return [low, high](random_stream& r, std::span<double> x) {
    for (double& v : x) v = r.uniform(low, high);
  };
}
/// N(0, deviation^2).
inline law normal(double deviation) {
  return [deviation](random_stream& r, std::span<double> x) {
    for (double& v : x) v = deviation * r.normal();
  };
}
/// Uniform in +-1/sqrt(inputs), divided by `by`.
inline law fan_in(idx inputs, double by = 1) {
  const double bound = 1 / std::sqrt(double(inputs)) / by;
  return uniform(-bound, bound);
}
/// log U(low, high): a rate's logarithm.
inline law log_uniform(double low, double high) {
  return [low, high](random_stream& r, std::span<double> x) {
    for (double& v : x) v = std::log(r.uniform(low, high));
  };
}
/// The number whose softplus is a step size drawn log-uniformly from 0.001 to 0.1.
/// source  Mamba, arXiv:2312.00752
inline law step_bias() {
  return [](random_stream& r, std::span<double> x) {
    for (double& v : x) {
      const double step = std::max(std::exp(r.uniform(std::log(1e-3), std::log(1e-1))), 1e-4);
      v = step + std::log(-std::expm1(-step));
    }
  };
}
/// A matrix of `rows` rows with orthonormal columns or rows, whichever are fewer, times `gain`.
inline law orthogonal(idx rows, double gain) {
  return [rows, gain](random_stream& r, std::span<double> x) {
    const auto m = static_cast<std::size_t>(rows), n = x.size() / m, longer = std::max(m, n), fewer = std::min(m, n);
    std::vector<double> q(fewer * longer);  // `fewer` orthonormal vectors
    for (double& v : q) v = r.normal();
    for (std::size_t i = 0; i < fewer; ++i) {
      double* const a = q.data() + i * longer;
      for (int twice = 0; twice < 2; ++twice)
        for (std::size_t j = 0; j < i; ++j) {
          double dot = 0;
          for (std::size_t c = 0; c < longer; ++c) dot += a[c] * q[j * longer + c];
          for (std::size_t c = 0; c < longer; ++c) a[c] -= dot * q[j * longer + c];
        }
      double square = 0;
      for (std::size_t c = 0; c < longer; ++c) square += a[c] * a[c];
      for (std::size_t c = 0; c < longer; ++c) a[c] /= std::sqrt(square);
    }
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = 0; j < n; ++j) x[i * n + j] = gain * (m <= n ? q[i * longer + j] : q[j * longer + i]);
  };
}
/// From `first` to `last` in even steps.
inline law spread(double first, double last) {
  return [first, last](random_stream&, std::span<double> x) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = x.size() > 1 ? first + (last - first) * double(i) / double(x.size() - 1) : first;
  };
}
}  // namespace start

/// Where a part of a model names its parameters: a list, and the path so far.
class scope {
 public:
  explicit scope(parameter_list& list) : list_(&list) {}
  /// The scope of a part: "layers.0" + "attn".
  scope part(const std::string& name) const {
    scope inner(*this);
    inner.path_ = path_ + name + ".";
    return inner;
  }
  /// The whole model's, for what its layers share.
  scope whole() const { return scope(*list_); }
  /// This part, in which parameters are of a state space's dynamics (parameter_entry::is_dynamics).
  scope dynamics() const {
    scope same(*this);
    same.is_dynamics_ = true;
    return same;
  }
  parameter matrix(const std::string& name, idx rows, idx columns, law start, bool decays = true) const {
    return tensor(name, {rows, columns}, std::move(start), decays);
  }
  parameter vector(const std::string& name, idx size, law start) const { return tensor(name, {size}, std::move(start), false); }
  parameter tensor(const std::string& name, std::vector<idx> shape, law start, bool decays) const {
    const parameter p = list_->add(path_ + name, std::move(shape), std::move(start), decays);
    if (is_dynamics_) list_->say(path_ + name, [](parameter_entry& e) { e.is_dynamics = true; });
    return p;
  }
  /// Running numbers, all `first` at the start (parameter_entry::momentum).
  parameter running(const std::string& name, idx size, double first, double momentum) const {
    const parameter p = vector(name, size, start::constant(first));
    list_->say(path_ + name, [=](parameter_entry& e) { e.momentum = momentum; });
    return p;
  }
  std::string path_of(const std::string& name) const { return path_ + name; }
  void start_from_others(const std::string& name, dependent_law then) const { list_->start_from_others(path_ + name, std::move(then)); }

 private:
  parameter_list* list_;
  std::string path_;
  bool is_dynamics_ = false;
};

}  // namespace coefdyn::nn
