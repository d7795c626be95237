// SPDX-License-Identifier: MIT
#include <coefdyn/pictures/palette.hpp>

#include "figures.hpp"

namespace figures {
namespace {
namespace pictures = coefdyn::pictures;

/// One A_t of the layers in which it alone differs: phi linear, b = 1/sqrt(n), eta = 1, unit q and k. `parts`: sources of its streams.
struct an_evolution {
  std::string name, type, parts;
};
const std::string gla_gate = R"(, nn::give<stream::log_decay, nn::mapped<nn::range::gla_decay, nn::projection<"a_proj", nn::bias::yes>>>)";
const std::string mamba_gate =
    R"(, nn::give<stream::log_decay, nn::mapped<nn::range::decay_by<parameterisation::mamba2>, nn::projection<"a_proj">, )"
    R"(nn::number<"dt_bias", nn::per::channel, nn::starts::step>, nn::number<"A_log", nn::per::channel, nn::starts::rate>>>)";
const std::string strength_one = ", nn::give<stream::beta, nn::constant<1>>";
const std::string strength_learned = R"(, nn::give<stream::beta, nn::mapped<nn::range::strength, nn::projection<"b_proj">>>)";
const std::string own_z = R"(, nn::give<stream::z, nn::unit_heads<nn::projection<"z_proj">>>)";

const std::vector<an_evolution>& evolutions() {
  static const std::vector<an_evolution> all{
      {"scalar, GLA's gate", "scalar", gla_gate},
      {"scalar, Mamba-2's", "scalar", mamba_gate},
      {"diagonal, GLA's gate", "diagonal", gla_gate},
      {"diagonal, Mamba-2's", "diagonal", mamba_gate},
      {"Householder of k, beta 1", "householder<>", strength_one},
      {"Householder of k, beta learned", "householder<>", strength_learned},
      {"Householder of z, beta 1", "householder<evolution::along::z>", strength_one + own_z},
      {"Householder of z, beta learned", "householder<evolution::along::z>", strength_learned + own_z},
  };
  return all;
}
/// The layer as text, with short convolutions of q, k and v, without which recall takes many more samples.
std::string layer_of(const an_evolution& A) {
  std::string layer = "nn::layer<mixer<readout::linear, evolution::" + A.type + ", scaling::inverse_sqrt_dim, normalization::one>";
  for (const std::string s : {"q", "k", "v"}) {
    const std::string source = "nn::convolved<\"" + s + "_conv1d\", nn::projection<\"" + s + "_proj\">>";
    layer += ", nn::give<stream::" + s + ", " + (s == "v" ? source : "nn::unit_heads<" + source + ">") + ">";
  }
  return layer + A.parts + R"(, nn::after<nn::normed<"o_norm">, nn::projected<"o_proj">>>)";
}

/// A bar: its panel, its name, the run whose accuracy it shows.
struct a_bar {
  std::string task, name;
  run made;
};
struct bars_figure {
  std::string title, settings;
  std::vector<a_bar> bars;
};
/// Settings of a recall task at the small size.
a_bar bar_of(const std::string& task, const std::string& name, const an_evolution& A, bool positions, long steps) {
  std::vector<std::string> settings{task, layer_of(A), "--positions", positions ? "1" : "0", "--steps", std::to_string(steps)};
  for (const char* word : {"--rate", "0.003", "--evaluate-every", "250", "--enough", "0.999", "--spectrum-sequences", "0"})
    settings.push_back(word);
  if (task == "fuzzy_in_context_recall")
    for (const char* word : {"--train", "12800"}) settings.push_back(word);
  return {task, name, {name + " on " + task, settings}};
}
std::string title_of(const std::string& task) { return task == "noisy_in_context_recall" ? "noisy recall" : "fuzzy recall"; }
/// The bars of one task, the first on top.
pictures::panel panel_of(const std::string& task, const bars_figure& f, const std::vector<json>& results) {
  pictures::panel p;
  p.title = title_of(task), p.x.label = "accuracy", p.x.low = 0, p.x.high = 1, p.grid_x = true, p.grid_y = false;
  double y = 0;
  for (std::size_t i = 0; i < f.bars.size(); ++i) {
    if (f.bars[i].task != task) continue;
    p.y.ticks.push_back({y, f.bars[i].name + " (" + std::to_string(results[i].at("steps").get<long>()) + " steps)"});
    p.marks.emplace_back(pictures::boxes{"", pictures::palette::line(0), {{0, results[i].at("accuracy").get<double>(), y - 0.3, y + 0.3}}});
    ++y;
  }
  p.y.low = y - 0.5, p.y.high = -0.5, p.height = 0.6 * y + 0.4;
  return p;
}
void make(bars_figure f, const fs::path& folder, const options& o) {
  keep_asked(f.bars, o);
  std::vector<run> runs;
  for (const a_bar& b : f.bars) runs.push_back(b.made);
  const std::vector<json> results = results_of(runs, folder, o);
  table t{{"task", "evolution", "accuracy", "loss", "steps"}, {}};
  json all{{"title", f.title}, {"settings", f.settings}, {"runs", json::array()}};
  std::vector<std::string> tasks;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const a_bar& b = f.bars[i];
    if (tasks.empty() || tasks.back() != b.task) tasks.push_back(b.task);
    t.rows.push_back({b.task, b.name, fixed(results[i].at("accuracy").get<double>(), 3), fixed(results[i].at("loss").get<double>(), 3),
                      std::to_string(results[i].at("steps").get<long>())});
    all["runs"].push_back({{"evolution", b.name},
                           {"task", b.task},
                           {"last", read_json(folder / folder_name(runs[i]) / "finished.json")},
                           {"figures", results[i]}});
  }
  pictures::figure page;
  page.title = f.title, page.settings = f.settings, page.width = pictures::page_width, page.across = tasks.size();
  for (const std::string& task : tasks) page.panels.push_back(panel_of(task, f, results));
  write_table(folder, t, all);
  draw(folder, "accuracy", page);
}
std::string settings_of(const std::string& first, long steps, long aim) {
  return first + " D 64, 2 layers, 2 heads, SwiGLU 128, convolutions of 4 tokens, unit q and k, a norm of each head; " +
         cut_text(steps, aim) +
         " of AdamW or until accuracy 0.999, rate 0.003, decay 0.1, batch 32, seed 1; noisy recall: T 32, 3200 sequences";
}
}  // namespace

