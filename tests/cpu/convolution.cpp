// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <coefdyn/coefdyn.hpp>
#include <coefdyn/cpu/convolution.hpp>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

// form::convolution is the definition: outputs and gradients, for every kind of time-invariant mixer, some of them a user's.

namespace {
using namespace coefdyn;
using linear = readout::linear;
using one = scaling::one;

/// A user's map without entries to ask for: a cyclic shift that forgets, with a number a channel.
struct fading_shift {
  using streams = list<fixed_per_channel<stream::log_decay>>;
  static constexpr field over = field::real;
  static constexpr bool is_constant = true;
  template <class At, class X>
  static void apply(const At& at, X x) {
    auto carried = x[at.n - 1];
    for (int c = 0; c < at.n; ++c) {
      const auto old = x[c];
      x[c] = math::exp(at.log_decay[c]) * carried;
      carried = old;
    }
  }
  template <class At, class X>
  static void apply_transposed(const At& at, X x) {
    const auto first = x[0];
    for (int c = 0; c + 1 < at.n; ++c) x[c] = math::exp(at.log_decay[c + 1]) * x[c + 1];
    x[at.n - 1] = math::exp(at.log_decay[0]) * first;
  }
};
/// A user's structure: diag(lambda) with a constant rank-one part.
struct fixed_plus_rank_one {
  using streams = list<fixed_per_channel<stream::log_decay>, fixed_per_channel<stream::u>, fixed_per_channel<stream::theta>>;
  static constexpr structure_of structure{
      .decay = decaying::channel, .correction = rank_one::free, .row_sees = sees::undecayed, .constant = true};
  template <class At>
  static auto log_decay(const At& at, int c) {
    return at.log_decay[c];
  }
  template <class At>
  static auto strength(const At&) {
    return typename At::real(-0.2);
  }
  template <class At>
  static auto row(const At& at, int c) {
    return at.u[c];
  }
  template <class At>
  static auto column(const At& at, int c) {
    return at.theta[c];
  }
};
/// A user's b and eta: constant streams, of which they say that there is no more.
struct fixed_step {
  using streams = list<fixed_per_channel<stream::delta>>;
  static constexpr basis depends_on = basis::streams;
  template <class At>
  static auto scale(const At& at, int c) {
    return at.delta[c];
  }
};
struct fixed_offset {
  using streams = list<fixed_per_head<stream::eta_offset>>;
  static constexpr bool needs_sum = false;
  static constexpr basis depends_on = basis::streams;
  template <class R, class At>
  static R eta(R, const At& at) {
    return R(2) + at.eta_offset * at.eta_offset;
  }
};
struct silent_step : fixed_step {  // may depend on anything
  static constexpr basis depends_on = basis::token;
};

static_assert(form_exists<form::convolution, mixers::s4> && form_exists<form::convolution, mixers::s4d> &&
              form_exists<form::convolution, mixers::s4d_real> && form_exists<form::convolution, mixers::lru> &&
              form_exists<form::convolution, mixers::s5> && form_exists<form::convolution, mixers::retnet>);
static_assert(!form_exists<form::convolution, mixers::mamba2> && !form_exists<form::convolution, mixers::mamba2_pseudo_lti> &&
              !form_exists<form::convolution, mixers::s6> && !form_exists<form::convolution, mixers::softmax_attention> &&
              !form_exists<form::convolution, mixers::linear_attention_elu1> && !form_exists<form::convolution, mixers::rwkv6> &&
              !form_exists<form::convolution, mixers::norm_attention_exp> && !form_exists<form::convolution, mixers::deltanet>);
static_assert(form_exists<form::convolution, mixer<linear, fading_shift, fixed_step, fixed_offset>> &&
              !form_exists<form::convolution, mixer<linear, fading_shift, silent_step, fixed_offset>> &&
              !form_exists<form::convolution, mixer<linear, fading_shift, fixed_step, normalization::count>>);

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
const shape shapes[] = {
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
TEST_CASE("a convolution is the definition: reads before the write") {
  SUBCASE("diagonal") { laws<mixer<linear, evolution::read_before<evolution::fixed_diagonal>, one, normalization::one>>(); }
  SUBCASE("complex") {
    laws<mixer<linear, evolution::read_before<evolution::fixed_complex_diagonal>, one, normalization::one>, field::complex>();
  }
  SUBCASE("dense") { laws<mixer<linear, evolution::read_before<evolution::dense<>>, one, normalization::one>>(); }
}
TEST_CASE("a convolution is the definition: a user's policies") {
  SUBCASE("a map, b and eta") { laws<mixer<linear, fading_shift, fixed_step, fixed_offset>>(); }
  SUBCASE("a structure") { laws<mixer<linear, fixed_plus_rank_one, one, normalization::one>>(); }
  SUBCASE("a feature map") { laws<mixer<linear, evolution::fixed_scalar, fixed_step, fixed_offset, feature::elu_plus_one>>(); }
  SUBCASE("raw numbers") {
    laws<mixer<linear, evolution::parameterised<evolution::fixed_diagonal, parameterisation::exp_exp>, one, normalization::one>>();
  }
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
