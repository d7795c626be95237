// SPDX-License-Identifier: MIT
#include "command_line.hpp"

#include <CLI/CLI.hpp>
#include <coefdyn/files/safetensors.hpp>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace train_command {
namespace {
namespace fs = std::filesystem;
using json = nlohmann::json;

const std::vector<std::string> models{"language_model",    "mad_language_model", "autoencoder",
                                      "paper_transformer", "paper_mamba",        "paper_ssm"};

/// "; did you mean NEAREST?", or where to look.
std::string hint(const std::string& word, const std::vector<std::string>& words) {
  const std::string near = nearest(word, words);
  return near.empty() ? "; `./run train --help` lists them." : "; did you mean " + near + "?";
}
std::string dashed(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}
const char* about_size(const std::string& name) {
  static const std::map<std::string, const char*> known{{"heads", "that read"},
                                                        {"key_heads", "0: as many as read"},
                                                        {"n", "channels of a key; 0: as published"},
                                                        {"d", "channels of a value; 0: as published"},
                                                        {"convolution", "tokens"},
                                                        {"rank", "of low-rank projections"},
                                                        {"eps", "of the layer's norms; 0: as published"},
                                                        {"theta", "base of RoPE's angles"},
                                                        {"tau", "of gates sigmoid(x)^(1/tau)"},
                                                        {"cap", "of capped gates"},
                                                        {"strongest", "beta's largest value"},
                                                        {"drop_weights", "of paper_attention: probability of dropout of weights"}};
  const auto at = known.find(name);
  return at == known.end() ? "0: rank" : at->second;
}
/// A folder's name from a type's.
std::string file_name(const std::string& layer) {
  std::string name;
  for (const char c : layer)
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '_') name += c;
    else if (!name.empty() && name.back() != '-') name += '-';
  return name.substr(0, 60);
}
[[noreturn]] void refuse_option(const CLI::App& app) {
  const std::string given = app.remaining().front(), name = given.substr(0, given.find('='));
  if (!name.starts_with("-")) throw usage_error("expected options behind task and layer, given '" + given + "'.");
  std::vector<std::string> names;
  for (const CLI::Option* o : app.get_options()) names.push_back(o->get_name());
  throw usage_error("there is no option " + name + hint(name, names));
}
void print_names() {
  std::printf("\nTasks:\n");
  for (const known_task& t : known_tasks()) std::printf("  %-28s%s\n", t.name.c_str(), t.about.c_str());
  std::printf("\nLayers:\n");
  for (const known_layer& l : known_layers()) std::printf("  %-28s%s\n", l.name.c_str(), l.about.c_str());
  std::printf("  'mixer<...>', nn::layer<...>   a type as text; --include FILE for your own policies\n");
}
}  // namespace

command_line::command_line(std::vector<std::string> arguments) : arguments_(std::move(arguments)) {
  if (const std::string from = value_of("--resume"); !from.empty()) take_stored(from);
  std::vector<std::string> words;
  while (words.size() < arguments_.size() && !arguments_[words.size()].starts_with("-")) words.push_back(arguments_[words.size()]);
  if (words.size() > 2) throw usage_error("expected a task and a layer, given '" + words[2] + "' as well.");
  if (words.size() == 1) throw usage_error("expected a task and a layer, given '" + words[0] + "' alone; `./run train --help` lists them.");
  if (words.size() == 2) asked.task = words[0], asked.layer = words[1];
  options_.assign(arguments_.begin() + std::ptrdiff_t(words.size()), arguments_.end());
  alone_ = words.empty();
}

