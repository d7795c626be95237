// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/nn/models/model.hpp>
#include <coefdyn/spectrum/histogram.hpp>
#include <coefdyn/tasks/batch.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// What `train` and a compiled unit, which holds one model of one layer, say to each other.
namespace train_command {

using coefdyn::idx;
namespace nn = coefdyn::nn;
namespace tasks = coefdyn::tasks;
namespace spectrum = coefdyn::spectrum;

/// A task without its type, so that a unit is compiled for no task; those with a target a token and those with one a sequence are two.
template <tasks::labels Labels>
class any_task {
 public:
  static constexpr std::string_view name = "task";
  static constexpr tasks::labels labels = Labels;
  static constexpr tasks::metric metric = tasks::metric::accuracy;

  template <tasks::task T>
  explicit any_task(std::shared_ptr<const T> t)
      : vocabulary_(t->vocabulary()),
        outputs_(t->outputs()),
        length_(t->length()),
        size_([t](tasks::split s) { return t->size(s); }),
        make_([t](tasks::split s, idx i) { return t->make(s, i); }) {}
  idx vocabulary() const { return vocabulary_; }
  idx outputs() const { return outputs_; }
  idx length() const { return length_; }
  idx size(tasks::split s) const { return size_(s); }
  tasks::sample make(tasks::split s, idx i) const { return make_(s, i); }

 private:
  idx vocabulary_, outputs_, length_;
  std::function<idx(tasks::split)> size_;
  std::function<tasks::sample(tasks::split, idx)> make_;
};
/// One of the two.
struct task_of_a_run {
  tasks::labels labels;
  std::shared_ptr<const any_task<tasks::labels::one_a_token>> by_token;
  std::shared_ptr<const any_task<tasks::labels::one_a_sequence>> by_sequence;
};

/// The eigenvalues of a layer's mixer, counted for each sequence and head; for each sequence alone where there are more heads than a
/// picture shows, as those of an LRU, which are its modes.
struct layer_spectrum {
  static constexpr int most_heads = 8;
  bool is_degree_one_part = false;
  int heads = 0;
  std::vector<std::vector<spectrum::spectrum_histogram>> of;  // [sequence][reading head, or all]
};
}  // namespace train_command

namespace coefdyn::train {
struct settings;
struct progress;
struct outcome;
}  // namespace coefdyn::train

namespace train_command {
namespace train = coefdyn::train;
using notes = std::map<std::string, std::string>;

/// A model with its trainer.
class training {
 public:
  virtual ~training() = default;
  virtual idx parameters() const = 0;
  virtual std::size_t step_bytes() const = 0;
  /// As train::fit_with_checkpoints.
  virtual train::outcome fit(const task_of_a_run& task, const std::string& checkpoint, long every, const notes& beside,
                             const std::function<void(const train::progress&)>& report) = 0;
  virtual notes load(const std::string& checkpoint) = 0;
  /// Of every layer, on a batch.
  virtual std::vector<layer_spectrum> spectra(const tasks::batch& b) = 0;
  /// Of every layer, the share of |alpha_{i,j}| <= 1e-3 among all j <= i, over its heads and the sequences of a batch.
  virtual std::vector<double> near_zero_shares(const tasks::batch& b) = 0;
};
struct unit {
  std::string mixer;  // its policies
  std::unique_ptr<training> (*make)(const nn::model_sizes&, const train::settings&);
};
using unit_function = const unit* (*)();

}  // namespace train_command
