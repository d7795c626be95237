// SPDX-License-Identifier: MIT
#pragma once
#include "../../mixers/state_space.hpp"
#include "../discretise.hpp"
#include "../hippo.hpp"
#include "../layer.hpp"
#if (defined(COEFDYN_FOURIER) && COEFDYN_FOURIER) || (!defined(__CUDACC__) && __has_include(<unsupported/Eigen/FFT>))
#include "../../cpu/convolution.hpp"
#endif

/// Layers of complex state space models that do not depend on the token: LRU, whose channels share one state, and S4 and S4D, one for each
/// channel.
///
/// On the CPU S4 and S4D train by form::convolution where coefdyn::convolution is linked or Eigen's headers are there, which makes long
/// sequences (T = 1024 and more) possible; elsewhere, on a GPU and when they decode they go token by token.
namespace coefdyn::nn {

namespace detail {
// A parameter of the layers' calls, so that units with transforms and units without link into one program.
#if (defined(COEFDYN_FOURIER) && COEFDYN_FOURIER) || (!defined(__CUDACC__) && __has_include(<unsupported/Eigen/FFT>))
static constexpr bool has_transforms = true;
#else
static constexpr bool has_transforms = false;
#endif
template <class On>
constexpr bool is_cpu = false;
template <class Executor>
constexpr bool is_cpu<device::cpu<Executor>> = true;
/// The form in which a device runs a time-invariant mixer over whole sequences.
template <class On>
using whole_form = std::conditional_t<has_transforms && is_cpu<On>, form::convolution, form::automatic>;

struct exponential {
  template <class X>
  COEFDYN_HD X operator()(X x) const {
    return math::exp(x);
  }
};
struct minus_exponential {
  template <class X>
  COEFDYN_HD X operator()(X x) const {
    return -math::exp(x);
  }
};
struct scaled_by_exponential {
  template <class X>
  COEFDYN_HD X operator()(X x, X log_scale) const {
    return x * math::exp(log_scale);
  }
};
/// a - b + D u.
struct real_part_and_skip {
  template <class X>
  COEFDYN_HD X operator()(X a, X b, X u, X D) const {
    return a - b + D * u;
  }
};
struct and_skip {
  template <class X>
  COEFDYN_HD X operator()(X y, X u, X D) const {
    return y + D * u;
  }
};
template <class R>
struct interleaved {
  value<R> a, b, y;
  COEFDYN_HD void operator()(idx i, idx first, idx last) const {
    for (idx c = first; c < last; ++c) {
      y.data[i * y.stride + 2 * c] = a.data[i * a.stride + c];
      y.data[i * y.stride + 2 * c + 1] = b.data[i * b.stride + c];
    }
  }
};
template <class R>
struct interleaved_back {
  value<R> a, b, y;
  COEFDYN_HD void operator()(idx i, idx first, idx last) const {
    for (idx c = first; c < last; ++c) {
      a.gradient[i * a.stride + c] += y.gradient[i * y.stride + 2 * c];
      b.gradient[i * b.stride + c] += y.gradient[i * y.stride + 2 * c + 1];
    }
  }
};
/// Columns a_0 b_0 a_1 b_1 ..: complex numbers from their parts.
template <class R, class On>
value<R> interleave(tape<R, On>& t, const value<R>& a, const value<R>& b) {
  const value<R> y = t.make(a.batch, a.time, 2 * a.columns);
  t.elements(a.rows(), a.columns, interleaved<R>{a, b, y});
  t.record([=](tape<R, On>& back) { back.elements(a.rows(), a.columns, interleaved_back<R>{a, b, y}); });
  return y;
}
template <class R>
struct half_of_columns {
  value<R> x, y;
  idx first_column;
  COEFDYN_HD void operator()(idx i, idx first, idx last) const {
    for (idx c = first; c < last; ++c) y.data[i * y.stride + c] = x.data[i * x.stride + 2 * c + first_column];
  }
};
template <class R>
struct half_of_columns_back {
  half_of_columns<R> of;
  COEFDYN_HD void operator()(idx i, idx first, idx last) const {
    for (idx c = first; c < last; ++c) of.x.gradient[i * of.x.stride + 2 * c + of.first_column] += of.y.gradient[i * of.y.stride + c];
  }
};
/// Columns first, first + 2, ..
template <class R, class On>
value<R> every_second(tape<R, On>& t, const value<R>& x, idx first) {
  const value<R> y = t.make(x.batch, x.time, x.columns / 2);
  const half_of_columns<R> one{x, y, first};
  t.elements(y.rows(), y.columns, one);
  t.record([=](tape<R, On>& back) { back.elements(y.rows(), y.columns, half_of_columns_back<R>{one}); });
  return y;
}
/// The real or the imaginary part of 2 C (e^z - 1) / A, z = e^log_dt A, A = -e^log_A_real + i A_imag: what reads a mode under zero-order
/// hold.
template <bool Imaginary>
struct held_output {
  template <class X>
  COEFDYN_HD X operator()(X C_re, X C_im, X log_dt, X log_A_real, X A_imag) const {
    const X re = -math::exp(log_A_real), dt = math::exp(log_dt), half = math::sin(dt * A_imag / X(2));
    const complex<X> A(re, A_imag), C(C_re, C_im);
    const complex<X> held(math::expm1(dt * re) * math::cos(dt * A_imag) - X(2) * half * half, math::exp(dt * re) * math::sin(dt * A_imag));
    const complex<X> q = C * held * conj(A);
    return X(2) * (Imaginary ? q.im : q.re) / (re * re + A_imag * A_imag);
  }
};
struct minus_exponential_of_sum {
  template <class X>
  COEFDYN_HD X operator()(X a, X b) const {
    return -math::exp(a + b);
  }
};
/// 1 and 0 in turns: ones as complex numbers.
struct one_and_nothing {
  COEFDYN_HD double operator()(idx c) const { return c % 2 == 0 ? 1 : 0; }
};
/// The same numbers as one row for all.
template <class R>
value<R> as_one_row(value<R> x) {
  x.stride = 0;
  return x;
}
/// 1 and -i in turns.
struct one_and_minus_i {
  COEFDYN_HD double operator()(idx c) const { return c % 4 == 0 ? 1 : c % 4 == 3 ? -1 : 0; }
};
struct one_everywhere {
  COEFDYN_HD double operator()(idx) const { return 1; }
};
/// The sizes, or a refusal where there is no channel or no mode.
inline const sizes& checked_modes(const sizes& z, const char* name) {
  if (z.width < 1 || z.n < 1)
    throw invalid_input(name, "width and n of at least 1", std::to_string(z.width) + " and " + std::to_string(z.n));
  return without_dropped_weights(z);
}
/// y + D u, y by a mixer whose every channel is a state of z.n numbers.
template <class Form, class M, class R, class On>
value<R> mix_channels(tape<R, On>& t, const mixed_streams<M, R, field::complex>& streams, const sizes& z, const value<R>& u,
                      const parameter& D) {
  extents e;
  e.batch = e.sequences = u.batch, e.time = u.time;
  e.readers = e.queries = e.keys = e.states = int(z.width);
  e.n = z.n, e.d = 1;
  const value<R> y = mix<M, heads::grouped_queries, field::complex, Form>(t, streams, e);
  return map(t, and_skip{}, y, u, t.shared(D));
}
}  // namespace detail

/// Orvieto et al., arXiv:2303.06349, names of minimal-LRU: lambda = exp(-exp(nu_log) + i exp(theta_log)), h = lambda h + exp(gamma_log) B
/// u, o = Re(C h) + D u. The state is scanned once, channel by channel, as heads of the mixer s5 with n = d = 1 that read Re h and Im h;
/// then one product with C. gamma_log is a parameter of its own, tied to lambda at the start only. sizes::n is the number of modes.
class lru {
 public:
  using mixer_type = mixers::s5;

