// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/coefdyn.hpp>
#include <random>
#include <vector>

// A head cut into slices of value columns: its policies still see the whole d. (That no bit changes is a law: laws/same_bits.cpp.)

namespace {

using namespace coefdyn;

/// b = 1 / d, by a policy that reads d.
struct one_over_d {
  using streams = list<>;
  template <class At>
  COEFDYN_HD static auto scale(const At& at) {
    return 1.0 / double(at.d);
  }
};
/// Items one after the other, as if by four workers.
struct four_workers {
  int* items;
  int workers() const { return 4; }
  template <class F>
  void operator()(idx count, F f) const {
    *items = int(count);
    for (idx i = 0; i < count; ++i) f(i, int(i % 4));
  }
};

}  // namespace

TEST_CASE("a policy sees the whole d in every slice of value columns") {
  using M = mixer<readout::linear, evolution::identity, one_over_d, normalization::one>;
  constexpr idx T = 9, n = 6, d = 128;
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  std::vector<double> q(T * n), k(T * n), v(T * d);
  for (auto* x : {&q, &k, &v})
    for (double& e : *x) e = normal(random);
  tokens<M, double> x;
  x.q = view<const double, 4>(q.data(), idx(1), T, idx(1), n), x.k = view<const double, 4>(k.data(), idx(1), T, idx(1), n);
  x.v = view<const double, 4>(v.data(), idx(1), T, idx(1), d);
  const auto check = [&](auto form_) {
    std::vector<double> one(T * d, -1), cut(T * d, -2);
    int items = 0;
    run(device::cpu{serial{}}, form_, x, view(one.data(), idx(1), T, idx(1), d));
    run(device::cpu{four_workers{&items}}, form_, x, view(cut.data(), idx(1), T, idx(1), d));
    CHECK(items == 4);
    CHECK(one == cut);
  };
  check(form::chunkwise{});
  check(form::recurrent{});
}
