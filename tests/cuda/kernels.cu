// SPDX-License-Identifier: MIT
// The Hopper kernels as they stand, with argument structs of their own, against float64: products, sweeps and segments under all kinds
// of gates, the parallel form's maps; gradients; same bits twice and for the last row alone.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "law.cuh"

using namespace coefdyn::cuda;
#define COEFDYN_CUDA_CHECK(call) checked((call), #call)

namespace {

struct exponential {
  static constexpr bool needs_max = true;
  __host__ __device__ static float apply(float x) { return expf(x); }
  __host__ __device__ static float derivative(float x) { return expf(x); }
  static double value(double x) { return std::exp(x); }
  static double slope(double x) { return std::exp(x); }
};
struct relu_squared {
  static constexpr bool needs_max = false;
  __host__ __device__ static float apply(float x) { return x = fmaxf(x, 0.f), x * x; }
  __host__ __device__ static float derivative(float x) { return 2.f * fmaxf(x, 0.f); }
  static double value(double x) { return x > 0 ? x * x : 0; }
  static double slope(double x) { return x > 0 ? 2 * x : 0; }
};
struct softplus {
  static constexpr bool needs_max = false;
  __device__ static float apply(float x) {  // log(1 + e) = e P(e) on [0, 1], within 2e-4: a logarithm would halve the speed
    const float e = __expf(-fabsf(x));
    return fmaf(e, fmaf(e, fmaf(e, fmaf(e, fmaf(e, 0.0406634f, -0.1560295f), 0.3054000f), -0.4967887f), 0.9999368f), fmaxf(x, 0.f));
  }
  __device__ static float derivative(float x) { return __fdividef(1.f, 1.f + __expf(-x)); }
  static double value(double x) { return std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))); }
  static double slope(double x) { return 1 / (1 + std::exp(-x)); }
};

float from_bf16(uint16_t x) {
  const uint32_t w = uint32_t(x) << 16;
  float f;
  std::memcpy(&f, &w, 4);
  return f;
}
uint16_t to_bf16(float f) {
  uint32_t w;
  std::memcpy(&w, &f, 4);
  return uint16_t((w + 0x7fff + ((w >> 16) & 1)) >> 16);
}

struct generator {
  uint64_t s;
  double uniform() {
    s = s * 6364136223846793005ull + 1442695040888963407ull;
    return double(s >> 11) / double(1ull << 53);
  }
  double normal() { return std::sqrt(-2 * std::log(uniform() + 1e-300)) * std::cos(6.283185307179586 * uniform()); }
};

/// Device memory, filled with NaN bits unless given.
struct buffer {
  void* p = nullptr;
  size_t bytes = 0;
  explicit buffer(size_t n) : bytes(n) {
    COEFDYN_CUDA_CHECK(cudaMalloc(&p, std::max<size_t>(n, 256)));
    poison();
  }
  buffer(const buffer&) = delete;
  buffer(buffer&& o) : p(o.p), bytes(o.bytes) { o.p = nullptr; }
  ~buffer() { cudaFree(p); }
  void poison() { COEFDYN_CUDA_CHECK(cudaMemset(p, 0xff, std::max<size_t>(bytes, 256))); }
};

template <class T>
std::vector<T> fetch(const buffer& b) {
  std::vector<T> x(b.bytes / sizeof(T));
  COEFDYN_CUDA_CHECK(cudaMemcpy(x.data(), b.p, b.bytes, cudaMemcpyDeviceToHost));
  return x;
}
template <class T>
buffer upload(const std::vector<T>& x) {
  buffer b(x.size() * sizeof(T));
  if (!x.empty()) COEFDYN_CUDA_CHECK(cudaMemcpy(b.p, x.data(), b.bytes, cudaMemcpyHostToDevice));
  return b;
}
std::vector<double> fetch_bf16(const buffer& b) {
  const auto x = fetch<uint16_t>(b);
  std::vector<double> y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = from_bf16(x[i]);
  return y;
}
std::vector<double> fetch_float(const buffer& b) {
  const auto x = fetch<float>(b);
  return {x.begin(), x.end()};
}

double distance(const std::vector<double>& x, const std::vector<double>& reference) {
  double top = 0, bottom = 1e-300;
  if (x.size() != reference.size()) return NAN;
  for (size_t i = 0; i < x.size(); ++i) {
    top += (x[i] - reference[i]) * (x[i] - reference[i]);
    bottom += reference[i] * reference[i];
  }
  return std::sqrt(top / bottom);
}

