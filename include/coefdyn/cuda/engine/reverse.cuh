// SPDX-License-Identifier: MIT
#pragma once
#include "../../cpu/stages/transport.hpp"
#include "raise.cuh"

/// Any linear map in reverse, token by token: reads, writes and evolution of one token, which share their scratch and their order.
namespace coefdyn::cuda::generic {

/// A window of a timeline in reverse over `e` columns: gradients of a row's operands from p = dS and the states before it.
template <class M, class R, class X>
struct reverse_block {
  using traits_ = traits<M>;
  using A = typename M::evolution;
  using E = state_element<M, R>;
  using O = cpu::operands<M, R>;
  using map_streams = coefdyn::detail::streams_t<A>;
  static constexpr int threads = 256, window = 32, lanes = 8;
  static constexpr structure_of K = traits_::structure;
  gradient_frames<M, R, X> grads;
  state_frame_of<M, R, X> in;
  reader_frame_of<M, R, X> reads;  // one token
  cpu::row_gradients<M, R> rows;   // of one window
  int n = 0, e = 0;
  E *dS = nullptr, *decayed = nullptr, *dot = nullptr, *pc = nullptr;  // (n, e), (n, e), (e), (e)
  R *each_channel = nullptr, *q = nullptr, *raw = nullptr;
  std::byte* lane_memory = nullptr;  // frames of one token, or columns of dual numbers
  idx lane_bytes = 0;
  frame_shape lane_shape;

  COEFDYN_HD reverse_block(memory& a, const extents& x, idx tokens, int columns) : grads(a, x, tokens), n(x.n), e(columns) {
    const idx size = idx(n) * e, wide = traits_::lowered(n), r = window * traits_::micro;
    const int values = value_width<M>(x.d);
    lay(a, in, {x.n, x.d, values, window}), lay(a, reads, {x.n, x.d, values, 1});
    dot = a.take<E>(e), pc = a.take<E>(e), q = a.take<R>(2 * n), each_channel = a.take<R>(n);
    rows.n = int(wide), rows.e = values, rows.width = O::channel ? int(wide) : 1;
    rows.K = a.take<R>(r * wide), rows.V = a.take<R>(r * values), rows.g = a.take<R>(r * rows.width), rows.s = a.take<R>(r),
    rows.b = a.take<R>(r);
    if (O::corrects) rows.row = a.take<R>(r * wide), rows.col = a.take<R>(r * wide);
    if (O::turns) rows.angle = a.take<R>(r * (wide / 2));
    if (O::before) rows.bonus = a.take<R>(r * wide);
    dS = a.take<E>(size), decayed = a.take<E>(size);
    raw = a.take<R>(traits_::has_feature
                        ? (idx(threads) * 3 > idx(window) * traits_::writes ? idx(threads) * 3 : idx(window) * traits_::writes) * n
                        : 0);
    if constexpr (!traits_::structured) {
      lane_shape = {x.n, x.d, values, 1};
      memory lane;
      state_frame_of<M, R, X> f;
      lay(lane, f, lane_shape);
      const idx dual_columns = idx(threads) * n * idx(sizeof(E)) * 2;
      lane_bytes = lane.slow_used;
      lane_memory = a.take_slow<std::byte>(lane_bytes * lanes > dual_columns ? lane_bytes * lanes : dual_columns);
    }
  }
  __device__ void clear_rows(int count) const {
    const auto zero = [&](R* p, idx c) { each_unsynced(int(c), [&](int i) { p[i] = R(0); }); };
    zero(rows.K, idx(count) * rows.n), zero(rows.V, idx(count) * rows.e), zero(rows.g, idx(count) * rows.width), zero(rows.s, count),
        zero(rows.b, count);
    if (O::corrects) zero(rows.row, idx(count) * rows.n), zero(rows.col, idx(count) * rows.n);
    if (O::turns) zero(rows.angle, idx(count) * (rows.n / 2));
    if (O::before) zero(rows.bonus, idx(count) * rows.n);
    __syncthreads();
  }
  /// Row (i, l) of the window as raise takes it; o_b, shift: b and e^(m_{t-1} - m_t) there.
  __device__ row_gradient<R> gradient_at(int i, int l, R o_b, R shift) const {
    const idx r = idx(i) * traits_::micro + l;
    return {rows.K + r * rows.n,
            O::corrects ? rows.row + r * rows.n : nullptr,
            O::corrects ? rows.col + r * rows.n : nullptr,
            rows.V + r * rows.e,
            rows.g + r * rows.width,
            O::turns ? rows.angle + r * (rows.n / 2) : nullptr,
            rows.s[r],
            rows.b[r],
            O::before ? rows.bonus + r * rows.n : nullptr,
            o_b,
            shift,
            true};
  }

