// SPDX-License-Identifier: MIT
#pragma once
#include "eta.hpp"

/// The coefficients themselves, in tiles: alpha_{i,j} = phi(q_i' h_{i,j}) / eta_i by the definition, carrying only the impulses
/// of the tile's columns; never T x T numbers.
///
/// ```cpp statements with call
/// spectrum::coefficients alpha(x);
/// alpha.tile(sequence, reader, i0, i1, j0, j1, out);  // out (i1 - i0, j1 - j0), 0 where j is not seen by i
/// ```
///
/// Columns count writes: token j of a mixer that writes w times has columns j w .. j w + w - 1.
/// source  arXiv:2510.09389
namespace coefdyn::spectrum {

/// alpha_{i,j} and h_{i,j} of one head of one sequence.
template <class X>
class coefficients {
 public:
  using M = typename X::mixer_type;
  using traits_ = traits<M>;
  using A = typename M::evolution;
  using E = state_element<M, double>;

  explicit coefficients(const X& x) : x_(x), size_(check(x)), eta_(log_eta_of(x)) {
    arena counted;
    layout(counted);
    memory_.resize(counted.used + 64);
    arena a{memory_.data(), memory_.size(), 0};
    layout(a);
    scratch_.resize(static_cast<std::size_t>(size_.n) + 1);
  }

  const extents& size() const { return size_; }
  const log_eta_values& eta() const { return eta_; }

  /// shape   out (i1 - i0, j1 - j0) row-major, 0 <= i0 <= i1 <= tokens, 0 <= j0 <= j1 <= tokens * writes
  /// cost    (i1 - j0) applications of A to j1 - j0 impulses of n
  void tile(idx sequence_index, int reader, idx i0, idx i1, idx j0, idx j1, std::span<double> out) {
    const sequence s = sequence_at(x_, size_, sequence_index);
    const idx tokens = s.end - s.begin, width = j1 - j0;
    if (i0 < 0 || i1 < i0 || i1 > tokens || j0 < 0 || j1 < j0 || j1 > tokens * traits_::writes || idx(out.size()) != (i1 - i0) * width)
      COEFDYN_THROW invalid_input("tile",
                                  "rows within 0.." + std::to_string(tokens) + ", columns within 0.." +
                                      std::to_string(tokens * traits_::writes) + " and out to match",
                                  std::to_string(i0) + ".." + std::to_string(i1) + ", " + std::to_string(j0) + ".." + std::to_string(j1));
    std::fill(out.begin(), out.end(), 0.0);
    if (width == 0) return;
    const int h = reader / cpu::readers_per_state(size_);
    h_.assign(static_cast<std::size_t>(size_.n * width), E{});
    work_.assign(static_cast<std::size_t>(width), E{});
    exponent_.assign(static_cast<std::size_t>(width), 0.0);
    idx alive = 0;
    for (idx t = j0 / traits_::writes; t < i1; ++t) {
      cpu::gather<M>(x_, size_, s, {h, reader}, t, 1, true, in_, scratch_.data());
      if constexpr (traits_::structure.order == reads::before_write) read(s, t, reader, i0, width, alive, out, j0);
      for (int l = 0; l < traits_::micro; ++l) {
        const auto at = in_.at(0, l, t);
        if (alive > 0) evolve<A, false>(at, state_matrix<E>{h_.data(), width, int(alive)}, work_.data());
        if (traits_::writes_at(l)) {
          const idx j = traits_::structure.writes_each ? t * traits_::micro + l : t;
          if (j >= j0 && j < j1) {
            cpu::write_impulse<M>(at, h_.data() + (j - j0), width);
            if constexpr (traits_::stabilised) exponent_[std::size_t(j - j0)] = M::scaling::log_scale(at);
            alive = j - j0 + 1;
          }
        }
      }
      if constexpr (traits_::structure.order == reads::after_write) read(s, t, reader, i0, width, alive, out, j0);
    }
  }

