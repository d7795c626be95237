// SPDX-License-Identifier: MIT
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <coefdyn/coefdyn.hpp>
#include <coefdyn/core/random.hpp>
#include <random>
#include <string>
#include <vector>

// What form::parallel promises of dropped weights, of any mixer: y and gradients are those of the definition's weights times the mask.
namespace weight_dropout_laws {
using namespace coefdyn;

/// Items from the last to the first, as if by three workers.
struct three_workers {
  int workers() const { return 3; }
  template <class F>
  void operator()(idx count, F f) const {
    for (idx i = count - 1; i >= 0; --i) f(i, int(i % 3));
  }
};

template <class M, class R>
struct subject {
  using traits_ = traits<M>;
  extents e;
  std::mt19937 random;
  stream_buffers<M, R> numbers;
  std::vector<R> dy;
  std::vector<idx> offsets{};  // of packed sequences

  subject(idx batch, idx time, int readers, int states, int n, int d, unsigned seed)
      : e(sizes(batch, time, readers, states, n, d)), random(seed), numbers(e), dy(outputs()) {
    std::normal_distribution<double> normal;
    const auto draw = [&] { return R(normal(random)); };
    for_each_need(needs_of<M>{}, [&]<class N>(N) {
      using tag = typename N::tag;
      for (auto& x : numbers.template of<N>())
        if constexpr (std::is_same_v<tag, stream::log_decay>) x = -R(0.2) * std::abs(draw());
        else if constexpr (is_one_of<tag, stream::beta, stream::delta>) x = R(0.1) + R(0.2) * std::abs(draw());
        else x = R(0.6) * draw();
    });
    for (auto& x : dy) x = draw();
  }
  static extents sizes(idx batch, idx time, int readers, int states, int n, int d) {
    extents e;
    e.batch = e.sequences = batch, e.time = time;
    e.readers = e.queries = readers, e.states = e.keys = states, e.n = n, e.d = d;
    return e;
  }
  std::size_t outputs() const { return std::size_t(e.batch * e.time * e.readers * e.d); }
  tokens<M, R> x() {
    tokens<M, R> out;
    numbers.bind(out);
    if (!offsets.empty()) out.cu_seqlens = std::span<const idx>(offsets);
    return out;
  }
  template <class T>
  view<T, 4> rows(T* data) const {
    return view<T, 4>(data, e.batch, e.time, e.readers, e.d);
  }
  template <class Executor = serial>
  std::vector<R> y(const form::weight_dropout& drop, const Executor& over = {}) {
    std::vector<R> out(outputs(), R(NAN));
    run(device::cpu{over}, form::parallel{drop}, x(), rows(out.data()));
    return out;
  }
  template <class Executor = serial>
  stream_buffers<M, R> gradients_by(const form::weight_dropout& drop, const Executor& over = {}) {
    stream_buffers<M, R> out(e);
    for_each_need(needs_of<M>{}, [&]<class N>(N) {
      for (auto& v : out.template of<N>()) v = R(NAN);
    });
    gradients<M, R> g;
    out.bind(g);
    const auto in = x();
    backward(device::cpu{over}, form::parallel{drop}, in, rows(static_cast<const R*>(dy.data())), g);
    return out;
  }
  /// phi(s) / eta of every write at every read: the definition's y of values that are rows of the identity. (B, T, readers, T writes)
  std::vector<double> weights() {
    extents wide = e;
    wide.d = int(e.time) * traits_::writes;
    subject<M, double> one(e.batch, e.time, e.readers, e.states, e.n, wide.d, 0);
    for_each_need(needs_of<M>{}, [&]<class N>(N) {
      auto& to = one.numbers.template of<N>();
      if constexpr (std::is_same_v<typename N::tag, stream::v>) {
        const idx writes = wide.d;
        for (std::size_t i = 0; i < to.size(); ++i) to[i] = idx(i) % writes == idx(i) / writes / e.states % writes ? 1 : 0;
      } else {
        const auto& from = numbers.template of<N>();
        for (std::size_t i = 0; i < to.size(); ++i) to[i] = from[i];
      }
    });
    one.offsets = offsets;
    std::vector<double> out(one.outputs(), NAN);
    run(device::cpu{serial{}}, form::definition{}, one.x(), one.rows(out.data()));
    return out;
  }
};

/// The micro-step of a token at which its write w comes.
template <class M>
int step_of(int w) {
  int at = 0;
  for (int l = 0; l < traits<M>::micro; ++l)
    if (traits<M>::writes_at(l) && at++ == w) return l;
  return -1;
}
template <class M, class R>
std::vector<double> expected(subject<M, R>& s, const form::weight_dropout& drop) {
  const auto& [e, random, numbers, dy, offsets] = s;
  constexpr int micro = traits<M>::micro, writes = traits<M>::writes;
  const std::vector<double> weights = s.weights();
  std::vector<double> y(s.outputs());
  const idx rows = e.time * writes;
  for (idx at = 0; at < e.batch * e.time * e.readers; ++at) {
    const idx b = at / (e.time * e.readers), t = at / e.readers % e.time, h = at % e.readers;
    for (idx j = 0; j < rows; ++j) {
      const std::uint64_t word =
          std::uint64_t(((b * e.readers + h) * e.time + t) * e.time * micro + j / writes * micro + step_of<M>(int(j % writes)));
      if (random_stream::unit_of(drop.draws->word_at(word)) < drop.p) continue;
      const idx state = h / (e.readers / e.states);
      const auto* const v = numbers.v.data() + ((b * rows + j) * e.states + state) * e.d;
      for (idx c = 0; c < e.d; ++c) y[std::size_t(at * e.d + c)] += weights[std::size_t(at * rows + j)] / (1 - drop.p) * double(v[c]);
    }
  }
  return y;
}
template <class A, class B>
double distance(const A& a, const B& b) {
  double most = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double off = std::abs(double(a[i]) - double(b[i]));
    most = off <= most ? most : off, size = std::max(size, std::abs(double(b[i])));
  }
  return most / size;
}

