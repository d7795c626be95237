// SPDX-License-Identifier: MIT
#pragma once
#include <vector>

#include "../stages/head.hpp"

/// The definition of one head, symbol by symbol: start reading here. T^3 applications of A, no stabiliser, no states, all in double.
/// form::definition (definition.hpp) computes the same with running maxima, micro-steps and states; a test compares them.
///
///   alpha_{i,j} = phi(q_i' A_i ... A_{j+1} b_j k_j) / eta_i,   y_i = sum_{j<=i} alpha_{i,j} v_j
///
/// source  arXiv:2510.09389
namespace coefdyn::cpu {

/// The streams of one sequence and one reading head, as policies see them: write(j) has k_j, v_j and what A_j and b_j need, read(i) q_i.
template <class X>
struct one_head {
  using M = typename X::mixer_type;
  std::vector<std::byte> memory;
  state_frame<M, double, X::over> writes;
  reader_frame<M, double, X::over> reads;

  one_head(const one_head&) = delete;
  one_head& operator=(const one_head&) = delete;
  one_head(const X& x, const extents& e, idx sequence, int reader) {
    const coefdyn::sequence s = sequence_at(x, e, sequence);
    const frame_shape shape{.n = e.n, .d = e.d, .e = e.d, .tokens = s.end - s.begin};
    const auto lay_out = [&](arena a) { return writes = {a, shape}, reads = {a, shape}, a.used; };
    memory.resize(lay_out({}));
    lay_out({memory.data(), memory.size(), 0});
    std::vector<double> scratch(std::size_t(3 * e.n));
    const head_index h{reader / readers_per_state(e), reader};
    gather<M>(x, e, s, h, 0, shape.tokens, true, writes, scratch.data());
    gather<M>(x, e, s, h, 0, shape.tokens, true, reads, scratch.data());
  }
  auto write(idx j) const { return writes.at(j, 0, j); }
  auto read(idx i) const { return reads.at(i, 0, i); }
};

/// eta_i of the sum of row i's weights.
template <class Eta, class At>
double eta_of(double sum, const At& at) {
  if constexpr (requires { Eta::log_inverse(at); }) return std::exp(-double(Eta::log_inverse(at)));
  else return Eta::eta(sum, at);
}
/// Channel c of b_j.
template <class B, class At>
double b_of(const At& at, int c) {
  if constexpr (scales_by_exponent<B, At>) return scale_of<B>(at, c) * std::exp(B::log_scale(at));
  else return scale_of<B>(at, c);
}

/// y (T, d) of one sequence and one reading head; every token is read.
template <class X>
std::vector<double> plain_definition(const X& x, idx sequence, int reader) {
  using M = typename X::mixer_type;
  using phi = typename M::readout;
  using A = typename M::evolution;
  using b = typename M::scaling;
  using eta = typename M::normalization;
  using number = state_element<M, double>;
  static_assert(traits<M>::micro == 1 && traits<M>::structure.order == reads::after_write,
                "coefdyn: plain_definition writes once per token and reads after it; form::definition knows the others.");
  const extents e = check(x);
  const one_head<X> head(x, e, sequence, reader);
  const int T = int(head.writes.shape.tokens), n = e.n, d = e.d;
  std::vector<double> result(std::size_t(idx(T) * d)), weights(std::size_t(T) + 1);
  std::vector<number> impulse(std::size_t(n) + 1);
  double* const weight = weights.data();
  number* const h = impulse.data();
  for (int i = 0; i < T; ++i) {
    const auto at_i = head.read(i);
    double sum = 0;
    for (int j = 0; j <= i; ++j) {
      const auto at_j = head.write(j);
      for (int c = 0; c < n; ++c) h[c] = b_of<b>(at_j, c) * number(at_j.k[c]);                                           // h = b_j k_j
      for (int t = j + 1; t <= i; ++t) evolve<A, false>(head.write(t), state_matrix<number>{h, 1, 1}, &impulse.back());  // h <- A_t h
      double score = 0;
      for (int c = 0; c < n; ++c) score += real_part(number(at_i.q[c]) * h[c]);  // q_i' h
      sum += weight[j] = phi::apply(score);
    }
    double* const y = result.data() + idx(i) * d;
    for (int j = 0; j <= i; ++j) {
      const double alpha = weight[j] / eta_of<eta>(sum, at_i);
      for (int u = 0; u < d; ++u) y[u] += alpha * head.write(j).v[u];
    }
  }
  return result;
}

}  // namespace coefdyn::cpu