/// bf16 numbers on the host as doubles, and on the device.
struct stream {
  std::vector<double> host;
  buffer device;
  static stream bf16(size_t n, double scale, generator& g) {
    std::vector<uint16_t> bits(n);
    std::vector<double> host(n);
    for (size_t i = 0; i < n; ++i) bits[i] = to_bf16(float(g.normal() * scale)), host[i] = from_bf16(bits[i]);
    return {host, upload(bits)};
  }
  static stream real(size_t n, const std::function<double(size_t)>& f) {
    std::vector<float> x(n);
    for (size_t i = 0; i < n; ++i) x[i] = float(f(i));
    return {{x.begin(), x.end()}, upload(x)};
  }
};

void parallel(int64_t n, const std::function<void(int64_t)>& f) {
  std::vector<std::thread> pool;
  const int64_t workers = std::max(1u, std::thread::hardware_concurrency());
  for (int64_t w = 0; w < workers; ++w)
    pool.emplace_back([&, w] {
      for (int64_t i = w; i < n; i += workers) f(i);
    });
  for (auto& t : pool) t.join();
}

void line(const std::string& name, const std::vector<std::pair<const char*, double>>& errors, double bound, double gate_bound, bool same) {
  bool good = same;
  std::printf("%-44s", name.c_str());
  for (const auto& [what, e] : errors) {
    const bool gate = what[0] == 'd' && (what[1] == 'g' || what[1] == 'b' || what[1] == 'r');
    const bool ok = e <= (gate ? gate_bound : bound);
    good &= ok;
    std::printf(" %s %.1e%s", what, e, ok ? "" : "!");
  }
  std::printf(" bits %s %s\n", same ? "same" : "DIFFER", good ? "ok" : "FAIL");
  std::fflush(stdout);
  ++(good ? gpu_test::total.passed : gpu_test::total.failed);
}

tensor dense(const buffer& b, int64_t T, int H, int D) { return {b.p, T * H * D, int64_t(H) * D, D}; }

// The linear family.

struct linear_case {
  const char* name;
  int B, T, H, n, d;
  int gate;  // 0 none, 1 fixed, 2 weak, 3 strong, 4 mixed
  bool numbers, states;
  int kv_group = 1;
  std::vector<int> offsets = {};
  int64_t unit = 0;
};

