// SPDX-License-Identifier: MIT
#pragma once
#include "lower.hpp"

/// The adjoint of the lowering: gradients of operands become gradients of streams, one dual pass per stream (operand functions
/// are local to a channel), and leave a frame for the caller's tensors.
namespace coefdyn::cpu {

/// dL = Re(p' dx) as a lowered gradient: [Re p; -Im p].
template <class R, class E>
COEFDYN_HD void add_lowered(R* out, int n, int c, const E& p) {
  if constexpr (is_complex<E>) {
    out[c] += p.re;
    out[n + c] -= p.im;
  } else {
    out[c] += p;
  }
}
/// Gradients of a head's operands at one timeline row, whatever form computed them (not turned).
template <class R>
struct row_gradient {
  const R *K, *row, *col;  // (n lowered)
  const R* V;              // (e)
  const R* g;              // (1 or n)
  const R* angle;          // (n lowered / 2)
  R s, b;
  const R* bonus;  // (n lowered), of diag(u) k b_c
};

/// Adds to row `to` of the gradient frame `d` what micro-step l of token i of `f` contributes. `o_b`, `shift`: b and
/// e^(m_{t-1} - m_t) as lowered.
template <class M, class R, class Frame>
COEFDYN_HD void raise_row(const Frame& f, idx i, int l, idx position, const row_gradient<R>& g, R o_b, R shift, Frame& d, idx to) {
  raise_row_streams<M>(f, i, l, position, g, o_b, shift, d, to, typename Frame::needs{});
}

template <class Need, class Frame, class R>
COEFDYN_HD void put(Frame& d, idx i, int l, int element, R value) {
  auto* p = d.template where<Need>(i, l);
  if constexpr (Need::over == field::complex) (element % 2 ? p[element / 2].im : p[element / 2].re) += value;
  else p[element] += value;
}

template <class M, class R, class Frame, class... Need>
COEFDYN_HD void raise_row_streams(const Frame& f, idx i, int l, idx position, const row_gradient<R>& g, R o_b, R shift, Frame& d, idx to,
                                  list<Need...>) {
  using A = typename M::evolution;
  using B = typename M::scaling;
  using T = traits<M>;
  using O = operands<M, R>;
  const int n = f.shape.n;
  const bool writes = T::structure.writes_each || l == T::micro - 1;
  (
      [&] {
        using Tag = typename Need::tag;
        if constexpr (Need::inner == width::value) {
          auto* p = d.template where<Need>(to, l);
          if (writes) by_channel(f.shape.d, p, [&](int c) { return p[c] + g.V[c]; });
        } else if constexpr (Need::over == field::complex && std::is_same_v<Tag, stream::k>) {
          if (writes) {
            auto* p = d.template where<Need>(to, l);
            const auto at = f.at(i, l, position);
            for (int c = 0; c < n; ++c) {
              R bc = R(1);
              if constexpr (!T::scale_is_scalar) bc = R(B::scale(at, c));
              p[c].re += bc * g.K[c];
              p[c].im += bc * g.K[n + c];
              if constexpr (O::before) {
                const R u = R(A::bonus(at, c));
                p[c].re += bc * u * g.bonus[c];
                p[c].im += bc * u * g.bonus[n + c];
              }
            }
          }
        } else if constexpr (Need::over == field::real && Need::inner != width::matrix) {
          constexpr bool per_channel = !coefdyn::detail::is_scalar_at<Need>;
          using Seed = seed::every;
          const auto at = f.template lifted<Tag, Seed>(i, l, position, 0);
          using D = dual<R>;
          R whole(0);  // gradient of a stream that holds one number
          auto* p = d.template where<Need>(to, l);
          const auto each = [&](int count, auto value) {  // value(c): what channel c gives
            [[maybe_unused]] const int held = Need::inner == width::pairs ? n / 2 : n;
            if constexpr (per_channel) by_channel(count < held ? count : held, p, [&](int c) { return p[c] + value(c); });
            else whole += sum_over<R>(count, value);
          };
          if constexpr (O::gated)
            if (l == 0)
              each(O::channel ? n : 1, [&](int c) {
                R total = g.g[c];
                if constexpr (T::complex_state && O::channel) total += g.g[n + c];
                return passed(total, D(log_decay_of<A>(at, c)).d);
              });
          if constexpr (O::turns)
            if (l == 0) each(T::complex_state ? n : n / 2, [&](int c) { return passed(g.angle[c], D(A::angle(at, c)).d); });
          if constexpr (O::corrects) {
            R factor = g.s;
            if constexpr (T::stabilised && T::structure.row_sees == sees::undecayed)
              if (l == 0) factor = factor * shift;
            if constexpr (!per_channel) whole += passed(factor, D(A::strength(at)).d);
            each(n, [&](int c) {
              R t = passed(g.row[c], D(A::row(at, c)).d);
              if constexpr (!O::tied) t += passed(g.col[c], D(column_of<A>(at, c)).d);
              return t;
            });
          }
          if (writes || O::tied) {
            if constexpr (T::exponential && !per_channel) whole += passed(g.b * o_b, D(B::log_scale(at)).d);
            if constexpr (T::scale_is_scalar && !per_channel) {
              const D scale = B::scale(at);
              if constexpr (T::exponential) whole += scale.v == R(0) ? R(0) : passed(g.b * o_b / scale.v, scale.d);
              else whole += passed(g.b, scale.d);
            }
            each(n, [&](int c) {
              const auto k = at.k[c];
              if constexpr (is_complex<std::remove_cvref_t<decltype(k)>>) {
                R t(0);
                if constexpr (!T::scale_is_scalar) {
                  const D bc = B::scale(at, c);
                  t = passed(g.K[c] * k.re.v + g.K[n + c] * k.im.v, bc.d);
                  if constexpr (O::before) t += passed(g.bonus[c] * k.re.v + g.bonus[n + c] * k.im.v, (D(A::bonus(at, c)) * bc).d);
                } else if constexpr (O::before) {
                  t = passed(g.bonus[c] * k.re.v + g.bonus[n + c] * k.im.v, D(A::bonus(at, c)).d);
                }
                return t;
              } else {
                D kc = k;
                if constexpr (!T::scale_is_scalar) kc = kc * D(B::scale(at, c));
                R t = passed(g.K[c], kc.d);
                if constexpr (O::before)
                  if (l == T::micro - 1) t += passed(g.bonus[c], (D(A::bonus(at, c)) * kc).d);
                return t;
              }
            });
          }
          if constexpr (!per_channel) p[0] += whole;
        }
      }(),
      ...);
}

/// Gradient of a lowered query to the reader's frame: q real or complex ([Re; -Im]).
template <class M, class R, class Frame>
COEFDYN_HD void raise_query(idx i, const R* dQ, Frame& d) {
  raise_query_streams<M>(i, dQ, d, typename Frame::needs{});
}
template <class M, class R, class Frame, class... Need>
COEFDYN_HD void raise_query_streams(idx i, const R* dQ, Frame& d, list<Need...>) {
  (
      [&] {
        if constexpr (std::is_same_v<typename Need::tag, stream::q>) {
          auto* p = d.template where<Need>(i, 0);
          if constexpr (Need::over == field::complex)
            for (int c = 0; c < d.shape.n; ++c) {
              p[c].re += dQ[c];
              p[c].im -= dQ[d.shape.n + c];
            }
          else by_channel(d.shape.n, p, [&](int c) { return p[c] + dQ[c]; });
        }
      }(),
      ...);
}
/// Gradient of the normalization's own streams: df is that of the factor on the read.
template <class M, class R, class Frame>
COEFDYN_HD void raise_eta(const Frame& f, idx i, idx position, R sum, R m, R df, Frame& d, idx to) {
  raise_eta_streams<M>(f, i, position, sum, m, df, d, to, coefdyn::detail::streams_t<typename M::normalization>{});
}
template <class M, class R, class Frame, class... Need>
COEFDYN_HD void raise_eta_streams([[maybe_unused]] const Frame& f, [[maybe_unused]] idx i, [[maybe_unused]] idx position,
                                  [[maybe_unused]] R sum, [[maybe_unused]] R m, [[maybe_unused]] R df, [[maybe_unused]] Frame& d,
                                  [[maybe_unused]] idx to, list<Need...>) {
  (
      [&] {
        static_assert(Need::inner == width::scalar,
                      "coefdyn: a normalization's streams hold one number per head; a vector stream is not offered there.");
        const auto at = f.template lifted<typename Need::tag, seed::every>(i, 0, position, 0);
        put<Need>(d, to, 0, 0, passed(df, dual<R>(inverse_eta<typename M::normalization>(dual<R>(sum), dual<R>(m), at)).d));
      }(),
      ...);
}

/// Whether the gradient needs the reads themselves: for the sum, or for streams of the normalization.
template <class M>
constexpr bool eta_sees_reads = traits<M>::needs_sum || !std::is_same_v<coefdyn::detail::streams_t<typename M::normalization>, list<>>;

/// Backward of finish_row: dnumerator (d, and the sum's at d), and df for the normalization's own streams.
template <class M, class R, class Frame, class DY>
COEFDYN_HD R finish_row_backward(const Frame& f, int i, idx position, const R* numerator, R sum, R m, const DY& dy, idx batch, idx t,
                                 int reader, R* dnumerator) {
  using Eta = typename M::normalization;
  const auto at = f.at(i, 0, position);
  const R factor = inverse_eta<Eta>(sum, m, at);
  convert(at.d, dy.data + batch * dy.strides[0] + t * dy.strides[1] + reader * dy.strides[2], dy.strides[3], dnumerator, idx(1));
  if (empty_row<M>(sum, factor)) {
    clear(dnumerator, at.d + 1);
    return R(0);
  }
  const R df = sum_over<R>(at.d, [&](int v) { return dnumerator[v] * numerator[v]; });
  by_channel(at.d, dnumerator, [&](int v) { return factor * dnumerator[v]; });
  if constexpr (traits<M>::needs_sum)
    dnumerator[at.d] = inverse_slope<Eta>(sum, m, f.template lifted<void, seed::none>(i, 0, position, 0), df);
  return df;
}
/// dL = Re(p' dx) as a lowered gradient: [Re p; -Im p].
template <class R, class E>
COEFDYN_HD void add_lowered(R* out, int n, int c, const E& p) {
  if constexpr (is_complex<E>) {
    out[c] += p.re;
    out[n + c] -= p.im;
  } else {
    out[c] += p;
  }
}
/// The lowered gradients of one row.
template <class M, class R>
row_gradient<R> gradient_of(const operands<M, R>& d, int i, int l) {
  using O = operands<M, R>;
  const idx r = idx(i) * O::micro + l;
  return {d.K + r * d.n,
          O::corrects ? d.row + r * d.n : nullptr,
          O::corrects && !O::tied ? d.col + r * d.n : nullptr,
          d.V + r * d.e,
          O::has_gates ? d.g + r * d.gate_width() : nullptr,
          O::turns ? d.co + r * (d.n / 2) : nullptr,
          O::corrects ? d.s[r] : R(0),
          d.b[r],
          O::before ? d.bonus + idx(i) * d.n : nullptr};
}

/// What operands' gradients d give the streams of a frame's tokens, the first of them at `position` and in row `to` of `grads`.
template <class M, class R, class Frame>
void raise_tokens(target t, const Frame& f, idx position, const operands<M, R>& o, const operands<M, R>& d, Frame& grads, idx to) {
  using T = traits<M>;
  run_on(t, [&] {
    for (int i = 0; i < o.tokens; ++i)
      for (int l = 0; l < T::micro; ++l)
        raise_row<M>(f, i, l, position + i, gradient_of(d, i, l), o.b[i * T::micro + l], T::stabilised ? o.shift[i] : R(1), grads, to + i);
  });
}

// ---- frames of gradients to the caller's tensors ------------------------------------------------------------------------
/// dx = psi'(x)' dy; `y` is scratch of n.
template <class Psi, class R>
COEFDYN_HD void feature_backward(const R* x, const R* dy, R* dx, R* y, int n) {
  if constexpr (maps_channels<Psi>) {
    by_channel(n, dx, [&](int c) { return along(dy[c], Psi::apply(dual<R>(x[c], R(1))).d); });
  } else if constexpr (requires { Psi::pull_back(x, x, dy, dx, n); }) {
    Psi::apply(x, y, n);
    Psi::pull_back(x, static_cast<const R*>(y), dy, dx, n);
  } else {
    static_assert(
        requires { Psi::pull_back(x, x, dy, dx, n); },
        "coefdyn: a feature map of whole vectors needs pull_back(x, y, dy, dx, n) for gradients.");
  }
}
/// Which streams of a frame leave at once: those with a row in time, those without, and of the timed ones those of a head that
/// several states share, which wait for the last of them.
struct leaving {
  bool timed = true, constants = false, shared = true;
  bool first = false;  // nothing lies there yet: rows that arrive once are written, not added
};
template <class Need>
constexpr bool is_shared = Need::heads == owner::key || Need::heads == owner::query;
/// Streams of which every row gets its gradient in one piece, as far as the caller's axes do not repeat.
template <class Need>
constexpr bool arrives_once = Need::timed && Need::headed;

/// Adds rows of a gradient frame to the caller's gradients. `raw`: 3 n numbers of scratch for the feature map's adjoint.
template <class M, class R, class X, class G, class... Need>
void scatter(const X& x, const G& g, const extents& e, const sequence& s, const head_index& h, idx t, idx tokens, leaving which,
             const frame<M, R, list<Need...>>& d, R* raw) {
  (
      [&] {
        if (Need::timed ? !which.timed || (is_shared<Need> && !which.shared) : !which.constants) return;
        const auto& v = g.template of<Need>();
        if (!v.data) return;
        using E = element_of<Need, R>;
        using Stored = std::remove_cvref_t<decltype(*v.data)>;
        const auto& b = d.template of<Need>();
        idx size[2] = {};
        inner_extents<Need>(e.n, e.d, d.micro, size);
        const int head = head_of<Need>(h, e);
        const idx first = first_row<Need>(s, e, t, d.writes);
        for (idx r = 0; r < d.template rows<Need>(tokens); ++r) {
          idx inner[2];
          auto* p = row_pointer<Need>(v, s.batch, first + r, head, inner);
          const E* from = b.p + r * b.stride;
          if constexpr (Need::timed)
            if (r + rows_ahead < d.template rows<Need>(tokens)) fetch<true>(p + rows_ahead * v.strides[1], size[0]);
          if constexpr (traits<M>::has_feature && is_featured<Need> && std::is_same_v<E, R>) {
            idx in[2];
            const auto* q = row_pointer<Need>(x.template of<Need>(), s.batch, first + r, head, in);
            for (int c = 0; c < e.n; ++c) raw[c] = converted<R>(q[c * in[0]]);
            feature_backward<typename M::feature_map>(raw, from, raw + e.n, raw + 2 * e.n, e.n);
            from = raw + e.n;
          }
          const int outer = Need::inner_rank == 2 ? static_cast<int>(size[0]) : 1,
                    count = static_cast<int>(Need::inner_rank == 2 ? size[1] : size[0]);
          const idx stride = Need::inner_rank == 2 ? inner[1] : inner[0];
          for (int i = 0; i < outer; ++i) {
            auto* out = p + i * inner[0];
            const E* add = from + idx(i) * count;
            if (which.first && arrives_once<Need>)
              for (int c = 0; c < count; ++c) out[c * stride] = converted<Stored>(E{} + add[c]);
            else if (stride == 1) by_channel(count, out, [&](int c) { return converted<Stored>(converted<E>(out[c]) + add[c]); });
            else
              for (int c = 0; c < count; ++c) out[c * stride] = converted<Stored>(converted<E>(out[c * stride]) + add[c]);
          }
        }
      }(),
      ...);
}
/// Gradients start from zero unless the caller accumulates; `written_later`: but for those that arrive once.
template <class X, class G, class... Need>
void clear_gradients(const G& g, bool written_later, list<Need...>) {
  if (g.accumulate) return;
  (
      [&] {
        const auto& v = g.template of<Need>();
        if (!v.data || (written_later && arrives_once<Need>)) return;
        constexpr int rank = Need::rank;
        idx at[5] = {};
        if (v.size() == 0) return;
        bool by_row = false;
        idx count = 1;
        if constexpr (rank > 0)
          if (v.strides[rank - 1] == 1) by_row = true, count = v.extents[rank - 1];
        for (;;) {
          idx offset = 0;
          for (int a = 0; a < rank; ++a) offset += at[a] * v.strides[a];
          cpu::clear(v.data + offset, count);
          int a = by_row ? rank - 2 : rank - 1;
          for (; a >= 0; --a) {
            if (++at[a] < v.extents[a]) break;
            at[a] = 0;
          }
          if (a < 0) break;
        }
      }(),
      ...);
}

}  // namespace coefdyn::cpu