  /// Calls body(i, row) for every row of alpha of one sequence and reading head; `block` rows are computed at once.
  template <class Body>
  void rows(idx sequence_index, int reader, Body body, idx block = 64) {
    const sequence s = sequence_at(x_, size_, sequence_index);
    const idx tokens = s.end - s.begin;
    std::vector<double> out;
    for (idx i0 = 0; i0 < tokens; i0 += block) {
      const idx i1 = std::min(tokens, i0 + block), columns = i1 * traits_::writes;
      out.resize(static_cast<std::size_t>((i1 - i0) * columns));
      tile(sequence_index, reader, i0, i1, 0, columns, out);
      for (idx i = i0; i < i1; ++i)
        body(i, std::span<const double>(out.data() + (i - i0) * columns, static_cast<std::size_t>((i + 1) * traits_::writes)));
    }
  }
  /// sum_j alpha_{i,j} of every row: 1 under a sum, unless the row has no weight.
  std::vector<double> row_sums(idx sequence_index, int reader) {
    std::vector<double> sums;
    rows(sequence_index, reader, [&](idx, std::span<const double> row) {
      double total = 0;
      for (const double a : row) total += a;
      sums.push_back(total);
    });
    return sums;
  }
  /// Share of |alpha_{i,j}| <= threshold among all j <= i.
  double near_zero_share(idx sequence_index, int reader, double threshold = 1e-3) {
    std::uint64_t small = 0, all = 0;
    rows(sequence_index, reader, [&](idx, std::span<const double> row) {
      for (const double a : row) small += std::abs(a) <= threshold;
      all += row.size();
    });
    return all ? double(small) / double(all) : 0;
  }

 private:
  X x_;
  extents size_;
  log_eta_values eta_;
  std::vector<std::byte> memory_;
  cpu::state_frame<M, double, X::over> in_;
  cpu::reader_frame<M, double, X::over> reads_;
  std::vector<E> h_, work_;
  std::vector<double> scratch_, exponent_;

  void layout(arena& a) {
    const cpu::frame_shape one{.n = size_.n, .d = size_.d, .e = size_.d, .tokens = 1};
    in_ = cpu::state_frame<M, double, X::over>(a, one);
    reads_ = cpu::reader_frame<M, double, X::over>(a, one);
  }
  // Row t of the tile, from the impulses alive; a mixer that reads first sees its own write weighted by diag(u).
  void read(const sequence& s, idx t, int reader, idx i0, idx width, idx alive, std::span<double> out, idx j0) {
    if (t < i0) return;
    cpu::gather<M>(x_, size_, s, {reader / cpu::readers_per_state(size_), reader}, t, 1, true, reads_, scratch_.data());
    const auto q = reads_.at(0, 0, t);
    const std::size_t e = eta_.at(s.batch, s.begin + t, reader);
    double* row = out.data() + (t - i0) * width;
    const auto weigh = [&](double score, double exponent) {
      if (eta_.sign[e] == 0) return 0.0;
      if constexpr (traits_::needs_max) return std::exp(score - eta_.log_abs[e]) * eta_.sign[e];
      else return M::readout::apply(score) * eta_.sign[e] * std::exp((traits_::stabilised ? exponent : 0.0) - eta_.log_abs[e]);
    };
    for (idx j = 0; j < alive; ++j) {
      E score{};
      for (int c = 0; c < size_.n; ++c) score += E(q.q[c]) * h_[std::size_t(c * width + j)];
      row[j] = weigh(real_part(score), exponent_[std::size_t(j)]);
    }
    if constexpr (traits_::structure.order == reads::before_write)
      if (t >= j0 && t - j0 < width) {
        const auto at = in_.at(0, traits_::micro - 1, t);
        std::vector<E> own(static_cast<std::size_t>(size_.n));
        cpu::write_impulse<M>(at, own.data(), 1);
        double score = 0, exponent = 0;
        for (int c = 0; c < size_.n; ++c) score += real_part(E(q.q[c]) * (double(A::bonus(at, c)) * own[std::size_t(c)]));
        if constexpr (traits_::stabilised) exponent = M::scaling::log_scale(at);
        row[t - j0] = weigh(score, exponent);
      }
  }
};

}  // namespace coefdyn::spectrum
