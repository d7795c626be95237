// SPDX-License-Identifier: MIT
// Rotations over long sequences in float: scores of keys far away, and states that leave, against float64.
#include "law.cuh"
#include "mixers.cuh"

namespace gpu_test {
namespace {

constexpr idx T = 200001, far_keys = 64, last_reads = 3;
constexpr int n = 16;

void within(double error, double limit, const char* what) {
  if (error <= limit) ++total.passed;
  else ++total.failed, std::printf("    FAILED long rotations: %s: %.1e > %.0e\n", what, error, limit);
}

/// Equal keys with values at the first tokens, zeros behind; all channels and values differ.
struct streams {
  both<float> q{last_reads * n}, k{T * n}, v, theta{n / 2}, zero{1};
  int d;
  streams(int d_, double size) : v(T * d_), d(d_) {
    for (idx i = 0; i < last_reads; ++i)
      for (int c = 0; c < n; ++c) q.host[std::size_t(i * n + c)] = float(size * std::cos(0.7 * c + 0.3 * double(i)));
    for (idx j = 0; j < far_keys; ++j)
      for (int c = 0; c < n; ++c) k.host[std::size_t(j * n + c)] = float(size * std::cos(0.7 * c + 0.1));
    for (idx i = 0; i < far_keys * d; ++i) v.host[std::size_t(i)] = float(1 + 0.5 * std::cos(0.37 * double(i)));
    for (int p = 0; p < n / 2; ++p) theta.host[std::size_t(p)] = float(std::pow(10000.0, -2.0 * p / n));
    q.up(), k.up(), v.up(), theta.up(), zero.up();
  }
  template <class M>
  tokens<M, float> of() const {
    tokens<M, float> x;
    x.q = view<const float, 4>(static_cast<const float*>(q.device), idx(1), last_reads, idx(1), idx(n));
    x.k = view<const float, 4>(static_cast<const float*>(k.device), idx(1), T, idx(1), idx(n));
    x.v = view<const float, 4>(static_cast<const float*>(v.device), idx(1), T, idx(1), idx(d));
    x.theta = view<const float, 1>(static_cast<const float*>(theta.device), idx(n / 2));
    if constexpr (requires { x.log_decay; }) x.log_decay = view<const float, 1>(static_cast<const float*>(zero.device), idx(1));
    x.first_read = T - last_reads;
    return x;
  }
  template <class M>
  static channel_pair channels(int p) {
    return pair_of(traits<M>::structure.turns, p, n);
  }
  /// Channels of pair p of key j as they are `later` tokens on: turned clockwise.
  template <class M>
  complex<double> turned_key(idx j, int p, idx later) const {
    const channel_pair c = channels<M>(p);
    const double angle = -double(theta.host[std::size_t(p)]) * double(later), co = std::cos(angle), si = std::sin(angle);
    const double a = k.host[std::size_t(j * n + c.x)], b = k.host[std::size_t(j * n + c.y)];
    return {a * co - b * si, a * si + b * co};
  }
  template <class M>
  double score(idx read, idx j) const {
    double sum = 0;
    for (int p = 0; p < n / 2; ++p) {
      const complex<double> key = turned_key<M>(j, p, T - last_reads + read - j);
      const channel_pair c = channels<M>(p);
      sum += double(q.host[std::size_t(read * n + c.x)]) * key.re + double(q.host[std::size_t(read * n + c.y)]) * key.im;
    }
    return sum / std::sqrt(double(n));
  }
};

/// Softmax over keys of which the far ones alone have scores and values.
template <class M>
void attention(const char* name) {
  const streams s(4, 4);
  std::vector<double> want(std::size_t(last_reads * s.d));
  for (idx i = 0; i < last_reads; ++i) {
    std::vector<double> top(std::size_t(s.d), 0.0);
    double sum = 0;
    for (idx j = 0; j <= T - last_reads + i; ++j) {
      const double w = j < far_keys ? std::exp(s.score<M>(i, j)) : 1;
      sum += w;
      for (int c = 0; c < s.d; ++c) top[std::size_t(c)] += w * double(s.v.host[std::size_t(j * s.d + c)]);
    }
    for (int c = 0; c < s.d; ++c) want[std::size_t(i * s.d + c)] = top[std::size_t(c)] / sum;
  }
  const auto check = [&](auto form_, const char* form_name) {
    both<float> y(last_reads * s.d);
    y.spoil();
    run(device::cuda{}, form_, s.of<M>(), view<float, 4>(y.device, idx(1), last_reads, idx(1), idx(s.d)));
    y.down();
    error_sum error;
    for (std::size_t i = 0; i < want.size(); ++i) error.add(double(y.host[i]), want[i]);
    within(error.relative(), 3e-5, (std::string(name) + " " + form_name).c_str());
  };
  check(form::parallel{}, "parallel"), check(form::step{}, "step");
}

/// A sum of far writes without decay: the last reads, the state that leaves, and one on the way.
template <class M, class Form>
void retention(Form form_, const char* name) {
  const streams s(8, 1);
  constexpr idx middle = 77777;
  const idx positions[] = {middle};
  device_state<M, coefdyn::detail::as_types<float>::type> last(1, 1, n, s.d), captured(1, 1, n, s.d);
  both<float> y(last_reads * s.d);
  last.spoil(), captured.spoil(), y.spoil();
  carried<M, coefdyn::detail::as_types<float>::type> c;
  c.final = last.view_of();
  constexpr bool captures = !std::is_same_v<Form, form::parallel>;
  if (captures) c.positions = positions, c.captured = captured.view_of();
  run(device::cuda{}, form_, s.of<M>(), view<float, 4>(y.device, idx(1), last_reads, idx(1), idx(s.d)), c);
  y.down(), last.down(), captured.down();
  error_sum out;
  for (idx i = 0; i < last_reads; ++i)
    for (int v = 0; v < s.d; ++v) {
      double want = 0;
      for (idx j = 0; j < far_keys; ++j) want += s.score<M>(i, j) * double(s.v.host[std::size_t(j * s.d + v)]);
      out.add(double(y.host[std::size_t(i * s.d + v)]), want);
    }
  within(out.relative(), 5e-6, (std::string(name) + " y").c_str());
  const auto state_error = [&](const auto& state, idx seen) {
    error_sum error;
    for (int p = 0; p < n / 2; ++p)
      for (int v = 0; v < s.d; ++v) {
        complex<double> want{};
        for (idx j = 0; j < far_keys; ++j) want += double(s.v.host[std::size_t(j * s.d + v)]) * s.turned_key<M>(j, p, seen - 1 - j);
        const channel_pair at = streams::channels<M>(p);
        error.add(double(state.S.host[std::size_t(at.x * s.d + v)]), want.re);
        error.add(double(state.S.host[std::size_t(at.y * s.d + v)]), want.im);
      }
    return error.relative();
  };
  within(state_error(last, T), 5e-6, (std::string(name) + " final state").c_str());
  if (captures) within(state_error(captured, middle), 5e-6, (std::string(name) + " captured state").c_str());
}

/// One call a token, the state in place: rounded each time, to either side.
template <class M>
void steps_of_one(const char* name) {
  constexpr idx steps = 4000;
  constexpr int d = 8;
  const streams s(d, 1);
  device_state<M, coefdyn::detail::as_types<float>::type> state(1, 1, n, d);
  state.S.up(), state.position.up();
  both<float> y(d);
  carried<M, coefdyn::detail::as_types<float>::type> c;
  c.initial = state.view_of(), c.final = state.view_of();
  for (idx t = 0; t < steps; ++t) {
    auto x = s.of<M>();
    x.first_read = 0;
    x.q.extents[1] = x.k.extents[1] = x.v.extents[1] = 1;
    x.k.data += t * n, x.v.data += t * d;
    run(device::cuda{}, form::step{}, x, view<float, 4>(y.device, idx(1), idx(1), idx(1), idx(d)), c);
  }
  state.down();
  error_sum error;
  for (int p = 0; p < n / 2; ++p)
    for (int v = 0; v < d; ++v) {
      complex<double> want{};
      for (idx j = 0; j < far_keys; ++j) want += double(s.v.host[std::size_t(j * d + v)]) * s.turned_key<M>(j, p, steps - 1 - j);
      const channel_pair at = streams::channels<M>(p);
      error.add(double(state.S.host[std::size_t(at.x * d + v)]), want.re);
      error.add(double(state.S.host[std::size_t(at.y * d + v)]), want.im);
    }
  within(error.relative(), 1e-5, name);
}

struct reads_first {
  using mixer_type = mixer<readout::linear, evolution::read_before<evolution::rotation<>>, scaling::one, normalization::sqrt_dim>;
  using heads_type = heads::grouped_queries;
  static constexpr field over = field::real;
};
/// A rotation that reads before it writes: queries see the token before, in the chunk before for a chunk's first.
void read_before() {
  using M = reads_first::mixer_type;
  static const config c{"before", 2, 150, 16, 8, false, false, {}, 0};
  problem<reads_first, float> p(c);
  const extents& e = p.e;
  std::vector<double> want(std::size_t(e.batch * e.time * e.readers * e.d));
  run(device::cpu{serial{}}, form::definition{}, p.ref, view<double, 4>(want.data(), e.batch, e.time, idx(e.readers), idx(e.d)));
  const auto check = [&](auto form_, const char* what) {
    both<float> y(idx(want.size()));
    y.spoil();
    run(device::cuda{}, form_, p.x, view<float, 4>(y.device, e.batch, e.time, idx(e.readers), idx(e.d)));
    y.down();
    error_sum error;
    for (std::size_t i = 0; i < want.size(); ++i) error.add(double(y.host[i]), want[i]);
    within(error.relative(), 1e-5, what);
  };
  static_assert(traits<M>::structure.turns != turning::none && traits<M>::structure.constant);
  check(form::chunkwise{}, "rotation before, chunkwise"), check(form::chunkwise{7}, "rotation before, chunks of 7");
  check(form::parallel{}, "rotation before, parallel");
}

}  // namespace
}  // namespace gpu_test

void long_rotations() {
  using namespace gpu_test;
  const int before = total.failed;
  try {
    attention<mixers::softmax_rope_half>("softmax_rope_half");
    retention<mixers::retnet_xpos>(form::chunkwise{}, "retnet_xpos chunkwise");
    retention<mixers::retnet_xpos>(form::parallel{}, "retnet_xpos parallel");
    steps_of_one<mixers::retnet_xpos>("retnet_xpos, one call a token");
    read_before();
  } catch (const std::exception& error) {
    within(NAN, 0, error.what());
  }
  std::printf("%s long rotations\n", total.failed == before ? "ok  " : "FAIL");
}
