// SPDX-License-Identifier: MIT
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <coefdyn/coefdyn.hpp>
#include <coefdyn/cpu/convolution.hpp>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

// What form::convolution promises of any time-invariant mixer: the definition's outputs and gradients, and slopes.
namespace convolution_laws {
using namespace coefdyn;

struct shape {
  idx batch, time;
  int readers, states, keys, n, d;
  bool rows_of_batch = false;  // q and k differ between batch rows
};
struct three_workers {
  int workers() const { return 3; }
  template <class F>
  void operator()(idx count, F f) const {
    for (idx i = count - 1; i >= 0; --i) f(i, int(i % 3));
  }
};

template <class M, class R, field Over, class Heads>
struct subject {
  using X = tokens<M, R, Heads, Over>;
  using G = gradients<M, R, Heads, Over>;
  extents e;
  bool rows_of_batch;
  std::mt19937 random;
  stream_buffers<M, R, Over> numbers;
  std::vector<R> dy;

  static extents sizes(const shape& s) {
    extents e;
    e.batch = e.sequences = s.batch, e.time = s.time;
    e.readers = s.readers, e.states = s.states, e.keys = s.keys, e.n = s.n, e.d = s.d;
    e.queries = std::is_same_v<Heads, heads::grouped_values> ? s.keys : s.readers;
    return e;
  }
  subject(const shape& s, unsigned seed) : e(sizes(s)), rows_of_batch(s.rows_of_batch), random(seed), numbers(e), dy(outputs()) {
    std::normal_distribution<double> normal;
    const auto draw = [&] { return R(normal(random)); };
    for_each_need(needs_of<M, Over>{}, [&]<class N>(N) {
      for (auto& x : numbers.template of<N>()) {
        if constexpr (std::is_same_v<typename N::tag, stream::log_decay>) x = -R(0.3) * std::abs(draw());
        else if constexpr (N::inner == width::matrix && N::over == field::complex)
          x = {R(0.4) * draw() / std::sqrt(R(e.n)), R(0.4) * draw() / std::sqrt(R(e.n))};
        else if constexpr (N::inner == width::matrix) x = R(0.6) * draw() / std::sqrt(R(e.n));
        else if constexpr (N::over == field::complex) x = {draw(), draw()};
        else if constexpr (std::is_same_v<typename N::tag, stream::theta> || std::is_same_v<typename N::tag, stream::u>)
          x = R(0.5) * draw();
        else x = draw();
      }
    });
    for (auto& x : dy) x = draw();
  }
  std::size_t outputs() const { return static_cast<std::size_t>(e.batch * e.time * e.readers * e.d); }
  /// x or a gradient as views of `held`; one row of q and of k for all tokens.
  template <class V>
  V bound(stream_buffers<M, R, Over>& held) const {
    V x;
    held.bind(x);
    const auto still = [&](auto& v) {
      v.strides[0] = rows_of_batch ? v.strides[1] : 0;
      v.strides[1] = 0;
    };
    still(x.q), still(x.k);
    return x;
  }
  X x() { return bound<X>(numbers); }
  template <class T>
  view<T, 4> rows(std::vector<T>& v) const {
    return view<T, 4>(v.data(), e.batch, e.time, idx(e.readers), idx(e.d));
  }
  template <class Form, class Executor = serial>
  std::vector<R> output(Form form_, Executor over = {}) {
    std::vector<R> y(outputs(), std::numeric_limits<R>::quiet_NaN());
    const device::cpu<Executor> on{over};
    std::vector<std::byte> scratch(workspace_bytes(on, form_, x()), std::byte{0xff});
    run(on, form_, x(), rows(y), {}, workspace(scratch));
    return y;
  }
  /// Gradients of all streams, one after the other.
  template <class Form, class Executor = serial>
  std::vector<std::vector<R>> slopes(Form form_, Executor over = {}, bool accumulate = false,
                                     R before = std::numeric_limits<R>::quiet_NaN()) {
    stream_buffers<M, R, Over> held(e);
    for_each_need(needs_of<M, Over>{}, [&]<class N>(N) {
      for (auto& v : held.template of<N>()) {
        if constexpr (N::over == field::complex) v = {before, before};
        else v = before;
      }
    });
    G g = bound<G>(held);
    g.accumulate = accumulate;
    const device::cpu<Executor> on{over};
    std::vector<std::byte> scratch(backward_workspace_bytes(on, form_, x()), std::byte{0xff});
    const view<const R, 4> upstream(dy.data(), e.batch, e.time, idx(e.readers), idx(e.d));
    backward(on, form_, x(), upstream, g, {}, {}, workspace(scratch));
    std::vector<std::vector<R>> out;
    for_each_need(needs_of<M, Over>{}, [&]<class N>(N) {
      out.emplace_back();
      const auto& v = g.template of<N>();
      idx reach = 1;  // elements that have a gradient of their own
      for (int a = 0; a < N::rank; ++a) reach += (v.extents[a] - 1) * v.strides[a];
      if (v.size() == 0) reach = 0;
      for (idx i = 0; i < reach; ++i) {
        if constexpr (N::over == field::complex) out.back().push_back(v.data[i].re), out.back().push_back(v.data[i].im);
        else out.back().push_back(v.data[i]);
      }
    });
    return out;
  }
};
template <class R>
double gap(const std::vector<R>& a, const std::vector<R>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 1e-3, apart = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(double(a[i])));
    apart = std::isfinite(b[i]) ? std::max(apart, std::abs(double(a[i]) - double(b[i]))) : 1e30;
  }
  return apart / largest;
}
inline const shape shapes[] = {
    {2, 37, 2, 2, 2, 5, 2}, {1, 1, 1, 1, 1, 3, 1}, {3, 2, 1, 1, 1, 4, 3}, {1, 129, 3, 3, 3, 2, 1}, {2, 19, 2, 2, 2, 3, 1, true}};

