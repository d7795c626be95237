// SPDX-License-Identifier: MIT
#pragma once
#include "../../cpu/stages/maximum.hpp"
#include "recurrent.cuh"

/// The definition on the device, as cpu/forms/definition.hpp writes it: a block carries all impulses of a state head's sequence
/// forward, a thread some of their columns. T^2 applications of A and T n numbers a block: the oracle, for any mixer.
namespace coefdyn::cuda::generic {

template <class M, class R, class X>
struct definition_block {
  using traits_ = traits<M>;
  using A = typename M::evolution;
  using E = state_element<M, R>;
  static constexpr int threads = 256;
  state_frame_of<M, R, X> in;      // one token
  reader_frame_of<M, R, X> reads;  // one token
  int n = 0, e = 0;
  idx columns = 0;
  E *H = nullptr, *P = nullptr;  // (n, columns): h_{i,j}; (n, e): what the initial state has become
  R *exponent = nullptr, *score = nullptr, *weight = nullptr, *numerator = nullptr, *raw = nullptr;

  COEFDYN_HD definition_block(memory& a, const extents& x, idx longest)
      : n(x.n), e(value_width<M>(x.d)), columns(longest * traits_::writes + 1) {
    const frame_shape shape{x.n, x.d, e, 1};
    lay(a, in, shape), lay(a, reads, shape);
    raw = a.take<R>(traits_::has_feature ? idx(traits_::writes) * n : 0);
    numerator = a.take<R>(e), P = a.take<E>(idx(n) * e);
    score = a.take<R>(columns), weight = a.take<R>(columns), exponent = a.take<R>(columns);
    H = a.take<E>(idx(n) * columns);
  }
  /// Impulse of the token's micro-step l into column j; `bonus`: weighted by diag(u).
  __device__ void write(int l, idx position, idx j, bool bonus) const {
    const auto at = in.at(0, l, position);
    R f(1);
    if constexpr (traits_::exponential && !traits_::stabilised) f = math::exp(R(M::scaling::log_scale(at)));
    each(n, [&](int c) {
      E h = E((f * R(scale_of<typename M::scaling>(at, c))) * at.k[c]);
      if constexpr (traits_::structure.order == reads::before_write)
        if (bonus) h = R(A::bonus(at, c)) * h;
      H[c * columns + j] = h;
      if constexpr (traits_::stabilised)
        if (c == 0) exponent[j] = R(M::scaling::log_scale(at));
    });
  }
  __device__ void evolve_all(int l, idx position, idx alive) const {
    const auto at = in.at(0, l, position);
    each(int(alive) + e, [&](int j) {
      E work;
      const state_matrix<E> x = j < alive ? state_matrix<E>{H + j, columns, 1} : state_matrix<E>{P + (j - alive), e, 1};
      evolve<A, false>(at, x, &work);
    });
  }
  /// Carries every impulse through the sequence; read(i, alive) and after(done, alive) as on the CPU. m0: the initial state's
  /// maximum, and that of nothing where none of it is left.
  template <class Load, class Read, class After>
  __device__ void over_tokens(idx tokens, idx position, R& m0, Load load, Read read, After after) const {
    idx alive = 0;
    after(idx(0), alive);
    for (idx i = 0; i < tokens; ++i) {
      load(i);
      if constexpr (traits_::structure.order == reads::before_write) {
        write(traits_::micro - 1, position + i, alive, true);
        read(i, alive + 1);
      }
      if constexpr (traits_::stabilised)
        if (math::is_unset(cpu::largest_log_decay<M, R>(in, 0, position + i))) {
          each(int(alive), [&](int j) { exponent[j] = math::unset_maximum<R>(); });
          m0 = cpu::starting_maximum<M, R>();
        }
      for (int l = 0; l < traits_::micro; ++l) {
        evolve_all(l, position + i, alive);
        if (traits_::writes_at(l)) write(l, position + i, alive++, false);
      }
      if constexpr (traits_::structure.order == reads::after_write) read(i, alive);
      after(i + 1, alive);
    }
  }
  /// The write whose value impulse j carries: a bonus stands before the token's writes but has the last one's.
  static __device__ idx value_of(idx j, idx alive) {
    return traits_::structure.order == reads::before_write && j == alive - 1 ? j + traits_::writes - 1 : j;
  }
  /// Largest exponent of the first `alive` impulses, at least m.
  __device__ R top_exponent(R m, idx alive) const {
    for (int j = int(threadIdx.x); j < alive; j += int(blockDim.x)) m = math::max(m, exponent[j]);
    return team_max(m);
  }
  /// One read of the loaded reader: weights, and numerator (with the sum) from value(j, u); returns the maximum taken out.
  template <class Value>
  __device__ R read(idx position, idx alive, R m0, Value value) const {
    const auto at = reads.at(0, 0, position);
    each(int(alive), [&](int j) {
      E s{};
      for (int c = 0; c < n; ++c) s += E(at.q[c] * H[c * columns + j]);
      score[j] = real_part(s);
    });
    R m = traits_::stabilised ? m0 : cpu::starting_maximum<M, R>();
    if constexpr (cpu::takes_maximum<M>) {
      for (int j = int(threadIdx.x); j < alive; j += int(blockDim.x)) m = math::max(m, score[j]);
      m = team_max(m);
    } else if constexpr (traits_::stabilised) {
      m = top_exponent(m, alive);
    }
    each(int(alive), [&](int j) {
      if constexpr (cpu::takes_maximum<M>) weight[j] = M::readout::apply(score[j] - m);
      else if constexpr (traits_::stabilised) weight[j] = score[j] * math::exp(exponent[j] - m);
      else weight[j] = M::readout::apply(score[j]);
    });
    const R past = traits_::stabilised ? math::exp(m0 - m) : R(1);
    each(e, [&](int u) {
      E s{};
      for (int c = 0; c < n; ++c) s += E(at.q[c] * P[c * e + u]);
      R total = past * real_part(s);
      for (idx j = 0; j < alive; ++j) total += weight[j] * value(value_of(j, alive), u);
      numerator[u] = total;
    });
    return m;
  }
};

/// Value u of write j of a head, as stored by the caller; the normalizer's column is ones.
template <class M, class R, class X>
struct value_reader {
  const X& x;
  const extents& e;
  const head_place& head;
  __device__ R operator()(idx j, int u) const {
    return u < e.d ? R(x.v(head.s.batch, head.s.begin * traits<M>::writes + j, head.state, u)) : R(1);
  }
};

template <class M, class R, class X, class Y, class Carry>
__global__ void __launch_bounds__(256)
    definition_kernel(const __grid_constant__ X x, const __grid_constant__ extents e, idx longest, const __grid_constant__ Y y,
                      const __grid_constant__ Carry carry, std::byte* slow, idx slow_bytes, idx fast_bytes, idx items) {
  using traits_ = traits<M>;
  using Block = definition_block<M, R, X>;
  using E = typename Block::E;
  extern __shared__ __align__(16) std::byte fast[];
  memory a{fast, slow + idx(blockIdx.x) * slow_bytes, fast_bytes};
  const Block w(a, e, longest);
  each_item(items, [&](idx item) {
    const head_place head = head_at(x, e, item);
    const idx tokens = head.tokens(), start = carry.initial.S.data && carry.initial.position.data ? carry.initial.position(head.index) : 0;
    const slice all{0, e.d, e.d, w.e};
    if constexpr (traits_::linear) load_state<M>(carry.initial, head.index, head.state, e.n, all, w.e, w.P);
    else clear(w.P, e.n * w.e);
    R m0 = initial_maximum_of<M, R>(carry.initial, head.index, head.state);
    const value_reader<M, R, X> value{x, e, head};
    int next = 0;
    const auto keep = [&](const auto& out, idx slot, idx done, idx alive) {
      if constexpr (traits_::linear) {
        const R m = traits_::stabilised ? w.top_exponent(m0, alive) : m0;
        const R past = traits_::stabilised ? math::exp(m0 - m) : R(1);
        using Stored = std::remove_cvref_t<decltype(out.S(0, 0, 0, 0))>;
        each2(e.n, w.e, [&](int c, int u) {
          E s = past * w.P[c * w.e + u];
          for (idx j = 0; j < alive; ++j)
            s += ((traits_::stabilised ? math::exp(w.exponent[j] - m) : R(1)) * value(j, u)) * w.H[c * w.columns + j];
          if (u < e.d) out.S(slot, head.state, c, u) = cpu::converted<Stored>(s);
          else if constexpr (traits_::needs_sum) out.z(slot, head.state, c) = cpu::converted<Stored>(s);
        });
        if (threadIdx.x == 0) store_marks<M>(out, slot, head.state, m, start + done);
      }
    };
    w.over_tokens(
        tokens, start, m0, [&](idx i) { gather<M>(x, e, head.s, head.at(0), i, 0, 1, w.in, w.raw); },
        [&](idx i, idx alive) {
          if (i < e.first_read) return;
          for (int r = 0; r < head.readers; ++r) {
            gather<M>(x, e, head.s, head.at(r), i, 0, 1, w.reads, w.raw);
            const R m = w.read(start + i, alive, m0, value);
            const auto at = w.reads.at(0, 0, start + i);
            each(e.d, [&](int v) {
              finish_element<M>(w.numerator[v], traits_::needs_sum ? w.numerator[e.d] : R(0), m, at, y, head.s.batch,
                                head.s.begin + i - e.first_read, head.first_reader + r, v);
            });
          }
        },
        [&](idx done, idx alive) {
          for (; next < carry.captures && (carry.positions[next] <= done || done == tokens); ++next)
            keep(carry.captured, idx(next) * e.sequences + head.index, done, alive);
          if (done == tokens && carry.final.S.data) keep(carry.final, head.index, done, alive);
        });
  });
}

template <class M, class R, class X>
struct definition_plan : engine_plan<X> {
  using Base = engine_plan<X>;
  using Base::blocks, Base::e, Base::fast, Base::items, Base::longest, Base::slow;
  template <class Form>
  definition_plan(Form, const X&, const extents& e_, idx longest_) : Base(e_, longest_) {
    memory a{nullptr, nullptr, shared_limit};
    definition_block<M, R, X>(a, e, longest);
    fast = a.fast_used, slow = a.slow_used;
    items = e.sequences * e.states;
    blocks = blocks_for(items, slow);
  }
  std::string name() const { return "definition, generic"; }
  idx bytes() const { return this->detour_bytes() + slow * blocks; }
  template <class Y, class Carry>
  void run(cudaStream_t stream, const X& x, const Y& y, const Carry& c, std::byte* ws, std::byte*) const {
    this->with_states_apart(stream, x, c, ws, [&](const Carry& own, std::byte* rest) {
      launch(stream, definition_kernel<M, R, X, Y, Carry>, "definition_kernel", blocks, definition_block<M, R, X>::threads,
             std::size_t(fast), x, e, longest, y, own, rest, slow, fast, items);
    });
  }
};

}  // namespace coefdyn::cuda::generic
