// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <coefdyn/coefdyn.hpp>
#include <random>
#include <vector>

// Steps over more states than a cache holds, where each head asks for the next one's rows and state: with sequences of no, one
// and more tokens, each gets the bits that it gets alone.

namespace {

using namespace coefdyn;

template <class M>
void check_against_each_alone() {
  constexpr int H = 8, n = 128, d = 128;
  constexpr idx N = 35;
  static_assert(N * H * n * d * idx(sizeof(float)) > cpu::cached_states);
  std::vector<idx> offsets{0};
  for (idx i = 0; i < N; ++i) offsets.push_back(offsets.back() + (i % 7 == 3 ? 0 : i % 5 == 4 ? 3 : 1));
  offsets.push_back(offsets.back());  // and one of none at the end
  const idx T = offsets.back(), sequences = N + 1;
  std::mt19937 random(29);
  std::normal_distribution<float> normal(0.f, 0.1f);
  const auto drawn = [&](idx count) {
    std::vector<float> x(static_cast<std::size_t>(count));
    for (float& e : x) e = normal(random);
    return x;
  };
  const std::vector<float> q = drawn(T * H * n), k = drawn(T * H * n), v = drawn(T * H * d), beta = drawn(T * H);
  const auto part = [&](idx from, idx count) {
    tokens<M, float> x;
    x.q = view(q.data() + from * H * n, idx(1), count, idx(H), idx(n)), x.k = view(k.data() + from * H * n, idx(1), count, idx(H), idx(n));
    x.v = view(v.data() + from * H * d, idx(1), count, idx(H), idx(d));
    if constexpr (requires { x.beta; }) x.beta = view(beta.data() + from * H, idx(1), count, idx(H));
    return x;
  };
  state<M> together(sequences, H, n, d);
  const std::vector<float> start = drawn(idx(together.S.size()));
  std::copy(start.begin(), start.end(), together.S.begin());
  std::vector<float> y(static_cast<std::size_t>(T * H * d), NAN);
  tokens<M, float> x = part(0, T);
  x.cu_seqlens = std::span<const idx>(offsets);
  run(device::cpu{serial{}}, form::step{}, x, view(y.data(), idx(1), T, idx(H), idx(d)), {together, together});
  const idx size = idx(H) * n * d;
  for (idx i = 0; i < sequences; ++i) {
    const idx from = offsets[static_cast<std::size_t>(i)], count = offsets[static_cast<std::size_t>(i) + 1] - from;
    state<M> alone(1, H, n, d);
    std::copy_n(start.begin() + i * size, size, alone.S.begin());
    std::vector<float> own(static_cast<std::size_t>(count * H * d), NAN);
    if (count > 0)
      run(device::cpu{serial{}}, form::step{}, part(from, count), view(own.data(), idx(1), count, idx(H), idx(d)), {alone, alone});
    CAPTURE(i);
    CHECK(std::equal(own.begin(), own.end(), y.begin() + from * H * d));
    CHECK(std::equal(alone.S.begin(), alone.S.end(), together.S.begin() + i * size));
  }
}

}  // namespace

TEST_CASE("heads whose states come from memory get the bits that they get alone") {
  check_against_each_alone<mixer<readout::linear, evolution::identity, scaling::one, normalization::one>>();
  check_against_each_alone<mixer<readout::linear, evolution::householder<>, scaling::beta, normalization::sqrt_dim>>();
}
