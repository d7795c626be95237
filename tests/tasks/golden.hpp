// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/files/safetensors.hpp>
#include <coefdyn/tasks/compression.hpp>
#include <coefdyn/tasks/fuzzy_in_context_recall.hpp>
#include <coefdyn/tasks/in_context_recall.hpp>
#include <coefdyn/tasks/listops.hpp>
#include <coefdyn/tasks/memorization.hpp>
#include <coefdyn/tasks/mqar.hpp>
#include <coefdyn/tasks/noisy_in_context_recall.hpp>
#include <coefdyn/tasks/order.hpp>
#include <coefdyn/tasks/selective_copying.hpp>
#include <nlohmann/json.hpp>

/// Golden files of tasks. Samples are tensors [PREFIX.]TASK.SPLIT.inputs and .targets (and .lengths, where inputs are padded); the metadata
/// hold the seed and, by PREFIX, the options by the reference's names. Then memorization.map, mqar.weights, order.N, rng.words, rng.unit.
namespace golden_tasks {

using namespace coefdyn;
using namespace coefdyn::tasks;
using nlohmann::json;

struct golden_file {
  files::safetensors file;
  std::uint64_t seed = 1;
  std::size_t compared = 0;              // samples
  std::vector<std::string> faults = {};  // what differs

  void expect(bool same, const std::string& what) {
    if (!same) faults.push_back(what);
  }
  token_list values(const std::string& name) { return file.load<std::int64_t>(name).values; }
  /// Row i of a tensor of rows; all of it, of one number a row, where it has one axis.
  token_list row(const std::string& name, idx i) {
    const auto all = file.load<std::int64_t>(name);
    const idx width = all.shape.size() == 2 ? all.shape[1] : 1;
    return {all.values.begin() + i * width, all.values.begin() + (i + 1) * width};
  }
};

/// Sets what is named in the metadata; an option that the task does not know fails.
struct reference_options {
  const json& given;
  template <class T>
  bool operator()(const char* name, T& option) const {
    if (given.contains(name)) option = given.at(name).get<T>();
    return given.contains(name);
  }
};
inline std::size_t read(const reference_options& o, in_context_recall_options& to) {
  return std::size_t(o("vocab", to.vocabulary)) + o("T", to.length);
}
inline std::size_t read(const reference_options& o, noisy_in_context_recall_options& to) {
  return std::size_t(o("vocab", to.vocabulary)) + o("T", to.length) + o("noise_vocab", to.noise_vocabulary) + o("noise", to.noise);
}
inline std::size_t read(const reference_options& o, fuzzy_in_context_recall_options& to) {
  return std::size_t(o("vocab", to.vocabulary)) + o("T", to.length) + o("k_motif", to.key_size) + o("v_motif", to.value_size);
}
inline std::size_t read(const reference_options& o, selective_copying_options& to) {
  return std::size_t(o("vocab", to.vocabulary)) + o("T", to.length) + o("n", to.tokens);
}
inline std::size_t read(const reference_options& o, compression_options& to) {
  return std::size_t(o("vocab", to.vocabulary)) + o("T", to.length);
}
inline std::size_t read(const reference_options& o, memorization_options& to) {
  return std::size_t(o("vocab", to.vocabulary)) + o("T", to.length);
}
inline std::size_t read(const reference_options& o, mqar_options& to) {
  return std::size_t(o("vocab", to.vocabulary)) + o("T", to.length) + o("pairs", to.pairs) + o("a", to.power) +
         o("random_non_queries", to.random_filler);
}
inline std::size_t read(const reference_options& o, listops_options& to) {
  return std::size_t(o("min_length", to.min_length)) + o("max_length", to.max_length) + o("max_depth", to.max_depth) +
         o("max_args", to.max_arguments) + o("p_op", to.operators);
}
/// The options of the samples under a prefix: the metadata's, or what the reference used where it says nothing of ListOps.
template <class T, class Options>
Options options_for(golden_file& g, const std::string& prefix) {
  Options o;
  o.seed = g.seed, o.train = o.test = o.valid = 1'000'000;
  if constexpr (std::same_as<T, listops>)
    if (prefix == "small.") o.min_length = 10, o.max_length = 60, o.max_depth = 5, o.max_arguments = 5, o.operators = 0.35;
  const std::string of = prefix.empty() ? "published" : prefix.substr(0, prefix.size() - 1);
  const json all = json::parse(g.file.metadata.contains(of) ? g.file.metadata.at(of) : "{}");
  const json given = all.value(std::string(T::name), json::object());
  g.expect(read({given}, o) == given.size(),
           "the metadata have an option of " + std::string(T::name) + " that it does not know: " + given.dump());
  return o;
}
template <class T, class Options>
void compare(golden_file& g) {
  const std::string inputs = ".inputs", task_name(T::name);
  for (const auto& [name, tensor] : g.file.tensors) {
    if (!name.ends_with(inputs)) continue;
    for (const split s : {split::train, split::test, split::valid}) {
      const std::string stem = name.substr(0, name.size() - inputs.size()), ending = task_name + "." + name_of(s);
      if (!stem.ends_with(ending)) continue;
      const std::string prefix = stem.substr(0, stem.size() - ending.size());
      if (!prefix.empty() && !prefix.ends_with('.')) continue;
      const T t(options_for<T, Options>(g, prefix));
      for (idx i = 0; i < tensor.shape.at(0); ++i) {
        sample made = t.make(s, i);
        token_list want = g.row(name, i);
        const std::string row = ", row " + std::to_string(i);
        if (g.file.has(stem + ".lengths"))
          g.expect(g.row(stem + ".lengths", i) == token_list{std::ssize(made.inputs)}, stem + ".lengths" + row);
        if (made.inputs.size() < want.size() && T::labels == labels::one_a_sequence) made.inputs.resize(want.size());
        g.expect(made.inputs == want, name + row);
        g.expect(made.targets == g.row(stem + ".targets", i), stem + ".targets" + row);
        ++g.compared;
      }
    }
  }
}
inline void compare_tables(golden_file& g) {
  if (g.file.has("memorization.map")) g.expect(memorization({.seed = g.seed}).map() == g.values("memorization.map"), "memorization.map");
  if (g.file.has("mqar.weights")) {
    const token_list want = g.values("mqar.weights");
    const auto made = mqar({.length = 2 * std::ssize(want) + 2, .pairs = 1}).weights();
    g.expect(token_list(made.begin(), made.end()) == want, "mqar.weights");
  }
  for (const auto& [name, tensor] : g.file.tensors)
    if (name.starts_with("order.")) g.expect(epoch_order(7, 2, tensor.shape.at(0)) == g.values(name), name);
}
inline void compare_random_numbers(golden_file& g) {
  if (g.file.has("rng.words")) {
    random_stream streams[] = {{0, 1, 0, 0}, {1234, 7, 1, 5}, {std::uint64_t(1) << 63, 6, 3, 0}, {42, 100, 3, 0}};
    for (idx i = 0; i < 4; ++i)
      for (const std::int64_t want : g.row("rng.words", i))
        g.expect(static_cast<std::int64_t>(streams[i].word()) == want, "rng.words, row " + std::to_string(i));
  }
  if (g.file.has("rng.unit")) {
    random_stream r(1234, 1, 0, 0);
    for (const double want : g.file.load<double>("rng.unit").values) g.expect(r.unit() == want, "rng.unit");
  }
}
/// All that a file holds of tasks; `faults` is empty where it is equal.
inline golden_file compared(const std::string& path) {
  golden_file g{files::safetensors::read(path)};
  if (g.file.metadata.contains("seed")) g.seed = std::stoull(g.file.metadata.at("seed"));
  compare<in_context_recall, in_context_recall_options>(g);
  compare<noisy_in_context_recall, noisy_in_context_recall_options>(g);
  compare<fuzzy_in_context_recall, fuzzy_in_context_recall_options>(g);
  compare<selective_copying, selective_copying_options>(g);
  compare<compression, compression_options>(g);
  compare<memorization, memorization_options>(g);
  compare<mqar, mqar_options>(g);
  compare<listops, listops_options>(g);
  compare_tables(g);
  compare_random_numbers(g);
  std::size_t there = 0;
  for (const auto& [name, tensor] : g.file.tensors)
    if (name.ends_with(".inputs")) there += static_cast<std::size_t>(tensor.shape.at(0));
  g.expect(g.compared == there, std::to_string(there - g.compared) + " samples are of no task that is known");
  return g;
}

}  // namespace golden_tasks
