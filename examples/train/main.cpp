// SPDX-License-Identifier: MIT
// Trains a model of a layer on a task, and shows how it went.
//
//   train                                           a small recall task, in a minute
//   train mqar mamba2 --dim 64 --steps 1500
//   train mqar 'mixer<readout::linear, evolution::identity, scaling::one, normalization::one>' --positions 1
//   train --resume FOLDER                           goes on where Ctrl-C stopped it
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <coefdyn/files/safetensors.hpp>
#include <coefdyn/train/trainer.hpp>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "compile.hpp"
#include "report.hpp"
#include "task_table.hpp"

namespace train_command {
namespace {
namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

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
  bool positions = false, full = false, overwrite = false;
  idx spectrum_sequences = 16;
  long checkpoint_every = 0;
};
std::vector<std::string> words_of(const json& list) { return list.get<std::vector<std::string>>(); }

const char* const models[] = {"language_model", "autoencoder", "paper_transformer", "paper_mamba", "paper_ssm"};

/// The command line: a task and a layer, if it begins with words, then options.
class command_line {
 public:
  explicit command_line(std::vector<std::string> arguments) : arguments_(std::move(arguments)) {
    if (const std::string from = value_of("--resume"); !from.empty()) take_stored(from);
    const auto is_word = [](const std::string& a) { return !a.starts_with("-"); };
    std::vector<std::string> words;
    while (words.size() < arguments_.size() && is_word(arguments_[words.size()])) words.push_back(arguments_[words.size()]);
    if (words.size() > 2) throw usage_error("expected a task and a layer, given '" + words[2] + "' as well.");
    if (words.size() == 1)
      throw usage_error("expected a task and a layer, given '" + words[0] + "' alone; `./run train --help` lists them.");
    if (words.size() == 2) asked.task = words[0], asked.layer = words[1];
    options_.assign(arguments_.begin() + std::ptrdiff_t(words.size()), arguments_.end());
    small_ = words.empty();
  }
  /// false: the user asked for help, which is printed.
  bool parse() {
    const known_task* const task = find_task();
    task_options = task->options(value_of("--full") == "1");
    set_defaults();
    CLI::App app("Trains a model of a layer on a task; writes figures, pictures and a checkpoint.", "./run train TASK LAYER");
    app.set_help_flag("--help", "this text");
    app.allow_extras();
    app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)->always_capture_default();
    add_options(app);
    std::vector<std::string> reversed(options_.rbegin(), options_.rend());
    try {
      app.parse(reversed);
    } catch (const CLI::CallForHelp&) {
      std::printf("%s", app.help().c_str());
      print_names();
      return false;
    } catch (const CLI::ParseError& e) {
      throw usage_error(std::string(e.what()) + ".");
    }
    if (!app.remaining().empty()) refuse_option(app);
    settle(*task, app);
    return true;
  }
  /// What a checkpoint keeps, so that --resume needs no more.
  std::string stored() const {
    json list{asked.task, asked.layer};
    for (std::size_t i = 0; i < options_.size(); ++i) {
      const std::string name = options_[i].substr(0, options_[i].find('='));
      const bool not_kept = name == "--out" || name == "--resume" || name == "--overwrite" || name == "--include";
      if (not_kept) i += options_[i] == name;
      else list.push_back(options_[i]);
    }
    if (!asked.include.empty()) list.push_back("--include=" + asked.include);  // wherever it goes on
    return list.dump();
  }

  request asked;
  std::unique_ptr<task_to_make> task_options;
  known_layer layer;
  json task_json;

