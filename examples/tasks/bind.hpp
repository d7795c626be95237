// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/tasks/compression.hpp>
#include <coefdyn/tasks/fuzzy_in_context_recall.hpp>
#include <coefdyn/tasks/in_context_recall.hpp>
#include <coefdyn/tasks/listops.hpp>
#include <coefdyn/tasks/memorization.hpp>
#include <coefdyn/tasks/mqar.hpp>
#include <coefdyn/tasks/noisy_in_context_recall.hpp>
#include <coefdyn/tasks/selective_copying.hpp>

/// The options of generated tasks under their names on a command line: o.add(name, variable) for each.
namespace show_tasks {

using namespace coefdyn::tasks;

template <class Table>
void bind(Table& o, in_context_recall_options& to) {
  o.add("vocabulary", to.vocabulary), o.add("length", to.length);
}
template <class Table>
void bind(Table& o, noisy_in_context_recall_options& to) {
  o.add("vocabulary", to.vocabulary), o.add("length", to.length), o.add("noise-vocabulary", to.noise_vocabulary), o.add("noise", to.noise);
}
template <class Table>
void bind(Table& o, fuzzy_in_context_recall_options& to) {
  o.add("vocabulary", to.vocabulary), o.add("length", to.length), o.add("key-size", to.key_size), o.add("value-size", to.value_size);
}
template <class Table>
void bind(Table& o, selective_copying_options& to) {
  o.add("vocabulary", to.vocabulary), o.add("length", to.length), o.add("tokens", to.tokens);
}
template <class Table>
void bind(Table& o, compression_options& to) {
  o.add("vocabulary", to.vocabulary), o.add("length", to.length);
}
template <class Table>
void bind(Table& o, memorization_options& to) {
  o.add("vocabulary", to.vocabulary), o.add("length", to.length);
}
template <class Table>
void bind(Table& o, mqar_options& to) {
  o.add("vocabulary", to.vocabulary), o.add("length", to.length), o.add("pairs", to.pairs), o.add("power", to.power);
  o.add("random-filler", to.random_filler);
}
template <class Table>
void bind(Table& o, listops_options& to) {
  o.add("min-length", to.min_length), o.add("max-length", to.max_length), o.add("max-depth", to.max_depth);
  o.add("max-arguments", to.max_arguments), o.add("operators", to.operators);
}

}  // namespace show_tasks