template <int n, int d>
void check_linear(const linear_case& c) {
  generator rng{uint64_t(c.T * 31 + c.n + c.gate * 7 + c.d)};
  const int Hk = c.H / c.kv_group;
  const int64_t N = int64_t(c.B) * c.T, sequences = c.offsets.empty() ? c.B : int64_t(c.offsets.size()) - 1;
  auto q = stream::bf16(N * c.H * c.n, 1, rng), k = stream::bf16(N * Hk * c.n, 1, rng), v = stream::bf16(N * Hk * c.d, 1, rng),
       dy = stream::bf16(N * c.H * c.d, 1, rng);
  auto g = stream::real(N * c.H, [&](size_t i) {
    const double u = rng.uniform();
    return c.gate == 2   ? -2e-3 * u
           : c.gate == 3 ? -0.5 * u
           : c.gate == 5 ? -0.03 * u
           : c.gate == 4 ? ((i / c.H / 200) % 2 ? -1e-3 * u : -80.)
                         : 0.;
  });
  auto fixed = stream::real(c.H, [&](size_t h) { return std::log(1 - std::exp2(-5. - double(h))); });
  auto b = stream::real(N * c.H, [&](size_t) { return 0.2 + rng.uniform(); }),
       r = stream::real(N * c.H, [&](size_t) { return 0.2 + rng.uniform(); });
  auto s0 = stream::real(sequences * c.H * c.n * c.d, [&](size_t) { return rng.normal(); });
  auto ds = stream::real(sequences * c.H * c.n * c.d, [&](size_t) { return rng.normal(); });
  const double scale = 1 / std::sqrt(double(c.n));
  const size_t S = sequences * c.H * c.n * c.d;
  std::vector<double> y(N * c.H * c.d), st(S), dq(N * c.H * c.n), dk(N * c.H * c.n), dv(N * c.H * c.d), dg(N * c.H), db(N * c.H),
      dr(N * c.H), d0(S);
  parallel(sequences * c.H, [&](int64_t task) {
    const int64_t seq = task / c.H, h = task % c.H, hk = h / c.kv_group;
    const int64_t begin = c.offsets.empty() ? seq * c.T : c.offsets[seq], T = c.offsets.empty() ? c.T : c.offsets[seq + 1] - begin;
    auto Q = [&](int64_t i) { return &q.host[((begin + i) * c.H + h) * c.n]; };
    auto K = [&](int64_t i) { return &k.host[((begin + i) * Hk + hk) * c.n]; };
    auto V = [&](int64_t i) { return &v.host[((begin + i) * Hk + hk) * c.d]; };
    auto DY = [&](int64_t i) { return &dy.host[((begin + i) * c.H + h) * c.d]; };
    auto one = [&](int64_t i) { return (begin + i) * c.H + h; };
    std::vector<double> G(T + 1, 0.), dG(T + 1, 0.);
    double total = 0;
    for (int64_t i = 0; i < T; ++i) total += c.gate == 1 ? fixed.host[h] : c.gate ? g.host[one(i)] : 0, G[i] = total;
    const double* s_in = &s0.host[task * c.n * c.d];
    const double* ds_out = &ds.host[task * c.n * c.d];
    auto B = [&](int64_t j) { return c.numbers ? b.host[one(j)] : 1.; };
    auto R = [&](int64_t i) { return c.numbers ? r.host[one(i)] : 1.; };
    for (int64_t i = 0; i < T; ++i)
      for (int64_t j = 0; j <= i; ++j) {
        const double e = std::exp(G[i] - G[j]);
        if (e == 0) continue;
        double qk = 0, dov = 0;
        for (int x = 0; x < c.n; ++x) qk += Q(i)[x] * K(j)[x];
        for (int x = 0; x < c.d; ++x) dov += DY(i)[x] * V(j)[x];
        const double f = e * scale * R(i) * B(j), w = f * qk, z = f * dov;
        for (int x = 0; x < c.d; ++x) y[one(i) * c.d + x] += w * V(j)[x], dv[one(j) * c.d + x] += w * DY(i)[x];
        for (int x = 0; x < c.n; ++x) dq[one(i) * c.n + x] += z * K(j)[x], dk[one(j) * c.n + x] += z * Q(i)[x];
        dG[i] += w * dov, dG[j] -= w * dov, db[one(j)] += w * dov / B(j), dr[one(i)] += w * dov / R(i);
      }
    for (int a = 0; a < c.n; ++a)
      for (int x = 0; x < c.d; ++x) {
        const double in = c.states ? s_in[a * c.d + x] : 0, out = c.states ? ds_out[a * c.d + x] : 0;
        double s = std::exp(total) * in, ahead = std::exp(total) * out;
        dG[T] += s * out;
        for (int64_t i = 0; i < T; ++i) {
          const double e = std::exp(G[i]), to_end = std::exp(total - G[i]), w = e * scale * R(i) * Q(i)[a] * in;
          y[one(i) * c.d + x] += w, dq[one(i) * c.n + a] += e * scale * R(i) * in * DY(i)[x],
              ahead += e * scale * R(i) * Q(i)[a] * DY(i)[x];
          dG[i] += w * DY(i)[x], dr[one(i)] += w * DY(i)[x] / R(i);
          const double u = to_end * B(i);
          s += u * K(i)[a] * V(i)[x];
          dk[one(i) * c.n + a] += u * V(i)[x] * out, dv[one(i) * c.d + x] += u * K(i)[a] * out;
          const double t = u * K(i)[a] * V(i)[x] * out;
          dG[T] += t, dG[i] -= t, db[one(i)] += t / B(i);
        }
        st[task * c.n * c.d + a * c.d + x] = s, d0[task * c.n * c.d + a * c.d + x] = ahead;
      }
    double sum = dG[T];
    for (int64_t i = T - 1; i >= 0; --i) sum += dG[i], dg[one(i)] = sum;
  });
  sweep_shape shape{c.B, c.T, c.H};
  buffer offsets = upload(c.offsets);
  if (!c.offsets.empty()) shape.offsets = std::span(static_cast<const std::int32_t*>(offsets.p), c.offsets.size());
  sweep_inputs in;
  in.q = dense(q.device, c.T, c.H, c.n), in.k = dense(k.device, c.T, Hk, c.n), in.v = dense(v.device, c.T, Hk, c.d);
  in.k_group = in.v_group = c.kv_group, in.scale = float(scale);
  if (c.gate > 1) in.log_decay = dense(g.device, c.T, c.H, 1);
  if (c.gate == 1) in.fixed_log_decay = static_cast<float*>(fixed.device.p);
  if (c.numbers) in.scaling = dense(b.device, c.T, c.H, 1), in.read_factor = dense(r.device, c.T, c.H, 1);
  if (c.states) in.state = static_cast<float*>(s0.device.p);
  buffer Y(y.size() * 2), ST(S * 4), DQ(dq.size() * 2), DK(dk.size() * 2), DV(dv.size() * 2), DG(N * c.H * 4), DB(N * c.H * 4),
      DR(N * c.H * 4), D0(S * 4);
  buffer work(c.unit ? segments_backward_workspace<n, d>(shape, c.unit) : sweep_backward_workspace<n, d>(shape));
  buffer kept(c.unit ? segments_forward_workspace<n, d>(shape, c.unit) : 256);
  sweep_gradients gr;
  gr.dy = dense(dy.device, c.T, c.H, c.d), gr.dq = dense(DQ, c.T, c.H, c.n), gr.dk = dense(DK, c.T, c.H, c.n),
  gr.dv = dense(DV, c.T, c.H, c.d);
  if (c.states) gr.d_state_out = static_cast<float*>(ds.device.p);
  gr.d_state = static_cast<float*>(D0.p);
  gr.d_log_decay = dense(DG, c.T, c.H, 1), gr.d_scaling = dense(DB, c.T, c.H, 1), gr.d_read_factor = dense(DR, c.T, c.H, 1);
  std::vector<std::vector<uint16_t>> bits[2];
  for (int pass = 0; pass < 2; ++pass) {
    for (buffer* x : {&Y, &ST, &DQ, &DK, &DV, &DG, &DB, &DR, &D0, &work, &kept}) x->poison();
    if (c.unit) {
      segments_forward<n, d>(shape, in, dense(Y, c.T, c.H, c.d), static_cast<float*>(ST.p), c.unit, kept.p, nullptr);
      segments_backward<n, d>(shape, in, gr, c.unit, pass ? kept.p : nullptr, work.p, nullptr);
    } else {
      sweep_forward<n, d>(shape, in, dense(Y, c.T, c.H, c.d), static_cast<float*>(ST.p), nullptr);
      sweep_backward<n, d>(shape, in, gr, work.p, nullptr);
    }
    COEFDYN_CUDA_CHECK(cudaDeviceSynchronize());
    for (buffer* x : {&Y, &ST, &DQ, &DK, &DV, &DG, &DB, &DR, &D0}) bits[pass].push_back(fetch<uint16_t>(*x));
  }
  bool same = bits[0] == bits[1];
  if (c.B > 1 && c.offsets.empty()) {  // the last batch row alone
    sweep_shape alone = shape;
    alone.batch = 1;
    sweep_inputs last = in;
    auto move = [&](tensor& x, int64_t size) {
      if (x.data) x.data = static_cast<char*>(x.data) + (c.B - 1) * x.batch * size;
    };
    move(last.q, 2), move(last.k, 2), move(last.v, 2), move(last.log_decay, 4), move(last.scaling, 4), move(last.read_factor, 4);
    if (c.states) last.state += (S / c.B) * (c.B - 1);
    Y.poison();
    if (c.unit) segments_forward<n, d>(alone, last, dense(Y, c.T, c.H, c.d), nullptr, c.unit, kept.p, nullptr);
    else sweep_forward<n, d>(alone, last, dense(Y, c.T, c.H, c.d), nullptr, nullptr);
    COEFDYN_CUDA_CHECK(cudaDeviceSynchronize());
    const size_t row = size_t(c.T) * c.H * c.d;
    same &= std::memcmp(fetch<uint16_t>(Y).data(), bits[0][0].data() + row * (c.B - 1), row * 2) == 0;
    Y.poison();
    COEFDYN_CUDA_CHECK(cudaMemcpy(Y.p, bits[0][0].data(), Y.bytes, cudaMemcpyHostToDevice));
  }
  std::vector<std::pair<const char*, double>> errors = {
      {"y", distance(fetch_bf16(Y), y)},     {"S", distance(fetch_float(ST), st)},  {"dq", distance(fetch_bf16(DQ), dq)},
      {"dk", distance(fetch_bf16(DK), dk)},  {"dv", distance(fetch_bf16(DV), dv)},  {"dS", distance(fetch_float(D0), d0)},
      {"dg", distance(fetch_float(DG), dg)}, {"db", distance(fetch_float(DB), db)}, {"dr", distance(fetch_float(DR), dr)}};
  line("sweep " + std::string(c.name), errors, 5e-3, 1e-2, same);
}

