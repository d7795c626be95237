// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <array>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../nn/embedding.hpp"
#include "../nn/loss.hpp"
#include "../nn/weights.hpp"

/// A batch in slices of sequences: each slice goes forward and back through the whole model on one thread, its activations in that core's
/// cache, so that threads meet once a step.
namespace coefdyn::train {

/// Gradients are summed in so many arenas, slice i in arena i mod lanes, then arena after arena: the most threads that share a step.
inline constexpr idx lanes = 8;

/// Sequences of a slice, from the batch's extents and the model's size alone, so that no number of threads changes a bit: a token for each
/// 4096 parameters at least, since each slice reads all weights and adds to all gradients. 0: the batch stays whole, being fewer slices
/// than lanes.
constexpr idx sequences_of_slice(idx sequences, idx length, idx parameters) {
  const idx tokens = 4096 * std::max<idx>(length, 1), together = std::max<idx>(1, (parameters + tokens - 1) / tokens);
  return (sequences + together - 1) / together < lanes ? 0 : together;
}

namespace detail {
/// A model says so of itself (`mixes_sequences`) where a sequence's numbers depend on others of the batch, as behind a batch norm.
template <class Model>
constexpr bool mixes_sequences() {
  if constexpr (requires { Model::mixes_sequences; }) return Model::mixes_sequences;
  else return false;
}
/// total += part 0, then part 1, ..
template <class R>
struct added_arenas {
  R* total;
  std::array<const R*, lanes> parts;
  idx size, block;
  COEFDYN_HD void operator()(idx i, idx first, idx last) const {
    const idx begin = i * block + first, end = std::min(size, i * block + last);
    for (const R* const part : parts)
      for (idx c = begin; c < end; ++c) total[c] += part[c];
  }
};
}  // namespace detail

/// The slices of a model's batches, with the memory that their steps take: the arenas, and in each lane the activations of one slice.
template <class Model, class R>
class sliced_batch {
 public:
  using On = device::cpu<openmp>;
  sliced_batch(const Model& model, const nn::weights<R>& w) : model_(model), w_(w) {}

  /// Sequences of a slice of such a batch; 0 where it stays whole.
  idx sequences(idx rows, idx length) const { return detail::mixes_sequences<Model>() ? 0 : sequences_of_slice(rows, length, w_.size()); }
  /// Adds the gradients of the mean loss over the batch's labels to dw, and returns the score; `sequences` as above, not 0.
  ///
  /// shape   ids (B, T); labels B T or B, `ignored` ones do not count
  /// error   invalid_input for labels that are not B T or B, and what the model and its loss refuse
  nn::score operator()(const nn::token_ids& ids, std::span<const std::int64_t> labels, idx sequences, const nn::dropout_draws& draws,
                       nn::weights<R>& dw, const On& on) {
    if (ids.batch < 1 || labels.size() % static_cast<std::size_t>(ids.batch) != 0)
      throw invalid_input("labels", "as many for each of " + std::to_string(ids.batch) + " sequences", std::to_string(labels.size()));
    while (idx(lanes_.size()) < lanes) lanes_.push_back(std::make_unique<lane>(w_));
    const idx counted = idx(labels.size()) - std::count(labels.begin(), labels.end(), ignored);
    nn::loops<On>{on}.each(lanes,
                           [&](idx i, int) { lanes_[std::size_t(i)]->run(model_, slices{ids, labels, sequences, counted, draws}, i); });
    for (const auto& one : lanes_)
      if (one->fault) std::rethrow_exception(std::exchange(one->fault, nullptr));
    nn::score all;
    detail::added_arenas<R> add{dw.data(), {}, dw.size(), 4096};
    for (idx i = 0; i < lanes; ++i) {
      const lane& one = *lanes_[std::size_t(i)];
      add.parts[std::size_t(i)] = one.dw.data();
      all.loss += one.score.loss, all.correct += one.score.correct, all.counted += one.score.counted;
    }
    nn::loops<On>{on}.elements((dw.size() + add.block - 1) / add.block, add.block, add, 1);
    return all;
  }
  /// Of all lanes together: activations, their gradients and records.
  std::size_t bytes() const {
    std::size_t all = 0;
    for (const auto& one : lanes_) all += one->most;
    return all;
  }

 private:
  struct slices {
    nn::token_ids ids;
    std::span<const std::int64_t> labels;
    idx together, counted;
    nn::dropout_draws draws;
  };
  struct lane {
    nn::weights<R> dw;
    nn::tape<R, On> tape;
    nn::score score;
    std::size_t most = 0;
    std::exception_ptr fault;
    explicit lane(const nn::weights<R>& w) : dw(w.parameters()), tape(w, &dw, On{openmp{1}}) {}

    void run(const Model& model, const slices& of, idx number) {
      dw.clear(), score = {}, most = 0;
      try {
        for (idx first = number * of.together; first < of.ids.batch; first += lanes * of.together) one(model, of, first);
      } catch (...) {
        fault = std::current_exception();
      }
    }
    void one(const Model& model, const slices& of, idx first) {
      const idx count = std::min(of.together, of.ids.batch - first), labels = idx(of.labels.size()) / of.ids.batch;
      nn::dropout_draws draws = of.draws;
      draws.first_sequence = first, draws.is_part = true;
      tape.begin(draws);
      const idx* const lengths = of.ids.lengths ? of.ids.lengths + first : nullptr;
      const nn::value<R> logits = model(tape, nn::token_ids{of.ids.data + first * of.ids.time, count, of.ids.time, lengths});
      const auto own = of.labels.subspan(std::size_t(first * labels), std::size_t(count * labels));
      const nn::score part = nn::cross_entropy(tape, logits, own, of.counted);
      tape.backward(nn::activation_gradients::dropped);
      score.loss += part.loss, score.correct += part.correct, score.counted += part.counted;
      most = std::max(most, tape.bytes());
    }
  };
  const Model& model_;
  const nn::weights<R>& w_;
  std::vector<std::unique_ptr<lane>> lanes_;
};

}  // namespace coefdyn::train
