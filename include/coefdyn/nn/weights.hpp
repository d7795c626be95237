// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <utility>
#include <vector>

#include "../core/state.hpp"
#include "parameter.hpp"

namespace coefdyn::nn {

/// The numbers of a model's parameters in one flat arena; its gradients and the optimiser's moments are of the same type.
///
/// ```cpp statements
/// nn::parameter_list names;
/// nn::scope(names).part("layers.0").matrix("q_proj.weight", 4, 8, nn::start::fan_in(8));
/// nn::weights<float> w(std::make_shared<const nn::parameter_list>(names)), dw(w.parameters());
/// w.initialise(1);                                         // each parameter by its own law
/// const float first = w("layers.0.q_proj.weight")[0];      // its numbers, row-major
/// ```
///
/// error   invalid_input for a name that the model does not have
template <class R>
class weights {
 public:
  explicit weights(std::shared_ptr<const parameter_list> parameters)
      : parameters_(std::move(parameters)), numbers_(static_cast<std::size_t>(parameters_->size())) {}
  const std::shared_ptr<const parameter_list>& parameters() const { return parameters_; }
  R* data() { return numbers_.data(); }
  const R* data() const { return numbers_.data(); }
  /// Numbers in the arena, the gaps between parameters (always 0) included.
  idx size() const { return idx(numbers_.size()); }
  std::span<R> operator()(const std::string& name) {
    const parameter& p = place(name);
    return {data() + p.offset, static_cast<std::size_t>(p.size())};
  }
  std::span<const R> operator()(const std::string& name) const {
    const parameter& p = place(name);
    return {data() + p.offset, static_cast<std::size_t>(p.size())};
  }
  void clear() { std::fill(numbers_.begin(), numbers_.end(), R(0)); }

  /// Every parameter by its own law. The stream of a parameter is (seed, 101, 0, its place in the sorted list of names).
  void initialise(std::uint64_t seed) {
    std::vector<const parameter_entry*> sorted;
    for (const auto& e : parameters_->entries()) sorted.push_back(&e);
    std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->name < b->name; });
    std::vector<double> x;
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      x.assign(static_cast<std::size_t>(sorted[i]->place.size()), 0.0);
      random_stream r(seed, 101, 0, i);
      sorted[i]->start(r, x);
      store(*sorted[i], x);
    }
    start_dependent(sorted);
  }

 private:
  const parameter& place(const std::string& name) const {
    const parameter_entry* e = parameters_->find(name);
    if (!e) throw invalid_input(name, "a parameter of this model", "no such name");
    return e->place;
  }
  void store(const parameter_entry& e, const std::vector<double>& x) {
    for (std::size_t k = 0; k < x.size(); ++k) numbers_[static_cast<std::size_t>(e.place.offset) + k] = static_cast<R>(x[k]);
  }
  void start_dependent(const std::vector<const parameter_entry*>& sorted) {
    std::vector<double> x, kept;
    const auto other = [&](const std::string& name) {
      const auto values = std::as_const(*this)(name);
      kept.assign(values.begin(), values.end());
      return std::span<const double>(kept);
    };
    for (const parameter_entry* e : sorted)
      if (e->then) {
        const auto values = std::as_const(*this)(e->name);
        x.assign(values.begin(), values.end());
        e->then(x, other);
        store(*e, x);
      }
  }
  std::shared_ptr<const parameter_list> parameters_;
  buffer<R> numbers_;
};

}  // namespace coefdyn::nn
