// SPDX-License-Identifier: MIT
#include "report.hpp"

#include <coefdyn/files/file.hpp>
#include <coefdyn/pictures/draw.hpp>
#include <coefdyn/spectrum/pictures/histograms.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

namespace train_command {
namespace {
namespace pictures = coefdyn::pictures;
using json = nlohmann::ordered_json;
using member = spectrum::histogram spectrum::spectrum_histogram::*;

/// Over the sequences, of one head or of all.
spectrum::histogram_over_sequences over_sequences(const layer_spectrum& s, std::size_t head, member which) {
  spectrum::histogram_over_sequences out;
  for (const auto& sequence : s.of) out.add(sequence[head].*which);
  return out;
}
std::string head_name(const layer_spectrum& s, std::size_t head) {
  return s.of[0].size() == std::size_t(s.heads) ? "head " + std::to_string(head) : "all " + std::to_string(s.heads) + " heads";
}

constexpr std::size_t most_panels = 16;
pictures::figure bars_figure(const record& r, member which, std::span<const double> edges, const std::string& quantity,
                             const std::string& unit) {
  std::vector<spectrum::bar_panel> panels;
  std::size_t all = 0;
  for (std::size_t l = 0; l < r.before.size() && l < r.after.size(); ++l)
    for (std::size_t h = 0; h < r.before[l].of[0].size(); ++h, ++all) {
      if (panels.size() == most_panels) continue;
      const auto before = over_sequences(r.before[l], h, which), after = over_sequences(r.after[l], h, which);
      panels.push_back({"layer " + std::to_string(l) + ", " + head_name(r.before[l], h), before.mean(), before.deviation(), after.mean(),
                        after.deviation()});
    }
  pictures::figure f = spectrum::histogram_figure(edges, panels, quantity, unit);
  f.note = "Mean and standard deviation over " + std::to_string(r.before[0].of.size()) + " test sequences";
  if (panels.size() < all) f.note += "; the first " + std::to_string(panels.size()) + " of " + std::to_string(all) + " panels";
  f.note += r.before[0].is_degree_one_part ? ". The degree-one part of the lift's spectrum." : ".";
  f.width = pictures::page_width;
  return f;
}
pictures::figure curve_figure(const learning& curve) {
  const std::size_t window = std::max<std::size_t>(1, curve.loss.size() / 100);
  pictures::curve every{.name = "a step", .colour = pictures::palette::before, .thickness = 0.6};
  pictures::curve mean{.name = "mean of " + std::to_string(window) + " steps", .colour = pictures::palette::after, .thickness = 1.4};
  double sum = 0;
  for (std::size_t i = 0; i < curve.loss.size(); ++i) {
    every.x.push_back(double(i + 1)), every.y.push_back(curve.loss[i]);
    sum += curve.loss[i];
    if ((i + 1) % window != 0) continue;
    mean.x.push_back(double(i + 1) - double(window - 1) / 2), mean.y.push_back(sum / double(window)), sum = 0;
  }
  pictures::panel loss, accuracy;
  loss.title = "loss in training", loss.x.label = "step", loss.y.label = "cross entropy", loss.y.low = 0;
  if (window > 4) loss.marks = {every, mean};
  else every.colour = pictures::palette::after, every.thickness = 1, every.name.clear(), loss.marks = {every};
  accuracy.title = "accuracy in the test", accuracy.x.label = "step", accuracy.y.label = "right of what is scored";
  accuracy.y.low = 0, accuracy.y.high = 1.02;
  accuracy.marks = {pictures::curve{
      .colour = pictures::palette::line(1), .x = curve.evaluated, .y = curve.accuracy, .style = pictures::curve::stroke::line_and_dots}};
  for (pictures::panel* p : {&loss, &accuracy})
    p->x.low = 0, p->x.high = double(std::max<std::size_t>(1, curve.loss.size())), p->height = 4;
  pictures::figure f;
  f.panels = {loss, accuracy}, f.across = 2, f.width = pictures::page_width;
  return f;
}

json spectra_json(const std::vector<layer_spectrum>& layers) {
  json out = json::array();
  for (const layer_spectrum& l : layers) {
    json heads = json::array();
    for (std::size_t h = 0; h < l.of[0].size(); ++h) {
      const auto radius = over_sequences(l, h, &spectrum::spectrum_histogram::radius),
                 phase = over_sequences(l, h, &spectrum::spectrum_histogram::phase);
      heads.push_back({{"head", head_name(l, h)},
                       {"radius", radius.mean()},
                       {"radius_deviation", radius.deviation()},
                       {"phase", phase.mean()},
                       {"phase_deviation", phase.deviation()}});
    }
    out.push_back({{"degree_one_part", l.is_degree_one_part}, {"heads", heads}});
  }
  return out;
}
void write_json(const std::string& path, const json& j) {
  const std::string text = j.dump(1) + "\n";
  coefdyn::files::write_file(path, std::as_bytes(std::span(text)));
}
}  // namespace

std::vector<std::string> write(const record& r, const std::string& folder) {
  json figures = json::parse(r.figures_json);
  figures["curve"] = {{"loss", r.curve.loss}, {"evaluated_after", r.curve.evaluated}, {"accuracy", r.curve.accuracy}};
  const auto inner = [](std::span<const double> edges) { return std::vector<double>(edges.begin(), edges.end()); };
  figures["spectrum"] = {{"radius_edges", inner(spectrum::radius_edges)},
                         {"phase_edges_in_degrees", inner(spectrum::phase_edges)},
                         {"before", spectra_json(r.before)},
                         {"after", spectra_json(r.after)}};
  write_json(folder + "/settings.json", json::parse(r.settings_json));
  write_json(folder + "/figures.json", figures);
  std::vector<std::string> lines{"settings.json, figures.json"};
  const auto draw = [&](pictures::figure f, const std::string& stem, const std::string& what) {
    f.title = what + ": " + r.title, f.settings = r.settings;
    const pictures::drawing d = pictures::draw(f, folder + "/" + stem);
    lines.push_back(stem + ".png, .svg, .pdf, .gp" + (d.drawn ? "" : " (not drawn: " + d.note + ")"));
  };
  if (!r.curve.loss.empty()) draw(curve_figure(r.curve), "curve", "Training");
  if (!r.before.empty() && !r.before[0].of.empty()) {
    draw(bars_figure(r, &spectrum::spectrum_histogram::radius, spectrum::radius_edges, "radius", ""), "radius", "Radius of eigenvalues");
    draw(bars_figure(r, &spectrum::spectrum_histogram::phase, spectrum::phase_edges, "phase", "°"), "phase", "Phase of eigenvalues");
  }
  return lines;
}

learning curve_in(const std::string& folder, long steps) {
  learning out;
  std::ifstream in(folder + "/figures.json");
  const json j = json::parse(in, nullptr, false);
  if (!j.is_object() || !j.contains("curve")) return out;
  const json& c = j.at("curve");
  out.loss = c.value("loss", std::vector<double>()), out.evaluated = c.value("evaluated_after", std::vector<double>());
  out.accuracy = c.value("accuracy", std::vector<double>());
  if (out.loss.size() < std::size_t(steps) || out.evaluated.size() != out.accuracy.size()) return {};
  out.loss.resize(std::size_t(steps));
  while (!out.evaluated.empty() && out.evaluated.back() > double(steps)) out.evaluated.pop_back(), out.accuracy.pop_back();
  return out;
}

}  // namespace train_command
