// SPDX-License-Identifier: MIT
#include "task_table.hpp"

#include <coefdyn/tasks/data/cifar10.hpp>
#include <coefdyn/tasks/data/imdb.hpp>
#include <coefdyn/tasks/data/text_blocks.hpp>

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
template <class T>
task_of_a_run erased(const std::shared_ptr<const T>& made) {
  if constexpr (T::labels == tasks::labels::one_a_token) return {T::labels, std::make_shared<const any_task<T::labels>>(made), nullptr};
  else return {T::labels, nullptr, std::make_shared<const any_task<T::labels>>(made)};
}
template <class T, class Options>
class options_of final : public task_to_make {
 public:
  explicit options_of(const Options& o) : options_(o) {}
  void each_option(const std::function<void(const std::string&, option_value)>& f) override {
    option_table table{f};
    show_tasks::bind(table, options_);
    table.add("train", options_.train), table.add("test", options_.test), table.add("data-seed", options_.seed);
  }
  task_of_a_run make() const override { return erased(std::make_shared<const T>(options_)); }

 private:
  Options options_;
};
/// A task of a data set, and how many of its test samples are taken, evenly over all.
template <class Options>
struct of_files {
  Options from;
  idx test = 0;  // 0: all
};
template <class T>
class some_of : public T {
 public:
  template <class Options>
  explicit some_of(const of_files<Options>& o) : T(o.from), test_(o.test) {}
  idx size(tasks::split s) const {
    const idx all = T::size(s);
    return s == tasks::split::test && test_ > 0 ? std::min(all, test_) : all;
  }
  tasks::sample make(tasks::split s, idx i) const { return T::make(s, i * (T::size(s) / std::max<idx>(size(s), 1))); }

 private:
  idx test_;
};
template <class Options>
void bind_files(option_table& o, Options& to) {
  if constexpr (requires { to.folder; }) o.add("data", to.folder);
  else o.add("file", to.file);
  if constexpr (requires { to.pooled; }) o.add("pooled", to.pooled), o.add("train", to.train);
  if constexpr (requires { to.max_length; }) o.add("max-length", to.max_length), o.add("bytes", to.bytes);
  else if constexpr (requires { to.length; }) o.add("length", to.length);
}
template <class T, class Options>
class options_of<some_of<T>, of_files<Options>> final : public task_to_make {
 public:
  explicit options_of(const of_files<Options>& o) : options_(o) {}
  void each_option(const std::function<void(const std::string&, option_value)>& f) override {
    option_table table{f};
    bind_files(table, options_.from);
    table.add("test", options_.test);
  }
  task_of_a_run make() const override {
    if (options_.test < 0) throw coefdyn::invalid_input("test", "0 or more", std::to_string(options_.test));
    if constexpr (requires { options_.from.file; })
      if (options_.from.file.empty()) throw coefdyn::invalid_input("file", "a text to learn (--file)", "none");
    return erased(std::make_shared<const some_of<T>>(options_));
  }

 private:
  of_files<Options> options_;
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
      entry<listops, listops_options>("the value of a nested expression", "paper_transformer",
                                      [] {
                                        return listops_options{.min_length = 10,
                                                               .max_length = 60,
                                                               .max_depth = 5,
                                                               .max_arguments = 5,
                                                               .operators = 0.35,
                                                               .train = 3200,
                                                               .test = 256,
                                                               .valid = 0};
                                      }),
      entry<some_of<cifar10>, of_files<cifar10_options>>("the class of a picture, pixel by pixel: --data its folder", "paper_transformer",
                                                         [] { return of_files<cifar10_options>{{.pooled = 4}, 1000}; }),
      entry<some_of<imdb>, of_files<imdb_options>>("praise or not, letter by letter: --data the reviews' folder", "paper_transformer",
                                                   [] { return of_files<imdb_options>{{.bytes = true, .max_length = 128}, 1000}; }),
      entry<some_of<text_bytes>, of_files<text_bytes_options>>("the next byte of a text: --file", "language_model",
                                                               [] { return of_files<text_bytes_options>{{.length = 64}, 256}; })};
  return all;
}

}  // namespace train_command