  lru(const scope& s, const sizes& z) : size(detail::checked_modes(z, "sizes of an LRU")) {
    const idx N = size.n, D = size.width;
    const auto ring = [](random_stream& r, std::span<double> x) {  // |lambda| in the ring of radii 0.9 to 0.99, uniform by area
      for (double& v : x) v = std::log(-0.5 * std::log(r.unit() * (0.99 * 0.99 - 0.9 * 0.9) + 0.9 * 0.9));
    };
    const auto phase = [](random_stream& r, std::span<double> x) {
      for (double& v : x) v = std::log(6.28 * (1 - r.unit()));
    };
    theta_log_ = s.vector("theta_log", N, phase), nu_log_ = s.vector("nu_log", N, ring);
    gamma_log_ = s.vector("gamma_log", N, start::constant(0));
    s.start_from_others("gamma_log", [name = s.path_of("nu_log")](std::span<double> x, const auto& other) {
      const auto nu = other(name);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.5 * std::log(-std::expm1(-2 * std::exp(nu[i])));
    });
    B_re_ = s.matrix("B_re", N, D, start::normal(std::sqrt(0.5 / double(D)))),
    B_im_ = s.matrix("B_im", N, D, start::normal(std::sqrt(0.5 / double(D))));
    C_re_ = s.matrix("C_re", D, N, start::normal(1 / std::sqrt(double(N)))),
    C_im_ = s.matrix("C_im", D, N, start::normal(1 / std::sqrt(double(N))));
    D_ = s.vector("D", D, start::normal(1));
  }
  template <class R, class On>
  value<R> operator()(tape<R, On>& t, const value<R>& u, across_layers<R>&) const {
    const idx N = size.n;
    const value<R> gamma = map(t, detail::exponential{}, t.shared(gamma_log_));
    mixed_streams<mixer_type, R, field::complex> streams;
    streams.of = {constants(t, 4 * N, detail::one_and_minus_i{}),  // head 2 j reads Re h_j, head 2 j + 1 Im h_j
                  detail::interleave(t, map(t, product_of{}, linear(t, u, B_re_), gamma), map(t, product_of{}, linear(t, u, B_im_), gamma)),
                  constants(t, N, detail::one_everywhere{}), map(t, detail::minus_exponential{}, t.shared(nu_log_)),
                  map(t, detail::exponential{}, t.shared(theta_log_))};
    extents e;
    e.batch = e.sequences = u.batch, e.time = u.time;
    e.readers = e.queries = int(2 * N), e.keys = e.states = int(N);
    e.n = e.d = 1;
    const value<R> h = mix<mixer_type, heads::grouped_queries, field::complex>(t, streams, e);
    const value<R> re = linear(t, detail::every_second(t, h, 0), C_re_), im = linear(t, detail::every_second(t, h, 1), C_im_);
    return map(t, detail::real_part_and_skip{}, re, im, u, t.shared(D_));
  }

