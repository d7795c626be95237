// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/cpu/run.hpp>
#include <random>
#include <vector>

/// Random inputs of any mixer, for the tests of its spectrum.
namespace coefdyn::spectrum_tests {

template <class M, field Over = field::real>
struct inputs {
  idx B = 2, T = 21;
  int readers = 4, H = 2, n = 6, d = 5;
  tokens<M, double, heads::grouped_queries, Over> x;
  std::vector<std::vector<double>> held;

  explicit inputs(unsigned seed = 5) : random_(seed) { fill(typename decltype(x)::needs{}); }
  extents size() const { return check(x); }

 private:
  std::mt19937 random_;

  template <class... Need>
  void fill(list<Need...>) {
    extents e;
    e.batch = B, e.time = T, e.readers = e.queries = readers, e.states = e.keys = H, e.n = n, e.d = d;
    held.reserve(sizeof...(Need));
    (
        [&] {
          idx shape[5] = {};
          coefdyn::detail::expected_shape<Need, M>(e, shape);
          idx count = 1;
          for (int a = 0; a < Need::rank; ++a) count *= shape[a];
          held.emplace_back(static_cast<std::size_t>(count * (Need::over == field::complex ? 2 : 1)));
          for (double& v : held.back()) v = number<typename Need::tag>();
          using E = const element_of<Need, double>;
          view<E, Need::rank> v;
          v.data = reinterpret_cast<E*>(held.back().data());
          idx stride = 1;
          for (int a = Need::rank - 1; a >= 0; --a) v.extents[a] = shape[a], v.strides[a] = stride, stride *= shape[a];
          x.template set<Need>(v);
        }(),
        ...);
  }
  template <class Tag>
  double number() {
    std::normal_distribution<double> normal;
    std::uniform_real_distribution<double> uniform(0, 1);
    if constexpr (std::is_same_v<Tag, stream::log_decay>) return -0.02 - 0.4 * uniform(random_);
    else if constexpr (std::is_same_v<Tag, stream::beta>) return uniform(random_);
    else if constexpr (std::is_same_v<Tag, stream::input_gate>) return 2 * normal(random_);
    else return 0.6 * normal(random_);
  }
};

}  // namespace coefdyn::spectrum_tests
