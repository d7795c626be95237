// SPDX-License-Identifier: MIT
#include "weight_dropout.hpp"

#include <coefdyn/mixers/all.hpp>

namespace {
using namespace weight_dropout_laws;

template <class M>
void laws(unsigned seed) {
  for (const idx T : {idx(1), idx(37), idx(150)}) masks_the_weights(subject<M, double>(2, T, 4, 2, 6, 5, seed));
  gradients_are_slopes(subject<M, double>(2, 41, 2, 1, 4, 3, seed + 1));
  same_bits(subject<M, double>(2, 37, 4, 2, 6, 5, seed + 2));
  same_bits(subject<M, float>(3, 70, 4, 2, 8, 5, seed + 2));
}
TEST_CASE("dropped weights: softmax") { laws<mixers::softmax_attention>(1); }
TEST_CASE("dropped weights: linear attention, normalised") { laws<mixers::linear_attention_elu1>(2); }
TEST_CASE("dropped weights: a gate") { laws<mixers::simple_gla>(3); }
TEST_CASE("dropped weights: corrections") { laws<mixers::deltanet>(4); }
TEST_CASE("dropped weights: two writes a token") { laws<mixers::gated_deltaproduct_2>(5); }
TEST_CASE("dropped weights: a token reads before it writes") { laws<mixers::rwkv6>(6); }
TEST_CASE("dropped weights: a running maximum") { laws<mixers::mlstm>(7); }
TEST_CASE("dropped weights: rotations") { laws<mixers::softmax_rope_half>(8); }

TEST_CASE("dropped weights of packed sequences: words count from the first row of all") {
  subject<mixers::softmax_attention, double> s(1, 90, 2, 1, 4, 3, 9);
  s.offsets = {0, 0, 41, 42, 90}, s.e.sequences = 4;
  masks_the_weights(s);
  same_bits(s);
}
TEST_CASE("dropped weights of a part of a batch are those of the whole") {
  using M = mixers::linear_attention_elu1;
  subject<M, double> whole(3, 20, 2, 1, 4, 3, 5), part(1, 20, 2, 1, 4, 3, 6);
  const auto take_last = [](auto& to, const auto& from) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = from[2 * to.size() + i];
  };
  take_last(part.numbers.q, whole.numbers.q), take_last(part.numbers.k, whole.numbers.k), take_last(part.numbers.v, whole.numbers.v);
  const random_stream draws(3, 102, 1, 0);
  const auto all = whole.y({0.3, &draws}), last = part.y({0.3, &draws, 2});
  CHECK(std::equal(last.begin(), last.end(), all.begin() + std::ptrdiff_t(2 * last.size())));
}
TEST_CASE("dropped weights: the mean over masks is what is not dropped") {
  subject<mixers::softmax_attention, double> s(1, 9, 1, 1, 4, 3, 10);
  const auto whole = s.y({});
  constexpr int masks = 4000;
  std::vector<double> sum(whole.size()), squares(whole.size());
  for (int m = 0; m < masks; ++m) {
    const random_stream draws(1, 102, std::uint64_t(m), 0);
    const auto y = s.y({0.2, &draws});
    for (std::size_t i = 0; i < y.size(); ++i) sum[i] += y[i], squares[i] += y[i] * y[i];
  }
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const double mean = sum[i] / masks, deviation = std::sqrt((squares[i] / masks - mean * mean) / masks);
    CHECK(deviation > 0);
    CHECK(std::abs(mean - whole[i]) < 4.5 * deviation);
  }
}
TEST_CASE("dropped weights: what cannot be is refused, and nothing is written") {
  subject<mixers::linear_attention_elu1, double> s(1, 5, 1, 1, 4, 3, 11);
  const random_stream draws(1, 102, 0, 0);
  std::vector<double> y(s.outputs(), 7);
  const auto x = s.x();
  state<mixers::linear_attention_elu1, double> in(s.e), out(s.e);
  const auto told = [&](const form::parallel& f, const auto& carry) -> std::string {
    try {
      run(device::cpu{}, f, x, s.rows(y.data()), carry);
    } catch (const invalid_input& e) {
      return e.what();
    }
    return "";
  };
  const carried<mixers::linear_attention_elu1, types<double>> none, enters{in, {}}, leaves{{}, out};
  for (const double p : {1.0, -0.1, double(NAN)})
    CHECK(told({{p, &draws}}, none).find("form::parallel drop.p: expected a probability from 0 to less than 1") != std::string::npos);
  CHECK(told({{0.5, nullptr}}, none).find("a stream of random numbers") != std::string::npos);
  CHECK(told({{0.5, &draws}}, enters).find("initial state: expected none where form::parallel drops weights") != std::string::npos);
  CHECK(y == std::vector<double>(s.outputs(), 7));
  CHECK(told({{0.5, &draws}}, leaves).empty());
  CHECK(told({{0, nullptr}}, enters).empty());
}
}  // namespace
