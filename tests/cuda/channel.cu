// SPDX-License-Identifier: MIT
// The Hopper kernels of a decay per channel against the float64 definition: gates from weak to -inf, tails, packed sequences, grouped
// heads, states in and out; outputs full of NaN before; the same bits twice, for a batch row alone and whatever comes later; gradients, by
// the generic engine, behind this forward pass.
#include "law.cuh"
#include "mixers.cuh"

namespace gpu_test {
namespace {

struct channel_case {
  const char* name;
  double strongest;  // log decays are uniform from 0 to here
  double cut;        // but for one in nine, which has this; 0: none
};
const channel_case channel_cases[] = {{"weak gates", -2e-3, 0},
                                      {"strong gates", -0.3, 0},
                                      {"gates to -5", -5, 0},
                                      {"weak gates, some -80", -2e-3, -80},
                                      {"strong, some -inf", -0.3, -INFINITY},
                                      {"all -80", -80, -80}};

template <class M, class Heads>
struct channel_subject {
  using mixer_type = M;
  using heads_type = Heads;
  static constexpr field over = field::real;
};

/// One mixer at one size; `gradients`: those of q, k, v and the gates too, with what a forward call keeps.
template <class M, class Heads>
struct channel_law {
  using L = law<channel_subject<M, Heads>, bf16>;
  using P = typename L::P;
  using T = typename P::T;
  const char* mixer_name;
  const channel_case& c;
  const config& size;
  P p{size};
  const extents& e = p.e;

