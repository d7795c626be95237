// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <utility>

#include "loops.hpp"
#include "parameter.hpp"

namespace coefdyn::nn {

/// The numbers of a model's parameters in one flat arena; its gradients and the optimiser's moments are of the same type. On a GPU the
/// arena is its memory, and numbers by name are those of a copy.
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
template <class R, class On = device::cpu<openmp>>
class weights {
 public:
  static constexpr bool is_host = loops<On>::is_host;
  On on;
  explicit weights(std::shared_ptr<const parameter_list> parameters, const On& on_ = {})
      : on(on_), parameters_(std::move(parameters)), numbers_(static_cast<std::size_t>(parameters_->size()), loops<On>{on_}.space()) {}
  const std::shared_ptr<const parameter_list>& parameters() const { return parameters_; }
  R* data() { return numbers_.data(); }
  const R* data() const { return numbers_.data(); }
  /// Numbers in the arena, the gaps between parameters (always 0) included.
  idx size() const { return idx(numbers_.size()); }
  std::span<R> operator()(const std::string& name)
    requires is_host
  {
    const parameter& p = place(name);
    return {data() + p.offset, static_cast<std::size_t>(p.size())};
  }
  std::span<const R> operator()(const std::string& name) const
    requires is_host
  {
    const parameter& p = place(name);
    return {data() + p.offset, static_cast<std::size_t>(p.size())};
  }
  void clear() { numbers_.where().clear(data(), bytes()); }
  /// All numbers from weights of this model in the host's memory, and to them.
  void copy_from(const weights<R>& host) { numbers_.where().bring(data(), expect_same_size(host).data(), bytes()); }
  void copy_to(weights<R>& host) const {
    expect_same_size(host);
    numbers_.where().fetch(host.data(), data(), bytes());
  }

  /// Every parameter by its own law. The stream of a parameter is (seed, 101, 0, its place in the sorted list of names); running numbers,
  /// which draw nothing, come behind the parameters.
  void initialise(std::uint64_t seed) {
    if constexpr (!is_host) {
      weights<R> host(parameters_);
      host.initialise(seed);
      copy_from(host);
    } else {
      start_all(seed);
    }
  }

 private:
  const weights<R>& expect_same_size(const weights<R>& other) const {
    if (other.size() != size())
      throw invalid_input("weights", std::to_string(size()) + " numbers, those of one model", std::to_string(other.size()));
    return other;
  }
  void start_all(std::uint64_t seed) {
    std::vector<const parameter_entry*> sorted;
    for (const auto& e : parameters_->entries()) sorted.push_back(&e);
    std::sort(sorted.begin(), sorted.end(),
              [](auto* a, auto* b) { return a->is_trained() != b->is_trained() ? a->is_trained() : a->name < b->name; });
    std::vector<double> x;
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      x.assign(static_cast<std::size_t>(sorted[i]->place.size()), 0.0);
      random_stream r(seed, 101, 0, i);
      sorted[i]->start(r, x);
      store(*sorted[i], x);
    }
    start_dependent(sorted);
  }
  const parameter& place(const std::string& name) const {
    const parameter_entry* e = parameters_->find(name);
    if (!e) throw invalid_input(name, "a parameter of this model", "no such name");
    return e->place;
  }
  void store(const parameter_entry& e, const std::vector<double>& x) {
    for (std::size_t k = 0; k < x.size(); ++k) data()[static_cast<std::size_t>(e.place.offset) + k] = static_cast<R>(x[k]);
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
  std::size_t bytes() const { return sizeof(R) * numbers_.size(); }
  buffer<R, memory_of<On>> numbers_;
};

/// w itself, or a copy in the host's memory.
template <class R, class On>
decltype(auto) on_host(const weights<R, On>& w) {
  if constexpr (std::is_same_v<weights<R, On>, weights<R>>) {
    return (w);
  } else {
    weights<R> copy(w.parameters());
    w.copy_to(copy);
    return copy;
  }
}

}  // namespace coefdyn::nn
