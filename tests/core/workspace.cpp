// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <coefdyn/cpu/backward.hpp>
#include <coefdyn/evolution/gated_householder.hpp>
#include <coefdyn/evolution/identity.hpp>
#include <coefdyn/normalization/sqrt_dim.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/exponential.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/beta.hpp>
#include <coefdyn/scaling/inverse_sqrt_dim.hpp>

#include "support/allocations.hpp"

/// A call with a workspace allocates nothing, and the workspace is as large as documented.
namespace {
using namespace coefdyn;
using delta_net = mixer<readout::linear, evolution::gated_householder<>, scaling::beta, normalization::sqrt_dim>;
using softmax_attention = mixer<readout::exponential, evolution::identity, scaling::inverse_sqrt_dim, normalization::sum>;

template <class M>
struct inputs {
  idx B, T;
  int H = 2, n = 16, d = 16;
  std::vector<float> vectors, gates, betas, y, dy, dq;
  tokens<M, float> x;
  gradients<M, float> g;

  inputs(idx batch, idx time)
      : B(batch), T(time), vectors(size(n)), gates(size(1), -0.1f), betas(size(1), 0.5f), y(size(d)), dy(size(d), 1.0f), dq(size(n)) {
    for (std::size_t i = 0; i < vectors.size(); ++i) vectors[i] = 0.2f * std::sin(float(i));
    x.q = x.k = view(vectors.data(), B, T, H, n);
    x.v = view(vectors.data(), B, T, H, d);
    if constexpr (requires { x.beta; }) {
      x.log_decay = view(gates.data(), B, T, H);
      x.beta = view(betas.data(), B, T, H);
    }
    g.q = view(dq.data(), B, T, H, n);
  }
  std::size_t size(int inner) const { return static_cast<std::size_t>(B * T * H * inner); }
  view<float, 4> out() { return view(y.data(), B, T, H, d); }
  view<const float, 4> upstream() { return view(dy.data(), B, T, H, d); }
};

template <class M, class Form>
void allocates_nothing(Form f) {
  inputs<M> in(2, 100);
  const device::cpu<serial> on;
  std::vector<std::byte> forward(workspace_bytes(on, f, in.x)), back(backward_workspace_bytes(on, f, in.x));
  const long before = allocations;
  run(on, f, in.x, in.out(), {}, workspace(forward));
  backward(on, f, in.x, in.upstream(), in.g, {}, {}, workspace(back));
  CHECK(allocations == before);
}

TEST_CASE("a call with a workspace allocates nothing") {
  allocates_nothing<delta_net>(form::definition{});
  allocates_nothing<delta_net>(form::recurrent{});
  allocates_nothing<delta_net>(form::chunkwise{});
  allocates_nothing<delta_net>(form::parallel{});
  allocates_nothing<softmax_attention>(form::definition{});
  allocates_nothing<softmax_attention>(form::parallel{});
}

TEST_CASE("a backward pass keeps ceil(c / save_every) + 1 states, and save_every + 1 more where that is above 1") {
  inputs<delta_net> in(1, 4096);
  const device::cpu<serial> on;
  const auto bytes = [&](int save_every) { return double(backward_workspace_bytes(on, form::chunkwise{32, {save_every}}, in.x)); };
  const auto states = [&](int save_every) {
    return (std::ceil(128.0 / save_every) + 1 + (save_every > 1 ? save_every + 1 : 0)) * in.n * in.d * double(sizeof(float));
  };
  for (int save_every : {1, 8, 16, 128})
    CHECK(std::abs((bytes(save_every) - bytes(8)) - (states(save_every) - states(8))) <= 0.02 * states(1) + 1024);
}

TEST_CASE("forward memory does not grow with T in the chunkwise form, and grows as T (n + d) in the parallel one") {
  const device::cpu<serial> on;
  inputs<delta_net> small(1, 1024), large(1, 4096);
  CHECK(workspace_bytes(on, form::chunkwise{}, small.x) == workspace_bytes(on, form::chunkwise{}, large.x));
  CHECK(workspace_bytes(on, form::recurrent{}, small.x) == workspace_bytes(on, form::recurrent{}, large.x));
  inputs<softmax_attention> some(1, 1024), more(1, 4096);
  const double grown = double(workspace_bytes(on, form::parallel{}, more.x)) - double(workspace_bytes(on, form::parallel{}, some.x));
  // keys as moved and transposed, values with the sum's column rounded up to 16
  CHECK(grown <= 3072.0 * (2 * some.n + some.d + 16) * sizeof(float) * 1.02);
}
}  // namespace
