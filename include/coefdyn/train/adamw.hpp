// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>
#include <vector>

#include "../core/floating.hpp"
#include "../core/math.hpp"
#include "../cpu/device.hpp"
#include "../nn/loss.hpp"
#include "../nn/weights.hpp"

namespace coefdyn::train {

/// Numbers of the optimiser.
struct adamw_settings {
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8;
  double decay = 0.1;  // of the parameters that decay
  double clip = 1;     // the gradients' largest norm, over all of them; 0: none
  // The rate of state spaces' dynamics (S4's Lambda, P, B, log_step; S4D's likewise) over that of all else; they then do not decay. 0: as
  // all else.
  double dynamics_share = 0;
};

namespace detail {
/// Numbers begin .. begin + count - 1 of one parameter, or of running numbers.
template <class R>
struct adamw_piece {
  idx begin, count;
  bool decays;
  R share;     // of the rate
  R momentum;  // of running numbers; 0: these are parameters
};
/// What the device knows of a step: the norm; whether it or a loss was not finite; steps that did nothing since; the clip's factor; loss,
/// correct, counted.
struct adamw_state {
  double norm = 0, stopped = 0, skipped = 0, scale = 1;
  double scores[3] = {0, 0, 0};
};
/// What a step takes from the host.
template <class R>
struct adamw_numbers {
  R beta1, beta2, unbias1, unbias2, eps, rate, keep;
  idx slot;  // of the step's loss
};
/// Sums of squares of each piece's gradients.
template <class R>
struct squares_of_piece {
  const adamw_piece<R>* pieces;
  const R* g;
  double* sums;
  template <class Team>
  COEFDYN_HD void operator()(Team team, idx piece, idx) const {
    const adamw_piece<R> at = pieces[piece];
    const idx count = at.momentum > R(0) ? 0 : at.count;
    double sum = 0;
    for (idx i = at.begin + team.first(); i < at.begin + count; i += team.step()) sum += double(g[i]) * double(g[i]);
    sum = team.sum(sum);
    if (team.first() == 0) sums[piece] = sum;
  }
};
template <class R>
struct norm_of_pieces {
  const double* sums;
  idx pieces;
  double clip;
  const double* scores;  // or none
  adamw_state* s;
  const adamw_numbers<R>* numbers;
  double* losses;
  template <class Team>
  COEFDYN_HD void operator()(Team team, idx, idx) const {
    double total = 0;
    for (idx b = team.first(); b < pieces; b += team.step()) total += sums[b];
    total = team.sum(total);
    if (team.first() != 0) return;
    const double norm = math::sqrt(total);
    if (s->stopped != 0) {
      s->skipped += 1;
      return;
    }
    s->norm = norm, s->scale = clip > 0 ? math::min(1.0, clip / (norm + 1e-6)) : 1.0;
    for (int i = 0; i < 3 && scores; ++i) s->scores[i] = scores[i];
    if (scores) losses[numbers->slot] = scores[0];
    if (!math::is_finite(norm) || (scores && !math::is_finite(scores[0]))) s->stopped = 1, s->skipped += 1;
  }
};
template <class R>
struct adamw_update {
  const adamw_piece<R>* pieces;
  const adamw_state* s;
  const adamw_numbers<R>* numbers;
  R *p, *m, *v;
  const R* g;
  COEFDYN_HD void operator()(idx piece, idx first, idx last) const {
    if (s->stopped != 0) return;
    const adamw_piece<R> at = pieces[piece];
    const auto [beta1, beta2, unbias1, unbias2, eps, all, keep, slot] = *numbers;
    const R scale = R(s->scale), kept = at.decays ? keep : R(1), rate = all * at.share;
    const idx end = at.begin + (last < at.count ? last : at.count);
    if (at.momentum > R(0)) {
      for (idx i = at.begin + first; i < end; ++i) p[i] = at.momentum * p[i] + (R(1) - at.momentum) * g[i];
      return;
    }
    for (idx i = at.begin + first; i < end; ++i) {
      const R d = g[i] * scale;
      m[i] = beta1 * m[i] + (R(1) - beta1) * d;
      v[i] = beta2 * v[i] + (R(1) - beta2) * d * d;
      p[i] = p[i] * kept - rate * (m[i] * unbias1) / (std::sqrt(v[i] * unbias2) + eps);
    }
  }
};
}  // namespace detail

/// AdamW with decoupled decay and a clip of the global norm:
/// ```text
/// g *= min(1, clip / (|g| + 1e-6))    p *= 1 - rate decay
/// m = b1 m + (1 - b1) g               v = b2 v + (1 - b2) g^2
/// p -= rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
/// ```
/// Running numbers (parameter_entry::momentum) move towards what backward has left in their gradients' place, which is no part of |g|.
///
/// error   invalid_input where gradients are those of another model; for a share of the rate below 0, or for dynamics that the model lacks
/// source  Loshchilov and Hutter, arXiv:1711.05101
template <class R, class On = device::cpu<openmp>>
class adamw {
 public:
  /// What a step came to: the gradients' norm, and the scores that it was given.
  struct report {
    double norm = 0;
    nn::score score;
  };
  /// `kept`: how many steps' losses it keeps until they are read.
  adamw(const nn::weights<R, On>& w, const adamw_settings& settings, idx kept = 1)
      : s(settings),
        first_(w.parameters(), w.on),
        second_(w.parameters(), w.on),
        pieces_(there<detail::adamw_piece<R>>(w.on, pieces_of(*w.parameters(), settings))),
        sums_(there<double>(w.on, std::vector<double>(pieces_.size()))),
        state_(there<detail::adamw_state>(w.on, {{}})),
        numbers_(there<numbers_type>(w.on, {{}})),
        losses_(there<double>(w.on, std::vector<double>(static_cast<std::size_t>(kept)))) {}
  /// One update of w from dw, which keeps its values; returns the norm of the gradients before the clip. Where that is not finite, nothing
  /// changes. Its bits depend on no number of threads.
  double step(nn::weights<R, On>& w, const nn::weights<R, On>& dw, double rate, const On& on) {
    queue(w, dw, rate, on);
    return read(on);
  }
  double step(nn::weights<R, On>& w, const nn::weights<R, On>& dw, double rate) { return step(w, dw, rate, w.on); }
  /// The same on a GPU without waiting for it. After a norm that is not finite nothing changes until it is read.
  void queue(nn::weights<R, On>& w, const nn::weights<R, On>& dw, double rate, const On& on, const double* scores = nullptr) {
    const numbers_type now = numbers(rate);
    nn::loops<On>{on}.bring(&now, 1, numbers_.data());
    queue(w, dw, numbers_.data(), on, scores), count_step();
  }
  /// The same with numbers(rate) where the device reads them, for a step that is recorded: count_step() for each run. A loss that is not
  /// finite, the first of `scores` as nn::pending_score has them, stops it as the norm does.
  void queue(nn::weights<R, On>& w, const nn::weights<R, On>& dw, const detail::adamw_numbers<R>* there, const On& on,
             const double* scores = nullptr) {
    expect_same_size(w), expect_same_size(dw);
    const nn::loops<On> run{on};
    run.groups(idx(sums_.size()), 1, detail::squares_of_piece<R>{pieces_.data(), dw.data(), sums_.data()}, 1);
    run.groups(1, 1, detail::norm_of_pieces<R>{sums_.data(), idx(sums_.size()), s.clip, scores, state_.data(), there, losses_.data()});
    run.elements(idx(pieces_.size()), block,
                 detail::adamw_update<R>{pieces_.data(), state_.data(), there, w.data(), first_.data(), second_.data(), dw.data()}, 1);
  }
  /// What the next step takes from the host.
  detail::adamw_numbers<R> numbers(double rate) const {
    const double next = double(steps_ + 1);
    return {R(s.beta1),
            R(s.beta2),
            R(1 / (1 - std::pow(s.beta1, next))),
            R(1 / (1 - std::pow(s.beta2, next))),
            R(s.eps),
            R(rate),
            R(1 - rate * s.decay),
            steps_ % idx(losses_.size())};
  }
  void count_step() { ++steps_; }
  /// Norm and scores of the last step, or of the first one since the last call where one is not finite; waits for the device.
  report last(const On& on) {
    detail::adamw_state done;
    nn::loops<On>{on}.read(state_.data(), 1, &done);
    if (done.stopped != 0) steps_ -= long(done.skipped), state_.where().clear(state_.data(), sizeof done);
    return {done.norm, {done.scores[0], idx(done.scores[1]), idx(done.scores[2])}};
  }
  /// Losses of the last `count` steps that did something, once `last` has been called, into `to`; at most as many as are kept.
  void losses(idx count, const On& on, std::vector<double>& to) const {
    const idx kept = idx(losses_.size());
    count = std::min({count, kept, idx(steps_)}), to.resize(static_cast<std::size_t>(count));
    std::vector<double> slots(static_cast<std::size_t>(kept));
    if (count > 0) nn::loops<On>{on}.read(losses_.data(), kept, slots.data());
    for (idx i = 0; i < count; ++i) to[static_cast<std::size_t>(i)] = slots[static_cast<std::size_t>((idx(steps_) - count + i) % kept)];
  }
  /// The norm alone.
  double read(const On& on) { return last(on).norm; }
  long steps() const { return steps_; }
  /// The moments of the gradients and of their squares.
  const nn::weights<R, On>& first() const { return first_; }
  const nn::weights<R, On>& second() const { return second_; }
  /// Goes on from moments and a number of steps as another optimiser of this model left them.
  void resume(const nn::weights<R>& first, const nn::weights<R>& second, long steps) {
    expect_same_size(first), expect_same_size(second);
    if (steps < 0) throw invalid_input("steps", "0 or more", std::to_string(steps));
    first_.copy_from(first), second_.copy_from(second), steps_ = steps;
  }

