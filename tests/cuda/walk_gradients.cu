// SPDX-License-Identifier: MIT
// The gradients of whole sequences of a small state by one kernel, at sizes and with checks that the laws of all mixers (case.cu) have not.
#include "law.cuh"
#include "mixers.cuh"

namespace gpu_test {
namespace {

/// Gradients of all streams and of the initial state against the definition's in float64; same bits twice and for a batch row alone;
/// nothing flows into a decay of nothing.
template <class Subject, class Types>
struct small_gradients : law<Subject, Types> {
  using Law = law<Subject, Types>;
  using typename Law::M, typename Law::P, typename Law::R, typename Law::S, typename Law::T;
  using X = typename P::X;
  using needs = typename P::needs;
  using G = gradients<M, T, typename P::H, P::O>;
  static constexpr form::chunkwise chunks{};
  static const std::vector<config>& sizes() {
    static const std::vector<config> all = {
        {"16 x 16, T130", 2, 130, 16, 16, true, false, {}, 0},
        {"16 x 15, T40", 2, 40, 16, 15, false, false, {}, 0},
        {"32 x 31, T65", 2, 65, 32, 31, true, false, {}, 0},
        {"24 x 32, T20", 2, 20, 24, 32, false, false, {}, 0},
        {"22 x 27, T37 strided", 2, 37, 22, 27, true, true, {}, 0},
        {"2 x 1, T41", 1, 41, 2, 1, true, false, {}, 0},
        {"14 x 11, packed", 1, 90, 14, 11, true, false, {0, 17, 17, 18, 51, 90}, 0},
        {"10 x 8, packed", 1, 90, 10, 8, true, false, {0, 17, 17, 18, 51, 90}, 0},
        {"8 x 16, T1", 2, 1, 8, 16, true, false, {}, 0},
    };
    return all;
  }
  template <class... Need>
  static constexpr bool holds_decay(list<Need...>) {
    return (false || ... || std::is_same_v<Need, declared_elsewhere<stream::log_decay>>);
  }
  template <class... Need>
  bool first_decay_untouched(const G& g, const P& p, std::vector<both<unsigned char>>& memory, list<Need...>) {
    bool zero = true;
    int k = 0;
    (
        [&] {
          using E = stored_t<Need, T>;
          auto& there = memory[std::size_t(k++)];
          if constexpr (std::is_same_v<typename Need::tag, stream::log_decay> && Need::timed) {
            const auto& v = g.template of<Need>();
            there.down();
            for (idx b = 0; b < v.extents[0]; ++b)
              for (idx i = 0; i < v.strides[1]; ++i)
                zero = zero && float(reinterpret_cast<const E*>(there.host.data())[b * v.strides[0] + i]) == 0.f;
          }
        }(),
        ...);
    return zero || p.c.strided;
  }
  template <class... Need>
  static void one_row(G& g, list<Need...>) {
    const auto shorten = [&]<class N>(N) {
      if constexpr (N::timed) const_cast<stream_view<N, stored_t<N, T>>&>(g.template of<N>()).extents[0] = 1;
    };
    (shorten(Need{}), ...);
  }
  template <class... Need>
  static bool rows_agree(std::vector<both<unsigned char>>& all, std::vector<both<unsigned char>>& one, list<Need...>) {
    bool same = true;
    std::size_t k = 0;
    const auto compare = [&]<class N>(N) {
      auto &a = all[k], &b = one[k];
      ++k;
      if (!N::timed) return;
      a.down(), b.down();
      const std::size_t half = a.host.size() / 2;
      same = same && !std::memcmp(a.host.data() + half, b.host.data(), half);
    };
    (compare(Need{}), ...);
    return same;
  }

  void one(const config& c, typename Law::worst& w) {
    P p(c);
    const extents& e = p.e;
    const bool walks = cuda::small::walk_plan<M, R, X>(chunks, p.x, e, c.T).gradients_fit();
    this->see(std::string(c.name) + " serves", walks || cpu::value_width<M>(c.d) > 32 ? 0 : 1, 0);
    if (!walks) return;
    std::normal_distribution<double> normal;
    both<S> dy(e.batch * e.time * e.readers * e.d);
    std::vector<double> exact(dy.host.size());
    for (std::size_t i = 0; i < exact.size(); ++i) dy.host[i] = S(float(normal(p.random))), exact[i] = double(dy.host[i]);
    dy.up();
    state<M, double> s0(e), dS(e), dS0(e);
    device_state<M, T> i0(e.sequences, e.states, e.n, e.d), dT(e.sequences, e.states, e.n, e.d);
    Law::draw_states(p, s0, i0, dS, dT, dS0);
    carried<M, types<double>> carry;
    carried_gradients<M, types<double>> from;
    if (c.states) carry.initial = s0, from.final = dS, from.initial = dS0;
    gradients<M, double, typename P::H, P::O> gd;
    std::vector<std::vector<double>> want;
    Law::bind_ref(gd, p, want, needs{});
    const view<const double, 4> dyv(static_cast<const double*>(exact.data()), e.batch, e.time, idx(e.readers), idx(e.d));
    backward(device::cpu{serial{}}, form::definition{}, p.ref, dyv, gd, carry, from);
    for (auto& m : dS0.m) m = 0;
    Law::backward_of(p, chunks, "walk", dy, want, Law::flat(dS0), c.states ? &i0 : nullptr, c.states ? &dT : nullptr, w);
    if (!c.states) alone(p, dy);
  }
  void alone(P& p, const both<S>& dy) {
    const extents& e = p.e;
    G g, one;
    std::vector<both<unsigned char>> memory, single;
    Law::bind(g, p, memory, false, needs{}), Law::bind(one, p, single, false, needs{});
    const auto rows = [&](idx from, idx count) {
      return view<const S, 4>(static_cast<const S*>(dy.device) + from * e.time * e.readers * e.d, count, e.time, idx(e.readers), idx(e.d));
    };
    X x = p.x;
    Law::row_alone(x, needs{}), one_row(one, needs{});
    backward(device::cuda{}, chunks, p.x, rows(0, 2), g, {}, {});
    backward(device::cuda{}, chunks, x, rows(1, 1), one, {}, {});
    cuda::checked(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    this->see(std::string(p.c.name) + " gradients of a row alone", rows_agree(memory, single, needs{}) ? 0 : 1, 0);
    if constexpr (!traits<M>::stabilised && !holds_decay(coefdyn::detail::streams_t<typename M::scaling>{}))
      this->see(std::string(p.c.name) + " first decay", first_decay_untouched(g, p, memory, needs{}) ? 0 : 1, 0);
  }
  void operator()() {
    const int before = total.failed;
    typename Law::worst w;
    for (const config& c : sizes()) one(c, w);
    std::printf("%s walk back %-32s %s | d%s %.0e\n%.1500s", total.failed == before ? "ok  " : "FAIL", Subject::name,
                sizeof(S) == 2 ? "bf16" : "f32", w.stream.c_str(), w.gradient, this->line.c_str());
    std::fflush(stdout);
  }
};
template <class Types, int... Case>
void each_gradient() {
  (small_gradients<subject<Case>, Types>{}(), ...);
}
}  // namespace
}  // namespace gpu_test

void walk_gradients() {
  using namespace gpu_test;
  try {
    each_gradient<float, 3, 16, 20>();
    each_gradient<bf16, 13>();
  } catch (const std::exception& error) {
    ++total.failed;
    std::printf("FAIL walk_gradients: %s\n", error.what());
  }
}
