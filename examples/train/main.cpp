// SPDX-License-Identifier: MIT
// Trains a model of a layer on a task, and shows how it went.
//
//   train                                           a small recall task, in a minute
//   train mqar mamba2 --dim 64 --steps 1500
//   train mqar 'mixer<readout::linear, evolution::identity, scaling::one, normalization::one>' --positions 1
//   train mqar gated_deltanet --device cuda         on a GPU: the layer is compiled by nvcc
//   train --resume FOLDER                           goes on where Ctrl-C stopped it
#include <unistd.h>

#include <chrono>
#include <coefdyn/files/safetensors.hpp>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "command_line.hpp"
#include "compile.hpp"
#include "report.hpp"

namespace train_command {
namespace {
namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

std::string time_text(double seconds) {
  char text[32];
  const long s = long(seconds + 0.5);
  if (s < 3600) std::snprintf(text, sizeof text, "%ld:%02ld", s / 60, s % 60);
  else std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  return text;
}
/// A line that is written over on a terminal, and now and then elsewhere.
class progress_line {
 public:
  explicit progress_line(long every) : every_(every) {}
  void operator()(const train::progress& p) {
    const auto now = std::chrono::steady_clock::now();
    const bool evaluated = every_ > 0 && p.step % every_ == 0, last = p.step == p.steps;
    if (!evaluated && !last && now - shown_ < std::chrono::milliseconds(terminal_ ? 100 : 10000)) return;
    shown_ = now;
    char accuracy[16] = "-";
    if (p.accuracy >= 0) std::snprintf(accuracy, sizeof accuracy, "%.3f", p.accuracy);
    std::printf("%sstep %ld of %ld  %.0f tokens/s  loss %.4f  accuracy %s  %s left%s", terminal_ ? "\r\033[K" : "", p.step, p.steps,
                p.tokens_per_second, p.loss, accuracy, time_text(p.seconds_left).c_str(), terminal_ ? "" : "\n");
    std::fflush(stdout);
  }
  void end() const {
    if (terminal_) std::printf("\n");
  }

 private:
  long every_;
  bool terminal_ = isatty(STDOUT_FILENO) != 0;
  std::chrono::steady_clock::time_point shown_{};
};

json settings_json(const command_line& line, const unit& u, const nn::model_sizes& z, idx parameters) {
  const auto& t = line.asked.training;
  json sizes;
  nn::each_size(z, [&](const char* name, auto v) { sizes[name] = v; });
  json options;
  line.task->each_option([&](const std::string& name, option_value v) { std::visit([&](auto* x) { options[name] = *x; }, v); });
  return {{"command", json::parse(line.stored())},
          {"task", {{"name", line.asked.task}, {"options", options}}},
          {"layer", {{"name", line.layer.name}, {"type", line.layer.type}, {"mixer", u.mixer}}},
          {"model", {{"name", line.asked.model}, {"parameters", parameters}, {"sizes", sizes}}},
          {"training",
           {{"steps", t.rate.steps},
            {"batch", t.batch},
            {"accumulate", t.accumulate},
            {"rate", t.rate.rate},
            {"least_rate", t.rate.least},
            {"ssm_rate", line.asked.ssm_rate},
            {"warmup", t.rate.warmup},
            {"betas", {t.optimiser.beta1, t.optimiser.beta2}},
            {"eps", t.optimiser.eps},
            {"decay", t.optimiser.decay},
            {"clip", t.optimiser.clip},
            {"evaluate_every", t.evaluate_every},
            {"enough", t.enough},
            {"seed", t.seed},
            {"bf16", t.bf16}}},
          {"device", line.asked.device}};
}
/// A model's sizes that follow from the task.
nn::model_sizes sizes_for(const request& r, const task_of_a_run& task) {
  nn::model_sizes z = r.size;
  const auto take = [&](const auto& t) {
    z.vocabulary = t.vocabulary(), z.outputs = t.outputs() == t.vocabulary() ? 0 : t.outputs();
    if (r.positions) z.positions = t.length();
  };
  if (task.by_token) take(*task.by_token);
  else take(*task.by_sequence), z.pooled = true, z.head = z.width;
  return z;
}
void expect_room(const request& r) {
  if (!r.resume.empty() || r.overwrite || !fs::exists(r.out + "/checkpoint.safetensors")) return;
  const auto file = coefdyn::files::safetensors::read(r.out + "/checkpoint.safetensors");
  const auto stopped = file.metadata.find("stopped");
  if (stopped != file.metadata.end() && stopped->second != "interrupted") return;
  throw usage_error(r.out + " holds an unfinished training: --resume " + r.out + " goes on with it, --overwrite 1 begins anew.");
}

/// A training from its model to its folder.
class session {
 public:
  explicit session(const command_line& line)
      : line_(line),
        asked_(line.asked),
        task_(line.task->make()),
        sizes_(sizes_for(asked_, task_)),
        checkpoint_(asked_.out + "/checkpoint.safetensors") {
    expect_room(asked_);
  }
  /// The program's exit code.
  int run() {
    std::printf("%s on %s: compiling what is not yet compiled\n", line_.layer.name.c_str(), asked_.task.c_str());
    std::fflush(stdout);
    const auto begun = std::chrono::steady_clock::now();
    const auto since = [](auto from) { return std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count(); };
    unit_ = &compiled({line_.layer, asked_.model, asked_.include, line_.card});
    compiling_ = since(begun);
    const auto model = unit_->make(sizes_, asked_.training);
    parameters_ = model->parameters();
    look(*model, to_.before, near_zero_before_);  // also at a training that goes on: starts are repeatable
    if (!asked_.resume.empty()) go_on(*model);
    fs::create_directories(asked_.out);
    std::printf("%s: %s; %ld parameters; %.0f s of compiling\n", asked_.model.c_str(), unit_->mixer.c_str(), long(parameters_), compiling_);
    const auto start = std::chrono::steady_clock::now();
    const train::outcome out = fit(*model);
    seconds_ = since(start), step_bytes_ = model->step_bytes();
    look(*model, to_.after, near_zero_after_);
    return finish(out);
  }