 private:
  std::string value_of(const std::string& option) const {
    std::string value;
    for (std::size_t i = 0; i < arguments_.size(); ++i) {
      if (arguments_[i] == option && i + 1 < arguments_.size()) value = arguments_[i + 1];
      if (arguments_[i].starts_with(option + "=")) value = arguments_[i].substr(option.size() + 1);
    }
    return value;
  }
  /// The arguments of the training that goes on, in front of those of this call.
  void take_stored(const std::string& folder) {
    if (!arguments_.empty() && !arguments_[0].starts_with("-"))
      throw usage_error("with --resume, task and layer are those of the checkpoint; leave '" + arguments_[0] + "' out.");
    const auto file = coefdyn::files::safetensors::read(folder + "/checkpoint.safetensors");
    const auto at = file.metadata.find("command");
    const json list = at == file.metadata.end() ? json() : json::parse(at->second, nullptr, false);
    if (!list.is_array())
      throw usage_error(file.path + ": expected a checkpoint of `./run train`, given a file whose metadata has no command.");
    std::vector<std::string> before = words_of(list);
    before.insert(before.end(), arguments_.begin(), arguments_.end());
    arguments_ = std::move(before);
  }
  const known_task* find_task() const {
    std::vector<std::string> names;
    for (const known_task& t : known_tasks()) {
      if (t.name == asked.task) return &t;
      names.push_back(t.name);
    }
    const std::string near = nearest(asked.task, names);
    throw usage_error("no task is called " + asked.task +
                      (near.empty() ? "; `./run train --help` lists them." : "; did you mean " + near + "?"));
  }
  /// A minute on two cores; with --full 1, the size of the papers' synthetic experiments.
  void set_defaults() {
    const bool full = value_of("--full") == "1";
    auto& z = asked.size;
    auto& t = asked.training;
    z.width = full ? 128 : 64, z.hidden = full ? 352 : 128, z.layers = 2, z.layer.heads = full ? 4 : 2;
    t.batch = full ? 128 : 32, t.rate.rate = small_ ? 3e-3 : full ? 1e-3 : 2e-3, t.rate.steps = small_ ? 300 : full ? 20000 : 1500;
    t.rate.least = -1, t.rate.warmup = -1;
    t.evaluate_every = small_ ? 50 : full ? 500 : 100, t.enough = small_ ? 0.99 : 0.999;
  }
  void add_options(CLI::App& app) {
    const std::string of_task = "Task " + asked.task, of_model = "Model", of_training = "Training", of_command = "Command";
    task_options->each_option([&](const std::string& name, option_value v) {
      std::visit([&](auto* to) { app.add_option("--" + name, *to, "")->group(of_task); }, v);
    });
    auto& z = asked.size;
    app.add_option("--model", asked.model, "language_model, autoencoder, paper_transformer, paper_mamba, paper_ssm")->group(of_model);
    app.add_option("--dim", z.width, "width of the activations")->group(of_model);
    app.add_option("--layers", z.layers, "")->group(of_model);
    app.add_option("--hidden", z.hidden, "of the MLP in a block; 0: none")->group(of_model);
    app.add_option("--positions", asked.positions, "learned positions")->group(of_model);
    app.add_option("--tied", z.tied, "logits by the embeddings")->group(of_model);
    app.add_option("--gated", z.gated, "of paper_transformer")->group(of_model);
    app.add_option("--dropout", z.dropout, "of the paper_ models")->group(of_model);
    nn::each_layer_size(z.layer, [&](const std::string& name, auto& to) {
      sizes_[name] = app.add_option("--" + dashed(name), to, size_about(name))->group(of_model);
    });
    auto& t = asked.training;
    app.add_option("--steps", t.rate.steps, "")->group(of_training);
    app.add_option("--batch", t.batch, "sequences")->group(of_training);
    app.add_option("--accumulate", t.accumulate, "batches a step")->group(of_training);
    app.add_option("--rate", t.rate.rate, "the largest learning rate")->group(of_training);
    app.add_option("--least-rate", t.rate.least, "of the last step; -1: a tenth")->group(of_training);
    app.add_option("--warmup", t.rate.warmup, "steps; -1: 100, or a tenth of all")->group(of_training);
    app.add_option("--decay", t.optimiser.decay, "of weights")->group(of_training);
    app.add_option("--clip", t.optimiser.clip, "the gradients' largest norm; 0: none")->group(of_training);
    app.add_option("--beta2", t.optimiser.beta2, "of AdamW")->group(of_training);
    app.add_option("--evaluate-every", t.evaluate_every, "steps")->group(of_training);
    app.add_option("--enough", t.enough, "accuracy that ends it")->group(of_training);
    app.add_option("--seed", t.seed, "of the start, the order of samples, dropout")->group(of_training);
    app.add_option("--threads", t.threads, "0: all; changes no bit")->group(of_training);
    app.add_option("--device", asked.device, "cpu or cuda")->group(of_command);
    app.add_option("--include", asked.include, "a header of yours, for a layer given as text")->group(of_command);
    app.add_option("--out", asked.out, "folder; else build/train/TASK-LAYER")->group(of_command);
    app.add_option("--resume", asked.resume, "folder of a training that goes on; other options may follow")->group(of_command);
    app.add_option("--overwrite", asked.overwrite, "1: over an unfinished training")->group(of_command);
    app.add_option("--checkpoint-every", asked.checkpoint_every, "steps; 0: at the end, and after Ctrl-C")->group(of_command);
    app.add_option("--spectrum-sequences", asked.spectrum_sequences, "of the test whose spectra are counted; 0: none")->group(of_command);
    app.add_option("--full", asked.full, "1: the papers' sizes")->group(of_command);
  }
  static const char* size_about(const std::string& name) {
    return name == "heads"              ? "that read"
           : name == "key_heads"        ? "0: as many as read"
           : name == "n" || name == "d" ? "channels of a key, a value; 0: as published"
           : name == "convolution"      ? "tokens"
           : name == "eps"              ? "of the layer's norms; 0: as published"
           : name.ends_with("_rank")    ? "0: rank"
                                        : "";
  }
  static std::string dashed(std::string name) {
    std::replace(name.begin(), name.end(), '_', '-');
    return name;
  }
  [[noreturn]] void refuse_option(const CLI::App& app) const {
    const std::string given = app.remaining().front(), name = given.substr(0, given.find('='));
    if (!name.starts_with("-")) throw usage_error("expected options behind task and layer, given '" + given + "'.");
    std::vector<std::string> names;
    for (const CLI::Option* o : app.get_options()) names.push_back(o->get_name());
    const std::string near = nearest(name, names);
    throw usage_error("there is no option " + name +
                      (near.empty() ? "; `./run train --help` lists them." : "; did you mean " + near + "?"));
  }
  void print_names() const {
    std::printf("\nTasks:\n");
    for (const known_task& t : known_tasks()) std::printf("  %-28s%s\n", t.name.c_str(), t.about.c_str());
    std::printf("\nLayers:\n");
    for (const known_layer& l : known_layers()) std::printf("  %-28s%s\n", l.name.c_str(), l.about.c_str());
    std::printf("  'mixer<...>', nn::layer<...>   a type as text; --include FILE for your own policies\n");
  }
  /// What follows from what was asked for; all that can be wrong without the model itself.
  void settle(const known_task& task, const CLI::App&) {
    if (asked.device != "cpu") {
      if (asked.device != "cuda") throw usage_error("--device: expected cpu or cuda, given '" + asked.device + "'.");
      throw usage_error("--device cuda: layers are trained on the CPU alone so far; leave it out.");
    }
    if (!asked.include.empty()) {
      if (!fs::exists(asked.include)) throw usage_error("--include: expected a header, and there is no file " + asked.include + ".");
      asked.include = fs::absolute(asked.include).string();
    }
    layer = layer_of(asked.layer, !asked.include.empty());
    if (asked.model.empty()) asked.model = task.model;
    if (std::find(std::begin(models), std::end(models), asked.model) == std::end(models)) {
      const std::string near = nearest(asked.model, {std::begin(models), std::end(models)});
      throw usage_error("no model is called " + asked.model + (near.empty() ? "." : "; did you mean " + near + "?"));
    }
    settle_sizes();
    auto& r = asked.training.rate;
    train::check(asked.training);
    if (r.warmup < 0) r.warmup = std::min(100L, r.steps / 10);
    if (r.least < 0) r.least = r.rate / 10;
    if (asked.checkpoint_every < 0 || asked.spectrum_sequences < 0)
      throw usage_error("--checkpoint-every and --spectrum-sequences: expected 0 or more.");
    task_options->each_option([&](const std::string& name, option_value v) { std::visit([&](auto* x) { task_json[name] = *x; }, v); });
    if (asked.resume.empty() && asked.out.empty()) asked.out = std::string(TRAIN_OUT) + "/" + asked.task + "-" + file_name(asked.layer);
    if (!asked.resume.empty()) asked.out = asked.resume;
  }
  void settle_sizes() {
    nn::sizes given = asked.size.layer;
    nn::sizes& z = asked.size.layer;
    if (layer.published && asked.size.width > 0 && z.heads > 0) {
      z.width = asked.size.width;
      layer.published(z);
      z.width = 0;
      std::map<std::string, double> said;
      nn::each_layer_size(given, [&](const std::string& name, auto v) {
        if (sizes_.at(name)->count() > 0) said[name] = double(v);
      });
      nn::each_layer_size(z, [&](const std::string& name, auto& v) {
        if (said.contains(name)) v = static_cast<std::remove_reference_t<decltype(v)>>(said.at(name));
      });
    }
    if (layer.has_heads) (void)asked.size.layer_sizes(0).complete();  // heads that do not divide are refused before anything is compiled
  }
  static std::string file_name(const std::string& layer) {
    std::string name;
    for (const char c : layer)
      if (std::isalnum(static_cast<unsigned char>(c)) || c == '_') name += c;
      else if (!name.empty() && name.back() != '-') name += '-';
    return name.substr(0, 60);
  }