// The parallel family.

struct flash_case {
  const char* name;
  int B, T, H;
  int q_group = 1, k_group = 1, v_group = 1;
  std::vector<int> offsets = {};
  int spoilt = -1;  // a sequence that is NaN throughout, which no other may see
};

template <int n, class phi, normaliser norm, bool decay>
void check_flash(const flash_case& c) {
  generator rng{uint64_t(c.T * 17 + n)};
  const int T = c.T, H = c.H, Hq = H / c.q_group, Hk = H / c.k_group, Hv = H / c.v_group;
  const bool packed = !c.offsets.empty();
  const int64_t N = int64_t(c.B) * T, sequences = packed ? int64_t(c.offsets.size()) - 1 : c.B;
  auto begin_of = [&](int64_t i) { return packed ? int64_t(c.offsets[i]) : i * T; };
  auto q = stream::bf16(N * Hq * n, 1, rng), k = stream::bf16(N * Hk * n, 1, rng), v = stream::bf16(N * Hv * n, 1, rng),
       dy = stream::bf16(N * H * n, 1, rng);
  auto g = stream::real(N * H, [&](size_t) { return -0.05 * rng.uniform(); });
  auto spoil = [&](const buffer& x) {  // the rows of the spoilt sequence
    const int64_t row = x.bytes / N, begin = begin_of(c.spoilt);
    COEFDYN_CUDA_CHECK(cudaMemset(static_cast<char*>(x.p) + begin * row, 0xff, (begin_of(c.spoilt + 1) - begin) * row));
  };
  if (c.spoilt >= 0)
    for (const stream* x : {&q, &k, &v, &dy, &g}) spoil(x->device);
  const double scale = 1 / std::sqrt(double(n)), constant = norm == normaliser::constant ? 1. / 16 : 1.;
  std::vector<double> y(N * H * n), dq(N * H * n), dk(N * H * n), dv(N * H * n), dg(N * H);
  parallel(sequences * H, [&](int64_t task) {
    const int64_t sequence = task / H, h = task % H, begin = begin_of(sequence), length = begin_of(sequence + 1) - begin;
    if (sequence == c.spoilt) return;
    auto at = [&](int64_t i, int heads, int group) { return ((begin + i) * heads + h / group) * n; };
    auto one = [&](int64_t i) { return at(i, H, 1); };
    std::vector<double> G(length), z(length), dp(length), dG(length, 0.);
    for (int i = 0; i < length; ++i) G[i] = (i ? G[i - 1] : 0) + (decay ? g.host[one(i) / n] : 0);
    for (int i = 0; i < length; ++i) {
      const double *Q = &q.host[at(i, Hq, c.q_group)], *D = &dy.host[one(i)];
      double eta = 0, delta = 0;
      for (int j = 0; j <= i; ++j) {
        const double *K = &k.host[at(j, Hk, c.k_group)], *V = &v.host[at(j, Hv, c.v_group)];
        double s = 0, t = 0;
        for (int x = 0; x < n; ++x) s += Q[x] * K[x], t += D[x] * V[x];
        z[j] = s * scale * std::exp(G[i] - G[j]), dp[j] = t, eta += phi::value(z[j]);
      }
      if (norm == normaliser::constant) eta = 1 / constant;
      const double over = eta == 0 ? 0 : 1 / eta;
      for (int j = 0; j <= i; ++j) delta += phi::value(z[j]) * over * dp[j];
      if (norm == normaliser::constant) delta = 0;
      for (int j = 0; j <= i; ++j) {
        const double *K = &k.host[at(j, Hk, c.k_group)], *V = &v.host[at(j, Hv, c.v_group)];
        const double w = phi::value(z[j]) * over, ds = phi::slope(z[j]) * (dp[j] - delta) * over;
        const double dz = ds * scale * std::exp(G[i] - G[j]);
        dG[i] += ds * z[j], dG[j] -= ds * z[j];
        for (int x = 0; x < n; ++x) {
          y[one(i) + x] += w * V[x], dv[one(j) + x] += w * D[x];
          dq[one(i) + x] += dz * K[x], dk[one(j) + x] += dz * Q[x];
        }
      }
    }
    double sum = 0;
    for (int64_t i = length - 1; i >= 0; --i) sum += dG[i], dg[one(i) / n] = sum;
  });
  flash_shape shape{c.B, T, H, n};
  buffer offsets = upload(c.offsets);
  if (packed) shape.offsets = std::span<const int32_t>(static_cast<const int32_t*>(offsets.p), c.offsets.size());
  buffer gates(flash_decay_workspace(shape)), Y(y.size() * 2), DQ(y.size() * 2), DK(y.size() * 2), DV(y.size() * 2), sums(N * H * 4),
      delta(flash_backward_workspace(shape)), DG(N * H * 4);
  flash_inputs in{dense(q.device, T, Hq, n), dense(k.device, T, Hk, n), dense(v.device, T, Hv, n), c.q_group, c.k_group, c.v_group};
  in.scale = float(scale), in.constant = float(constant);
  if (decay) in.decay = static_cast<float*>(gates.p);
  const flash_gradients gr{dense(Y, T, H, n),  dense(dy.device, T, H, n), static_cast<float*>(sums.p), dense(DQ, T, H, n),
                           dense(DK, T, H, n), dense(DV, T, H, n),        dense(DG, T, H, 1)};
  /// Bits of the outputs of a call whose rows begin at `row`.
  auto call = [&](const flash_shape& s, int64_t row) {
    auto from = [&](tensor x, int64_t size) {
      x.data = static_cast<char*>(x.data) + row * x.time * size;
      return x;
    };
    flash_inputs x = in;
    x.q = from(in.q, 2), x.k = from(in.k, 2), x.v = from(in.v, 2);
    flash_gradients d = gr;
    d.dy = from(gr.dy, 2);
    for (buffer* x : {&Y, &DQ, &DK, &DV, &DG, &sums, &delta, &gates}) x->poison();
    if (decay) flash_decay(s, from(dense(g.device, T, H, 1), 4), static_cast<float*>(gates.p), nullptr);
    flash_forward<n, phi, norm, decay>(s, x, d.y, static_cast<float*>(sums.p), nullptr);
    flash_backward<n, phi, norm, decay>(s, x, d, static_cast<float*>(delta.p), nullptr);
    COEFDYN_CUDA_CHECK(cudaDeviceSynchronize());
    std::vector<std::vector<uint16_t>> bits;
    for (buffer* x : {&Y, &DQ, &DK, &DV, &DG}) bits.push_back(fetch<uint16_t>(*x));
    return bits;
  };
  const auto bits = call(shape, 0);
  std::vector<std::vector<double>> got = {fetch_bf16(Y), fetch_bf16(DQ), fetch_bf16(DK), fetch_bf16(DV), fetch_float(DG)};
  if (c.spoilt >= 0)
    for (auto& x : got) {
      const int64_t row = int64_t(x.size()) / N;
      std::fill(x.begin() + begin_of(c.spoilt) * row, x.begin() + begin_of(c.spoilt + 1) * row, 0.);
    }
  bool same = bits == call(shape, 0);
  for (int64_t i = 0; i < sequences; ++i) {  // each sequence alone
    const int64_t begin = begin_of(i), length = begin_of(i + 1) - begin;
    if (i == c.spoilt || length == 0) continue;
    const auto alone = call({1, length, H, n}, begin);
    for (size_t x = 0; x < bits.size(); ++x) {
      const int64_t row = int64_t(bits[x].size()) / N;
      same &= std::equal(alone[x].begin(), alone[x].begin() + length * row, bits[x].begin() + begin * row);
    }
  }
  std::vector<std::pair<const char*, double>> errors = {
      {"y", distance(got[0], y)}, {"dq", distance(got[1], dq)}, {"dk", distance(got[2], dk)}, {"dv", distance(got[3], dv)}};
  if (decay) errors.push_back({"dg", distance(got[4], dg)});
  line("flash " + std::string(c.name), errors, 5e-3, 1e-2, same);
}

