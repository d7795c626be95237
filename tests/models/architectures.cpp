// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>

#include "sample.hpp"

namespace {
using namespace sample;

double distance(std::span<const float> a, std::span<const float> b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(double(a[i]) - double(b[i]));
    worst = d <= worst ? worst : std::isnan(d) ? HUGE_VAL : d;
  }
  return worst;
}
template <class F>
void each_architecture(F f) {
  for (const auto& [name, settings] : architectures()) {
    CAPTURE(name);
    const sample::model m(settings);
    f(*m.open());
  }
}
}  // namespace

TEST_CASE("models: decoding, from a prompt and token by token, gives the logits of the whole") {
  each_architecture([](const models::language_model& m) {
    constexpr idx T = 13;
    const auto V = std::size_t(m.about().vocabulary);
    const auto text = ids(2 * T, m.about().vocabulary);
    const auto whole = m.logits(text, 2, T);
    REQUIRE(whole.size() == 2 * std::size_t(T) * V);
    for (const idx sequence : {0, 1})
      for (const idx prompt : {idx(1), idx(6), T}) {
        const std::span<const std::int64_t> own(text.data() + sequence * T, T);
        const auto d = m.start(T);
        double worst = 0;
        const auto compare = [&](idx at) {
          worst = std::max(worst, distance(d->logits(), std::span(whole).subspan(std::size_t(sequence * T + at) * V, V)));
        };
        d->prefill(own.first(std::size_t(prompt))), compare(prompt - 1);
        for (idx i = prompt; i < T; ++i) d->step(own[std::size_t(i)]), compare(i);
        CAPTURE(prompt);
        CHECK(worst < 1e-5);
        CHECK(d->length() == T);
      }
  });
}

TEST_CASE("models: bits do not depend on threads, nor on the other sequences of a batch") {
  for (const auto& [name, settings] : architectures()) {
    CAPTURE(name);
    const sample::model m(settings);
    const auto one = m.open(1), three = m.open(3);
    const auto text = ids(3 * 9, one->about().vocabulary);
    const auto all = one->logits(text, 3, 9);
    CHECK(all == three->logits(text, 3, 9));
    const auto second = one->logits(std::span(text).subspan(9, 9), 1, 9);
    CHECK(std::equal(second.begin(), second.end(), all.begin() + std::ptrdiff_t(second.size())));
  }
}

TEST_CASE("models: a state that is saved and taken back goes on with the same bits") {
  each_architecture([](const models::language_model& m) {
    const auto text = ids(14, m.about().vocabulary);
    const auto d = m.start(14), other = m.start(14);
    d->prefill(std::span(text).first(8));
    const std::string file = (fs::temp_directory_path() / ("coefdyn-past-" + std::to_string(::getpid()))).string();
    d->save(file);
    other->prefill(std::span(text).subspan(3, 11));  // what it holds is lost
    other->load(file);
    fs::remove(file);
    CHECK(other->length() == 8);
    CHECK(std::ranges::equal(other->logits(), d->logits()));
    for (std::size_t i = 8; i < 14; ++i) {
      const auto want = d->step(text[i]);
      CHECK(std::ranges::equal(other->step(text[i]), want));
    }
  });
}

TEST_CASE("models: damaged and foreign states are refused and nothing is taken") {
  const sample::model m(architectures().at("llama"));
  const sample::model foreign(architectures().at("mamba2"));
  const auto a = m.open(), b = foreign.open();
  const auto text = ids(6, 17);
  const auto d = a->start(8), strange = b->start(8), small = a->start(3);
  d->prefill(text), strange->prefill(text);
  const std::string file = m.path("state");
  d->save(file);
  CHECK_THROWS_WITH_AS(strange->load(file), doctest::Contains("expected a past of this model"), invalid_input);
  CHECK_THROWS_WITH_AS(small->load(file), doctest::Contains("at most 3 tokens"), invalid_input);
  const auto read = [&] {
    const files::mapped_file f(file);
    return std::vector<std::byte>(f.bytes().begin(), f.bytes().end());
  };
  const auto bytes = read();
  for (std::size_t size = 0; size < bytes.size(); size += 1 + bytes.size() / 40) {
    files::write_file(file, std::span(bytes).first(size));
    CHECK_THROWS_AS(strange->load(file), invalid_input);
    CHECK_THROWS_AS(d->load(file), invalid_input);
  }
  auto longer = bytes;
  longer.push_back(std::byte{0});
  files::write_file(file, longer);
  CHECK_THROWS_AS(d->load(file), invalid_input);
  CHECK(d->length() == 6);
  const auto fresh = a->start(8), after = b->start(8);
  fresh->prefill(text), after->prefill(text);
  CHECK(std::ranges::equal(d->step(1), fresh->step(1)));
  CHECK(std::ranges::equal(strange->step(1), after->step(1)));
}

TEST_CASE("models: the streams of every layer's mixer") {
  each_architecture([](const models::language_model& m) {
    const auto text = ids(7, m.about().vocabulary);
    idx next = 0;
    m.visit_mixers(text, [&](const models::layer_streams& l) {
      CHECK(l.layer == next++);
      CHECK(!l.policies.empty());
      const auto &q = l.stream.at("q"), &k = l.stream.at("k"), &v = l.stream.at("v");
      for (const auto* one : {&q, &k, &v}) {
        REQUIRE(one->shape.size() == 4);
        CHECK(one->shape[1] == 7);
        CHECK(idx(one->values.size()) == one->shape[0] * one->shape[1] * one->shape[2] * one->shape[3]);
        for (const double x : one->values) REQUIRE(std::isfinite(x));
      }
      CHECK(k.shape[2] == v.shape[2]);
      CHECK(q.shape[2] % k.shape[2] == 0);
    });
    CHECK(next == m.about().layers);
  });
}

TEST_CASE("models: within a window, a layer of attention forgets what is before it") {
  sample::model m(R"({"model_type":"recurrent_gemma","hidden_size":12,"intermediate_size":14,"num_hidden_layers":1,"num_attention_heads":3,
                      "vocab_size":17,"attention_window_size":4,"block_types":["attention"]})");
  const auto model = m.open();
  const auto text = ids(11, 17);
  const auto whole = model->logits(text, 1, 11);
  for (const std::size_t at : {4u, 7u, 10u}) {
    const auto part = model->logits(std::span(text).subspan(at - 3, 4), 1, 4),
               shorter = model->logits(std::span(text).subspan(at - 2, 3), 1, 3);
    const auto row = std::span(whole).subspan(at * 17, 17);
    CHECK(distance(row, std::span(part).last(17)) < 1e-5);
    CHECK(distance(row, std::span(shorter).last(17)) > 1e-3);
  }
}