/// y is that of the masked weights, in double and float.
template <class M>
void masks_the_weights(subject<M, double> s) {
  const random_stream draws(7, 102, 3, 1);
  for (const double p : {0.2, 0.7}) {
    const form::weight_dropout drop{p, &draws};
    CHECK(distance(s.y(drop), expected(s, drop)) < 1e-11);
    CHECK(distance(s.y(drop), s.y({})) > 0.05);
  }
  subject<M, float> f(s.e.batch, s.e.time, s.e.readers, s.e.states, s.e.n, s.e.d, 0);
  for_each_need(needs_of<M>{}, [&]<class N>(N) {
    auto& to = f.numbers.template of<N>();
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = float(s.numbers.template of<N>()[i]);
  });
  f.offsets = s.offsets;
  const form::weight_dropout drop{0.4, &draws};
  CHECK(distance(f.y(drop), expected(f, drop)) < 2e-5);
}
/// Gradients are slopes with the mask held: of a sample of every stream's numbers.
template <class M>
void gradients_are_slopes(subject<M, double> s) {
  const random_stream draws(11, 102, 5, 2);
  const form::weight_dropout drop{0.35, &draws};
  auto g = s.gradients_by(drop);
  const auto loss = [&] {
    double sum = 0;
    const auto y = s.y(drop);
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * s.dy[i];
    return sum;
  };
  for_each_need(needs_of<M>{}, [&]<class N>(N) {
    auto& numbers = s.numbers.template of<N>();
    const auto& gradient = g.template of<N>();
    double size = 1e-3;
    for (const double v : gradient) size = std::max(size, std::abs(v));
    const std::size_t stride = std::max<std::size_t>(1, numbers.size() / 23);
    for (std::size_t i = 0; i < numbers.size(); i += stride) {
      const double held = numbers[i], h = 1e-4;
      double slope = 0;
      const double steps[] = {-2, -1, 1, 2}, factors[] = {1, -8, 8, -1};
      for (int k = 0; k < 4; ++k) numbers[i] = held + steps[k] * h, slope += factors[k] * loss() / (12 * h);
      numbers[i] = held;
      INFO(std::string(N::tag::name) << " " << i);
      CHECK(std::abs(slope - gradient[i]) < 1e-8 * size);
    }
  });
}
/// The same bits of y and gradients for any executor, and again.
template <class M, class R>
void same_bits(subject<M, R> s) {
  const random_stream draws(3, 102, 1, 0);
  const form::weight_dropout drop{0.3, &draws};
  const auto y = s.y(drop);
  auto g = s.gradients_by(drop);
  const auto check = [&](const auto& over) {
    CHECK(s.y(drop, over) == y);
    auto again = s.gradients_by(drop, over);
    for_each_need(needs_of<M>{}, [&]<class N>(N) {
      const auto &a = again.template of<N>(), &b = g.template of<N>();
      CHECK(std::equal(a.begin(), a.end(), b.begin(), b.end()));
    });
  };
  check(serial{}), check(openmp{1}), check(openmp{2}), check(openmp{3}), check(three_workers{});
}

}  // namespace weight_dropout_laws