std::string command_line::value_of(const std::string& option) const {
  std::string value;
  for (std::size_t i = 0; i < arguments_.size(); ++i) {
    if (arguments_[i] == option && i + 1 < arguments_.size()) value = arguments_[i + 1];
    if (arguments_[i].starts_with(option + "=")) value = arguments_[i].substr(option.size() + 1);
  }
  return value;
}
void command_line::take_stored(const std::string& folder) {
  if (!arguments_.empty() && !arguments_[0].starts_with("-"))
    throw usage_error("with --resume, task and layer are those of the checkpoint; leave '" + arguments_[0] + "' out.");
  const auto file = coefdyn::files::safetensors::read(folder + "/checkpoint.safetensors");
  const auto at = file.metadata.find("command");
  const json list = at == file.metadata.end() ? json() : json::parse(at->second, nullptr, false);
  const bool words =
      list.is_array() && list.size() >= 2 && std::all_of(list.begin(), list.end(), [](const json& j) { return j.is_string(); });
  if (!words) throw usage_error(file.path + ": expected a checkpoint of `./run train`, given a file whose metadata has no command.");
  auto before = list.get<std::vector<std::string>>();
  before.insert(before.end(), arguments_.begin(), arguments_.end());
  arguments_ = std::move(before);
}
std::string command_line::stored() const {
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

bool command_line::parse() {
  const known_task& known = find_task();
  task = known.options(value_of("--full") == "1");
  set_defaults();
  CLI::App app("Trains a model of a layer on a task; writes figures, pictures and a checkpoint.", "./run train [TASK LAYER]");
  app.set_help_flag("--help", "this text");
  app.allow_extras();
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)->always_capture_default();
  task->each_option([&](const std::string& name, option_value v) {
    std::visit([&](auto* to) { app.add_option("--" + name, *to, "")->group("Task " + asked.task); }, v);
  });
  add_model_options(app), add_training_options(app), add_command_options(app);
  try {
    app.parse(std::vector<std::string>(options_.rbegin(), options_.rend()));
  } catch (const CLI::CallForHelp&) {
    std::printf("%s", app.help().c_str());
    print_names();
    return false;
  } catch (const CLI::ParseError& e) {
    throw usage_error(std::string(e.what()) + ".");
  }
  if (!app.remaining().empty()) refuse_option(app);
  for (const auto& [name, option] : sizes_)
    if (option->count() > 0) said_sizes_.push_back(name);
  sizes_.clear();
  settle(known);
  return true;
}
const known_task& command_line::find_task() const {
  std::vector<std::string> names;
  for (const known_task& t : known_tasks()) {
    if (t.name == asked.task) return t;
    names.push_back(t.name);
  }
  throw usage_error("no task is called " + asked.task + hint(asked.task, names));
}
/// A minute on two cores; with --full 1, the size of the papers' synthetic experiments.
void command_line::set_defaults() {
  const bool full = value_of("--full") == "1";
  auto& z = asked.size;
  auto& t = asked.training;
  z.width = full ? 128 : 64, z.hidden = full ? 352 : 128, z.layers = 2, z.layer.heads = full ? 4 : 2;
  t.batch = full ? 128 : 32, t.rate = {.rate = full ? 1e-3 : 2e-3, .least = -1, .warmup = -1, .steps = full ? 20000 : 1500};
  t.evaluate_every = full ? 500 : 100, t.report_every = 0, t.enough = 0.999;
  if (alone_) t.rate.rate = 3e-3, t.rate.steps = 300, t.evaluate_every = 50, t.enough = 0.99;
}
void command_line::add_model_options(CLI::App& app) {
  auto& z = asked.size;
  const auto add = [&](const std::string& name, auto& to, const std::string& about) {
    return app.add_option("--" + name, to, about)->group("Model");
  };
  add("model", asked.model, "language_model, mad_language_model, autoencoder, paper_transformer, paper_mamba, paper_ssm");
  add("dim", z.width, "width of the activations"), add("layers", z.layers, "");
  add("hidden", z.hidden, "of the MLP in a block; 0: none");
  add("positions", asked.positions, "1: learned positions"), add("tied", z.tied, "1: logits by the embeddings");
  add("pads-in-mean", asked.pads_in_mean, "of models with one row of logits a sequence: 1: count, 0: do not; -1: as published");
  add("gated", z.gated, "1: gates of paper_transformer"), add("dropout", z.dropout, "of the paper_ models");
  add("recompute", z.recompute, "1: a block's activations are made again, not kept");
  nn::each_layer_size(z.layer, [&](const std::string& name, auto& to) { sizes_[name] = add(dashed(name), to, about_size(name)); });
}
void command_line::add_training_options(CLI::App& app) {
  auto& t = asked.training;
  const auto add = [&](const std::string& name, auto& to, const std::string& about) {
    app.add_option("--" + name, to, about)->group("Training");
  };
  add("steps", t.rate.steps, ""), add("batch", t.batch, "sequences"), add("accumulate", t.accumulate, "batches a step");
  add("rate", t.rate.rate, "the largest learning rate"), add("least-rate", t.rate.least, "of the last step; -1: a tenth");
  add("ssm-rate", asked.ssm_rate, "of S4's and S4D's dynamics, which then do not decay; -1: as all else");
  add("warmup", t.rate.warmup, "steps; -1: 100, or a tenth of all");
  add("decay", t.optimiser.decay, "of weights"), add("clip", t.optimiser.clip, "the gradients' largest norm; 0: none");
  add("beta2", t.optimiser.beta2, "of AdamW");
  add("evaluate-every", t.evaluate_every, "steps"), add("enough", t.enough, "accuracy that ends it");
  add("report-every", t.report_every, "steps; a GPU is waited for there alone; 0: each, on a GPU 16");
  add("seed", t.seed, "of the start, the order of samples, dropout"), add("threads", t.threads, "0: all; changes no bit");
  add("bf16", t.bf16, "1: a GPU rounds the factors of projections to bf16, and sums in float");
  add("recorded", t.recorded, "1: a GPU runs a step as a CUDA graph; changes no bit");
}
void command_line::add_command_options(CLI::App& app) {
  const auto add = [&](const std::string& name, auto& to, const std::string& about) {
    app.add_option("--" + name, to, about)->group("Command");
  };
  add("device", asked.device, "cpu or cuda"), add("include", asked.include, "a header of yours, for a layer given as text");
  add("out", asked.out, "folder; else build/train/TASK-LAYER");
  add("resume", asked.resume, "folder of a training that goes on; other options may follow");
  add("overwrite", asked.overwrite, "1: over an unfinished training");
  add("checkpoint-every", asked.checkpoint_every, "steps; 0: at the end, and after Ctrl-C");
  add("spectrum-sequences", asked.spectrum_sequences, "of the test whose spectra are counted; 0: none");
  add("coefficient-sequences", asked.coefficient_sequences, "of the test whose coefficients near 0 are counted; 0: none");
  add("full", asked.full, "1: the papers' sizes");
}