  void see(bool good, const char* what, double error) const {
    if (good) return void(++total.passed);
    ++total.failed;
    std::printf("    FAILED channel, %s, %s, T %lld, n %d, d %d: %s %.1e\n", mixer_name, c.name, (long long)e.time, e.n, e.d, what, error);
  }
  /// Overwrites the gates, on both sides.
  void draw_gates() {
    std::uniform_real_distribution<double> flat;
    for (std::size_t k = 0; k < p.names.size(); ++k) {
      if (std::strcmp(p.names[k], "log_decay")) continue;
      for (std::size_t i = 0; i < p.values[k].size(); ++i) {
        const float x = float(c.cut < 0 && i % 9 == 4 ? c.cut : c.strongest * flat(p.random));
        std::memcpy(p.memory[k].host.data() + 4 * i, &x, 4), p.values[k][i] = double(x);
      }
      p.memory[k].up();
    }
  }
  /// NaN in a stream's rows from `first` on.
  void spoil(const char* name, idx first) {
    for (std::size_t k = 0; k < p.names.size(); ++k) {
      if (std::strcmp(p.names[k], name)) continue;
      auto& bytes = p.memory[k].host;
      const std::size_t row = bytes.size() / std::size_t(e.batch * e.time);
      for (idx b = 0; b < e.batch; ++b)
        std::fill_n(bytes.data() + std::size_t(b * e.time + first) * row, std::size_t(e.time - first) * row, 0xff);
      p.memory[k].up();
    }
  }
  template <class X>
  void call(const X& x, both<bf16>& to, const carried<M, T>& carry) const {
    to.spoil();
    run(device::cuda{}, form::chunkwise{}, x, view<bf16, 4>(to.device, x.q.extents[0], x.q.extents[1], idx(e.readers), idx(e.d)), carry);
    cuda::checked(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    to.down();
  }
  static bool same(const both<bf16>& a, std::size_t from, const both<bf16>& b, std::size_t count) {
    return !std::memcmp(a.host.data() + from, b.host.data(), count * sizeof(bf16));
  }
  /// The last batch row alone, and what a NaN from half of the tokens on leaves of the chunks before.
  void bits() {
    const idx count = e.batch * e.time * e.readers * e.d;
    both<bf16> whole(count), one(count / e.batch), again(count);
    call(p.x, whole, {});
    auto alone = p.x;
    L::row_alone(alone, typename P::needs{});
    call(alone, one, {});
    see(same(whole, whole.host.size() - one.host.size(), one, one.host.size()), "bits of a batch row alone", 0);
    const idx first = e.time / 2;
    spoil("q", first), spoil("v", first), spoil("k", first);
    call(p.x, again, {});
    bool before = true;
    const std::size_t row = std::size_t(e.readers * e.d), rows = std::size_t(first / 64 * 64) * row;
    for (std::size_t at = 0; at < again.host.size(); at += std::size_t(e.time) * row)
      before = before && !std::memcmp(again.host.data() + at, whole.host.data() + at, rows * sizeof(bf16));
    see(before, "bits before what comes later", 0);
  }
  /// dq after a forward call that was asked to keep what it can, which is nothing.
  double query_gradient() {
    std::normal_distribution<double> normal;
    both<bf16> dy(e.batch * e.time * e.readers * e.d), y(idx(dy.host.size()));
    std::vector<double> dy_ref(dy.host.size());
    for (std::size_t i = 0; i < dy_ref.size(); ++i) dy.host[i] = bf16(float(normal(p.random))), dy_ref[i] = double(dy.host[i]);
    dy.up();
    gradients<M, double, Heads, P::O> gd;
    gradients<M, T, Heads, P::O> g;
    std::vector<std::vector<double>> want;
    std::vector<both<unsigned char>> memory;
    L::bind_ref(gd, p, want, typename P::needs{}), L::bind(g, p, memory, false, typename P::needs{});
    backward(device::cpu{serial{}}, form::chunkwise{}, p.ref,
             view<const double, 4>(static_cast<const double*>(dy_ref.data()), e.batch, e.time, idx(e.readers), idx(e.d)), gd);
    cuda::kept_forward kept;
    const device::cuda on;
    both<unsigned char> room(idx(workspace_bytes(on, form::chunkwise{}, p.x)) + 16);
    run(on, form::chunkwise{}, p.x, view<bf16, 4>(y.device, e.batch, e.time, idx(e.readers), idx(e.d)), carried<M, T>{},
        workspace(reinterpret_cast<std::byte*>(room.device), room.host.size()), &kept);
    see(!kept.filled && kept_bytes(on, form::chunkwise{}, p.x) == 0, "nothing kept", 0);
    backward(on, form::chunkwise{}, p.x,
             view<const bf16, 4>(static_cast<const bf16*>(dy.device), e.batch, e.time, idx(e.readers), idx(e.d)), g);
    cuda::checked(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    error_sum sum;
    for (std::size_t k = 0; k < memory.size(); ++k) {
      if (std::strcmp(p.names[k], "q")) continue;
      memory[k].down();
      for (std::size_t i = 0; i < want[k].size(); ++i) sum.add(double(reinterpret_cast<const bf16*>(memory[k].host.data())[i]), want[k][i]);
    }
    return sum.relative();
  }
  void operator()(bool backward_too) {
    draw_gates();
    std::vector<double> y_ref(std::size_t(e.batch * e.time * e.readers * e.d));
    state<M, double> s0(e), sT(e);
    device_state<M, T> i0(e.sequences, e.states, e.n, e.d), end(e.sequences, e.states, e.n, e.d);
    draw_state(p.random, i0.S.host, s0.S);
    for (auto& x : i0.position.host) x = 0;
    i0.S.up(), i0.position.up(), end.spoil();
    carried<M, types<double>> carry_ref;
    carry_ref.initial = s0, carry_ref.final = sT;
    run(device::cpu{serial{}}, form::definition{}, p.ref, view<double, 4>(y_ref.data(), e.batch, e.time, idx(e.readers), idx(e.d)),
        carry_ref);
    both<bf16> y(idx(y_ref.size())), again(idx(y_ref.size()));
    carried<M, T> carry;
    carry.initial = i0.view_of(), carry.final = end.view_of();
    see(chosen_kernel(device::cuda{}, form::chunkwise{}, p.x, carry).find("channel") != std::string::npos, "the kernel meant", 0);
    call(p.x, y, carry), call(p.x, again, carry);
    end.down();
    error_sum sum;
    for (std::size_t i = 0; i < y_ref.size(); ++i) sum.add(double(y.host[i]), y_ref[i]);
    const double error = sum.relative(), state = L::state_error(end, L::flat(sT)), dq = backward_too ? query_gradient() : 0;
    see(error <= 5e-3, "y", error), see(state <= 5e-3, "state", state), see(dq <= 5e-3, "dq behind it", dq);
    see(same(y, 0, again, y.host.size()), "bits of two runs", 0);
    if (size.offsets.empty()) bits();
    std::printf("    channel, %-12s %-22s %4lld %3d %3d  y %.1e  S %.1e  dq %.1e\n", mixer_name, c.name, (long long)e.time, e.n, e.d, error,
                state, dq);
  }
};

}  // namespace
}  // namespace gpu_test

void channel_decays() {
  using namespace gpu_test;
  const int before = total.failed;
  if (!cuda::hopper::available()) return void(++total.skipped);
  using gla = mixer<r::linear, ev::diagonal, sc::one, no::sqrt_dim>;
  using hgrn2 = mixer<r::linear, ev::diagonal, sc::one_minus_lambda, no::one>;
  using mapped = mixer<r::linear, ev::diagonal, sc::one, no::one, feature::elu_plus_one>;
  const config sizes[] = {{"channel", 2, 333, 128, 128, false, false, {}, 0},
                          {"channel", 2, 130, 64, 64, false, false, {}, 0},
                          {"channel", 1, 300, 128, 64, false, false, {0, 100, 100, 163, 300}, 0},
                          {"channel", 2, 1, 64, 128, false, false, {}, 0},
                          {"channel", 2, 64, 128, 128, false, false, {}, 0}};
  try {
    for (const channel_case& c : channel_cases) {
      channel_law<gla, heads::grouped_queries>{"gla", c, sizes[small ? 1 : 0]}(!small);
      if (!small) channel_law<hgrn2, heads::grouped_values>{"hgrn-2", c, sizes[0]}(false);
    }
    for (const config& size : sizes) {
      channel_law<gla, heads::grouped_values>{"gla", channel_cases[1], size}(false);
      channel_law<hgrn2, heads::grouped_queries>{"hgrn-2", channel_cases[4], size}(false);
    }
    channel_law<mapped, heads::grouped_queries>{"elu + 1", channel_cases[1], sizes[0]}(false);
  } catch (const std::exception& error) {
    ++total.failed, std::printf("    FAILED channel: %s\n", error.what());
  }
  std::printf("%s decays per channel\n", total.failed == before ? "ok  " : "FAIL");
}