  /// S += (b K) v': gradients of K and b from dS.
  template <class At, class Value>
  __device__ void write_backward(const At& at, idx row, R b, Value value) const {
    each_sum(
        n, e, [&](int c, int u) { return R(value(u)) * dS[c * e + u]; },
        [&](int c, const E& dk) {
          each_channel[c] = real_part(cpu::write_key<M, E>(at, c) * dk);
          cpu::add_lowered(rows.K + row * rows.n, n, c, b * dk);
        });
    each_sum(1, n, [&](int, int c) { return each_channel[c]; }, [&](int, R sum) { rows.b[row] += sum; });
  }

  /// p = dS becomes A_t' p; gradients of the row's operands, or of the map's streams, are added. x: the state before.
  __device__ void evolve_backward(int i, int l, idx position, const E* x, idx to, R grow) const {
    const auto at = in.at(i, l, position);
    E* p = dS;
    if constexpr (!traits_::structured) {
      map_parameters(i, position, x, to, map_streams{});
      each(e, [&](int u) {
        E work;
        evolve<A, true>(at, state_matrix<E>{p + u, e, 1}, &work, grow);
      });
    } else {
      const idx r = idx(i) * traits_::micro + l;
      each(e, [&](int u) {
        for (int c = 0; c < n; ++c) decayed[c * e + u] = x[c * e + u];
        if (l == 0) coefdyn::detail::decay<A>(at, state_matrix<E>{decayed + u, e, 1}, false, grow);
      });
      const auto decay_back = [&] {
        if (l != 0) return;
        if constexpr (O::evolution_decays) {
          each_sum(
              n, e, [&](int c, int u) { return real_part(p[c * e + u] * decayed[c * e + u]); },
              [&](int c, R sum) {
                if constexpr (O::channel) rows.g[r * rows.width + c] += sum;
                else each_channel[c] = sum;
              });
          if constexpr (!O::channel) each_sum(1, n, [&](int, int c) { return each_channel[c]; }, [&](int, R sum) { rows.g[r] += sum; });
        }
        if constexpr (K.turns == turning::channels) {
          each_sum(
              n, e, [&](int c, int u) { return (p[c * e + u] * decayed[c * e + u]).im; },
              [&](int c, R sum) { rows.angle[r * n + c] -= sum; });
        } else if constexpr (O::turns) {
          each_sum(
              n / 2, e,
              [&](int k, int u) {
                const channel_pair at_pair = pair_of(K.turns, k, n);
                return p[at_pair.y * e + u] * decayed[at_pair.x * e + u] - p[at_pair.x * e + u] * decayed[at_pair.y * e + u];
              },
              [&](int k, R sum) { rows.angle[r * (n / 2) + k] += sum; });
        }
        each(e, [&](int u) { coefdyn::detail::decay<A>(at, state_matrix<E>{p + u, e, 1}, true, grow); });
      };
      if constexpr (O::corrects) {
        const R strength = R(A::strength(at)) * (K.row_sees == sees::undecayed && grow != R(0) ? math::exp(grow) : R(1));
        const E* row_sees = K.row_sees == sees::decayed ? decayed : x;
        each(e, [&](int u) {
          E a(R(0)), b(R(0));
          for (int c = 0; c < n; ++c) a += R(A::row(at, c)) * row_sees[c * e + u], b += R(column_of<A>(at, c)) * p[c * e + u];
          dot[u] = a, pc[u] = b;
        });
        each_sum(
            n, e, [&](int c, int u) { return real_part(pc[u] * row_sees[c * e + u]); },
            [&](int c, R sum) { rows.row[r * rows.n + c] += strength * sum; });
        each_sum(
            n, e, [&](int c, int u) { return real_part(p[c * e + u] * dot[u]); },
            [&](int c, R sum) { rows.col[r * rows.n + c] += strength * sum; });
        each_sum(1, e, [&](int, int u) { return real_part(pc[u] * dot[u]); }, [&](int, R sum) { rows.s[r] += sum; });
        if constexpr (K.row_sees == sees::undecayed) decay_back();
        each2(n, e, [&](int c, int u) { p[c * e + u] += (strength * R(A::row(at, c))) * pc[u]; });
        if constexpr (K.row_sees == sees::decayed) decay_back();
      } else {
        decay_back();
      }
    }
  }
  /// Gradients of a user's map's own streams, from p and the state x before it: its pull_back in a few lanes, or dual numbers,
  /// a thread for each element of a stream.
  template <class... Need>
  __device__ void map_parameters(int i, idx position, const E* x, idx to, list<Need...>) const {
    const auto at = in.at(i, 0, position);
    const auto out_of = [&](const auto& f) {
      return cpu::writers<R, list<Need...>>{{cpu::writer<element_of<Need, R>>{f.template where<Need>(0, 0), n}}...};
    };
    const auto lane_frame = [&](int lane) {
      state_frame_of<M, R, X> f;
      memory a{nullptr, lane_memory + lane * lane_bytes};
      lay(a, f, lane_shape);
      return f;
    };
    const column_view<E> any{nullptr, 1};
    cpu::writers<R, list<Need...>> probe{};
    if constexpr (requires { A::pull_back(at, any, any, probe); }) {
      for (idx k = threadIdx.x; k < lane_bytes * lanes / idx(sizeof(R)); k += blockDim.x) reinterpret_cast<R*>(lane_memory)[k] = R(0);
      __syncthreads();
      each(lanes, [&](int lane) {
        auto out = out_of(lane_frame(lane));
        for (int u = lane; u < e; u += lanes) A::pull_back(at, column_view<E>{dS + u, e}, column_view<E>{const_cast<E*>(x) + u, e}, out);
      });
      (
          [&] {
            const int count = int(inner_size<Need>(n, at.d, 1));
            each_unsynced(count, [&](int k) {
              auto* d = grads.state.template where<Need>(to, 0) + k;
              for (int lane = 0; lane < lanes; ++lane) *d = *d + lane_frame(lane).template where<Need>(0, 0)[k];
            });
          }(),
          ...);
      __syncthreads();
    } else {
      using D = std::conditional_t<is_complex<E>, complex<dual<R>>, dual<R>>;
      D* lifted = reinterpret_cast<D*>(lane_memory) + idx(threadIdx.x) * n;
      (
          [&] {
            const int count = int(inner_size<Need>(n, at.d, 1)) * (Need::over == field::complex ? 2 : 1);
            each_unsynced(count, [&](int element) {
              R total(0);
              for (int u = 0; u < e; ++u) {
                for (int c = 0; c < n; ++c) {
                  if constexpr (is_complex<E>) lifted[c] = D{dual<R>(x[c * e + u].re), dual<R>(x[c * e + u].im)};
                  else lifted[c] = D(x[c * e + u]);
                }
                A::apply(in.template lifted<typename Need::tag, seed::single>(i, 0, position, element), column_view<D>{lifted, 1});
                for (int c = 0; c < n; ++c) {
                  if constexpr (is_complex<E>) total += dS[c * e + u].re * lifted[c].re.d - dS[c * e + u].im * lifted[c].im.d;
                  else total += dS[c * e + u] * lifted[c].d;
                }
              }
              auto d = grads.state;
              cpu::put<Need>(d, to, 0, element, total);
            });
          }(),
          ...);
      __syncthreads();
    }
  }
};

}  // namespace coefdyn::cuda::generic