 private:
  void look(training& model, std::vector<layer_spectrum>& spectra, std::vector<double>& near_zero) const {
    if (asked_.spectrum_sequences > 0) spectra = model.spectra(test_batch(asked_.spectrum_sequences));
    if (asked_.coefficient_sequences > 0) near_zero = model.near_zero_shares(test_batch(asked_.coefficient_sequences));
  }
  tasks::batch test_batch(idx sequences) const {
    const auto take = [&](const auto& t) {
      std::vector<idx> indices;
      for (idx i = 0; i < std::min(sequences, t.size(tasks::split::test)); ++i) indices.push_back(i);
      return tasks::make_batch(t, tasks::split::test, indices);
    };
    return task_.by_token ? take(*task_.by_token) : take(*task_.by_sequence);
  }
  void go_on(training& model) {
    first_ = std::stol(model.load(checkpoint_).at("step"));
    to_.curve = curve_in(asked_.out, first_);
    std::printf("going on at step %ld\n", first_);
  }
  train::outcome fit(training& model) {
    const long every = asked_.training.evaluate_every;
    learning& curve = to_.curve;
    progress_line show(every);
    const auto out = model.fit(task_, checkpoint_, asked_.checkpoint_every, {{"command", line_.stored()}}, [&](const train::progress& p) {
      show(p);
      tokens_per_second_ = p.tokens_per_second;
      curve.loss.insert(curve.loss.end(), p.losses.begin(), p.losses.end());
      if (every > 0 && p.step % every == 0 && p.step < p.steps)
        curve.evaluated.push_back(double(p.step)), curve.accuracy.push_back(p.accuracy);
    });
    show.end();
    if (curve.evaluated.empty() || curve.evaluated.back() < double(out.steps))
      curve.evaluated.push_back(double(out.steps)), curve.accuracy.push_back(out.accuracy);
    return out;
  }
  int finish(const train::outcome& out) {
    describe(out);
    std::printf("%ld steps%s: loss %.4f, accuracy %.4f (macro %.4f), perplexity %.3f; %.0f s\n", out.steps,
                out.stopped.empty() ? "" : (", " + out.stopped).c_str(), out.loss, out.accuracy, out.macro_accuracy, out.perplexity,
                seconds_);
    std::printf("written to %s: checkpoint.safetensors", asked_.out.c_str());
    for (const std::string& what : write(to_, asked_.out)) std::printf("; %s", what.c_str());
    std::printf("\n");
    if (out.stopped != "interrupted") return out.stopped.find("not finite") == std::string::npos ? 0 : 1;
    std::printf("interrupted after step %ld, saved; `./run train --resume %s` goes on.\n", out.steps, asked_.out.c_str());
    return 130;
  }
  void describe(const train::outcome& out) {
    const auto& t = asked_.training;
    to_.title = line_.layer.name + " on " + asked_.task;
    to_.settings = unit_->mixer + "; " + asked_.model + ", D " + std::to_string(sizes_.width) + ", " + std::to_string(sizes_.layers) +
                   " layers, " + (line_.layer.has_heads ? std::to_string(sizes_.layer.heads) + " heads, " : "") +
                   std::to_string(out.steps) + " steps of " + std::to_string(t.batch * t.accumulate) + ", seed " + std::to_string(t.seed);
    to_.settings_json = settings_json(line_, *unit_, sizes_, parameters_).dump();
    to_.figures_json = json{
        {"steps", out.steps},
        {"stopped", out.stopped},
        {"loss", out.loss},
        {"accuracy", out.accuracy},
        {"macro_accuracy", out.macro_accuracy},
        {"perplexity", out.perplexity},
        {"seconds", seconds_},
        {"seconds_of_compiling", compiling_},
        {"tokens_per_second", tokens_per_second_},
        {"bytes_of_a_step", step_bytes_},
        {"near_zero_shares", {{"before", near_zero_before_}, {"after", near_zero_after_}}},
        {"first_step",
         first_}}.dump();
  }

  const command_line& line_;
  const request& asked_;
  const task_of_a_run task_;
  const nn::model_sizes sizes_;
  const std::string checkpoint_;
  const unit* unit_ = nullptr;
  record to_;
  idx parameters_ = 0;
  std::size_t step_bytes_ = 0;
  long first_ = 0;
  std::vector<double> near_zero_before_, near_zero_after_;  // of the layers
  double compiling_ = 0, seconds_ = 0, tokens_per_second_ = 0;
};

}  // namespace
}  // namespace train_command

int main(int argc, char** argv) {
  try {
    train_command::command_line line({argv + 1, argv + argc});
    return line.parse() ? train_command::session(line).run() : 0;
  } catch (const std::exception& e) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}
