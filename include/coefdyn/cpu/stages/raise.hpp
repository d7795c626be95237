// SPDX-License-Identifier: MIT
#pragma once
#include "head.hpp"
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

template <class N, class Frame, class R>
COEFDYN_HD void put(Frame& d, idx i, int l, int element, R value) {
  auto* p = d.template where<N>(i, l);
  if constexpr (N::over == field::complex) (element % 2 ? p[element / 2].im : p[element / 2].re) += value;
  else p[element] += value;
}

/// What each operand of a micro-step gives to the stream that `at` seeds: by channel c, or of its numbers.
template <class M, class R, class At>
struct seeded_step {
  using A = typename M::evolution;
  using B = typename M::scaling;
  using traits_ = traits<M>;
  using O = operands<M, R>;
  using D = dual<R>;
  const At& at;
  int n, l;  // channels of the caller's; the micro-step's number
  const row_gradient<R>& g;
  R b, shift;  // as lowered; shift: e^(m_{t-1} - m_t)

  COEFDYN_HD R by_decay(int c) const {
    R total = g.g[c];
    if constexpr (traits_::complex_state && O::channel) total += g.g[n + c];
    return passed(total, D(log_decay_of<A>(at, c)).d);
  }
  COEFDYN_HD R by_angle(int c) const { return passed(g.angle[c], D(A::angle(at, c)).d); }
  COEFDYN_HD R by_strength() const {
    R factor = g.s;
    if constexpr (traits_::stabilised && traits_::structure.row_sees == sees::undecayed)
      if (l == 0) factor = factor * shift;
    return passed(factor, D(A::strength(at)).d);
  }
  COEFDYN_HD R by_correction(int c) const {
    R total = passed(g.row[c], D(A::row(at, c)).d);
    if constexpr (!O::tied) total += passed(g.col[c], D(column_of<A>(at, c)).d);
    return total;
  }
  COEFDYN_HD R by_scale() const {
    const D scale = B::scale(at);
    if constexpr (traits_::exponential) return scale.v == R(0) ? R(0) : passed(g.b * b / scale.v, scale.d);
    else return passed(g.b, scale.d);
  }
  COEFDYN_HD R by_log_scale() const { return passed(g.b * b, D(B::log_scale(at)).d); }
  /// By K_c = b_c k_c, whose gradient is dK where it is real, and by the bonus diag(u) K.
  COEFDYN_HD R by_key(int c, R dK) const {
    const auto k = at.k[c];
    if constexpr (is_complex<std::remove_cvref_t<decltype(k)>>) {
      R total(0);
      if constexpr (!traits_::scale_is_scalar) {
        const D bc = B::scale(at, c);
        total = passed(g.K[c] * k.re.v + g.K[n + c] * k.im.v, bc.d);
        if constexpr (O::before) total += passed(g.bonus[c] * k.re.v + g.bonus[n + c] * k.im.v, (D(A::bonus(at, c)) * bc).d);
      } else if constexpr (O::before) {
        total = passed(g.bonus[c] * k.re.v + g.bonus[n + c] * k.im.v, D(A::bonus(at, c)).d);
      }
      return total;
    } else {
      D kc = k;
      if constexpr (!traits_::scale_is_scalar) kc = kc * D(B::scale(at, c));
      R total = passed(dK, kc.d);
      if constexpr (O::before)
        if (l == traits_::micro - 1) total += passed(g.bonus[c], (D(A::bonus(at, c)) * kc).d);
      return total;
    }
  }
};

/// One micro-step on its way from gradients of operands to gradients of streams, one stream at a time.
template <class M, class R, class Frame>
struct raised_row {
  using A = typename M::evolution;
  using B = typename M::scaling;
  using traits_ = traits<M>;
  using O = operands<M, R>;
  const Frame& f;  // micro-step l of token i
  idx i;
  int l;
  idx position;
  const row_gradient<R>& g;
  R b, shift;  // as lowered; shift: e^(m_{t-1} - m_t)
  Frame& d;    // gradients, in row `to`
  idx to;

  template <class N>
  COEFDYN_HD void stream() const {
    if constexpr (N::inner == width::value) value<N>();
    else if constexpr (N::over == field::complex && std::is_same_v<typename N::tag, coefdyn::stream::k>) complex_key<N>();
    else if constexpr (N::over == field::real && N::inner != width::matrix) real_numbers<N>();
  }

