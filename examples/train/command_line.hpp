// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/train/trainer.hpp>
#include <map>
#include <stdexcept>

#include "gpu.hpp"
#include "layers.hpp"
#include "task_table.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace train_command {

/// What the user wrote wrong, as a sentence.
struct usage_error : std::runtime_error {
  using runtime_error::runtime_error;
};

/// All that can be asked for.
struct request {
  std::string task = "in_context_recall", layer = "gated_deltanet";
  std::string device = "cpu", model, include, out, resume;
  nn::model_sizes size;
  train::settings training;
  double ssm_rate = -1;
  int pads_in_mean = -1;
  bool positions = false, full = false, overwrite = false;
  idx spectrum_sequences = 16, coefficient_sequences = 0;
  long checkpoint_every = 0;
};

/// The command line: a task and a layer, if it begins with words, then options. With --resume those of the training that goes on stand in
/// front.
///
/// error   usage_error, and what a task and sizes say of themselves
class command_line {
 public:
  explicit command_line(std::vector<std::string> arguments);
  /// false: the user asked for help, which is printed.
  bool parse();
  /// What a checkpoint keeps, so that --resume needs no more: a JSON list.
  std::string stored() const;

  request asked;
  std::unique_ptr<task_to_make> task;
  known_layer layer;
  gpu card;  // with --device cuda

 private:
  std::string value_of(const std::string& option) const;
  void take_stored(const std::string& folder);
  const known_task& find_task() const;
  void set_defaults();
  void add_model_options(CLI::App& app);
  void add_training_options(CLI::App& app);
  void add_command_options(CLI::App& app);
  void settle(const known_task& known);
  void settle_device();
  void settle_model(const known_task& known);
  void settle_sizes();
  void settle_ssm_rate();

  std::vector<std::string> arguments_, options_;
  std::map<std::string, CLI::Option*> sizes_;
  std::vector<std::string> said_sizes_;
  bool alone_ = false;  // no task and layer said
};

}  // namespace train_command
