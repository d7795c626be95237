// SPDX-License-Identifier: MIT
// The Hopper kernels of delta rules against the float64 definition: keys that are alike or equal, strengths 0, 1 and 2, gates from weak
// to -inf; outputs full of NaN before; the same bits twice, for a batch row alone and whatever comes later.
#include "law.cuh"
#include "mixers.cuh"

namespace gpu_test {
namespace {

struct delta_case {
  const char* name;
  double cosine;     // of any two keys of a head, about; 1: equal keys
  double low, high;  // of beta
  double weakest, strongest;
  double cut;  // this log decay at one token in nine; 0: none
  double limit = 5e-3;
};
const delta_case delta_cases[] = {
    {"weak gates", 0, 0, 1, 0, -2e-3, 0},
    {"strong gates", 0, 0, 1, 0, -0.3, 0},
    {"gates to -5", 0, 0, 1, 0, -5, 0},
    {"weak gates, some -80", 0, 0, 1, 0, -2e-3, -80},
    {"weak gates, some -inf", 0, 0, 1, 0, -2e-3, -INFINITY},
    {"beta 0", 0, 0, 0, 0, -2e-3, 0},
    {"beta 1", 0, 1, 1, 0, -2e-3, 0},
    {"beta to 2", 0, 0, 2, 0, -2e-3, 0},
    {"keys of cosine 0.9", 0.9, 0, 1, 0, -2e-3, 0, 1e-2},
    {"keys of cosine 0.99", 0.99, 0, 1, 0, -2e-3, 0, 1e-2},
    {"equal keys", 1, 0, 1, 0, -2e-3, 0, 1e-2},
    {"equal keys, beta 1", 1, 1, 1, 0, -2e-3, 0, 1e-2},
};
// beta 2 forgets nothing, A_t being orthogonal: roundings add up as the square root of the tokens
const delta_case reflections = {"beta 2, a chunk", 0, 2, 2, 0, -2e-3, 0};

template <class M, class Heads>
struct delta_subject {
  using mixer_type = M;
  using heads_type = Heads;
  static constexpr field over = field::real;
};
/// Overwrites the stream called `name` by value(index), on both sides.
template <class P, class F>
void redraw(P& p, const char* name, F value) {
  for (std::size_t k = 0; k < p.names.size(); ++k) {
    if (std::strcmp(p.names[k], name)) continue;
    for (std::size_t i = 0; i < p.values[k].size(); ++i) {
      const float x = float(value(i));
      if (p.memory[k].host.size() == 4 * p.values[k].size()) {
        std::memcpy(p.memory[k].host.data() + 4 * i, &x, 4), p.values[k][i] = x;
      } else {
        const bf16 low(x);
        std::memcpy(p.memory[k].host.data() + 2 * i, &low, 2), p.values[k][i] = double(low);
      }
    }
    p.memory[k].up();
  }
}
/// All gradients against those of the chunkwise form in float64: rows within the case's limit, numbers 1.2e-2, gates 2e-2 (relative to the
/// whole stream's; where keys are equal gates hardly matter, their gradients are what is left of terms of dk's size, and are measured by
/// the largest stream's); bits of two runs. `with_states`: an initial state, and gradients of
/// both. Returns a line of the errors.
template <class L, class P, class Fail>
std::string delta_gradients(P& p, const delta_case& c, const state<typename P::M, double>& s0, bool with_states, const Fail& fail) {
  using M = typename P::M;
  using T = typename P::T;
  const extents& e = p.e;
  std::normal_distribution<double> normal;
  both<bf16> dy(e.batch * e.time * e.readers * e.d);
  std::vector<double> dy_ref(dy.host.size());
  for (std::size_t i = 0; i < dy_ref.size(); ++i) dy.host[i] = bf16(float(normal(p.random))), dy_ref[i] = double(dy.host[i]);
  dy.up();
  state<M, double> dS(e), dS0(e);
  device_state<M, T> i0(e.sequences, e.states, e.n, e.d), dT(e.sequences, e.states, e.n, e.d), d0(e.sequences, e.states, e.n, e.d);
  draw_state(p.random, dT.S.host, dS.S);
  for (std::size_t i = 0; i < s0.S.size(); ++i) i0.S.host[i] = float(s0.S[i]);
  for (auto& x : i0.position.host) x = 0;
  i0.S.up(), i0.position.up(), dT.S.up(), d0.spoil();
  carried<M, types<double>> carry_ref;
  carried_gradients<M, types<double>> gradient_ref;
  if (with_states) carry_ref.initial = s0, gradient_ref.initial = dS0, gradient_ref.final = dS;
  gradients<M, double, typename P::H, P::O> gd;
  std::vector<std::vector<double>> want;
  L::bind_ref(gd, p, want, typename P::needs{});
  const view<const double, 4> dyv(static_cast<const double*>(dy_ref.data()), e.batch, e.time, idx(e.readers), idx(e.d));
  backward(device::cpu{serial{}}, form::chunkwise{}, p.ref, dyv, gd, carry_ref, gradient_ref);
  gradients<M, T, typename P::H, P::O> g, again;
  std::vector<both<unsigned char>> memory, memory2;
  L::bind(g, p, memory, false, typename P::needs{}), L::bind(again, p, memory2, false, typename P::needs{});
  carried<M, T> carry;
  carried_gradients<M, T> states;
  if (with_states) carry.initial = i0.view_of(), states.initial = d0.view_of(), states.final = dT.view_of();
  const view<const bf16, 4> d(static_cast<const bf16*>(dy.device), e.batch, e.time, idx(e.readers), idx(e.d));
  backward(device::cuda{}, form::chunkwise{}, p.x, d, g, carry, states);
  backward(device::cuda{}, form::chunkwise{}, p.x, d, again, carry, states);
  cuda::checked(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  d0.down();
  double largest = 0;
  for (const auto& gradient : want) {
    error_sum size;
    for (const double x : gradient) size.add(0, x);
    largest = std::fmax(largest, size.size / size.count);
  }
  std::string line = with_states ? "  with states:" : "";
  bool same = true;
  const auto see = [&](const char* name, double error, double limit) {
    char text[40];
    std::snprintf(text, sizeof text, " d%s %.1e", name, error), line += text;
    fail(error <= limit, name, error);
  };
  for (std::size_t k = 0; k < memory.size(); ++k) {
    memory[k].down(), memory2[k].down();
    same = same && memory[k].host == memory2[k].host;
    error_sum sum;
    const bool gate = !std::strcmp(p.names[k], "log_decay");
    if (gate && c.cosine == 1) sum.floor = largest;
    for (std::size_t i = 0; i < want[k].size(); ++i)
      sum.add(p.gates[k] ? double(reinterpret_cast<const float*>(memory[k].host.data())[i])
                         : double(reinterpret_cast<const bf16*>(memory[k].host.data())[i]),
              want[k][i]);
    see(p.names[k], sum.relative(), gate ? 2e-2 : p.gates[k] ? 1.2e-2 : c.limit);
  }
  if (with_states) see("S0", L::state_error(d0, L::flat(dS0)), c.limit);
  fail(same, "bits of two backward runs", 0);
  return line;
}
template <class M, class Heads>
void delta_law(const char* mixer_name, const delta_case& c, const config& size) {
  using L = law<delta_subject<M, Heads>, bf16>;
  using P = typename L::P;
  using T = typename P::T;
  P p(size);
  const extents& e = p.e;
  const auto fail = [&](bool good, const char* what, double error) {
    if (good) return void(++total.passed);
    ++total.failed;
    std::printf("    FAILED delta, %s, %s, n %d, d %d: %s %.1e\n", mixer_name, c.name, e.n, e.d, what, error);
  };
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> flat;
  std::vector<double> common(std::size_t(e.keys * e.n));
  for (double& x : common) x = normal(p.random) / std::sqrt(double(e.n));
  std::vector<double> keys(std::size_t(e.batch * e.time * e.keys * e.n));  // of length 1
  for (std::size_t row = 0; row < keys.size(); row += std::size_t(e.n)) {
    double length = 0;
    for (std::size_t i = row; i < row + std::size_t(e.n); ++i) {
      keys[i] = c.cosine * common[i % common.size()] + std::sqrt(1 - c.cosine * c.cosine) * normal(p.random) / std::sqrt(double(e.n));
      length += keys[i] * keys[i];
    }
    for (std::size_t i = row; i < row + std::size_t(e.n); ++i) keys[i] /= std::sqrt(length);
  }
  redraw(p, "k", [&](std::size_t i) { return keys[i]; });
  redraw(p, "beta", [&](std::size_t) { return c.low + (c.high - c.low) * flat(p.random); });
  redraw(p, "log_decay",
         [&](std::size_t i) { return c.cut < 0 && i % 9 == 4 ? c.cut : c.weakest + (c.strongest - c.weakest) * flat(p.random); });
  std::vector<double> y_ref(std::size_t(e.batch * e.time * e.readers * e.d));
  state<M, double> s0(e), sT(e);
  device_state<M, T> i0(e.sequences, e.states, e.n, e.d), end(e.sequences, e.states, e.n, e.d);
  draw_state(p.random, i0.S.host, s0.S);
  for (auto& x : i0.position.host) x = 0;
  i0.S.up(), i0.position.up();
  carried<M, types<double>> carry_ref;
  carry_ref.initial = s0, carry_ref.final = sT;
  run(device::cpu{serial{}}, form::definition{}, p.ref, view<double, 4>(y_ref.data(), e.batch, e.time, idx(e.readers), idx(e.d)),
      carry_ref);
  both<bf16> y(e.batch * e.time * e.readers * e.d), again(idx(y.host.size()));
  const auto call = [&](const auto& x, both<bf16>& to, const carried<M, T>& carry) {
    to.spoil();
    run(device::cuda{}, form::chunkwise{}, x, view<bf16, 4>(to.device, x.q.extents[0], x.q.extents[1], idx(e.readers), idx(e.d)), carry);
    cuda::checked(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    to.down();
  };
  carried<M, T> carry;
  carry.initial = i0.view_of(), carry.final = end.view_of();
  end.spoil();
  fail(chosen_kernel(device::cuda{}, form::chunkwise{}, p.x, carry).find("delta") != std::string::npos, "the kernel meant", 0);
  call(p.x, y, carry), call(p.x, again, carry);
  end.down();
  const auto same = [](const bf16* a, const bf16* b, std::size_t count) { return !std::memcmp(a, b, count * sizeof(bf16)); };
  error_sum sum;
  for (std::size_t i = 0; i < y_ref.size(); ++i) sum.add(double(y.host[i]), y_ref[i]);
  const double error = sum.relative(), state = L::state_error(end, L::flat(sT));
  fail(error <= c.limit, "y", error), fail(state <= c.limit, "state", state);
  fail(same(y.host.data(), again.host.data(), y.host.size()), "bits of two runs", 0);
  const std::string gradient = delta_gradients<L>(p, c, s0, false, fail) + delta_gradients<L>(p, c, s0, true, fail);
  if (size.offsets.empty()) {
    both<bf16> whole(idx(y.host.size())), one(idx(y.host.size()) / e.batch);
    call(p.x, whole, {});
    auto alone = p.x;
    L::row_alone(alone, typename P::needs{});
    call(alone, one, {});
    fail(same(whole.host.data() + (e.batch - 1) * one.host.size(), one.host.data(), one.host.size()), "bits of a batch row alone", 0);
    const idx first = e.time / 2;  // from here on everything is NaN
    auto spoil = [&](const char* name) {
      for (std::size_t k = 0; k < p.names.size(); ++k)
        if (!std::strcmp(p.names[k], name)) {
          auto& bytes = p.memory[k].host;
          const std::size_t row = bytes.size() / std::size_t(e.batch * e.time);
          for (idx b = 0; b < e.batch; ++b)
            std::fill_n(bytes.data() + std::size_t(b * e.time + first) * row, std::size_t(e.time - first) * row, 0xff);
          p.memory[k].up();
        }
    };
    spoil("q"), spoil("v");
    call(p.x, again, {});
    bool before = true;
    const std::size_t row = std::size_t(e.readers * e.d);
    for (idx b = 0; b < e.batch; ++b)
      before = before && same(again.host.data() + std::size_t(b * e.time) * row, whole.host.data() + std::size_t(b * e.time) * row,
                              std::size_t(first / 64 * 64) * row);
    fail(before, "bits before what comes later", 0);
  }
  std::printf("    delta, %-24s %-34s %3d %3d  y %.1e  S %.1e %s\n", mixer_name, c.name, e.n, e.d, error, state, gradient.c_str());
}

}  // namespace
}  // namespace gpu_test

void delta_rules() {
  using namespace gpu_test;
  const int before = total.failed;
  if (!cuda::hopper::available()) return void(++total.skipped);
  using gdn = mixer<r::linear, ev::gated_householder<>, sc::beta, no::sqrt_dim>;
  using plain = mixer<r::linear, ev::householder<>, sc::beta, no::one>;
  using other = mixer<r::linear, ev::gated_householder<ev::along::key, ev::strength::fixed>, sc::delta, no::gate<no::psi::sigmoid>>;
  using apart = mixer<r::linear, ev::gated_householder<>, sc::delta, no::gate<no::psi::sigmoid>>;
  const config sizes[] = {{"delta", 2, 333, 128, 128, false, false, {}, 0},
                          {"delta", 2, 130, 64, 64, false, false, {}, 0},
                          {"delta", 1, 300, 128, 64, false, false, {0, 100, 100, 163, 300}, 0},
                          {"delta", 2, 1, 64, 128, false, false, {}, 0},
                          {"delta", 2, 64, 128, 128, false, false, {}, 0}};
  try {
    for (const delta_case& c : delta_cases) {
      if (small && c.cosine > 0) continue;
      delta_law<gdn, heads::grouped_values>("gated deltanet", c, sizes[small ? 1 : 0]);
    }
    delta_law<gdn, heads::grouped_values>("gated deltanet", reflections, sizes[4]);
    for (const config& size : sizes) {
      delta_law<plain, heads::grouped_queries>("deltanet", delta_cases[0], size);
      delta_law<other, heads::grouped_queries>("fixed beta, b delta, a gate", delta_cases[1], size);
      delta_law<gdn, heads::grouped_values>("gated deltanet", delta_cases[4], size);
      delta_law<apart, heads::grouped_values>("b delta, a gate", delta_cases[1], size);
    }
    delta_law<apart, heads::grouped_queries>("b delta, a gate", delta_cases[5], sizes[0]);
    delta_law<apart, heads::grouped_queries>("b delta, a gate", delta_cases[10], sizes[1]);
  } catch (const std::exception& error) {
    ++total.failed, std::printf("    FAILED delta: %s\n", error.what());
  }
  std::printf("%s delta rules\n", total.failed == before ? "ok  " : "FAIL");
}