 private:
  template <class N>
  COEFDYN_HD void value() const {
    auto* p = d.template where<N>(to, l);
    if (traits_::writes_at(l)) by_channel(f.shape.d, p, [&](int c) { return p[c] + g.V[c]; });
  }
  template <class N>
  COEFDYN_HD void complex_key() const {
    if (!traits_::writes_at(l)) return;
    const int n = f.shape.n;
    auto* p = d.template where<N>(to, l);
    const auto at = f.at(i, l, position);
    for (int c = 0; c < n; ++c) {
      R bc = R(1);
      if constexpr (!traits_::scale_is_scalar) bc = R(B::scale(at, c));
      p[c].re += bc * g.K[c];
      p[c].im += bc * g.K[n + c];
      if constexpr (O::before) {
        const R u = R(A::bonus(at, c));
        p[c].re += bc * u * g.bonus[c];
        p[c].im += bc * u * g.bonus[n + c];
      }
    }
  }
  /// A stream of real numbers, seeded: one dual pass gives what each operand owes to it.
  template <class N>
  COEFDYN_HD void real_numbers() const {
    constexpr bool per_channel = !coefdyn::detail::is_scalar_at<N>;
    const int n = f.shape.n;
    const auto at = f.template lifted<typename N::tag, seed::every>(i, l, position, 0);
    const seeded_step<M, R, decltype(at)> step{.at = at, .n = n, .l = l, .g = g, .b = b, .shift = shift};
    R whole(0);  // gradient of a stream that holds one number
    auto* p = d.template where<N>(to, l);
    const auto each = [&](int count, auto given) {  // given(c): by channel c
      [[maybe_unused]] const int held = N::inner == width::pairs ? n / 2 : n;
      if constexpr (per_channel) by_channel(count < held ? count : held, p, [&](int c) { return p[c] + given(c); });
      else whole += sum_over<R>(count, given);
    };
    if constexpr (O::evolution_decays)
      if (l == 0) each(O::channel ? n : 1, [&](int c) { return step.by_decay(c); });
    if constexpr (O::turns)
      if (l == 0) each(traits_::complex_state ? n : n / 2, [&](int c) { return step.by_angle(c); });
    if constexpr (O::corrects) {
      if constexpr (!per_channel) whole += step.by_strength();
      each(n, [&](int c) { return step.by_correction(c); });
    }
    if (traits_::writes_at(l) || O::tied) {
      if constexpr (traits_::exponential && !per_channel) whole += step.by_log_scale();
      if constexpr (traits_::scale_is_scalar && !per_channel) whole += step.by_scale();
      each(n, [&](int c) { return step.by_key(c, g.K[c]); });
    }
    if constexpr (!per_channel) p[0] += whole;
  }
};

/// Adds the stream gradients of micro-step `l` of token `i` to row `to` of `d`. `o_b`: b after lowering; `shift`: e^(m_{t-1} - m_t).
template <class M, class R, class Frame>
COEFDYN_HD void raise_row(const Frame& f, idx i, int l, idx position, const row_gradient<R>& g, R o_b, R shift, Frame& d, idx to) {
  const raised_row<M, R, Frame> row{.f = f, .i = i, .l = l, .position = position, .g = g, .b = o_b, .shift = shift, .d = d, .to = to};
  for_each_need(typename Frame::needs{}, [&]<class N>(N) { row.template stream<N>(); });
}

/// Gradient of a lowered query to the reader's frame: q real or complex ([Re; -Im]).
template <class M, class R, class Frame>
COEFDYN_HD void raise_query(idx i, const R* dQ, Frame& d) {
  for_each_need(typename Frame::needs{}, [&]<class N>(N) {
    if constexpr (std::is_same_v<typename N::tag, stream::q>) {
      auto* p = d.template where<N>(i, 0);
      if constexpr (N::over == field::complex)
        for (int c = 0; c < d.shape.n; ++c) {
          p[c].re += dQ[c];
          p[c].im -= dQ[d.shape.n + c];
        }
      else by_channel(d.shape.n, p, [&](int c) { return p[c] + dQ[c]; });
    }
  });
}
/// Whether the gradient needs the reads themselves: for the sum, or for streams of the normalization.
template <class M>
constexpr bool eta_sees_reads = traits<M>::needs_sum || !std::is_same_v<coefdyn::detail::streams_t<typename M::normalization>, list<>>;

