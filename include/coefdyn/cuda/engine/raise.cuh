// SPDX-License-Identifier: MIT
#pragma once
#include "gradients.cuh"
#include "lower.cuh"

/// The adjoint of the lowering by a team: gradients of operands to streams by dual numbers, a thread for an element of a stream
/// that has channels, a warp for one that is a number; rows without time are summed over the tokens in order.
///
/// nvcc, inside lambdas, loses its place after a discarded `if constexpr` whose statement is another `if` or a loop without
/// braces, and takes a pack's member in a nested generic lambda for another's: braces and named constants here.
namespace coefdyn::cuda::generic {

/// Gradients of a head's operands at one timeline row, not turned.
template <class R>
struct row_gradient : cpu::row_gradient<R> {
  R o_b, shift;       // b and e^(m_{t-1} - m_t) as lowered
  bool column_apart;  // a tied column's gradient still stands in col
};

/// What channel c of micro-step l gives to the stream that `at` seeds.
template <class M, class R, class At>
__device__ R channel_gradient(const At& at, int n, int l, int c, const row_gradient<R>& g) {
  using traits_ = traits<M>;
  using O = cpu::operands<M, R>;
  const cpu::seeded_step<M, R, At> step{at, n, l, g, g.o_b, g.shift};
  R sum(0);
  if constexpr (O::evolution_decays) {
    if (l == 0 && c < (O::channel ? n : 1)) sum += step.by_decay(c);
  }
  if constexpr (O::turns) {
    if (l == 0 && c < (traits_::complex_state ? n : n / 2)) sum += step.by_angle(c);
  }
  if constexpr (O::corrects) {
    sum += step.by_correction(c);
  }
  if (traits_::writes_at(l) || O::tied) {
    R dK = g.K[c];
    if constexpr (O::tied) {
      dK += g.column_apart ? g.col[c] : R(0);
    }
    sum += step.by_key(c, dK);
  }
  return sum;
}
/// What the row's own numbers, strength and b, give to a stream that is a number.
template <class M, class R, class At>
__device__ R number_gradient(const At& at, int n, int l, const row_gradient<R>& g) {
  using traits_ = traits<M>;
  const cpu::seeded_step<M, R, At> step{at, n, l, g, g.o_b, g.shift};
  R sum(0);
  if constexpr (cpu::operands<M, R>::corrects) {
    sum += step.by_strength();
  }
  if (traits_::writes_at(l)) {
    if constexpr (traits_::exponential) {
      sum += step.by_log_scale();
    }
    if constexpr (traits_::scale_is_scalar) {
      sum += step.by_scale();
    }
  }
  return sum;
}

/// Adds what tokens [0, count) of the frame `f` give to rows from `to` of the gradient frame `d`; row(i, l): their gradients.
template <class M, class R, class Frame, class Row, class... Need>
__device__ void raise_streams(const Frame& f, int count, idx position, const Frame& d, idx to, Row row, list<Need...>) {
  using traits_ = traits<M>;
  using B = typename M::scaling;
  using O = cpu::operands<M, R>;
  const int n = f.shape.n;
  (
      [&] {
        using Tag = typename Need::tag;
        constexpr bool writes_all = traits_::structure.writes_each;
        // rows of the stream: one for each step, one for each token, or one
        constexpr bool by_step =
            Need::inner == width::factors || Need::inner == width::factors_key || (Need::time == ticks::write && traits_::writes > 1);
        const int rows = !Need::timed ? 1 : by_step ? count * traits_::micro : count;
        constexpr bool constant = !Need::timed;
        const auto over_steps = [&](int r, auto step) {  // all steps that read row r
          const int token = by_step ? r / traits_::micro : r, first = constant ? 0 : token, last = constant ? count : token + 1;
          const int begin = by_step && !constant ? r % traits_::micro : 0, end = by_step && !constant ? begin + 1 : traits_::micro;
          for (int i = first; i < last; ++i) {
            for (int l = begin; l < end; ++l) step(i, l);
          }
        };
        const auto to_row = [&](int r) {
          return d.template where<Need>(to + (by_step ? r / traits_::micro : r), by_step ? r % traits_::micro : 0);
        };
        if constexpr (Need::inner == width::value) {
          each2(rows, f.shape.d, [&](int r, int c) {
            R sum(0);
            over_steps(r, [&](int i, int l) {
              if (writes_all || l == traits_::micro - 1) sum += row(i, l).V[c];
            });
            to_row(r)[c] += sum;
          });
        } else if constexpr (Need::over == field::complex && std::is_same_v<Tag, stream::k>) {
          each2(rows, n, [&](int r, int c) {
            complex<R> sum;
            over_steps(r, [&](int i, int l) {
              if (!(writes_all || l == traits_::micro - 1)) return;
              const auto at = f.at(i, l, position + i);
              const row_gradient<R> g = row(i, l);
              R bc(1);
              if constexpr (!traits_::scale_is_scalar) {
                bc = R(B::scale(at, c));
              }
              sum += complex<R>{bc * g.K[c], bc * g.K[n + c]};
              if constexpr (O::before) {
                const R u = bc * R(M::evolution::bonus(at, c));
                sum += complex<R>{u * g.bonus[c], u * g.bonus[n + c]};
              }
            });
            to_row(r)[c] += sum;
          });
        } else if constexpr (Need::over == field::real && Need::inner != width::matrix) {
          if constexpr (!coefdyn::detail::is_scalar_at<Need>) {
            each2(rows, Need::inner == width::pairs ? n / 2 : n, [&](int r, int c) {
              R sum(0);
              over_steps(r, [&](int i, int l) {
                sum += channel_gradient<M, R>(f.template lifted<Tag, seed::every>(i, l, position + i, 0), n, l, c, row(i, l));
              });
              to_row(r)[c] += sum;
            });
          } else {
            each_sum(
                rows, n,
                [&](int r, int c) {
                  R sum(0);
                  over_steps(r, [&](int i, int l) {
                    const auto at = f.template lifted<Tag, seed::every>(i, l, position + i, 0);
                    const row_gradient<R> g = row(i, l);
                    sum += channel_gradient<M, R>(at, n, l, c, g);
                    if (c == 0) sum += number_gradient<M, R>(at, n, l, g);
                  });
                  return sum;
                },
                [&](int r, R sum) { *to_row(r) += sum; });
          }
        }
      }(),
      ...);
}
template <class M, class R, class... Need, class Row>
__device__ __noinline__ void raise(const frame<M, R, list<Need...>>& f, int count, idx position, const frame<M, R, list<Need...>>& d,
                                   idx to, Row row) {
  raise_streams<M, R>(f, count, position, d, to, row, list<Need...>{});
}

/// Gradients of lowered queries (row r of token i at dQ + r(i) * stride) to the reader's frame: q real or complex ([Re; -Im]).
template <class M, class R, class... Need, class At>
__device__ void raise_queries(int count, const frame<M, R, list<Need...>>& d, idx to, At at) {
  (
      [&] {
        if constexpr (std::is_same_v<typename Need::tag, stream::q>) {
          const int n = d.shape.n;
          each2(count, n, [&](int i, int c) {
            const R* dq = at(i);
            auto& p = d.template where<Need>(to + i, 0)[c];
            if constexpr (Need::over == field::complex) {
              p += element_of<Need, R>{dq[c], -dq[n + c]};
            } else {
              p += dq[c];
            }
          });
        }
      }(),
      ...);
}

template <class M, class R, class Frame, class Y, class Maximum, class... Need>
__device__ void raise_eta(const Frame& f, int count, idx position, Y numerator, Maximum maximum, const R* df, const Frame& d, idx to,
                          list<Need...>) {
  (
      [&] {
        static_assert(Need::inner == width::scalar,
                      "coefdyn: a normalization's streams hold one number per head; a vector stream is not offered there.");
        const auto gradient = [&](int i) {
          const R sum = traits<M>::needs_sum ? numerator(i)[f.shape.d] : R(0);
          const auto at = f.template lifted<typename Need::tag, seed::every>(i, 0, position + i, 0);
          return passed(df[i], dual<R>(inverse_eta<typename M::normalization>(dual<R>(sum), dual<R>(R(maximum(i))), at)).d);
        };
        if constexpr (Need::timed) {
          each(count, [&](int i) { *d.template where<Need>(to + i, 0) += gradient(i); });
        } else {
          each_sum(1, count, [&](int, int i) { return gradient(i); }, [&](int, R sum) { *d.template where<Need>(0, 0) += sum; });
        }
      }(),
      ...);
}

/// The last step of reads backward. From a token's numerators Y (d, and its sum at d) and dy: dY in its place in `dY`, and the
/// gradients of the normalization's own streams. `df`: a number for each token.
template <class M, class R, class Frame, class DY, class Y, class Out, class Maximum>
__device__ void finish_rows_backward(const Frame& f, int count, idx position, Y numerator, Maximum maximum, const DY& dy, idx batch, idx t,
                                     int reader, Out dY, R* df, const Frame& d, idx to) {
  using Eta = typename M::normalization;
  const int width = f.shape.d;
  each_sum(
      count, width,
      [&](int i, int v) {
        const R* y = numerator(i);
        const R sum = traits<M>::needs_sum ? y[width] : R(0);
        const R g = cpu::converted<R>(dy(batch, t + i, reader, v)), factor = inverse_eta<Eta>(sum, R(maximum(i)), f.at(i, 0, position + i));
        const bool empty = empty_row<M>(sum, factor);
        dY(i)[v] = empty ? R(0) : factor * g;
        return empty ? R(0) : g * y[v];
      },
      [&](int i, R total) {
        df[i] = total;
        if constexpr (traits<M>::needs_sum) {
          const R sum = numerator(i)[width], factor = inverse_eta<Eta>(sum, R(maximum(i)), f.at(i, 0, position + i));
          dY(i)[width] = empty_row<M>(sum, factor)
                             ? R(0)
                             : inverse_slope<Eta>(sum, R(maximum(i)), f.template lifted<void, seed::none>(i, 0, position + i, 0), total);
        }
      });
  raise_eta<M, R>(f, count, position, numerator, maximum, df, d, to, coefdyn::detail::streams_t<Eta>{});
}

}  // namespace coefdyn::cuda::generic