// Instructions: products of known tiles, each operand form alone.

__global__ void product_kernel(const __grid_constant__ CUtensorMap map_a, const __grid_constant__ CUtensorMap map_b, float* rows,
                               float* columns) {
#if COEFDYN_HOPPER
  extern __shared__ unsigned char raw[];
  const uint32_t base = (ptx::shared_address(raw) + 1023u) & ~1023u, a = base, b = base + 16384, barrier = base + 16384 + 32768;
  if (threadIdx.x == 0) {
    ptx::barrier_init(barrier, 1);
    ptx::barrier_init_fence();
    ptx::barrier_arrive_expect(barrier, 16384 + 32768);
    ptx::tensor_load(a, &map_a, barrier, 0, 0, 0, 0, 0);
    ptx::tensor_load(b, &map_b, barrier, 0, 0, 0, 0, 0);
  }
  __syncthreads();
  ptx::barrier_wait(barrier, 0);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  float d[64];
  ptx::product_fence();
  flash::multiply_rows<128, 128>(d, a, 8192, b, 16384);
  ptx::product_wait<0>();
  ptx::pin(d);
  for (int e = 0; e < 64; ++e) rows[(16 * warp + lane / 4 + ((e & 2) ? 8 : 0)) * 128 + 8 * (e / 4) + 2 * (lane % 4) + (e & 1)] = d[e];
  uint32_t left[32];  // a (64, 128) as left operands
  for (int k = 0; k < 8; ++k) {
    uint32_t t[4];
    ptx::load_blocks(t, a + (k / 4) * 8192 + flash::swizzled(16 * warp + (lane & 15), 2 * (k % 4) + (lane >> 4)));
    for (int e = 0; e < 4; ++e) left[4 * k + e] = t[e];
  }
  for (int e = 0; e < 64; ++e) d[e] = 0.f;
  ptx::product_fence();
  flash::accumulate<128, 128>(d, left, b, 16384);
  ptx::product_wait<0>();
  ptx::pin(d);
  for (int e = 0; e < 64; ++e) columns[(16 * warp + lane / 4 + ((e & 2) ? 8 : 0)) * 128 + 8 * (e / 4) + 2 * (lane % 4) + (e & 1)] = d[e];
#endif
}

