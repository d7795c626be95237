// SPDX-License-Identifier: MIT
#pragma once
#include "eigenvalues.hpp"
#include "memory.hpp"

/// What a mixer remembers, for every type: horizons, Lyapunov exponents, spectral radius and norm of Lambda along a sequence, and
/// the effective rank of a state. Lambda_i = (eta_{i-1} / eta_i) A_i throughout.
/// source  arXiv:2510.09379
namespace coefdyn::spectrum {

/// Lambda of one sequence and reading head, as a map and by its log decays. Complex channels appear as pairs [Re; Im].
template <class X>
class state_matrix_sequence {
 public:
  using M = typename X::mixer_type;
  using A = typename M::evolution;
  using E = state_element<M, double>;
  static constexpr structure_of structure = traits<M>::structure;
  /// |Lambda| is read off its decays: no rank-one part, and pairs only turn at one radius.
  static constexpr bool by_decay = traits<M>::structured && structure.correction == rank_one::none;

  state_matrix_sequence(const X& x, const log_eta_values& eta, idx sequence_index, int reader)
      : x_(x), size_(extents_of(x)), eta_(&eta), s_(sequence_at(x, size_, sequence_index)), reader_(reader) {
    tokens_ = s_.end - s_.begin;
    const cpu::frame_shape shape{size_.n, size_.d, size_.d, tokens_};
    arena counted;
    frame_ = detail::evolution_frame<M, X::over>(counted, shape);
    memory_.resize(counted.used + 64);
    arena a{memory_.data(), memory_.size(), 0};
    frame_ = detail::evolution_frame<M, X::over>(a, shape);
    std::vector<double> scratch(static_cast<std::size_t>(size_.n) + 1);
    cpu::gather<M>(x_, size_, s_, {reader / cpu::readers_per_state(size_), reader}, 0, tokens_, true, frame_, scratch.data());
    column_.resize(static_cast<std::size_t>(size_.n));
    work_.resize(2);
  }
  idx tokens() const { return tokens_; }
  /// Real dimension of the state: 2 n for complex channels.
  int dimension() const { return traits<M>::lowered(size_.n); }
  /// log |eta_{t-1} / eta_t|; NaN where a row has no weight.
  double log_ratio(idx t) const {
    const std::size_t now = eta_->at(s_.batch, s_.begin + t, reader_), before = eta_->at(s_.batch, s_.begin + t - 1, reader_);
    return eta_->sign[now] && eta_->sign[before] ? eta_->log_abs[before] - eta_->log_abs[now] : math::not_a_number<double>();
  }
  /// log |Lambda_t| of channel c, where by_decay.
  double log_decay(idx t, int c) const { return log_decay_of<A>(frame_.at(t, 0, t), c) + log_ratio(t); }
  /// x <- Lambda_t x, on `dimension()` reals. The sign of the ratio does not matter to any norm and is left out.
  void apply(idx t, std::span<double> x) {
    const std::size_t n = column_.size();
    for (std::size_t c = 0; c < n; ++c) {
      if constexpr (is_complex<E>) column_[c] = {x[c], x[n + c]};
      else column_[c] = x[c];
    }
    for (int l = 0; l < traits<M>::micro; ++l) evolve<A, false>(frame_.at(t, l, t), state_matrix<E>{column_.data(), 1, 1}, work_.data());
    const double f = std::exp(log_ratio(t));
    for (std::size_t c = 0; c < n; ++c) {
      if constexpr (is_complex<E>) x[c] = f * column_[c].re, x[n + c] = f * column_[c].im;
      else x[c] = f * column_[c];
    }
  }