template <class M, field Over = field::real>
void is_the_definition() {
  unsigned seed = 11;
  for (const shape& given : shapes) {
    shape s = given;
    if (traits<M>::structure.turns == turning::half_pairs || traits<M>::structure.turns == turning::adjacent_pairs) s.n += s.n % 2;
    CAPTURE(s.time);
    CAPTURE(s.n);
    subject<M, double, Over, heads::grouped_queries> p(s, ++seed);
    CHECK(gap(p.output(form::definition{}), p.output(form::convolution{})) < 1e-12);
    CHECK(gap(p.output(form::recurrent{}), p.output(form::convolution{})) < 1e-12);
    const auto want = p.slopes(form::definition{}), got = p.slopes(form::convolution{});
    for (std::size_t i = 0; i < want.size(); ++i) {
      CAPTURE(i);
      CHECK(gap(want[i], got[i]) < 1e-11);
    }
    subject<M, float, Over, heads::grouped_queries> f(s, seed);
    CHECK(gap(f.output(form::definition{}), f.output(form::convolution{})) < 3e-7);
    const auto want_f = f.slopes(form::definition{}), got_f = f.slopes(form::convolution{});
    for (std::size_t i = 0; i < want_f.size(); ++i) {
      CAPTURE(i);
      CHECK(gap(want_f[i], got_f[i]) < 2e-6);
    }
  }
}
/// Central differences of the loss dy'y along random directions, one a stream.
template <class M, field Over = field::real>
void gradients_are_slopes() {
  const shape s{2, 23, 2, 2, 2, 4, 2};
  subject<M, double, Over, heads::grouped_queries> p(s, 5);
  const auto got = p.slopes(form::convolution{});
  const auto loss = [&] {
    const auto y = p.output(form::convolution{});
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * p.dy[i];
    return sum;
  };
  std::size_t stream = 0;
  for_each_need(needs_of<M, Over>{}, [&]<class N>(N) {
    auto& held = p.numbers.template of<N>();
    double* const numbers = reinterpret_cast<double*>(held.data());
    const std::vector<double>& slope = got[stream++];
    std::vector<double> along(slope.size());
    std::normal_distribution<double> normal;
    double want = 0;
    for (std::size_t i = 0; i < slope.size(); ++i) along[i] = normal(p.random), want += along[i] * slope[i];
    const auto move = [&](double by) {
      for (std::size_t i = 0; i < along.size(); ++i) numbers[i] += by * along[i];
    };
    constexpr double h = 1e-5;
    move(h);
    const double up = loss();
    move(-2 * h);
    const double down = loss();
    move(h);
    CAPTURE(N::tag::name);
    CHECK((up - down) / (2 * h) == doctest::Approx(want).epsilon(1e-7));
  });
}
template <class M, field Over = field::real>
void laws() {
  is_the_definition<M, Over>();
  gradients_are_slopes<M, Over>();
}
}  // namespace convolution_laws
