// SPDX-License-Identifier: MIT
// What belongs to the calls and not to a mixer: capture, trusted offsets, accumulation, skipped members, refusals, many heads,
// offsets beyond 2^31, sizes beyond the chunk kernels.
#include "law.cuh"
#include "mixers.cuh"

namespace gpu_test {
namespace {

using M = mixer<r::linear, ev::gated_householder<>, sc::beta, no::sqrt_dim>;
struct gdn {
  using mixer_type = M;
  using heads_type = heads::grouped_queries;
  static constexpr field over = field::real;
};
using P = problem<gdn, float>;

void expect(bool condition, const char* what) {
  if (condition) ++total.passed;
  else ++total.failed, std::printf("    FAILED calls: %s\n", what);
}
template <class F>
bool refused(F f) {
  try {
    f();
  } catch (const invalid_input&) {
    return true;
  }
  return false;
}
std::vector<float> forward_of(P& p, form::chunkwise f = {}) {
  both<float> y(p.e.batch * p.e.time * p.e.readers * p.e.d);
  run(device::cuda{}, f, p.x, view<float, 4>(y.device, p.e.batch, p.e.time, idx(p.e.readers), idx(p.e.d)));
  y.down();
  return y.host;
}
view<float, 4> output(P& p, both<float>& y) { return {y.device, p.e.batch, p.e.time, idx(p.e.readers), idx(p.e.d)}; }

void capture() {  // a captured call with packed sequences, replayed over spoilt outputs
  static const config c{"capture", 1, 49, 16, 16, false, false, {0, 17, 17, 48, 49}, 0};
  P p(c);
  const auto want = forward_of(p);
  both<float> y(idx(want.size()));
  const std::size_t bytes = workspace_bytes(device::cuda{}, form::chunkwise{}, p.x);
  both<unsigned char> ws{idx(bytes)};
  replay(
      [&](const device::cuda& on) {
        run(on, form::chunkwise{}, p.x, output(p, y), carry<M, float>{}, workspace(reinterpret_cast<std::byte*>(ws.device), bytes));
      },
      [&] { y.spoil(); });
  y.down();
  expect(y.host == want, "a captured call gives the same bits");
}
void trusted() {
  static const config c{"trusted", 1, 49, 16, 16, false, false, {0, 17, 17, 48, 49}, 0};
  P p(c);
  const auto want = forward_of(p);
  both<std::int32_t> offsets(5);
  for (int k = 0; k < 5; ++k) offsets.host[std::size_t(k)] = std::int32_t(c.offsets[std::size_t(k)]);
  offsets.up();
  p.x.cu_seqlens = std::span<const std::int32_t>(offsets.device, 5);
  both<float> y(idx(want.size()));
  run(device::cuda{.trusted = 31}, form::chunkwise{}, p.x, output(p, y));
  y.down();
  expect(y.host == want, "trusted offsets on the device give the same bits");
}
void accumulate() {
  static const config c{"accumulate", 2, 33, 16, 8, false, false, {}, 0};
  P p(c);
  const idx items = p.e.batch * p.e.time;
  both<float> dy(items * p.e.readers * p.e.d), dk(items * p.e.keys * p.e.n), dg(p.e.time * p.e.states);
  for (std::size_t i = 0; i < dy.host.size(); ++i) dy.host[i] = float(int(i % 7) - 3);
  dy.up();
  const view<const float, 4> d(static_cast<const float*>(dy.device), p.e.batch, p.e.time, idx(p.e.readers), idx(p.e.d));
  gradients<M, float> g;
  g.k = view<float, 4>(dk.device, p.e.batch, p.e.time, idx(p.e.keys), idx(p.e.n));  // the others are not wanted
  backward(device::cuda{}, form::chunkwise{}, p.x, d, g);
  dk.down();
  const auto once = dk.host;
  g.accumulate = true;
  backward(device::cuda{}, form::chunkwise{}, p.x, d, g);
  dk.down();
  bool twice = true, some = false;
  for (std::size_t i = 0; i < once.size(); ++i) twice = twice && dk.host[i] == once[i] + once[i], some = some || once[i] != 0;
  expect(twice && some, "accumulate adds, empty members are skipped");

  both<float> full(items * p.e.states);
  gradients<M, float> whole, summed;
  whole.log_decay = view<float, 3>(full.device, p.e.batch, p.e.time, idx(p.e.states));
  summed.log_decay = view<float, 3>(dg.device, {p.e.batch, p.e.time, idx(p.e.states)}, {0, p.e.states, 1});
  backward(device::cuda{}, form::chunkwise{}, p.x, d, whole);
  backward(device::cuda{}, form::chunkwise{}, p.x, d, summed);
  full.down(), dg.down();
  double worst = 0;
  for (std::size_t i = 0; i < dg.host.size(); ++i)
    worst = std::fmax(worst, std::fabs(double(dg.host[i]) - double(full.host[i]) - double(full.host[i + dg.host.size()])));
  expect(worst < 1e-4, "a gradient with stride 0 is the sum");
}
void refusals() {
  static const config c{"refusals", 2, 9, 16, 8, false, false, {}, 0};
  P p(c);
  both<float> y(p.e.batch * p.e.time * p.e.readers * p.e.d);
  const auto out = output(p, y);
  expect(refused([&] {
           run(device::cuda{}, form::chunkwise{}, p.x, view<float, 4>(y.device, idx(1), p.e.time, idx(p.e.readers), idx(p.e.d)));
         }),
         "an output of another shape is refused");
  auto wrong = p.x;
  wrong.beta = view<const float, 3>(wrong.beta.data, p.e.batch, p.e.time, idx(7));
  expect(refused([&] { run(device::cuda{}, form::recurrent{}, wrong, out); }), "a stream of another shape is refused");
  bool told = false;
  try {
    cuda::checked(cudaErrorInvalidValue, "some call");
  } catch (const cuda_error& error) {
    told =
        std::string(error.what()).find("some call") != std::string::npos && std::string(error.what()).find("calls.cu") != std::string::npos;
  }
  expect(told, "a CUDA error names its call and place");
  expect(chosen_kernel(device::cuda{}, form::automatic{}, p.x) == "recurrent, generic", "short sequences take the recurrence");
  std::printf("chosen_kernel: T = 9 %s;", chosen_kernel(device::cuda{}, form::automatic{}, p.x).c_str());
  static const config long_c{"long", 1, 64, 16, 8, false, false, {}, 0};
  P q(long_c);
  std::printf(" T = 64 %s;", chosen_kernel(device::cuda{}, form::automatic{}, q.x).c_str());
  static const config wide_c{"wide", 1, 20, 272, 8, false, false, {}, 0};
  P wide(wide_c);
  std::printf(" n = 272 %s\n", chosen_kernel(device::cuda{}, form::chunkwise{}, wide.x).c_str());
  std::vector<double> y_ref(std::size_t(20 * 4 * 8));
  run(device::cpu{serial{}}, form::definition{}, wide.ref, view<double, 4>(y_ref.data(), idx(1), idx(20), idx(4), idx(8)));
  const auto got = forward_of(wide);
  error_sum sum;
  for (std::size_t i = 0; i < got.size(); ++i) sum.add(double(got[i]), y_ref[i]);
  expect(sum.relative() < 1e-5, "n = 272");
}
/// Many heads (items beyond 65,535), and a batch stride beyond 2^31 elements.
void large() {
  using L = mixer<r::linear, ev::scalar, sc::one, no::one>;
  const idx B = 70000, T = 3, n = 8, d = 8;
  both<float> q(B * T * n), k(B * T * n), v(B * T * d), g(B * T), y(B * T * d);
  for (std::size_t i = 0; i < q.host.size(); ++i)
    q.host[i] = float(i % 5) - 2, k.host[i] = float(i % 3) - 1, v.host[i] = float(i % 11) * 0.125f;
  for (std::size_t i = 0; i < g.host.size(); ++i) g.host[i] = -0.25f;
  q.up(), k.up(), v.up(), g.up(), y.spoil();
  tokens<L, float> x, h;
  x.q = view<const float, 4>(static_cast<const float*>(q.device), B, T, idx(1), n),
  x.k = view<const float, 4>(static_cast<const float*>(k.device), B, T, idx(1), n);
  x.v = view<const float, 4>(static_cast<const float*>(v.device), B, T, idx(1), d),
  x.log_decay = view<const float, 3>(static_cast<const float*>(g.device), B, T, idx(1));
  h.q = view<const float, 4>(static_cast<const float*>(q.host.data()), B, T, idx(1), n),
  h.k = view<const float, 4>(static_cast<const float*>(k.host.data()), B, T, idx(1), n);
  h.v = view<const float, 4>(static_cast<const float*>(v.host.data()), B, T, idx(1), d),
  h.log_decay = view<const float, 3>(static_cast<const float*>(g.host.data()), B, T, idx(1));
  std::vector<float> want(y.host.size());
  run(device::cpu{serial{}}, form::recurrent{}, h, view<float, 4>(want.data(), B, T, idx(1), d));
  for (int form = 0; form < 2; ++form) {
    y.spoil();
    const view<float, 4> out(y.device, B, T, idx(1), d);
    if (form) run(device::cuda{}, form::chunkwise{}, x, out);
    else run(device::cuda{}, form::recurrent{}, x, out);
    y.down();
    error_sum sum;
    for (std::size_t i = 0; i < want.size(); ++i) sum.add(double(y.host[i]), double(want[i]));
    expect(sum.relative() < 1e-5, "70,000 heads");
  }
  if (small) return;
  const idx far = (idx(1) << 31) + 64;
  bf16* big = nullptr;
  if (cudaMalloc(reinterpret_cast<void**>(&big), std::size_t(far + 64) * sizeof(bf16)) != cudaSuccess) {
    (void)cudaGetLastError();
    ++total.skipped;
    return;
  }
  tokens<L, types<bf16, float>> z;
  both<bf16> kb(2 * T * n), vb(2 * T * d), yb(2 * T * d);
  for (std::size_t i = 0; i < kb.host.size(); ++i) kb.host[i] = bf16(float(i % 3) - 1), vb.host[i] = bf16(float(i % 4));
  kb.up(), vb.up();
  for (int b = 0; b < 2; ++b)
    cuda::checked(cudaMemcpy(big + b * far, kb.device, sizeof(bf16) * std::size_t(T * n), cudaMemcpyDeviceToDevice), "cudaMemcpy");
  z.q = view<const bf16, 4>(big, {2, T, 1, n}, {far, n, n, 1}),
  z.k = view<const bf16, 4>(static_cast<const bf16*>(kb.device), idx(2), T, idx(1), n);
  z.v = view<const bf16, 4>(static_cast<const bf16*>(vb.device), idx(2), T, idx(1), d),
  z.log_decay = view<const float, 3>(static_cast<const float*>(g.device), idx(2), T, idx(1));
  both<bf16> near(2 * T * d);
  run(device::cuda{}, form::chunkwise{}, z, view<bf16, 4>(yb.device, idx(2), T, idx(1), d));
  for (int b = 0; b < 2; ++b)
    cuda::checked(cudaMemcpy(big + b * T * n, kb.device, sizeof(bf16) * std::size_t(T * n), cudaMemcpyDeviceToDevice), "cudaMemcpy");
  z.q = view<const bf16, 4>(static_cast<const bf16*>(big), idx(2), T, idx(1), n);
  run(device::cuda{}, form::chunkwise{}, z, view<bf16, 4>(near.device, idx(2), T, idx(1), d));
  yb.down(), near.down();
  expect(!std::memcmp(yb.host.data(), near.host.data(), yb.host.size() * sizeof(bf16)), "offsets beyond 2^31 elements");
  cudaFree(big);
}

}  // namespace
}  // namespace gpu_test

void calls() {
  using namespace gpu_test;
  const int before = total.failed;
  try {
    capture(), trusted(), accumulate(), refusals(), large();
  } catch (const std::exception& error) {
    expect(false, error.what());
  }
  std::printf("%s calls\n", total.failed == before ? "ok  " : "FAIL");
}