 private:
  X x_;
  extents size_;
  const log_eta_values* eta_;
  sequence s_;
  int reader_;
  idx tokens_ = 0;
  detail::evolution_frame<M, X::over> frame_;
  std::vector<std::byte> memory_;
  std::vector<E> column_, work_;
};

/// Memory horizon of every token of a sequence: steps until the spectral norm of Lambda_i ... Lambda_{j+1} is below 1/e, infinity
/// if never. Decays take O(T n log T); anything else carries an n x n product along each horizon.
template <class X>
std::vector<double> horizons_of(const X& x, const log_eta_values& eta, idx sequence_index, int reader) {
  state_matrix_sequence<X> lambda(x, eta, sequence_index, reader);
  const auto tokens = static_cast<std::size_t>(lambda.tokens());
  std::vector<double> out(tokens, never);
  if constexpr (state_matrix_sequence<X>::by_decay) {
    const std::size_t n =
        traits<typename X::mixer_type>::structure.decay == decaying::channel ? static_cast<std::size_t>(x.q.extents[3]) : 1;
    std::vector<double> logs(tokens * n, 0.0);
    for (std::size_t t = 1; t < tokens; ++t)
      for (std::size_t c = 0; c < n; ++c) logs[t * n + c] = lambda.log_decay(idx(t), int(c));
    horizons(logs, n, out);
  } else {
    for (std::size_t j = 0; j < tokens; ++j)
      out[j] = horizon([&](std::size_t t, std::span<double> v) { lambda.apply(idx(t), v); }, static_cast<std::size_t>(lambda.dimension()),
                       j, tokens);
  }
  return out;
}

/// Lyapunov exponents of Lambda along a sequence, largest first; a complex channel counts twice.
template <class X>
std::vector<double> lyapunov_of(const X& x, const log_eta_values& eta, idx sequence_index, int reader) {
  state_matrix_sequence<X> lambda(x, eta, sequence_index, reader);
  return lyapunov_exponents([&](std::size_t t, std::span<double> v) { lambda.apply(idx(t), v); },
                            static_cast<std::size_t>(lambda.dimension()), 1, static_cast<std::size_t>(lambda.tokens()));
}

/// Spectral norm of Lambda_t, t = 1 .. T-1.
template <class X>
std::vector<double> norms_of(const X& x, const log_eta_values& eta, idx sequence_index, int reader) {
  state_matrix_sequence<X> lambda(x, eta, sequence_index, reader);
  std::vector<double> out;
  const auto n = static_cast<std::size_t>(lambda.dimension());
  std::vector<double> matrix(n * n);
  for (idx t = 1; t < lambda.tokens(); ++t) {
    if constexpr (state_matrix_sequence<X>::by_decay) {
      double largest = math::minus_infinity<double>();
      for (int c = 0; c < (traits<typename X::mixer_type>::structure.decay == decaying::channel ? int(x.q.extents[3]) : 1); ++c)
        largest = std::fmax(largest, lambda.log_decay(t, c));
      out.push_back(std::exp(largest));
    } else {
      std::fill(matrix.begin(), matrix.end(), 0.0);
      for (std::size_t c = 0; c < n; ++c) {
        matrix[c * n + c] = 1;
        lambda.apply(t, std::span<double>(matrix).subspan(c * n, n));
      }
      out.push_back(spectral_norm(matrix, n));
    }
  }
  return out;
}

/// Spectral radius of Lambda_t, t = 1 .. T-1, of one sequence and reading head; NaN where there is no ratio.
template <class X>
std::vector<double> radii_of(const X& x, idx sequence_index, int reader) {
  std::vector<double> out;
  eigenvalues(x, [&](const token_spectrum& s) {
    if (s.sequence == sequence_index && s.reader == reader)
      out.push_back(s.has_ratio ? spectral_radius(s.values) : math::not_a_number<double>());
  });
  return out;
}

/// Effective rank of the state of one sequence and head: exp of the entropy of its normalised singular values.
template <class M, class Types>
double effective_rank_of(const state<M, Types>& s, idx sequence_index, int head) {
  constexpr bool two = traits<M>::complex_state;  // a complex matrix as [Re -Im; Im Re] has each singular value twice
  const auto n = static_cast<std::size_t>(s.n), d = static_cast<std::size_t>(s.d);
  std::vector<double> m(n * d * (two ? 4 : 1));
  const std::size_t first = static_cast<std::size_t>(sequence_index * s.heads + head) * n * d;
  for (std::size_t c = 0; c < n; ++c)
    for (std::size_t v = 0; v < d; ++v) {
      const auto e = s.S[first + c * d + v];
      if constexpr (two) {
        m[c * 2 * d + v] = m[(c + n) * 2 * d + v + d] = double(e.re);
        m[(c + n) * 2 * d + v] = double(e.im);
        m[c * 2 * d + v + d] = -double(e.im);
      } else {
        m[c * d + v] = double(e);
      }
    }
  return two ? effective_rank(m, 2 * n, 2 * d) / 2 : effective_rank(m, n, d);
}

}  // namespace coefdyn::spectrum