/// Gradients of the normalization's own streams, added to row `to` of `d`, from that of the factor 1 / eta of the read of row i of `f`.
template <class M, class R, class Frame>
COEFDYN_HD void factor_backward(const Frame& f, int i, idx position, R sum, R m, [[maybe_unused]] R dfactor, [[maybe_unused]] Frame& d,
                                [[maybe_unused]] idx to) {
  using Eta = typename M::normalization;
  for_each_need(coefdyn::detail::streams_t<Eta>{}, [&]<class N>(N) {
    static_assert(N::inner == width::scalar,
                  "coefdyn: a normalization's streams hold one number per head; a vector stream is not offered there.");
    const auto seeded = f.template lifted<typename N::tag, seed::every>(i, 0, position, 0);
    put<N>(d, to, 0, 0, passed(dfactor, dual<R>(inverse_eta<Eta>(dual<R>(sum), dual<R>(m), seeded)).d));
  });
}
/// Backward of finish_row for the read of row i of `f` at `position`: dnumerator (d, and the sum's at d) is overwritten, gradients of the
/// normalization's own streams are added to row `to` of `d`.
template <class M, class R, class Frame, class DY>
COEFDYN_HD void finish_row_backward(const Frame& f, int i, idx position, const R* numerator, R m, const DY& dy, const output_row& row,
                                    R* dnumerator, [[maybe_unused]] Frame& d, [[maybe_unused]] idx to) {
  using Eta = typename M::normalization;
  const auto at = f.at(i, 0, position);
  const R sum = sum_of<M>(numerator, at.d), factor = inverse_eta<Eta>(sum, m, at);
  R dfactor(0);
  convert(at.d, row.in(dy), dy.strides[3], dnumerator, idx(1));
  if (empty_row<M>(sum, factor)) {
    clear(dnumerator, at.d + 1);
  } else {
    dfactor = sum_over<R>(at.d, [&](int v) { return dnumerator[v] * numerator[v]; });
    by_channel(at.d, dnumerator, [&](int v) { return factor * dnumerator[v]; });
    if constexpr (traits<M>::needs_sum)
      dnumerator[at.d] = inverse_slope<Eta>(sum, m, f.template lifted<void, seed::none>(i, 0, position, 0), dfactor);
  }
  factor_backward<M>(f, i, position, sum, m, dfactor, d, to);
}

/// The lowered gradients of one row.
template <skeleton Kind, class R>
row_gradient<R> gradient_of(const skeletons::operands<Kind, R>& d, int i, int l) {
  using O = skeletons::operands<Kind, R>;
  const idx r = idx(i) * O::micro + l;
  return {.K = d.K + r * d.n,
          .row = O::corrects ? d.row + r * d.n : nullptr,
          .col = O::corrects && !O::tied ? d.col + r * d.n : nullptr,
          .V = d.V + r * d.e,
          .g = O::has_decays ? d.g + r * d.decay_width() : nullptr,
          .angle = O::turns ? d.co + r * (d.n / 2) : nullptr,
          .s = O::corrects ? d.s[r] : R(0),
          .b = d.b[r],
          .bonus = O::before ? d.bonus + idx(i) * d.n : nullptr};
}

/// What operands' gradients d give the streams of a frame's tokens, the first of them at `position` and in row `to` of `grads`.
template <class M, class R, class Frame>
void raise_tokens(target t, const Frame& f, idx position, const operands<M, R>& o, const operands<M, R>& d, Frame& grads, idx to) {
  using traits_ = traits<M>;
  run_on(t, [&] {
    for (int i = 0; i < o.tokens; ++i)
      for (int l = 0; l < traits_::micro; ++l)
        raise_row<M>(f, i, l, position + i, gradient_of(d, i, l), o.b[i * traits_::micro + l], traits_::stabilised ? o.shift[i] : R(1),
                     grads, to + i);
  });
}

}  // namespace coefdyn::cpu
