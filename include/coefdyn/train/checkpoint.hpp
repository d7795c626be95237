// SPDX-License-Identifier: MIT
#pragma once
#include <charconv>
#include <map>

#include "../files/save_safetensors.hpp"
#include "../names.hpp"
#include "../nn/models/model.hpp"
#include "interrupt.hpp"
#include "trainer.hpp"

/// Trainings as files, from which they go on bit for bit.
///
/// ```cpp
/// #include <coefdyn/nn/layers/delta_rule.hpp>
/// #include <coefdyn/nn/models/language_model.hpp>
/// #include <coefdyn/tasks/in_context_recall.hpp>
/// #include <coefdyn/train/checkpoint.hpp>
/// #include <cstdio>
/// using namespace coefdyn;
/// inline void train_on(train::trainer<nn::language_model<nn::gated_deltanet>>& t, const std::string& path, bool resume) {
///   const tasks::in_context_recall task({.length = 32, .train = 3200, .test = 256});
///   if (resume) train::load_checkpoint(path, t);  // weights, moments, step; then as if it had never stopped
///   const auto out = train::fit_with_checkpoints(t, task, {.path = path, .every = 500}, [](const train::progress&) {});
///   std::printf("%ld steps %s\n", out.steps, out.stopped.c_str());  // "interrupted" after Ctrl-C, which saves
/// }
/// ```
///
/// A file is a safetensors one: every parameter and running number under its published name, the parameters' moments in AdamW as
/// adamw.first.NAME and adamw.second.NAME, and as
/// metadata the model, its sizes, the step, and seed, batch and accumulate, on which the order of samples and dropout depend: with the step
/// they are all that random numbers are a function of.
namespace coefdyn::train {

/// Words beside a checkpoint's own: what the metadata holds under other names.
using checkpoint_notes = std::map<std::string, std::string>;

namespace detail {
inline constexpr const char* checkpoint_format = "coefdyn training 1";
inline constexpr const char* moment_prefixes[] = {"adamw.first.", "adamw.second."};

/// "language_model of linear, scalar, one, one": the model and its mixer, as every compiler spells them.
template <class Model>
std::string model_name() {
  const std::string name = name_of<Model>();
  if constexpr (requires { typename Model::layer_type::mixer_type; })
    return name.substr(0, name.find('<')) + " of " + name_of<typename Model::layer_type::mixer_type>();
  else return name;
}
/// What has to be the same for a training to go on; sizes of a type that the library does not know are told by their parameters alone.
template <class Model, class R, class On>
checkpoint_notes identity_of(const trainer<Model, R, On>& t) {
  checkpoint_notes out{{"format", checkpoint_format},
                       {"model", model_name<Model>()},
                       {"seed", std::to_string(t.s.seed)},
                       {"batch", std::to_string(t.s.batch)},
                       {"accumulate", std::to_string(t.s.accumulate)}};
  if constexpr (requires { nn::each_size(t.model.size, [](const char*, auto) {}); })
    nn::each_size(t.model.size, [&](const char* name, auto size) {
      char number[32];
      const auto end = std::to_chars(number, number + sizeof number, static_cast<double>(size)).ptr;  // the shortest that is exact
      out["size." + std::string(name)] = std::string(number, end);
    });
  return out;
}
/// Running numbers have no moments.
inline bool is_kept(const std::string& prefix, const nn::parameter_entry& e) { return prefix.empty() || e.is_trained(); }
template <class R>
void add_all(files::safetensors_writer& to, const std::string& prefix, const nn::weights<R>& w) {
  for (const auto& e : w.parameters()->entries())
    if (is_kept(prefix, e)) to.add(prefix + e.name, {files::number_type_of<R>(), "", e.shape, std::as_bytes(w(e.name))});
}
/// That a file has every tensor under the prefix, of the right shape and type.
template <class R>
void expect_all(const files::safetensors& file, const std::string& prefix, const nn::parameter_list& parameters) {
  const std::string dtype(files::entry_of(files::number_type_of<R>()).safetensors);
  for (const auto& e : parameters.entries()) {
    if (!is_kept(prefix, e)) continue;
    const std::string what = "tensor " + files::detail::in_quotes(prefix + e.name) + ": expected ";
    const auto t = file.tensors.find(prefix + e.name);
    if (t == file.tensors.end())
      files::detail::refuse(file.path, what + "one of shape " + nn::parameter_list::text(e.shape) + ", given none");
    if (t->second.shape != e.shape)
      files::detail::refuse(file.path,
                            what + "shape " + nn::parameter_list::text(e.shape) + ", given " + nn::parameter_list::text(t->second.shape));
    if (t->second.dtype != dtype) files::detail::refuse(file.path, what + dtype + ", given " + std::string(t->second.dtype));
  }
}
inline void expect_no_others(const files::safetensors& file, const nn::parameter_list& parameters) {
  for (const auto& [name, t] : file.tensors) {
    std::string of = name;
    for (const std::string prefix : moment_prefixes)
      if (name.starts_with(prefix)) of = name.substr(prefix.size());
    if (!parameters.find(of))
      files::detail::refuse(file.path, "tensor " + files::detail::in_quotes(name) + ": expected one of this model's");
  }
}
template <class R>
void copy_all(nn::weights<R>& to, const files::safetensors& file, const std::string& prefix) {
  for (const auto& e : to.parameters()->entries()) {
    if (!is_kept(prefix, e)) continue;
    const auto from = file.at(prefix + e.name).bytes;
    std::memcpy(to(e.name).data(), from.data(), from.size());
  }
}
/// The metadata's entry; that of a file which is no checkpoint is not there.
inline const std::string& said(const files::safetensors& file, const std::string& key) {
  const auto at = file.metadata.find(key);
  if (at == file.metadata.end())
    files::detail::refuse(file.path, "expected a checkpoint of a training, given a file whose metadata has no " + key);
  return at->second;
}
inline long whole_number(const files::safetensors& file, const std::string& key) {
  const std::string& text = said(file, key);
  long number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < 0)
    files::detail::refuse(file.path, key + ": expected a whole number, given " + files::detail::in_quotes(text));
  return number;
}
}  // namespace detail

