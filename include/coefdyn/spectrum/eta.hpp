// SPDX-License-Identifier: MIT
#pragma once
#include <vector>

#include "../cpu/run.hpp"

/// log |eta_i| and its sign for every read of a call, whatever the normalization: sums by the mixer's own fast form with
/// values of 1, in memory that grows with T alone; never exponentiated.
namespace coefdyn::spectrum {

/// (B, T, H_q), the time axis that of the whole call for packed sequences. A sign of 0: the row has no weight at all.
struct log_eta_values {
  idx batch = 0, time = 0;
  int readers = 0;
  std::vector<double> log_abs;
  std::vector<signed char> sign;
  std::size_t at(idx b, idx t, int r) const { return static_cast<std::size_t>((b * time + t) * readers + r); }
};

/// eta_{i-1} / eta_i; there is none where either row has no weight. NaN where a logarithm is not finite.
struct eta_ratio {
  double value = 0;
  bool exists = false;
};
/// eta_{t-1} / eta_t from their logarithms and signs.
COEFDYN_HD inline eta_ratio ratio_of(double log_before, int sign_before, double log_now, int sign_now) {
  if (sign_before == 0 || sign_now == 0) return {};
  const double difference = log_before - log_now;
  return {math::is_finite(difference) ? sign_now * sign_before * math::exp(difference) : math::not_a_number<double>(), true};
}

namespace detail {
// Normalizations that turn a read of values 1, which is the sum itself, into what is asked of it.
template <class Eta>
struct reads_log_eta : Eta {
  template <class R, class At>
  COEFDYN_HD static R inverse(R total, R m, const At& at) {
    return coefdyn::log_eta<Eta>(total, m, at) / total;
  }
};
template <class Eta>
struct reads_eta_sign : Eta {
  template <class R, class At>
  COEFDYN_HD static R inverse(R total, R m, const At& at) {
    return R(eta_sign<Eta>(total, m, at)) / total;
  }
};
template <class P, class X, class Tokens, class... Need>
void rebind(const X& x, Tokens& to, list<Need...>) {
  (
      [&] {
        if constexpr (!std::is_same_v<typename Need::tag, stream::v>) to.template set<Need>(x.template of<Need>());
      }(),
      ...);
}
/// The tokens of x under the mixer that reads what Probe makes of its sum: values are all `one`, sums double.
template <template <class> class Probe, class X>
auto probe_of(const X& x, const typename X::types_type::storage* one) {
  using M = typename X::mixer_type;
  using Types = typename X::types_type;
  using S = typename Types::storage;
  using P =
      mixer<typename M::readout, typename M::evolution, typename M::scaling, Probe<typename M::normalization>, typename M::feature_map>;
  tokens<P, types<S, typename Types::gate, double, double>, typename X::heads_type, X::over> p;
  rebind<P>(x, p, typename X::needs{});
  p.v = view<const S, 4>{one, {x.v.extents[0], x.v.extents[1], x.v.extents[2], 1}, {0, 0, 0, 0}};
  p.cu_seqlens = x.cu_seqlens;
  return p;
}
template <template <class> class Probe, class X>
std::vector<double> probed(const X& x, const extents& e) {
  using S = typename X::types_type::storage;
  static const S one = S(1.0f);
  std::vector<double> y(static_cast<std::size_t>(e.batch * e.time * e.readers));
  run(device::cpu{}, form::automatic{}, probe_of<Probe>(x, &one), view<double, 4>(y.data(), e.batch, e.time, idx(e.readers), idx(1)));
  return y;
}
/// What reads_eta_sign gave; 1 for a NaN, which the logarithm tells.
COEFDYN_HD inline int sign_of_probe(double s) { return s < -0.5 ? -1 : s == 0 ? 0 : 1; }

inline void expect_every_read(const extents& e) {
  if (e.first_read > 0) COEFDYN_THROW invalid_input("first_read", "0 for a spectrum: every token is read", std::to_string(e.first_read));
}
}  // namespace detail

/// error   invalid_input as run; first_read has to be 0
template <class X>
log_eta_values log_eta_of(const X& x) {
  using M = typename X::mixer_type;
  using Eta = typename M::normalization;
  const extents e = check(x);
  detail::expect_every_read(e);
  log_eta_values out{e.batch, e.time, e.readers, {}, {}};
  if constexpr (traits<M>::needs_sum) {
    out.log_abs = detail::probed<detail::reads_log_eta>(x, e);
    if constexpr (traits<M>::needs_max) {
      out.sign.assign(out.log_abs.size(), 1);  // weights of an exponential readout are never zero
    } else {
      const auto sign = detail::probed<detail::reads_eta_sign>(x, e);
      for (const double s : sign) out.sign.push_back(static_cast<signed char>(detail::sign_of_probe(s)));
    }
  } else {
    const auto count = static_cast<std::size_t>(e.batch * e.time * e.readers);
    out.log_abs.resize(count);
    out.sign.resize(count);
    arena counted;
    cpu::frame_shape shape{e.n, e.d, e.d, 1};
    cpu::reader_frame<M, double, X::over> probe(counted, shape);
    std::vector<std::byte> memory(counted.used + 64);
    arena a{memory.data(), memory.size(), 0};
    cpu::reader_frame<M, double, X::over> f(a, shape);
    std::vector<double> scratch(static_cast<std::size_t>(e.n) + 1);
    const int per_state = cpu::readers_per_state(e);
    for (idx s = 0; s < e.sequences; ++s) {
      const sequence q = sequence_at(x, e, s);
      for (int r = 0; r < e.readers; ++r)
        for (idx t = 0; t < q.end - q.begin; ++t) {
          cpu::gather<M>(x, e, q, {r / per_state, r}, t, 1, true, f, scratch.data());
          const auto at = f.at(0, 0, t);
          const std::size_t i = out.at(q.batch, q.begin + t, r);
          out.log_abs[i] = coefdyn::log_eta<Eta>(0.0, 0.0, at);
          out.sign[i] = static_cast<signed char>(eta_sign<Eta>(0.0, 0.0, at));
        }
    }
  }
  return out;
}

}  // namespace coefdyn::spectrum