void check_products() {
  generator rng{5};
  auto a = stream::bf16(64 * 128, 1, rng), b = stream::bf16(128 * 128, 1, rng);
  buffer rows(64 * 128 * 4), columns(64 * 128 * 4);
  COEFDYN_CUDA_CHECK(cudaFuncSetAttribute(product_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 65536));
  product_kernel<<<1, 128, 65536>>>(tensor_map({a.device.p, 0, 128, 0}, 1, 64, 1, 128, 64, 2),
                                    tensor_map({b.device.p, 0, 128, 0}, 1, 128, 1, 128, 128, 2), static_cast<float*>(rows.p),
                                    static_cast<float*>(columns.p));
  COEFDYN_CUDA_CHECK(cudaGetLastError());
  COEFDYN_CUDA_CHECK(cudaDeviceSynchronize());
  std::vector<double> r(64 * 128), c(64 * 128);
  for (int i = 0; i < 64; ++i)
    for (int j = 0; j < 128; ++j)
      for (int x = 0; x < 128; ++x)
        r[i * 128 + j] += a.host[i * 128 + x] * b.host[j * 128 + x], c[i * 128 + j] += a.host[i * 128 + x] * b.host[x * 128 + j];
  line("products", {{"a b'", distance(fetch_float(rows), r)}, {"a b", distance(fetch_float(columns), c)}}, 1e-5, 1e-5, true);
}

