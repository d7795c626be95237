// SPDX-License-Identifier: MIT
#include <coefdyn/spectrum/histogram.hpp>
#include <coefdyn/spectrum/pictures/histograms.hpp>

#include "figures.hpp"

namespace figures {
namespace {
namespace pictures = coefdyn::pictures;
namespace spectrum = coefdyn::spectrum;
using words = std::vector<std::string>;

words together(words a, const words& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
/// A panel: a model on a task, and the layer that is shown.
struct shown_run {
  run made;
  std::string model, task;
  std::size_t layer;
};
struct spectra_figure {
  std::string title, settings, note;
  std::size_t across;
  std::vector<shown_run> runs;
};

/// Means and deviations of one quantity in the shown layer's first head, at the start or trained.
void take(const json& figures, const shown_run& r, const char* when, const char* quantity, std::vector<double>& mean,
          std::vector<double>& deviation) {
  const json& head = figures.at("spectrum").at(when).at(r.layer).at("heads").at(0);
  mean = head.at(quantity).get<std::vector<double>>();
  deviation = head.at(std::string(quantity) + "_deviation").get<std::vector<double>>();
}
pictures::figure picture(const spectra_figure& f, const std::vector<json>& results, const char* quantity) {
  std::vector<spectrum::bar_panel> panels;
  for (std::size_t i = 0; i < f.runs.size(); ++i) {
    const shown_run& r = f.runs[i];
    spectrum::bar_panel p;
    p.title = r.model + ", " + r.task + ": accuracy " + fixed(results[i].at("accuracy").get<double>(), 2);
    take(results[i], r, "before", quantity, p.before, p.before_deviation);
    take(results[i], r, "after", quantity, p.after, p.after_deviation);
    panels.push_back(p);
  }
  const bool radius = std::string(quantity) == "radius";
  const std::span<const double> edges = radius ? std::span<const double>(spectrum::radius_edges) : spectrum::phase_edges;
  pictures::figure out = spectrum::histogram_figure(edges, panels, radius ? "|eigenvalue|" : "phase", radius ? "" : "°");
  out.title = f.title + (radius ? ": radius" : ": phase"), out.settings = f.settings, out.note = f.note;
  out.across = f.across, out.width = pictures::page_width;
  for (pictures::panel& p : out.panels) p.height = 1.9;
  return out;
}
table table_of(const spectra_figure& f, const std::vector<json>& results) {
  table t{{"task", "model", "accuracy", "steps", "layer", "head", "when"}, {}};
  const std::span<const double> edges(spectrum::radius_edges);
  for (std::size_t bin = 0; bin + 1 < edges.size(); ++bin) {
    const bool last = bin + 2 == edges.size();
    t.columns.push_back(last ? ">100" : fixed(edges[bin], 1) + "-" + fixed(edges[bin + 1], 1));
  }
  for (std::size_t i = 0; i < f.runs.size(); ++i)
    for (const char* when : {"before", "after"}) {
      const json& layers = results[i].at("spectrum").at(when);
      for (std::size_t l = 0; l < layers.size(); ++l)
        for (const json& head : layers[l].at("heads")) {
          std::vector<std::string> row{f.runs[i].task,
                                       f.runs[i].model,
                                       fixed(results[i].at("accuracy").get<double>(), 3),
                                       std::to_string(results[i].at("steps").get<long>()),
                                       std::to_string(l),
                                       head.at("head").get<std::string>(),
                                       when == std::string("before") ? "start" : "trained"};
          for (const json& share : head.at("radius")) row.push_back(fixed(share.get<double>(), 1));
          t.rows.push_back(row);
        }
    }
  return t;
}
void make(spectra_figure f, const fs::path& folder, const options& o) {
  keep_asked(f.runs, o);
  std::vector<run> runs;
  for (const shown_run& r : f.runs) runs.push_back(r.made);
  const std::vector<json> results = results_of(runs, folder, o);
  json all{{"title", f.title}, {"settings", f.settings}, {"note", f.note}, {"runs", json::array()}};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    json figures = results[i];
    figures.erase("curve");
    all["runs"].push_back({{"model", f.runs[i].model},
                           {"task", f.runs[i].task},
                           {"last", read_json(folder / folder_name(runs[i]) / "finished.json")},
                           {"figures", figures}});
  }
  write_table(folder, table_of(f, results), all);
  draw(folder, "radius", picture(f, results, "radius"));
  draw(folder, "phase", picture(f, results, "phase"));
}

struct a_model {
  std::string name;
  words layer_and_model;
  std::string rate;
};
const std::string norm_layer = "nn::paper_attention<mixers::norm_attention_elu1<normalization::psi::softplus>, nn::convolution::yes>";
/// As arXiv:2510.09379 has them on MQAR and ListOps.
const std::vector<a_model>& models() {
  static const std::vector<a_model> all{
      {"softmax", {"paper_softmax", "--model", "paper_transformer", "--positions", "1"}, "0.002"},
      {"linear", {"paper_linear", "--model", "paper_transformer"}, "0.002"},
      {"norm (softplus)", {norm_layer, "--model", "paper_transformer"}, "0.002"},
      {"Mamba-2", {"paper_ssd", "--model", "paper_mamba"}, "0.002"},
      {"LRU", {"lru", "--model", "paper_ssm"}, "0.002"},
      {"S4", {"s4", "--model", "paper_ssm"}, "0.002"},
  };
  return all;
}
const std::string over_sequences =
    "Light: at the start; dark: trained. Bars and caps: mean and standard deviation over 32 test sequences. Bins (lower, upper].";

/// A task at the small size; those of data sets have a folder.
struct a_task {
  std::string name, title, settings;
  words options;
};
a_task mqar_small() { return {"mqar", "MQAR", "MQAR: T 32, 4 pairs of 64 tokens, batch 64", {"--batch", "64"}}; }
a_task listops_small() { return {"listops", "ListOps", "ListOps: length 10 to 60, depth 5, batch 32", {"--batch", "32"}}; }
a_task cifar_small(const options& o) {
  return {"cifar10", "CIFAR", "CIFAR in grey: pooled to 64 pixels, batch 32", {"--batch", "32", "--data", o.data}};
}
std::vector<a_task> tasks_of_data(const options& o) {
  if (o.data.empty()) return {};
  return {cifar_small(o),
          {"imdb", "IMDB", "IMDB: the first 128 bytes, batch 32", {"--batch", "32", "--data", o.data}},
          {"text_bytes", "text", "text: bytes, T 64, batch 32", {"--batch", "32", "--file", o.data + "/text/tinyshakespeare.txt.xz"}}};
}
/// Models on tasks, the last layer shown.
void models_on_tasks(const std::string& title, const std::vector<a_model>& models, const std::vector<a_task>& tasks, const fs::path& folder,
                     const options& o) {
  constexpr long aim = 1000, own = aim;
  const long steps = steps_of(o, own);
  spectra_figure f;
  f.title = title;
  f.settings =
      "D 64, 2 layers, 2 heads, MLP 128, " + cut_text(steps, aim) + " of AdamW or until accuracy 0.999, rate 0.002, decay 0.1, seed 1; ";
  for (const a_task& t : tasks) f.settings += t.settings + "; ";
  f.settings += "the last layer, its first head (LRU, S4: all modes).";
  f.note = over_sequences;
  if (o.data.empty()) f.note += " Without --data: no pooled CIFAR, IMDB and text.";
  f.across = 2;
  for (const a_model& m : models)
    for (const a_task& t : tasks) {
      words settings = together({t.name}, m.layer_and_model);
      settings = together(settings, {"--steps", std::to_string(steps), "--rate", m.rate});
      settings = together(settings, t.options);
      settings = together(settings, {"--evaluate-every", "250", "--spectrum-sequences", "32"});
      f.runs.push_back({{m.name + " on " + t.name, settings}, m.name, t.title, 1});
    }
  make(f, folder, o);
}
std::string norm_of(const std::string& psi) {
  return "nn::paper_attention<mixers::norm_attention<normalization::psi::" + psi + ">, nn::convolution::yes>";
}
}  // namespace

void spectra_of_models(const fs::path& folder, const options& o) {
  std::vector<a_task> tasks{mqar_small(), listops_small()};
  for (a_task& t : tasks_of_data(o)) tasks.push_back(std::move(t));
  models_on_tasks("P2-1 small: eigenvalues of six models", models(), tasks, folder, o);
}

void spectra_of_parts(const fs::path& folder, const options& o) {
  const auto model = [](const std::string& name, const std::string& layer, bool gated = false) {
    return a_model{name, {layer, "--model", "paper_transformer", "--positions", "1", "--gated", gated ? "1" : "0"}, "0.002"};
  };
  const std::vector<a_model> all{
      model("softmax", "paper_softmax"),           model("softmax + conv", "paper_softmax_conv"), model("linear", "paper_linear"),
      model("linear + conv", "paper_linear_conv"), model("linear + gate", "paper_linear", true),  model("norm", "paper_norm"),
      model("norm + conv", "paper_norm_conv"),     model("norm + gate", "paper_norm", true)};
  std::vector<a_task> tasks{mqar_small()};
  if (!o.data.empty()) tasks.push_back(cifar_small(o));
  models_on_tasks("P2-2 small: attention, plain, convolved and gated", all, tasks, folder, o);
}

void spectra_of_norms(const fs::path& folder, const options& o) {
  const words model{"--model", "paper_transformer", "--positions", "1"};
  std::vector<a_model> all;
  for (const std::string psi : {"exponential", "softplus", "elu", "sigmoid"})
    all.push_back({"norm (" + psi + ")", together({norm_of(psi)}, model), "0.002"});
  all.push_back({"Mamba-2, LTI", {"paper_ssd_lti", "--model", "paper_mamba"}, "0.002"});
  std::vector<a_task> tasks{listops_small()};
  if (!o.data.empty()) tasks.push_back(cifar_small(o));
  models_on_tasks("P2-4 small: norm functions, and a time-invariant Mamba-2", all, tasks, folder, o);
}

void spectra_of_one_layer(const fs::path& folder, const options& o) {
  constexpr long aim = 2000, own = aim;
  const long steps = steps_of(o, own);
  spectra_figure f;
  f.title = "P2-3 small: eigenvalues of one layer, with and without convolution, on MQAR";
  f.settings = "D 64, 1 layer, 4 heads, MLP 128, " + cut_text(steps, aim) +
               " of AdamW or until accuracy 0.999, rate 0.002, decay 0.1, seed 1; MQAR: T 32, 4 pairs of 64 tokens, batch 64. The first of "
               "four heads.";
  f.note = over_sequences;
  f.across = 2;
  const std::vector<a_model> four{
      {"softmax", {"paper_softmax", "--model", "paper_transformer", "--positions", "1"}, "0.002"},
      {"softmax + conv", {"paper_softmax_conv", "--model", "paper_transformer", "--positions", "1"}, "0.002"},
      {"Mamba-2, conv of 1", {"paper_ssd", "--model", "paper_mamba", "--convolution", "1"}, "0.002"},
      {"Mamba-2 + conv", {"paper_ssd", "--model", "paper_mamba"}, "0.002"},
  };
  for (const a_model& m : four) {
    words settings = together({"mqar"}, m.layer_and_model);
    settings = together(settings, {"--layers", "1", "--heads", "4", "--steps", std::to_string(steps), "--rate", m.rate, "--batch", "64",
                                   "--evaluate-every", "250", "--spectrum-sequences", "32"});
    f.runs.push_back({{m.name, settings}, m.name, "MQAR", 0});
  }
  make(f, folder, o);
}

}  // namespace figures
