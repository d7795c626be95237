// SPDX-License-Identifier: MIT
#pragma once
#include "../../mixers/state_space.hpp"
#include "../discretise.hpp"
#include "../hippo.hpp"
#include "../layer.hpp"

/// Layers of complex state space models that do not depend on the token: LRU, whose channels share one state, and S4, one for each channel.
namespace coefdyn::nn {

namespace detail {
struct exponential {
  template <class X>
  X operator()(X x) const {
    return math::exp(x);
  }
};
struct minus_exponential {
  template <class X>
  X operator()(X x) const {
    return -math::exp(x);
  }
};
struct scaled_by_exponential {
  template <class X>
  X operator()(X x, X log_scale) const {
    return x * math::exp(log_scale);
  }
};
/// a - b + D u.
struct real_part_and_skip {
  template <class X>
  X operator()(X a, X b, X u, X D) const {
    return a - b + D * u;
  }
};
struct and_skip {
  template <class X>
  X operator()(X y, X u, X D) const {
    return y + D * u;
  }
};
/// Columns a_0 b_0 a_1 b_1 ..: complex numbers from their parts.
template <class R>
value<R> interleave(tape<R>& t, const value<R>& a, const value<R>& b) {
  const value<R> y = t.make(a.batch, a.time, 2 * a.columns);
  const auto both = [=](auto f) {
    return [=](idx begin, idx end) {
      for (idx i = begin; i < end; ++i)
        for (idx c = 0; c < a.columns; ++c) f(i * a.stride + c, i * b.stride + c, i * y.stride + 2 * c);
    };
  };
  t.by_rows(a.rows(), both([=](idx p, idx q, idx at) { y.data[at] = a.data[p], y.data[at + 1] = b.data[q]; }));
  t.record([=](tape<R>& back) {
    back.by_rows(a.rows(), both([=](idx p, idx q, idx at) { a.gradient[p] += y.gradient[at], b.gradient[q] += y.gradient[at + 1]; }));
  });
  return y;
}
/// Columns first, first + 2, ..
template <class R>
value<R> every_second(tape<R>& t, const value<R>& x, idx first) {
  const value<R> y = t.make(x.batch, x.time, x.columns / 2);
  t.by_rows(x.rows(), [&](idx begin, idx end) {
    for (idx i = begin; i < end; ++i)
      for (idx c = 0; c < y.columns; ++c) y.data[i * y.stride + c] = x.data[i * x.stride + 2 * c + first];
  });
  t.record([=](tape<R>& back) {
    back.by_rows(x.rows(), [&](idx begin, idx end) {
      for (idx i = begin; i < end; ++i)
        for (idx c = 0; c < y.columns; ++c) x.gradient[i * x.stride + 2 * c + first] += y.gradient[i * y.stride + c];
    });
  });
  return y;
}
}  // namespace detail

/// Orvieto et al., arXiv:2303.06349, names of minimal-LRU: lambda = exp(-exp(nu_log) + i exp(theta_log)), h = lambda h + exp(gamma_log) B
/// u, o = Re(C h) + D u. The state is scanned once, channel by channel, as heads of the mixer s5 with n = d = 1 that read Re h and Im h;
/// then one product with C. gamma_log is a parameter of its own, tied to lambda at the start only. sizes::n is the number of modes.
class lru {
 public:
  using mixer_type = mixers::s5;

  lru(const scope& s, const sizes& z) : size(checked(z)) {
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
  template <class R>
  value<R> operator()(tape<R>& t, const value<R>& u, across_layers<R>&) const {
    const idx N = size.n;
    const value<R> gamma = t.shared(gamma_log_);
    mixed_streams<mixer_type, R, field::complex> streams;
    streams.of = {readers(t),
                  detail::interleave(t, map(t, detail::scaled_by_exponential{}, linear(t, u, B_re_), gamma),
                                     map(t, detail::scaled_by_exponential{}, linear(t, u, B_im_), gamma)),
                  ones(t), map(t, detail::minus_exponential{}, t.shared(nu_log_)), map(t, detail::exponential{}, t.shared(theta_log_))};
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
  static sizes checked(const sizes& z) {
    if (z.width < 1 || z.n < 1)
      throw invalid_input("sizes of an LRU", "width and n of at least 1", std::to_string(z.width) + " and " + std::to_string(z.n));
    return z;
  }
  /// q: 1 and -i in turns, so that head 2 j reads Re h_j and head 2 j + 1 reads Im h_j.
  template <class R>
  value<R> readers(tape<R>& t) const {
    const idx numbers = 4 * idx(size.n);
    R* const x = t.template take<R>(numbers);
    for (idx i = 0; i < numbers; ++i) x[i] = i % 4 == 0 ? R(1) : i % 4 == 3 ? R(-1) : R(0);
    return {x, nullptr, 1, 1, numbers, 0};
  }
  template <class R>
  value<R> ones(tape<R>& t) const {
    R* const x = t.template take<R>(size.n);
    std::fill_n(x, size.n, R(1));
    return {x, nullptr, 1, 1, size.n, 0};
  }
  parameter theta_log_, nu_log_, gamma_log_, B_re_, B_im_, C_re_, C_im_, D_;
};

/// Gu et al., arXiv:2111.00396, names of annotated-s4: A = diag(min(Lambda_re, -1e-4) + i Lambda_im) - P P^*, discretised bilinearly with
/// step exp(log_step), one state of n modes for each channel; o = Re(C h) + D u. C is the plain output vector.
class s4 {
 public:
  using mixer_type = mixers::s4;

  s4(const scope& s, const sizes& z) : size(z) {
    if (z.width < 1 || z.n < 1)
      throw invalid_input("sizes of an S4", "width and n of at least 1", std::to_string(z.width) + " and " + std::to_string(z.n));
    const idx D = z.width, N = z.n;
    p_.Lambda_re = s.matrix("Lambda_re", D, N, start::constant(-0.5), false);
    p_.Lambda_im = s.matrix("Lambda_im", D, N, from_hippo(N, N, [](const hippo_legs& h, std::size_t i) { return h.Lambda_im[i]; }), false);
    const auto part = [](const std::vector<complex<double>>& v, std::size_t i) { return i % 2 ? v[i / 2].im : v[i / 2].re; };
    p_.P = s.tensor("P", {D, N, 2}, from_hippo(N, 2 * N, [part](const hippo_legs& h, std::size_t i) { return part(h.P, i); }), true);
    p_.B = s.tensor("B", {D, N, 2}, from_hippo(N, 2 * N, [part](const hippo_legs& h, std::size_t i) { return part(h.B, i); }), true);
    C_ = s.tensor("C", {D, N, 2}, start::normal(std::sqrt(0.5)), true);
    D_ = s.vector("D", D, start::constant(1)), p_.log_step = s.vector("log_step", D, start::uniform(std::log(1e-3), std::log(1e-1)));
  }
  template <class R>
  value<R> operator()(tape<R>& t, const value<R>& u, across_layers<R>&) const {
    const auto [A, B] = discretise_dplr(t, p_, size.width, size.n);
    mixed_streams<mixer_type, R, field::complex> streams;
    streams.of = {t.shared(C_), B, u, A};
    extents e;
    e.batch = e.sequences = u.batch, e.time = u.time;
    e.readers = e.queries = e.keys = e.states = int(size.width);
    e.n = size.n, e.d = 1;
    const value<R> y = mix<mixer_type, heads::grouped_queries, field::complex>(t, streams, e);
    return map(t, detail::and_skip{}, y, u, t.shared(D_));
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

}  // namespace coefdyn::nn