void check_sweeps() {
  for (const linear_case& c :
       std::vector<linear_case>{{"128 none T=64", 1, 64, 1, 128, 128, 0, false, false},
                                {"128 weak T=777", 2, 777, 2, 128, 128, 2, false, false},
                                {"128 strong T=1100 b r S", 2, 1100, 2, 128, 128, 3, true, true},
                                {"128 weak T=1100 b r S", 2, 1100, 2, 128, 128, 2, true, true},
                                {"128 strong T=2000", 1, 2000, 2, 128, 128, 3, false, false},
                                {"128 medium T=1100 b r S", 2, 1100, 2, 128, 128, 5, true, true},
                                {"128 mixed T=900 S", 1, 900, 2, 128, 128, 4, false, true},
                                {"64 fixed T=333 S", 2, 333, 3, 64, 64, 1, false, true},
                                {"n=128 d=64 weak T=130 b r S", 1, 130, 2, 128, 64, 2, true, true},
                                {"n=64 d=128 weak T=1 b r S", 2, 1, 2, 64, 128, 2, true, true},
                                {"128 weak T=300 groups of 2", 1, 300, 4, 128, 128, 2, true, true, 2},
                                {"128 weak packed b r S", 1, 800, 2, 128, 128, 2, true, true, 1, {0, 100, 100, 463, 464, 800}},
                                {"64 weak packed", 1, 500, 2, 64, 64, 2, false, true, 1, {0, 256, 320, 500}},
                                {"128 weak T=1100 b r S units of 256", 2, 1100, 2, 128, 128, 2, true, true, 1, {}, 256},
                                {"128 weak packed b r S units of 256", 1, 1300, 2, 128, 128, 2, true, true, 1, {0, 700, 700, 1300}, 256}})
    c.n == 128 ? (c.d == 128 ? check_linear<128, 128>(c) : check_linear<128, 64>(c))
               : (c.d == 128 ? check_linear<64, 128>(c) : check_linear<64, 64>(c));
}