/// Writes a training to a file, aside and then renamed: whoever opens it meets the old content or the whole new one.
///
/// error   invalid_input for a note under a name of the checkpoint's own; file_error where writing fails
template <class Model, class R, class On>
void save_checkpoint(const std::string& path, const trainer<Model, R, On>& t, const checkpoint_notes& notes = {}) {
  files::safetensors_writer to;
  to.metadata = detail::identity_of(t);
  to.metadata["step"] = std::to_string(t.optimiser.steps());
  for (const auto& [key, text] : notes)
    if (!to.metadata.emplace(key, text).second) throw invalid_input("note " + key, "a name that is not the checkpoint's own", key);
  const nn::weights<R>& w = nn::on_host(t.w);  // copies where they have to be, which the writer reads when it saves
  const nn::weights<R>& first = nn::on_host(t.optimiser.first());
  const nn::weights<R>& second = nn::on_host(t.optimiser.second());
  detail::add_all(to, "", w), detail::add_all(to, detail::moment_prefixes[0], first),
      detail::add_all(to, detail::moment_prefixes[1], second);
  to.save(path);
}

/// Takes weights, moments and step from a file; the training then goes on as if it had never stopped, in whatever process. Rates, the
/// number of steps and threads are the trainer's own. Returns the metadata, with the notes.
///
/// error   file_error for a truncated file, one of another model, of other sizes, seed, batch or accumulate, with a tensor missing, unknown
///         or of another shape or type; the trainer is then as it was
template <class Model, class R, class On>
checkpoint_notes load_checkpoint(const std::string& path, trainer<Model, R, On>& t) {
  const auto file = files::safetensors::read(path);
  detail::said(file, "format");
  for (const auto& [key, expected] : detail::identity_of(t))
    if (const std::string& given = detail::said(file, key); given != expected)
      files::detail::refuse(path, key + ": expected " + expected + ", given " + files::detail::in_quotes(given));
  const long step = detail::whole_number(file, "step");
  const auto& parameters = *t.w.parameters();
  for (const std::string prefix : {"", detail::moment_prefixes[0], detail::moment_prefixes[1]})
    detail::expect_all<R>(file, prefix, parameters);
  detail::expect_no_others(file, parameters);
  nn::weights<R> w(t.w.parameters()), first(t.w.parameters()), second(t.w.parameters());
  detail::copy_all(first, file, detail::moment_prefixes[0]), detail::copy_all(second, file, detail::moment_prefixes[1]);
  t.optimiser.resume(first, second, step);
  detail::copy_all(w, file, "");
  t.w.copy_from(w);
  return file.metadata;
}

/// Where a training keeps itself.
struct checkpoint_plan {
  std::string path;
  long every = 0;  // steps; 0: at the end and after Ctrl-C alone
  checkpoint_notes notes{};
};
/// `fit` that saves every so many steps (at the first report behind them), at the end with the note `stopped` (outcome::stopped), and after
/// Ctrl-C or SIGTERM, which ends it behind the step that runs: `stopped` is then "interrupted".
template <class Model, class R, class On, tasks::task T, class Report>
outcome fit_with_checkpoints(trainer<Model, R, On>& t, const T& task, const checkpoint_plan& plan, Report report) {
  const interrupt stop;
  bool interrupted = false;
  outcome out = t.fit(task, [&](const progress& p) {
    const bool go_on = detail::go_on(report, p);
    interrupted = stop.asked();
    const bool due = plan.every > 0 && p.step / plan.every != (p.step - long(p.losses.size())) / plan.every;
    if (interrupted || due) save_checkpoint(plan.path, t, plan.notes);
    return go_on && !interrupted;
  });
  if (interrupted && out.stopped == "asked to stop") out.stopped = "interrupted";
  checkpoint_notes notes = plan.notes;
  notes["stopped"] = out.stopped;
  save_checkpoint(plan.path, t, notes);
  return out;
}

}  // namespace coefdyn::train
