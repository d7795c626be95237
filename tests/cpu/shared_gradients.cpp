// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <coefdyn/coefdyn.hpp>
#include <random>
#include <vector>

// A gradient with a stride of 0 is a sum over items: over sequences alone, heads are done at once; over heads too, none. Each sum is in
// the order of the items, whatever the executor.

namespace {

using namespace coefdyn;

/// Items from the last to the first, as if by `count` workers.
struct backwards_by {
  int count;
  idx* items;
  int workers() const { return count; }
  template <class F>
  void operator()(idx all, F f) const {
    *items = all;
    for (idx i = all - 1; i >= 0; --i) f(i, int(i % count));
  }
};

constexpr idx B = 3, T = 7, K = 4, H = 8, n = 3, d = 5;

struct gradients_of_q {
  std::vector<double> shared, apart;  // dq as the strides have it, and one row for every token
  idx items = -1;
};
/// `over_heads`: dq has one row for all heads too.
template <class M, class Form, class Executor>
gradients_of_q gradients(const Executor& over, Form form_, bool over_heads, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> q(B * T * H * n), k(B * T * K * n), v(B * T * K * d), dy(B * T * H * d), decay(B * T * K);
  for (auto* x : {&q, &k, &v, &dy})
    for (double& e : *x) e = normal(random);
  for (double& e : decay) e = -std::abs(normal(random)) / 4;
  tokens<M, double> x;
  x.q = view<const double, 4>(q.data(), B, T, H, n), x.k = view<const double, 4>(k.data(), B, T, K, n);
  x.v = view<const double, 4>(v.data(), B, T, K, d);
  if constexpr (requires { x.log_decay; }) x.log_decay = view<const double, 3>(decay.data(), B, T, K);
  const view<const double, 4> rows(dy.data(), B, T, H, d);
  gradients_of_q out;
  out.apart.assign(B * T * H * n, NAN), out.shared.assign(std::size_t(over_heads ? n : H * n), NAN);
  coefdyn::gradients<M, double> g;
  g.q = view<double, 4>(out.apart.data(), B, T, H, n);
  backward(device::cpu{serial{}}, form_, x, rows, g);
  const idx extents[] = {B, T, H, n}, strides[] = {0, 0, over_heads ? 0 : n, 1};
  g.q = view<double, 4>(out.shared.data(), extents, strides);
  backward(device::cpu{over}, form_, x, rows, g);
  return out;
}
template <class M, class Form>
void check(Form form_, unsigned seed) {
  for (const bool over_heads : {false, true}) {
    const auto one = gradients<M>(serial{}, form_, over_heads, seed);
    std::vector<double> sum(one.shared.size());
    for (std::size_t i = 0; i < one.apart.size(); ++i) sum[i % sum.size()] += one.apart[i];
    for (std::size_t i = 0; i < sum.size(); ++i) CHECK(std::abs(one.shared[i] - sum[i]) < 1e-12 * (1 + std::abs(sum[i])));
    for (const int workers : {1, 2, 3, 9}) {
      idx items = -1;
      const auto other = gradients<M>(backwards_by{workers, &items}, form_, over_heads, seed);
      CHECK(other.shared == one.shared);
      CHECK(items == (over_heads ? -1 : K));
    }
    CHECK(gradients<M>(openmp{3}, form_, over_heads, seed).shared == one.shared);
  }
}

TEST_CASE("a gradient that sequences share is summed head by head, one that heads share item by item, with the same bits everywhere") {
  using gated = mixer<readout::linear, evolution::scalar, scaling::one, normalization::one>;
  check<gated>(form::recurrent{}, 1), check<gated>(form::chunkwise{}, 2), check<gated>(form::parallel{}, 3);
  check<mixers::softmax_attention>(form::parallel{}, 4), check<mixers::softmax_attention>(form::definition{}, 5);
}

}  // namespace
