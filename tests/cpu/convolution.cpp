// SPDX-License-Identifier: MIT
#include "convolution.hpp"

#include <doctest/doctest.h>

// form::convolution is the definition: outputs and gradients, for every kind of time-invariant mixer.

namespace {
using namespace coefdyn;
using namespace convolution_laws;
using linear = readout::linear;
using one = scaling::one;

static_assert(form_exists<form::convolution, mixers::s4> && form_exists<form::convolution, mixers::s4d> &&
              form_exists<form::convolution, mixers::s4d_real> && form_exists<form::convolution, mixers::lru> &&
              form_exists<form::convolution, mixers::s5> && form_exists<form::convolution, mixers::retnet>);
static_assert(!form_exists<form::convolution, mixers::mamba2> && !form_exists<form::convolution, mixers::mamba2_pseudo_lti> &&
              !form_exists<form::convolution, mixers::s6> && !form_exists<form::convolution, mixers::softmax_attention> &&
              !form_exists<form::convolution, mixers::linear_attention_elu1> && !form_exists<form::convolution, mixers::rwkv6> &&
              !form_exists<form::convolution, mixers::norm_attention_exp> && !form_exists<form::convolution, mixers::deltanet>);
using s4d_like = mixer<linear, evolution::fixed_diagonal, one, normalization::one>;
}  // namespace

TEST_CASE("a convolution is the definition: diagonal maps") {
  SUBCASE("s4d") { laws<mixers::s4d, field::complex>(); }
  SUBCASE("s4d with real queries") { laws<mixers::s4d>(); }
  SUBCASE("s4d_real") { laws<mixers::s4d_real>(); }
  SUBCASE("lru") { laws<mixers::lru, field::complex>(); }
  SUBCASE("retnet") { laws<mixers::retnet>(); }
  SUBCASE("linear_attention") { laws<mixers::linear_attention>(); }
}
TEST_CASE("a convolution is the definition: rotations and dense maps") {
  SUBCASE("retnet_xpos") { laws<mixers::retnet_xpos>(); }
  SUBCASE("s4") { laws<mixers::s4, field::complex>(); }
  SUBCASE("real dense") { laws<mixer<linear, evolution::dense<>, one, normalization::sqrt_dim>>(); }
}
TEST_CASE("a convolution with heads that share: several readers a state, several states a key") {
  subject<mixers::s4d, double, field::complex, heads::grouped_queries> readers({2, 21, 6, 2, 2, 3, 1}, 3);
  CHECK(gap(readers.output(form::definition{}), readers.output(form::convolution{})) < 1e-12);
  subject<mixers::s4, double, field::complex, heads::grouped_values> values({2, 21, 4, 4, 2, 3, 2}, 4);
  CHECK(gap(values.output(form::definition{}), values.output(form::convolution{})) < 1e-12);
  const auto a = readers.slopes(form::definition{}), b = readers.slopes(form::convolution{});
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(i);
    CHECK(gap(a[i], b[i]) < 1e-11);
  }
  const auto c = values.slopes(form::definition{}), d = values.slopes(form::convolution{});
  for (std::size_t i = 0; i < c.size(); ++i) {
    CAPTURE(i);
    CHECK(gap(c[i], d[i]) < 1e-11);
  }
}

TEST_CASE("a convolution has the same bits for any executor, and adds where it is told to") {
  subject<mixers::s4, float, field::complex, heads::grouped_queries> p({3, 50, 4, 4, 4, 6, 1}, 8);
  CHECK(p.output(form::convolution{}) == p.output(form::convolution{}, three_workers{}));
  const auto alone = p.slopes(form::convolution{});
  CHECK(alone == p.slopes(form::convolution{}, three_workers{}));
  const auto added = p.slopes(form::convolution{}, serial{}, true, 0.5f);
  for (std::size_t i = 0; i < alone.size(); ++i)
    for (std::size_t j = 0; j < alone[i].size(); ++j)
      CHECK(double(added[i][j]) == doctest::Approx(double(alone[i][j]) + 0.5).epsilon(1e-5));
}