void positions(const fs::path& folder, const options& o) {
  constexpr long aim = 1000, own = aim;
  const long steps = steps_of(o, own);
  bars_figure f;
  f.title = "P1-2 small: learned positions beside two evolutions";
  f.settings = settings_of("phi linear, b = 1/sqrt n, eta = 1.", steps, aim) + ".";
  const an_evolution still{"identity", "identity", ""}, decaying{"scalar, GLA's gate", "scalar", gla_gate};
  for (const an_evolution* A : {&still, &decaying})
    for (const bool with : {false, true})
      f.bars.push_back(bar_of("noisy_in_context_recall", A->name + (with ? ", positions" : ", none"), *A, with, steps));
  make(f, folder, o);
}

void evolutions_compared(const fs::path& folder, const options& o) {
  constexpr long aim = 1000, own = aim;
  const long steps = steps_of(o, own);
  bars_figure f;
  f.title = "P1-3 small: the evolution A_t alone differs";
  f.settings = settings_of("phi linear, b = 1/sqrt n, eta = 1, no positions.", steps, aim) +
               "; fuzzy recall: T 48, keys and values of 2 tokens, 12,800 sequences.";
  for (const std::string task : {"noisy_in_context_recall", "fuzzy_in_context_recall"})
    for (const an_evolution& A : evolutions()) f.bars.push_back(bar_of(task, A.name, A, false, steps));
  make(f, folder, o);
}

}  // namespace figures
