// SPDX-License-Identifier: MIT
#pragma once
// A kernel called directly by its plan: against the definition in float64 from the same rounded inputs, with states in and out, captured
// states and states updated in place; same bits twice and for a batch row alone. A Kernel has a name, a plan and sizes.
#include "law.cuh"
#include "mixers.cuh"

namespace gpu_test {

template <class Kernel, class Subject, class Types>
struct direct_calls {
  using Law = law<Subject, Types>;
  using P = typename Law::P;
  using M = typename Law::M;
  using T = typename Law::T;
  using S = typename Law::S;
  using R = typename Law::R;
  using X = typename P::X;
  using View = cuda::generic::carry_view<M, T>;
  std::string failures;
  double worst_y = 0, worst_state = 0;
  int calls = 0;

  void see(const config& c, const char* what, double error, double limit) {
    if (error <= limit) {
      ++total.passed;
      return;
    }
    ++total.failed;
    char text[200];
    std::snprintf(text, sizeof text, "    FAILED %s %s: %.1e > %.0e\n", c.name, what, error, limit);
    failures += text;
  }
  static idx longest(const config& c) {
    idx most = c.offsets.empty() ? c.T : 0;
    for (std::size_t i = 1; i < c.offsets.size(); ++i) most = std::max<idx>(most, c.offsets[i] - c.offsets[i - 1]);
    return most;
  }
  static void call(const X& x, const extents& e, idx longest, const view<S, 4>& y, const View& c) {
    const typename Kernel::template plan<M, R, X> plan(form::step{}, x, e, longest);
    both<unsigned char> workspace(plan.bytes());
    plan.run(nullptr, x, y, c, reinterpret_cast<std::byte*>(workspace.device), nullptr);
    cuda::checked(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  }
  template <class V>
  static bool same(const both<V>& a, const both<V>& b, idx first = 0) {
    return !std::memcmp(a.host.data() + first, b.host.data(), (a.host.size() - std::size_t(first)) * sizeof(V));
  }

  void one(const config& c) {
    P p(c);
    const extents& e = p.e;
    if (!typename Kernel::template plan<M, R, X>(form::step{}, p.x, e, longest(c)).fits()) return;
    ++calls;
    const idx rows = e.time - e.first_read;
    const std::vector<idx> positions = c.states ? std::vector<idx>{0, c.T / 2, c.T} : std::vector<idx>{};
    std::vector<double> y_ref(std::size_t(e.batch * rows * e.readers * e.d));
    state<M, double> s0(e), sT(e), captured_ref(e.sequences * idx(positions.size()), e.states, e.n, e.d);
    device_state<M, T> initial(e.sequences, e.states, e.n, e.d), final(e.sequences, e.states, e.n, e.d),
        captured(e.sequences * idx(positions.size()), e.states, e.n, e.d);
    draw_state(p.random, initial.S.host, s0.S), draw_state(p.random, initial.z.host, s0.z);
    for (std::size_t i = 0; i < s0.m.size(); ++i) s0.m[i] = 0.25, initial.m.host[i] = R(0.25);
    for (std::size_t i = 0; i < s0.position.size(); ++i) s0.position[i] = initial.position.host[i] = 3;
    initial.S.up(), initial.z.up(), initial.m.up(), initial.position.up();
    final.spoil(), captured.spoil();
    carried<M, types<double>> exact;
    both<idx> seen(idx(positions.size()));
    seen.host = positions, seen.up();
    both<std::int64_t> offsets(idx(c.offsets.size()));
    X x = p.x;
    if (!c.offsets.empty()) {
      offsets.host = c.offsets, offsets.up();
      x.cu_seqlens = {}, x.cu_seqlens.offsets64 = offsets.device, x.cu_seqlens.count = idx(c.offsets.size());
    }
    View view_of;
    if (c.states) {
      exact.initial = s0, exact.final = sT, exact.positions = positions, exact.captured = captured_ref;
      view_of = {initial.view_of(), final.view_of(), {}, nullptr, 0};
    }
    run(device::cpu{serial{}}, form::definition{}, p.ref, view<double, 4>(y_ref.data(), e.batch, rows, idx(e.readers), idx(e.d)), exact);

    both<S> y(idx(y_ref.size())), again(idx(y_ref.size()));
    const auto out = [&](both<S>& to, idx batch) { return view<S, 4>(to.device, batch, rows, idx(e.readers), idx(e.d)); };
    y.spoil(), again.spoil();
    const double limit = Law{}.output_limit * Law::factor;
    call(x, e, longest(c), out(y, e.batch), view_of);
    y.down();
    error_sum sum;
    for (std::size_t i = 0; i < y.host.size(); ++i) sum.add(double(y.host[i]), y_ref[i]);
    see(c, "y", sum.relative(), limit);
    worst_y = std::fmax(worst_y, sum.relative());
    if (c.states) {
      final.down();
      const double error = Law::state_error(final, Law::flat(sT));
      see(c, "final state", error, limit);
      worst_state = std::fmax(worst_state, error);
      bool counted = true;
      for (idx s = 0; s < e.sequences; ++s)
        counted = counted && final.position.host[std::size_t(s)] ==
                                 3 + (c.offsets.empty() ? e.time : c.offsets[std::size_t(s + 1)] - c.offsets[std::size_t(s)]);
      see(c, "positions", counted ? 0 : 1, 0);
      view_of.captured = captured.view_of(), view_of.positions = seen.device, view_of.captures = int(positions.size());
    }
    call(x, e, longest(c), out(again, e.batch), view_of);
    again.down();
    if (c.states) {
      captured.down();
      see(c, "captured states", Law::state_error(captured, Law::flat(captured_ref)), limit);
      error_sum apart;
      for (std::size_t i = 0; i < y.host.size(); ++i) apart.add(double(again.host[i]), y_ref[i]);
      see(c, "y beside captured states", apart.relative(), limit);
      view_of.captured = {}, view_of.positions = nullptr, view_of.captures = 0;
      view_of.final = initial.view_of();
      again.spoil();
      call(x, e, longest(c), out(again, e.batch), view_of);
      again.down(), initial.down();
      see(c, "in place",
          same(y, again) && same(final.S, initial.S) && same(final.z, initial.z) && same(final.m, initial.m) &&
                  same(final.position, initial.position)
              ? 0
              : 1,
          0);
    }
    see(c, "same bits twice", same(y, again) ? 0 : 1, 0);
    if (c.B > 1 && !c.states && rows > 0) {
      X alone = x;
      Law::row_alone(alone, typename P::needs{});
      extents single = e;
      single.batch = single.sequences = 1;
      again.spoil();
      call(alone, single, longest(c), out(again, 1), {});
      again.down();
      see(c, "row alone", std::memcmp(y.host.data() + y.host.size() / 2, again.host.data(), y.host.size() / 2 * sizeof(S)) ? 1 : 0, 0);
    }
  }
  void operator()() {
    const int before = total.failed;
    static_assert(Kernel::template has<M, R, X>);
    for (config c : Kernel::sizes()) {
      constexpr turning turns = traits<M>::structure.turns;
      if (turns == turning::half_pairs || turns == turning::adjacent_pairs) c.n += c.n % 2;
      one(c);
    }
    std::printf("%s %-4s %-32s %s, %d sizes | y %.0e S %.0e\n%.1500s", total.failed == before ? "ok  " : "FAIL", Kernel::name,
                Subject::name, sizeof(S) == 2 ? "bf16" : "f32", calls, worst_y, worst_state, failures.c_str());
    std::fflush(stdout);
  }
};

template <class Kernel, class Types, int... Case>
void each_case() {
  (direct_calls<Kernel, subject<Case>, Types>{}(), ...);
}

}  // namespace gpu_test
