// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/attention.hpp>
#include <coefdyn/nn/models/language_model.hpp>

#include "law.hpp"
#include "support/allocation_count.hpp"

namespace {
using namespace coefdyn;

/// A convolution, a mixer with a state and one with a cache, one after the other; the model around them has learned positions.
using with_state = nn::layer<mixers::linear_attention, nn::give<stream::v, nn::convolved<"v_conv1d", nn::projection<"v_proj">>>>;
using with_cache = nn::layer<mixers::softmax_attention>;
struct both {
  with_state first;
  with_cache second;
  both(const nn::scope& s, const nn::sizes& z) : first(s.part("a"), z), second(s.part("b"), z) {}
  template <class R>
  nn::value<R> operator()(nn::tape<R>& t, const nn::value<R>& u, nn::across_layers<R>& across) const {
    return second(t, first(t, u, across), across);
  }
};
nn::model_sizes sizes_of_both() {
  nn::model_sizes z;
  z.width = 8, z.vocabulary = 11, z.hidden = 6, z.positions = 20, z.layer.heads = 2;
  return z;
}
struct decoding {
  nn::language_model<both> model{sizes_of_both()};
  nn::weights<double> w{model.parameters()};
  std::vector<std::int64_t> ids;
  nn::tape<double> tape{w, nullptr, 1};
  static constexpr idx B = 3, T = 12, V = 11;
  decoding() {
    law::scramble(w, 2);
    random_stream r(1, 1, 1, 1);
    for (idx i = 0; i < B * T; ++i) ids.push_back(std::int64_t(r.below(V)));
  }
  std::vector<std::int64_t> some(idx from, idx count) const {
    std::vector<std::int64_t> out;
    for (idx b = 0; b < B; ++b) out.insert(out.end(), ids.begin() + b * T + from, ids.begin() + b * T + from + count);
    return out;
  }
};

TEST_CASE("decoding: a prompt, then token by token, gives the logits of the whole; it allocates nothing after the first token") {
  decoding d;
  nn::tape<double> whole(d.w, nullptr, 1);
  whole.begin();
  const auto want = d.model(whole, nn::token_ids{d.ids.data(), d.B, d.T});
  nn::past before(d.B, d.T);
  double worst = 0;
  const auto compare = [&](const nn::value<double>& logits, idx from) {
    for (idx b = 0; b < d.B; ++b)
      for (idx i = 0; i < logits.time * d.V; ++i)
        worst = std::max(worst, std::abs(logits.data[b * logits.time * d.V + i] - want.data[(b * d.T + from) * d.V + i]));
  };
  const auto prompt = d.some(0, 5);
  compare(d.model.step(d.tape, before, nn::token_ids{prompt.data(), d.B, 5}), 0);
  for (idx s = 5; s < d.T; ++s) {
    const auto next = d.some(s, 1);
    const nn::model_input<double> in(nn::token_ids{next.data(), d.B, 1});
    const long count = allocations;
    const auto logits = d.model.step(d.tape, before, in);
    if (s > 5) CHECK(allocations == count);
    compare(logits, s);
  }
  CHECK(worst < 1e-12);
  CHECK(before.length() == d.T);
}

TEST_CASE("decoding: what does not fit is refused before anything moves on") {
  decoding d;
  nn::past before(d.B, 4);
  const auto three = d.some(0, 3), two = d.some(3, 2), last = d.some(3, 1);
  d.model.step(d.tape, before, nn::token_ids{three.data(), d.B, 3});
  CHECK_THROWS_WITH_AS(d.model.step(d.tape, before, nn::token_ids{two.data(), d.B, 2}),
                       "coefdyn: past: expected room for 5 tokens, given a capacity of 4", invalid_input);
  CHECK_THROWS_WITH_AS(d.model.step(d.tape, before, nn::token_ids{two.data(), 2, 1}), "coefdyn: batch: expected 3 as in the past, given 2",
                       invalid_input);
  const std::vector<std::int64_t> strange{0, 11, 0};
  CHECK_THROWS_AS(d.model.step(d.tape, before, nn::token_ids{strange.data(), d.B, 1}), invalid_input);
  CHECK(before.length() == 3);
  nn::tape<double> whole(d.w, nullptr, 1);
  const auto four = d.some(0, 4);
  whole.begin();
  const auto want = d.model(whole, nn::token_ids{four.data(), d.B, 4});
  const auto got = d.model.step(d.tape, before, nn::token_ids{last.data(), d.B, 1});
  for (idx v = 0; v < d.V; ++v) CHECK(got.data[v] == doctest::Approx(want.data[3 * d.V + v]));
  nn::past small(d.B, 2);  // found out behind the convolution, which forgets again
  CHECK_THROWS_WITH_AS(d.model.step(d.tape, small, nn::token_ids{three.data(), d.B, 3}),
                       "coefdyn: past: expected room for 3 tokens, given a capacity of 2", invalid_input);
  const auto first = d.some(0, 1);
  const auto alone = d.model.step(d.tape, small, nn::token_ids{first.data(), d.B, 1});
  for (idx v = 0; v < d.V; ++v) CHECK(alone.data[v] == doctest::Approx(want.data[v]));
  nn::past wide(d.B, 30);
  const std::vector<std::int64_t> long_(std::size_t(21 * d.B), 1);
  CHECK_THROWS_WITH_AS(d.model.step(d.tape, wide, nn::token_ids{long_.data(), d.B, 21}),
                       "coefdyn: ids: expected at most 20 tokens, one a position, given 21", invalid_input);
  nn::weights<double> slopes(d.model.parameters());
  nn::tape<double> training(d.w, &slopes, 1);
  CHECK_THROWS_AS(d.model.step(training, before, nn::token_ids{last.data(), d.B, 1}), invalid_input);
  CHECK_THROWS_AS(nn::past(0, 4), invalid_input);
}
}  // namespace