  std::vector<std::string> arguments_, options_;
  std::map<std::string, CLI::Option*> sizes_;
  bool small_ = false;
};

// ---- the training ------------------------------------------------------------------------------------------------------------
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

tasks::batch test_batch(const task_of_a_run& task, idx sequences) {
  const auto take = [&](const auto& t) {
    std::vector<idx> indices;
    for (idx i = 0; i < std::min(sequences, t.size(tasks::split::test)); ++i) indices.push_back(i);
    return tasks::make_batch(t, tasks::split::test, indices);
  };
  return task.by_token ? take(*task.by_token) : take(*task.by_sequence);
}
json settings_json(const command_line& line, const unit& u, const nn::model_sizes& z, idx parameters) {
  const auto& t = line.asked.training;
  json sizes;
  nn::each_size(z, [&](const char* name, auto v) { sizes[name] = v; });
  return {{"command", json::parse(line.stored())},
          {"task", {{"name", line.asked.task}, {"options", line.task_json}}},
          {"layer", {{"name", line.layer.name}, {"type", line.layer.type}, {"mixer", u.mixer}}},
          {"model", {{"name", line.asked.model}, {"parameters", parameters}, {"sizes", sizes}}},
          {"training",
           {{"steps", t.rate.steps},
            {"batch", t.batch},
            {"accumulate", t.accumulate},
            {"rate", t.rate.rate},
            {"least_rate", t.rate.least},
            {"warmup", t.rate.warmup},
            {"betas", {t.optimiser.beta1, t.optimiser.beta2}},
            {"eps", t.optimiser.eps},
            {"decay", t.optimiser.decay},
            {"clip", t.optimiser.clip},
            {"evaluate_every", t.evaluate_every},
            {"enough", t.enough},
            {"seed", t.seed}}},
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

int run(command_line& line) {
  const request& r = line.asked;
  const task_of_a_run task = line.task_options->make();
  if (task.labels == tasks::labels::one_a_sequence && (r.model == "language_model" || r.model == "autoencoder"))
    throw usage_error("--model: " + r.task + " has one target a sequence, and " + r.model +
                      " has logits for every token; write paper_transformer.");
  expect_room(r);
  const nn::model_sizes z = sizes_for(r, task);
  const auto begun = std::chrono::steady_clock::now();
  const auto since = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count(); };
  std::printf("%s on %s: compiling what is not yet compiled\n", line.layer.name.c_str(), r.task.c_str());
  std::fflush(stdout);
  const unit& u = compiled({line.layer, r.model, task.labels, r.include});
  const double compiling = since();
  const auto model = u.make(z, r.training);
  const std::string checkpoint = r.out + "/checkpoint.safetensors";
  record to;
  const bool spectra = r.spectrum_sequences > 0;
  if (spectra)
    to.before = model->spectra(test_batch(task, r.spectrum_sequences));  // also of a training that goes on: starts are repeatable
  long first = 0;
  if (!r.resume.empty()) {
    first = std::stol(model->load(checkpoint).at("step"));
    to.curve = curve_in(r.out, first);
    std::printf("going on at step %ld\n", first);
  }
  fs::create_directories(r.out);
  std::printf("%s: %s; %ld parameters; %.0f s of compiling\n", r.model.c_str(), u.mixer.c_str(), long(model->parameters()), compiling);
  progress_line show(r.training.evaluate_every);
  double tokens_per_second = 0;
  const auto out = model->fit(task, checkpoint, r.checkpoint_every, {{"command", line.stored()}}, [&](const train::progress& p) {
    show(p);
    tokens_per_second = p.tokens_per_second;
    to.curve.loss.push_back(p.loss);
    if (r.training.evaluate_every > 0 && p.step % r.training.evaluate_every == 0 && p.step < p.steps)
      to.curve.evaluated.push_back(double(p.step)), to.curve.accuracy.push_back(p.accuracy);
  });
  show.end();
  const double trained = since() - compiling;
  if (to.curve.evaluated.empty() || to.curve.evaluated.back() < double(out.steps))
    to.curve.evaluated.push_back(double(out.steps)), to.curve.accuracy.push_back(out.accuracy);
  if (spectra) to.after = model->spectra(test_batch(task, r.spectrum_sequences));
  to.title = line.layer.name + " on " + r.task;
  to.settings = u.mixer + "; " + r.model + ", D " + std::to_string(z.width) + ", " + std::to_string(z.layers) + " layers, " +
                (line.layer.has_heads ? std::to_string(z.layer.heads) + " heads, " : "") + std::to_string(out.steps) + " steps of " +
                std::to_string(r.training.batch * r.training.accumulate) + ", seed " + std::to_string(r.training.seed);
  to.settings_json = settings_json(line, u, z, model->parameters()).dump();
  to.figures_json = json{
      {"steps", out.steps},
      {"stopped", out.stopped},
      {"loss", out.loss},
      {"accuracy", out.accuracy},
      {"macro_accuracy", out.macro_accuracy},
      {"perplexity", out.perplexity},
      {"seconds", trained},
      {"seconds_of_compiling", compiling},
      {"tokens_per_second", tokens_per_second},
      {"first_step",
       first}}.dump();
  std::printf("%ld steps%s: loss %.4f, accuracy %.4f (macro %.4f), perplexity %.3f; %.0f s\n", out.steps,
              out.stopped.empty() ? "" : (", " + out.stopped).c_str(), out.loss, out.accuracy, out.macro_accuracy, out.perplexity, trained);
  std::printf("written to %s: checkpoint.safetensors", r.out.c_str());
  for (const std::string& what : write(to, r.out)) std::printf("; %s", what.c_str());
  std::printf("\n");
  if (out.stopped != "interrupted") return out.stopped.find("not finite") == std::string::npos ? 0 : 1;
  std::printf("interrupted after step %ld, saved; `./run train --resume %s` goes on.\n", out.steps, r.out.c_str());
  return 130;
}

}  // namespace
}  // namespace train_command

int main(int argc, char** argv) {
  try {
    train_command::command_line line({argv + 1, argv + argc});
    return line.parse() ? train_command::run(line) : 0;
  } catch (const std::exception& e) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}