TEST_CASE("a convolution over packed sequences, empty ones among them, and from a token on") {
  using S = subject<s4d_like, double, field::real, heads::grouped_queries>;
  S p({1, 30, 2, 2, 2, 3, 2}, 21);
  const std::vector<std::int64_t> offsets{0, 0, 13, 14, 14, 30};
  S::X x = p.x();
  x.cu_seqlens = std::span<const std::int64_t>(offsets);
  std::vector<double> a(p.outputs(), NAN), b(p.outputs(), NAN);
  run(device::cpu{}, form::definition{}, x, p.rows(a)), run(device::cpu{}, form::convolution{}, x, p.rows(b));
  CHECK(gap(a, b) < 1e-12);
  stream_buffers<s4d_like, double> first(p.e), second(p.e);
  S::G ga = p.bound<S::G>(first), gb = p.bound<S::G>(second);
  const view<const double, 4> dy(p.dy.data(), 1, 30, 2, 2);
  backward(device::cpu{}, form::definition{}, x, dy, ga), backward(device::cpu{}, form::convolution{}, x, dy, gb);
  for_each_need(S::X::needs{}, [&]<class N>(N) {
    CAPTURE(N::tag::name);
    const auto &u = first.of<N>(), &v = second.of<N>();
    CHECK(gap(std::vector<double>(u.begin(), u.end()), std::vector<double>(v.begin(), v.end())) < 1e-11);
  });
  S::X late = p.x();
  late.first_read = 27;
  late.q.extents[1] = 3;
  std::vector<double> c(3 * 4, NAN), d(3 * 4, NAN);
  run(device::cpu{}, form::definition{}, late, view<double, 4>(c.data(), 1, 3, 2, 2));
  run(device::cpu{}, form::convolution{}, late, view<double, 4>(d.data(), 1, 3, 2, 2));
  CHECK(gap(c, d) < 1e-12);
}

TEST_CASE("a convolution with channels that forget at once, and over long sequences") {
  subject<mixers::s4d_real, double, field::real, heads::grouped_queries> p({1, 40, 1, 1, 1, 3, 1}, 30);
  p.numbers.log_decay[1] = -std::numeric_limits<double>::infinity();
  CHECK(gap(p.output(form::definition{}), p.output(form::convolution{})) < 1e-12);
  const auto want = p.slopes(form::recurrent{}), got = p.slopes(form::convolution{});
  for (std::size_t i = 0; i < want.size(); ++i) {
    CAPTURE(i);
    CHECK(gap(want[i], got[i]) < 1e-11);
  }
  subject<mixers::s4d, float, field::complex, heads::grouped_queries> far({1, 4099, 1, 1, 1, 4, 1}, 31);
  for (auto& x : far.numbers.log_decay) x = -1e-3f;
  subject<mixers::s4d, double, field::complex, heads::grouped_queries> truth({1, 4099, 1, 1, 1, 4, 1}, 31);
  for_each_need(needs_of<mixers::s4d, field::complex>{}, [&]<class N>(N) {
    const auto& from = far.numbers.of<N>();
    auto& to = truth.numbers.of<N>();
    for (std::size_t i = 0; i < from.size(); ++i) {
      if constexpr (N::over == field::complex) to[i] = {double(from[i].re), double(from[i].im)};
      else to[i] = double(from[i]);
    }
  });
  const auto y = truth.output(form::recurrent{});
  const auto y_float = far.output(form::convolution{});
  CHECK(gap(y, std::vector<double>(y_float.begin(), y_float.end())) < 3e-7);
}

TEST_CASE("a convolution refuses queries that move, gradients of theirs that do, and states") {
  using S = subject<s4d_like, float, field::real, heads::grouped_queries>;
  S p({2, 5, 1, 1, 1, 2, 1}, 40);
  std::vector<float> y(p.outputs(), 7);
  const auto refused = [&](auto call, const std::string& tensor, const std::string& given) {
    try {
      call();
      FAIL("not refused");
    } catch (const invalid_input& e) {
      CHECK(e.tensor == tensor);
      CHECK(e.given.find(given) != std::string::npos);
    }
    CHECK(y == std::vector<float>(p.outputs(), 7));
  };
  S::X moving = p.x();
  moving.q.strides[1] = 2;
  refused([&] { run(device::cpu{}, form::convolution{}, moving, p.rows(y)); }, "q", "stride 2");
  moving = p.x();
  moving.k.strides[1] = 2;
  refused([&] { run(device::cpu{}, form::convolution{}, moving, p.rows(y)); }, "k", "stride 2");
  state<s4d_like> s(p.e);
  refused([&] { run(device::cpu{}, form::convolution{}, p.x(), p.rows(y), carry<s4d_like>{.final = s}); }, "carry", "a state");
  stream_buffers<s4d_like> held(p.e);
  S::G g = p.bound<S::G>(held);
  const view<const float, 4> dy(p.dy.data(), 2, 5, 1, 1);
  g.q.strides[1] = 2;
  refused([&] { backward(device::cpu{}, form::convolution{}, p.x(), dy, g); }, "gradient of q", "stride 2");
  g = p.bound<S::G>(held), g.k.strides[0] = 10;
  refused([&] { backward(device::cpu{}, form::convolution{}, p.x(), dy, g); }, "gradient of k", "stride 10");
  g = p.bound<S::G>(held);
  refused([&] { backward(device::cpu{}, form::convolution{}, p.x(), dy, g, {}, {s, {}}); }, "carry", "a state");
}