/// What follows from what was asked for; all that can be wrong without the model itself.
void command_line::settle(const known_task& known) {
  settle_device();
  if (!asked.include.empty()) {
    if (!fs::exists(asked.include)) throw usage_error("--include: expected a header, and there is no file " + asked.include + ".");
    asked.include = fs::absolute(asked.include).string();
  }
  layer = layer_of(asked.layer, !asked.include.empty());
  settle_model(known);
  settle_sizes();
  settle_ssm_rate();
  train::check(asked.training);
  auto& r = asked.training.rate;
  if (r.warmup < 0) r.warmup = std::min(100L, r.steps / 10);
  if (r.least < 0) r.least = r.rate / 10;
  if (asked.checkpoint_every < 0 || asked.spectrum_sequences < 0 || asked.coefficient_sequences < 0)
    throw usage_error("--checkpoint-every, --spectrum-sequences and --coefficient-sequences: expected 0 or more.");
  if (!asked.resume.empty()) asked.out = asked.resume;
  else if (asked.out.empty()) asked.out = std::string(TRAIN_OUT) + "/" + asked.task + "-" + file_name(asked.layer);
}
void command_line::settle_device() {
  if (long& every = asked.training.report_every; every == 0) every = asked.device == "cuda" ? 16 : 1;
  if (asked.device == "cuda") card = find_gpu();
  else if (asked.device != "cpu") throw usage_error("--device: expected cpu or cuda, given '" + asked.device + "'.");
  else if (asked.training.recorded) throw usage_error("--recorded: steps are recorded on a GPU; add --device cuda.");
  else if (asked.training.bf16) throw usage_error("--bf16: factors are rounded on a GPU; add --device cuda.");
}
void command_line::settle_model(const known_task& known) {
  if (asked.model.empty()) asked.model = known.model;
  if (std::find(models.begin(), models.end(), asked.model) == models.end())
    throw usage_error("no model is called " + asked.model + hint(asked.model, models));
  if (asked.pads_in_mean < -1 || asked.pads_in_mean > 1)
    throw usage_error("--pads-in-mean: expected 1, 0 or -1, given " + std::to_string(asked.pads_in_mean) + ".");
  using enum nn::pooled_over;
  asked.size.mean = asked.pads_in_mean < 0 ? as_published : asked.pads_in_mean == 0 ? own_tokens : all_tokens;
  if (known.labels == tasks::labels::one_a_sequence && !asked.model.starts_with("paper_"))
    throw usage_error("--model: " + asked.task + " has one target a sequence, and " + asked.model +
                      " has logits for every token; write paper_transformer.");
}
/// Of layers given as text the optimiser itself says whether they have such parameters.
void command_line::settle_ssm_rate() {
  if (asked.ssm_rate == -1) return;
  const double rate = asked.training.rate.rate;
  if (!(asked.ssm_rate > 0 && rate > 0)) throw usage_error("--ssm-rate: expected a number above 0, beside a --rate above 0, or -1.");
  if (!layer.has_dynamics && layer.name != layer.type)
    throw usage_error("--ssm-rate: expected a layer whose state space has a rate of its own (s4, s4d), given " + layer.name + ".");
  asked.training.optimiser.dynamics_share = asked.ssm_rate / rate;
}
/// What the layer's paper has, but for what was said.
void command_line::settle_sizes() {
  nn::sizes given = asked.size.layer;
  nn::sizes& z = asked.size.layer;
  if (layer.published && asked.size.width > 0 && z.heads > 0) {
    z.width = asked.size.width;
    layer.published(z);
    z.width = 0;
    std::map<std::string, double> said;
    nn::each_layer_size(given, [&](const std::string& name, auto v) {
      if (std::find(said_sizes_.begin(), said_sizes_.end(), name) != said_sizes_.end()) said[name] = double(v);
    });
    nn::each_layer_size(z, [&](const std::string& name, auto& v) {
      if (said.contains(name)) v = static_cast<std::remove_reference_t<decltype(v)>>(said.at(name));
    });
  }
  if (layer.has_heads) (void)asked.size.layer_sizes(0).complete();  // heads that do not divide are refused before anything is compiled
}

}  // namespace train_command