  const sizes size;

 private:
  parameter theta_log_, nu_log_, gamma_log_, B_re_, B_im_, C_re_, C_im_, D_;
};

/// Gu et al., arXiv:2111.00396, names of annotated-s4: A = diag(min(Lambda_re, -1e-4) + i Lambda_im) - P P^*, discretised bilinearly with
/// step exp(log_step), one state of n modes for each channel; o = Re(C h) + D u. C is the plain output vector.
class s4 {
 public:
  using mixer_type = mixers::s4;

  s4(const scope& s, const sizes& z) : size(detail::checked_modes(z, "sizes of an S4")) {
    const idx D = z.width, N = z.n;
    const scope own = s.dynamics();
    p_.Lambda_re = own.matrix("Lambda_re", D, N, start::constant(-0.5), false);
    p_.Lambda_im =
        own.matrix("Lambda_im", D, N, from_hippo(N, N, [](const hippo_legs& h, std::size_t i) { return h.Lambda_im[i]; }), false);
    const auto part = [](const std::vector<complex<double>>& v, std::size_t i) { return i % 2 ? v[i / 2].im : v[i / 2].re; };
    p_.P = own.tensor("P", {D, N, 2}, from_hippo(N, 2 * N, [part](const hippo_legs& h, std::size_t i) { return part(h.P, i); }), true);
    p_.B = own.tensor("B", {D, N, 2}, from_hippo(N, 2 * N, [part](const hippo_legs& h, std::size_t i) { return part(h.B, i); }), true);
    C_ = s.tensor("C", {D, N, 2}, start::normal(std::sqrt(0.5)), true);
    D_ = s.vector("D", D, start::constant(1)), p_.log_step = own.vector("log_step", D, start::uniform(std::log(1e-3), std::log(1e-1)));
  }
  template <class R, class On, class Form = detail::whole_form<On>>
  value<R> operator()(tape<R, On>& t, const value<R>& u, across_layers<R>&) const {
    const auto [A, B] = discretise_dplr(t, p_, size.width, size.n);
    mixed_streams<mixer_type, R, field::complex> streams;
    streams.of = {t.shared(C_), B, u, A};
    return detail::mix_channels<Form>(t, streams, size, u, D_);
  }