  const adamw_settings s;

 private:
  static constexpr idx block = 4096;
  using numbers_type = detail::adamw_numbers<R>;
  template <class Weights>
  void expect_same_size(const Weights& other) const {
    if (other.size() != first_.size())
      throw invalid_input("weights", std::to_string(first_.size()) + " numbers, as the moments have", std::to_string(other.size()));
  }
  static std::vector<detail::adamw_piece<R>> pieces_of(const nn::parameter_list& parameters, const adamw_settings& s) {
    std::vector<detail::adamw_piece<R>> out;
    bool any = false;  // has a rate of its own
    for (const auto& e : parameters.entries()) {
      const bool own = s.dynamics_share > 0 && e.is_dynamics;
      any = any || own;
      for (idx begin = 0; begin < e.place.size(); begin += block)
        out.push_back({e.place.offset + begin, std::min(block, e.place.size() - begin), e.decays && !own, own ? R(s.dynamics_share) : R(1),
                       R(e.momentum)});
    }
    if (s.dynamics_share != 0 && !any)
      throw invalid_input("dynamics_share",
                          s.dynamics_share < 0 ? "0 or more" : "0 in a model without state spaces' dynamics (S4's, S4D's)",
                          std::to_string(s.dynamics_share));
    return out;
  }
  template <class T>
  using array = buffer<T, memory_of<On>>;
  template <class T>
  static array<T> there(const On& on, const std::vector<T>& numbers) {
    array<T> out(numbers.size(), nn::loops<On>{on}.space());
    out.where().bring(out.data(), numbers.data(), sizeof(T) * numbers.size());
    return out;
  }
  nn::weights<R, On> first_, second_;
  array<detail::adamw_piece<R>> pieces_;
  array<double> sums_;
  array<detail::adamw_state> state_;
  array<numbers_type> numbers_;
  array<double> losses_;
  long steps_ = 0;
};

}  // namespace coefdyn::train
