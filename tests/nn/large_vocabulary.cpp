// SPDX-License-Identifier: MIT
#include <algorithm>
#include <coefdyn/nn/large_vocabulary.hpp>
#include <coefdyn/nn/models/language_model.hpp>

#include "law.hpp"
#include "small_layer.hpp"

namespace {
using namespace coefdyn;

/// x [N, D] as a parameter, so that its gradient is checked as the others' are.
struct problem {
  idx N, V, D = 5;
  std::shared_ptr<nn::parameter_list> list = std::make_shared<nn::parameter_list>();
  nn::parameter x, W, b;
  nn::weights<double> w, dw;
  std::vector<std::int64_t> labels;
  problem(idx rows, idx words, bool biased)
      : N(rows),
        V(words),
        x(nn::scope(*list).matrix("x", N, D, nn::start::normal(1))),
        W(nn::scope(*list).matrix("W", V, D, nn::start::normal(1))),
        b(biased ? nn::scope(*list).vector("b", V, nn::start::normal(1)) : nn::parameter{}),
        w(list),
        dw(list) {
    law::scramble(w, 3);
    random_stream r(5, 1, 2, 3);
    for (idx i = 0; i < N; ++i) labels.push_back(r.coin(0.2) ? nn::ignored : std::int64_t(r.below(std::uint64_t(V))));
  }
  nn::value<double> rows(nn::weights<double>* slopes) { return {w("x").data(), slopes ? (*slopes)("x").data() : nullptr, 1, N, D, D}; }
};

TEST_CASE("cross entropy in chunks: the numbers of the one with all logits, and gradients that are slopes") {
  for (const idx N : {1, 127, 128, 129, 300}) {
    problem p(N, 77, N % 2 == 1);
    p.labels[0] = 3;
    CAPTURE(N);
    nn::weights<double> whole(p.list);
    nn::tape<double> t(p.w, &p.dw, 1), with_logits(p.w, &whole, 1), evaluation(p.w, nullptr, 2);
    const nn::score s = nn::cross_entropy_of_linear<double>(t, p.rows(&p.dw), p.W, p.b, p.labels);
    const nn::score want = nn::cross_entropy<double>(with_logits, nn::linear(with_logits, p.rows(&whole), p.W, p.b), p.labels);
    with_logits.backward();
    CHECK(std::abs(s.loss - want.loss) < 1e-13 * (1 + want.loss));
    CHECK(s.correct == want.correct);
    CHECK(s.counted == want.counted);
    double worst = 0;
    for (idx i = 0; i < p.w.size(); ++i) worst = std::max(worst, std::abs(p.dw.data()[i] - whole.data()[i]));
    CHECK(worst < 1e-14);
    const auto loss = [&] { return nn::cross_entropy_of_linear<double>(evaluation, p.rows(nullptr), p.W, p.b, p.labels).loss; };
    CHECK(loss() == s.loss);
    law::check_all(p.w, p.dw, loss);
  }
}

TEST_CASE("cross entropy in chunks: threads change no bit; its bytes are those of its formula") {
  for (const idx N : {3, 200}) {
    problem p(N, 1001, true);
    nn::weights<double> other(p.list);
    nn::tape<double> one(p.w, &p.dw, 1), three(p.w, &other, 3);
    const double loss = nn::cross_entropy_of_linear<double>(one, p.rows(&p.dw), p.W, p.b, p.labels).loss;
    CHECK(nn::cross_entropy_of_linear<double>(three, p.rows(&other), p.W, p.b, p.labels).loss == loss);
    CHECK(std::equal(other.data(), other.data() + other.size(), p.dw.data()));
    CHECK(one.bytes() == nn::cross_entropy_of_linear_bytes<double>(N, 1001));
  }
  CHECK(nn::cross_entropy_of_linear_bytes<float>(32768, 50257) < std::size_t(27) << 20);
}

TEST_CASE("cross entropy in chunks: nothing counts, bad labels, another width") {
  problem p(4, 6, false);
  nn::tape<double> t(p.w, &p.dw, 1);
  const std::vector<std::int64_t> none(4, nn::ignored), wrong{0, 1, 2, 6};
  const nn::score s = nn::cross_entropy_of_linear<double>(t, p.rows(&p.dw), p.W, p.b, none);
  CHECK(s.loss == 0);
  CHECK(s.counted == 0);
  CHECK_THROWS_WITH_AS(nn::cross_entropy_of_linear<double>(t, p.rows(&p.dw), p.W, p.b, wrong), "coefdyn: label: expected 0 .. 5, given 6",
                       invalid_input);
  CHECK_THROWS_AS(nn::cross_entropy_of_linear<double>(t, p.rows(&p.dw).part(0, 3), p.W, p.b, none), invalid_input);
  CHECK(std::all_of(p.dw.data(), p.dw.data() + p.dw.size(), [](double g) { return g == 0; }));
}

TEST_CASE("a language model trains with either cross entropy") {
  nn::model_sizes z;
  z.width = 6, z.vocabulary = 9, z.hidden = 4;
  for (const bool tied : {false, true}) {
    z.tied = tied;
    const nn::language_model<law::small_layer> model(z);
    nn::weights<double> w(model.parameters()), a(model.parameters()), b(model.parameters());
    law::scramble(w, 3);
    const std::vector<std::int64_t> ids{1, 2, 3, 4, 5, 8}, labels{2, 3, 4, nn::ignored, 8, 0};
    nn::tape<double> ta(w, &a, 1), tb(w, &b, 1);
    const nn::token_ids in{ids.data(), 2, 3};
    const nn::score one = nn::cross_entropy<double>(ta, model(ta, in), labels);
    ta.backward();
    const nn::score other = nn::cross_entropy_of_linear<double>(tb, model.hidden(tb, in), model.head(), {}, labels);
    tb.backward();
    CHECK(one.loss == doctest::Approx(other.loss).epsilon(1e-13));
    for (idx i = 0; i < a.size(); ++i) CHECK(std::abs(a.data()[i] - b.data()[i]) < 1e-13);
  }
}
}  // namespace