  const sizes size;

 private:
  /// Every channel starts as HiPPO-LegS: number i of its `count` numbers is f(system, i).
  template <class F>
  static law from_hippo(idx modes, idx count, F f) {
    return [modes, count, f](random_stream&, std::span<double> x) {
      const hippo_legs h(modes);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = f(h, i % static_cast<std::size_t>(count));
    };
  }
  dplr_parameters p_;
  parameter C_, D_;
};

/// Gu et al., arXiv:2206.11893 (S4D-Lin), names of its published kernel: A = -exp(log_A_real) + i A_imag, diagonal, one state of n modes
/// for each channel, held over steps of exp(log_dt), B = 1; o = 2 Re(C h) + D u. n counts modes, half of each conjugate pair.
class s4d {
 public:
  using mixer_type = mixers::s4d;

  s4d(const scope& s, const sizes& z) : size(detail::checked_modes(z, "sizes of an S4D")) {
    const idx D = z.width, N = z.n;
    const scope own = s.dynamics();
    log_dt_ = own.vector("log_dt", D, start::uniform(std::log(1e-3), std::log(1e-1)));
    log_A_real_ = own.matrix("log_A_real", D, N, start::constant(std::log(0.5)), false);
    const auto frequencies = [N](random_stream&, std::span<double> x) {
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = 3.14159265358979323846 * double(idx(i) % N);
    };
    A_imag_ = own.matrix("A_imag", D, N, frequencies, false);
    C_ = s.tensor("C", {D, N, 2}, start::normal(std::sqrt(0.5)), true);
    D_ = s.vector("D", D, start::constant(1));
  }
  template <class R, class On, class Form = detail::whole_form<On>>
  value<R> operator()(tape<R, On>& t, const value<R>& u, across_layers<R>&) const {
    const value<R> C = t.shared(C_), log_dt = t.shared(log_dt_), log_A_real = t.shared(log_A_real_), A_imag = t.shared(A_imag_);
    const value<R> C_re = detail::as_one_row(detail::every_second(t, C, 0)), C_im = detail::as_one_row(detail::every_second(t, C, 1));
    mixed_streams<mixer_type, R, field::complex> streams;
    streams.of = {detail::as_one_row(detail::interleave(t, map(t, detail::held_output<false>{}, C_re, C_im, log_dt, log_A_real, A_imag),
                                                        map(t, detail::held_output<true>{}, C_re, C_im, log_dt, log_A_real, A_imag))),
                  constants(t, 2 * size.width * size.n, detail::one_and_nothing{}), u,
                  map(t, detail::minus_exponential_of_sum{}, log_A_real, log_dt), map(t, detail::scaled_by_exponential{}, A_imag, log_dt)};
    return detail::mix_channels<Form>(t, streams, size, u, D_);
  }

  const sizes size;

 private:
  parameter log_dt_, log_A_real_, A_imag_, C_, D_;
};

}  // namespace coefdyn::nn
