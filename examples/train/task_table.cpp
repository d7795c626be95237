// SPDX-License-Identifier: MIT
#include "task_table.hpp"

#include "../tasks/bind.hpp"

namespace train_command {
namespace {

struct option_table {
  const std::function<void(const std::string&, option_value)>& each;
  template <class V>
  void add(const std::string& name, V& value) {
    each(name, &value);
  }
};
template <class T, class Options>
class options_of final : public task_to_make {
 public:
  explicit options_of(const Options& o) : options_(o) {}
  void each_option(const std::function<void(const std::string&, option_value)>& f) override {
    option_table table{f};
    show_tasks::bind(table, options_);
    table.add("train", options_.train), table.add("test", options_.test), table.add("data-seed", options_.seed);
  }
  task_of_a_run make() const override {
    const auto made = std::make_shared<const T>(options_);
    if constexpr (T::labels == tasks::labels::one_a_token) return {T::labels, std::make_shared<const any_task<T::labels>>(made), nullptr};
    else return {T::labels, nullptr, std::make_shared<const any_task<T::labels>>(made)};
  }

 private:
  Options options_;
};
/// A task with its options at the papers' sizes and at small ones.
template <class T, class Options>
known_task entry(const char* about, const char* model, Options (*small)()) {
  static Options (*const small_sizes)() = small;
  return {std::string(T::name), about, model, T::labels, [](bool full) -> std::unique_ptr<task_to_make> {
            return std::make_unique<options_of<T, Options>>(full ? Options{} : small_sizes());
          }};
}
}  // namespace

const std::vector<known_task>& known_tasks() {
  using namespace coefdyn::tasks;
  static const std::vector<known_task> all{
      entry<in_context_recall, in_context_recall_options>(
          "the value of a key that came before", "language_model",
          [] { return in_context_recall_options{.length = 32, .train = 3200, .test = 256}; }),
      entry<noisy_in_context_recall, noisy_in_context_recall_options>(
          "the same with noise between the pairs", "language_model",
          [] { return noisy_in_context_recall_options{.length = 32, .train = 3200, .test = 256}; }),
      entry<fuzzy_in_context_recall, fuzzy_in_context_recall_options>(
          "the same for keys and values of several tokens", "language_model",
          [] { return fuzzy_in_context_recall_options{.length = 48, .key_size = 2, .value_size = 2, .train = 3200, .test = 256}; }),
      entry<selective_copying, selective_copying_options>(
          "tokens among blanks, to be said again in order", "language_model",
          [] { return selective_copying_options{.length = 48, .tokens = 8, .train = 3200, .test = 256}; }),
      entry<compression, compression_options>("all tokens from what the last position holds", "autoencoder",
                                              [] { return compression_options{.length = 12, .train = 3200, .test = 256}; }),
      entry<memorization, memorization_options>("values of a map that is the same in all samples", "language_model",
                                                [] { return memorization_options{.vocabulary = 64, .length = 16, .test = 256}; }),
      entry<mqar, mqar_options>("the values of many keys, each asked for once", "language_model",
                                [] { return mqar_options{.vocabulary = 64, .length = 32, .pairs = 4, .train = 12800, .test = 256}; }),
      entry<listops, listops_options>("the value of a nested expression", "paper_transformer", [] {
        return listops_options{.min_length = 10,
                               .max_length = 60,
                               .max_depth = 5,
                               .max_arguments = 5,
                               .operators = 0.35,
                               .train = 3200,
                               .test = 256,
                               .valid = 0};
      })};
  return all;
}

}  // namespace train_command
