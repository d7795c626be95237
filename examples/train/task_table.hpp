// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <string>
#include <variant>

#include "unit.hpp"

/// The tasks that `train` knows: those that are generated, and those of data sets.
namespace train_command {

/// Where an option's value goes.
using option_value = std::variant<idx*, int*, double*, bool*, std::uint64_t*, std::string*>;
/// A task whose options can still be said.
class task_to_make {
 public:
  virtual ~task_to_make() = default;
  virtual void each_option(const std::function<void(const std::string&, option_value)>& f) = 0;
  /// error   coefdyn::invalid_input for options out of range
  virtual task_of_a_run make() const = 0;
};
struct known_task {
  std::string name, about, model;  // the model that it is trained with unless another is asked for
  tasks::labels labels;
  std::unique_ptr<task_to_make> (*options)(bool full);  // of a minute on two cores, or the papers'
};
const std::vector<known_task>& known_tasks();

}  // namespace train_command