void check_flashes() {
  check_flash<128, exponential, normaliser::sum, false>({"exp sum 128 T=128", 1, 128, 1});
  check_flash<128, exponential, normaliser::sum, false>({"exp sum 128 T=777", 2, 777, 3});
  check_flash<128, exponential, normaliser::sum, false>({"exp sum 128 T=300 groups of 2", 1, 300, 4, 1, 2, 2});
  check_flash<64, exponential, normaliser::sum, false>({"exp sum 64 T=500", 1, 500, 2});
  check_flash<128, relu_squared, normaliser::constant, false>({"relu^2 constant 128 T=650", 1, 650, 2});
  check_flash<128, relu_squared, normaliser::sum, false>({"relu^2 sum 128 T=650", 1, 650, 2});
  check_flash<128, softplus, normaliser::sum, false>({"softplus sum 128 T=650", 1, 650, 2});
  check_flash<128, exponential, normaliser::sum, true>({"exp sum decay 128 T=777", 1, 777, 2});
  check_flash<64, softplus, normaliser::sum, true>({"softplus sum decay 64 T=300", 2, 300, 2});
  check_flash<128, relu_squared, normaliser::constant, true>({"relu^2 constant decay 128 T=500", 1, 500, 2});
  check_flash<128, exponential, normaliser::sum, true>({"exp sum decay 128 T=300 values of 2", 2, 300, 4, 2, 2, 1});
  // sequences that end with a tile, inside its halves, after one token; empty ones; the third is NaN, and the first ends before it
  const std::vector<int> offsets = {0, 100, 100, 163, 419, 420, 804, 804, 970};
  check_flash<128, exponential, normaliser::sum, false>({"exp sum 128 packed groups of 2", 1, 970, 4, 1, 2, 2, offsets, 2});
  check_flash<64, exponential, normaliser::sum, true>({"exp sum decay 64 packed", 1, 970, 2, 1, 1, 1, offsets, 2});
  check_flash<128, exponential, normaliser::sum, true>({"exp sum decay 128 packed values of 2", 1, 970, 4, 2, 2, 1, offsets, 2});
  check_flash<64, exponential, normaliser::sum, false>({"exp sum 64 packed, none empty", 1, 400, 1, 1, 1, 1, {0, 129, 258, 259, 400}, 1});
  check_flash<128, relu_squared, normaliser::constant, false>({"relu^2 constant 128 packed", 1, 970, 1, 1, 1, 1, offsets, 2});
  check_flash<128, relu_squared, normaliser::constant, true>({"relu^2 constant decay 128 packed", 1, 970, 1, 1, 1, 1, offsets, 2});
  check_flash<128, softplus, normaliser::sum, false>({"softplus sum 128 packed", 1, 970, 1, 1, 1, 1, offsets, 2});
  check_flash<64, softplus, normaliser::sum, true>({"softplus sum decay 64 packed", 1, 970, 2, 1, 1, 1, offsets, 2});
}

/// A few small cases, for compute-sanitizer.
void check_small() {
  check_products();
  check_linear<128, 128>({"small 128 T=200 b r S", 1, 200, 1, 128, 128, 2, true, true});
  check_linear<64, 128>({"small packed", 1, 200, 1, 64, 128, 2, true, true, 1, {0, 70, 70, 200}});
  check_linear<128, 128>({"small units", 1, 300, 1, 128, 128, 2, true, true, 1, {}, 256});
  check_flash<128, exponential, normaliser::sum, false>({"small", 1, 200, 1});
  check_flash<64, softplus, normaliser::sum, true>({"small decay", 1, 200, 1});
  check_flash<128, exponential, normaliser::sum, false>({"small packed", 1, 300, 1, 1, 1, 1, {0, 70, 70, 200, 300}, 2});
  check_flash<64, softplus, normaliser::sum, true>({"small packed decay", 1, 300, 2, 2, 2, 1, {0, 70, 70, 200, 300}, 2});
}

}  // namespace

void kernels() {
  using gpu_test::total;
  if (!coefdyn::cuda::hopper::available()) {
    ++total.skipped;
    return;
  }
  try {
    if (gpu_test::small) check_small();
    else check_products(), check_sweeps(), check_flashes();
  } catch (const std::exception& error) {
    ++total.failed;
    std::printf("FAIL kernels: %s\n", error.what());
  }
}
