// SPDX-License-Identifier: MIT
#include <cmath>
#include <coefdyn/pictures/palette.hpp>
#include <coefdyn/readout/elu_plus_one.hpp>
#include <coefdyn/readout/exponential.hpp>
#include <coefdyn/readout/relu.hpp>
#include <coefdyn/readout/relu_squared.hpp>
#include <coefdyn/readout/sigmoid.hpp>
#include <coefdyn/readout/softplus.hpp>

#include "figures.hpp"

namespace figures {
namespace {
namespace pictures = coefdyn::pictures;
namespace readout = coefdyn::readout;

constexpr double near_zero = 1e-3, line_from = -10, line_to = 10;

struct a_map {
  std::string name, type;
  double (*apply)(double);
};
template <class Phi>
a_map map_of(const char* name, const char* type) {
  return {name, type, [](double s) { return Phi::apply(s); }};
}
const std::vector<a_map>& maps() {
  static const std::vector<a_map> all{map_of<readout::exponential>("exp", "exponential"),
                                      map_of<readout::softplus>("softplus", "softplus"),
                                      map_of<readout::sigmoid>("sigmoid", "sigmoid"),
                                      map_of<readout::elu_plus_one>("elu + 1", "elu_plus_one"),
                                      map_of<readout::relu>("relu", "relu"),
                                      map_of<readout::relu_squared>("relu²", "relu_squared")};
  return all;
}
/// Where |phi| <= 1e-3, by samples.
std::vector<pictures::box> set_of(const a_map& m, double y) {
  std::vector<pictures::box> out;
  constexpr int samples = 20000;
  const double step = (line_to - line_from) / samples;
  bool within = false;
  for (int i = 0; i < samples; ++i) {
    const double x = line_from + (i + 0.5) * step;
    const bool small = std::abs(m.apply(x)) <= near_zero;
    if (small && !within) out.push_back({x - step / 2, x + step / 2, y - 0.3, y + 0.3});
    else if (small) out.back().x1 = x + step / 2;
    within = small;
  }
  return out;
}
pictures::panel number_line() {
  pictures::panel p;
  p.title = "near-zero sets", p.x.label = "x with |phi(x)| ≤ 0.001", p.x.low = line_from, p.x.high = line_to;
  const auto count = static_cast<double>(maps().size());
  p.y.low = count - 0.5, p.y.high = -0.5, p.grid_y = false, p.grid_x = true;
  for (std::size_t i = 0; i < maps().size(); ++i) {
    const auto y = static_cast<double>(i);
    p.y.ticks.push_back({y, maps()[i].name});
    p.marks.emplace_back(pictures::boxes{"", pictures::palette::line(i), set_of(maps()[i], y)});
  }
  return p;
}

struct shown_run {
  run made;
  std::size_t map;
  std::string task;
};
double mean_of(const json& shares) {
  double sum = 0;
  for (const json& s : shares) sum += s.get<double>();
  return sum / static_cast<double>(shares.size());
}
pictures::panel plane(const std::string& task, const std::vector<shown_run>& runs, const std::vector<json>& results) {
  pictures::panel p;
  p.title = task, p.x.label = "coefficients near 0 (%)", p.y.label = "accuracy";
  p.x.low = 0, p.x.high = 100, p.y.low = 0, p.y.high = 1.02, p.grid_x = true;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].task != task) continue;
    const std::size_t m = runs[i].map;
    const double accuracy = results[i].at("accuracy").get<double>();
    const json& shares = results[i].at("near_zero_shares");
    using stroke = pictures::curve::stroke;
    p.marks.emplace_back(pictures::curve{
        .colour = pictures::palette::line(m), .x = {100 * mean_of(shares.at("before"))}, .y = {accuracy}, .style = stroke::hollow_dots});
    p.marks.emplace_back(pictures::curve{.name = maps()[m].name,
                                         .colour = pictures::palette::line(m),
                                         .x = {100 * mean_of(shares.at("after"))},
                                         .y = {accuracy},
                                         .style = stroke::dots});
  }
  return p;
}
std::vector<shown_run> all_runs(long steps) {
  std::vector<shown_run> out;
  for (const std::string task : {"selective_copying", "mqar"})
    for (std::size_t m = 0; m < maps().size(); ++m) {
      const std::string layer =
          "nn::attention<mixer<readout::" + maps()[m].type + ", evolution::identity, scaling::inverse_sqrt_dim, normalization::sum>>";
      std::vector<std::string> settings{task, layer, "--positions", "1", "--steps", std::to_string(steps)};
      const std::vector<std::string> more =
          task == "mqar" ? std::vector<std::string>{"--batch", "64"} : std::vector<std::string>{"--train", "6400"};
      settings.insert(settings.end(), more.begin(), more.end());
      for (const char* word : {"--evaluate-every", "250", "--spectrum-sequences", "0", "--coefficient-sequences", "256"})
        settings.push_back(word);
      out.push_back({{maps()[m].name + " on " + task, settings}, m, task});
    }
  return out;
}
}  // namespace

void readout_maps(const fs::path& folder, const options& o) {
  constexpr long aim = 1000, own = aim;
  const long steps = steps_of(o, own);
  std::vector<shown_run> shown = all_runs(steps);
  keep_asked(shown, o);
  std::vector<run> runs;
  for (const shown_run& r : shown) runs.push_back(r.made);
  const std::vector<json> results = results_of(runs, folder, o);
  pictures::figure f;
  f.title = "P1-1 small: readout maps, coefficients near 0 against accuracy";
  f.settings = "Attention with A = I, b = 1/sqrt n, eta = sum; learned positions; D 64, 2 layers, 2 heads, SwiGLU 128, " +
               cut_text(steps, aim) +
               " of AdamW or until accuracy 0.999, rate 0.002, decay 0.1, seed 1; copying: T 48, 8 tokens, batch 32; MQAR: T 32, 4 pairs "
               "of 64 tokens, batch 64.";
  f.note =
      "Share of |alpha_ij| ≤ 0.001 among j ≤ i, over layers, heads and 256 test sequences. Dots: trained; circles: the same model at its "
      "start, drawn at the accuracy of the trained one.";
  f.panels = {plane("selective_copying", shown, results), plane("mqar", shown, results), number_line()};
  f.panels[0].title = "selective copying", f.panels[1].title = "MQAR";
  for (pictures::panel& p : f.panels) p.height = 4;
  f.across = 3, f.width = pictures::page_width;
  table t{{"task", "map", "accuracy", "steps", "near 0 at the start", "near 0 trained"}, {}};
  json all{{"title", f.title}, {"settings", f.settings}, {"note", f.note}, {"runs", json::array()}};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const json& shares = results[i].at("near_zero_shares");
    t.rows.push_back({shown[i].task, maps()[shown[i].map].name, fixed(results[i].at("accuracy").get<double>(), 3),
                      std::to_string(results[i].at("steps").get<long>()), fixed(mean_of(shares.at("before")), 4),
                      fixed(mean_of(shares.at("after")), 4)});
    json figures = results[i];
    figures.erase("curve"), figures.erase("spectrum");
    all["runs"].push_back({{"map", maps()[shown[i].map].name},
                           {"task", shown[i].task},
                           {"last", read_json(folder / folder_name(runs[i]) / "finished.json")},
                           {"figures", figures}});
  }
  write_table(folder, t, all);
  draw(folder, "readout-maps", f);
}

}  // namespace figures
