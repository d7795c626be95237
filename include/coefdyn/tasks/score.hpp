// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "task.hpp"

namespace coefdyn::tasks {

/// What predictions scored, batch after batch. Targets that are `ignored` do not count.
///
/// ```cpp statements
/// tasks::score s(10);
/// const std::int64_t targets[] = {3, tasks::ignored, 4}, predicted[] = {3, 0, 5};
/// s.add(targets, predicted, 3);  // rows of 3 positions
/// s.add_loss(2.5);               // the sum over the positions that count, if perplexity is asked for
/// const double shares[] = {s.accuracy(), s.macro_accuracy(), s.accuracy_at(0), s.perplexity()};
/// ```
///
/// error   add: invalid_input for other numbers of targets and predictions, or one outside of 0 .. outputs - 1
class score {
 public:
  explicit score(idx outputs) : classes_(static_cast<std::size_t>(outputs)) {
    detail::expect(outputs >= 1, "score", "outputs", "at least 1", outputs);
  }
  /// Rows of `positions` each; 1 where a sequence has one target.
  void add(std::span<const std::int64_t> targets, std::span<const std::int64_t> predicted, idx positions) {
    check(targets, predicted, positions);
    if (std::ssize(positions_) < positions) positions_.resize(static_cast<std::size_t>(positions));
    for (std::size_t i = 0; i < targets.size(); ++i) {
      if (targets[i] == ignored) continue;
      const bool right = targets[i] == predicted[i];
      positions_[i % static_cast<std::size_t>(positions)].add(right), all_.add(right);
      classes_[static_cast<std::size_t>(targets[i])].add(right);
      classes_[static_cast<std::size_t>(predicted[i])].predicted = true;
    }
  }
  void add_loss(double sum) { loss_ += sum; }

  idx counted() const { return all_.counted; }
  /// Right among all that count (micro); 0 where none do.
  double accuracy() const { return all_.share(); }
  /// The mean of the classes' own accuracies, over those that were a target or were predicted: one that was predicted alone scores 0. It is
  /// what arXiv:2403.17844 reports.
  double macro_accuracy() const {
    double sum = 0, seen = 0;
    for (const of_class& c : classes_)
      if (c.counted > 0 || c.predicted) sum += c.share(), ++seen;
    return seen > 0 ? sum / seen : 0;
  }
  double accuracy_at(idx position) const {
    return position >= 0 && position < std::ssize(positions_) ? positions_[static_cast<std::size_t>(position)].share() : 0;
  }
  /// exp(total loss / targets that count).
  double perplexity() const { return all_.counted > 0 ? std::exp(loss_ / static_cast<double>(all_.counted)) : 1; }

 private:
  struct share_of {
    idx right = 0, counted = 0;
    void add(bool is_right) { right += is_right, ++counted; }
    double share() const { return counted > 0 ? static_cast<double>(right) / static_cast<double>(counted) : 0; }
  };
  struct of_class : share_of {
    bool predicted = false;
  };
  void check(std::span<const std::int64_t> targets, std::span<const std::int64_t> predicted, idx positions) const {
    const auto refuse = [](const char* what, const std::string& expected, idx given) {
      detail::expect(false, "score", what, expected, given);
    };
    if (predicted.size() != targets.size())
      refuse("predictions", "as many as targets, " + std::to_string(targets.size()), std::ssize(predicted));
    if (positions < 1 || std::ssize(targets) % positions != 0) refuse("positions", "a divisor of the number of targets", positions);
    const auto is_class = [&](std::int64_t x) { return x >= 0 && x < std::ssize(classes_); };
    for (std::size_t i = 0; i < targets.size(); ++i) {
      if (targets[i] == ignored || (is_class(targets[i]) && is_class(predicted[i]))) continue;
      const std::string range = "0 .. " + std::to_string(classes_.size() - 1);
      if (!is_class(targets[i])) refuse("target", range + " or ignored", targets[i]);
      refuse("prediction", range, predicted[i]);
    }
  }
  share_of all_;
  std::vector<share_of> positions_;
  std::vector<of_class> classes_;
  double loss_ = 0;
};

}  // namespace coefdyn::tasks
