// SPDX-License-Identifier: MIT
#include "pictures.hpp"

#include "coefdyn/spectrum/histogram.hpp"
#include "coefdyn/spectrum/pictures.hpp"

namespace demo {
namespace {

namespace spectrum = coefdyn::spectrum;
namespace pictures = coefdyn::pictures;

class album {
 public:
  album(const std::vector<report>& reports, const std::string& text_name, std::string folder)
      : reports_(reports), folder_(std::move(folder)) {
    settings_ = "n = d = " + std::to_string(n) + "; the first " + std::to_string(mapped) + " tokens of row 1, head 1, of " + text_name;
  }
  void draw_all() {
    maps();
    radii();
    spectra();
  }
  const std::string& trouble() const { return trouble_; }

 private:
  /// A map of each mixer, and all of them on one page, with the same colours for the same numbers; eight as an overview.
  void maps() {
    std::vector<spectrum::coefficient_map> all;
    for (const report& r : reports_) all.push_back({r.name, r.alpha, std::size_t(mapped)});
    pictures::figure page = spectrum::coefficient_figure(all, 5, 128);
    page.width = pictures::page_width;
    write(page, "alpha", "Coefficients of " + std::to_string(reports_.size()) + " mixers", settings_);
    std::vector<spectrum::coefficient_map> few;
    for (const char* name : {"softmax_attention", "hgrn2", "retnet", "mamba2", "mlstm", "gated_deltanet", "rwkv7", "mirror_lstm (custom)"})
      for (const auto& map : all)
        if (map.title == name) few.push_back(map);
    pictures::figure overview = spectrum::coefficient_figure(few, 4, 43);
    overview.width = 12;
    write(overview, "coefficients", "What a token takes from the tokens before it", settings_);
    for (std::size_t i = 0; i < reports_.size(); ++i) {
      const report& r = reports_[i];
      pictures::figure one = spectrum::coefficient_figure({&all[i], 1});
      one.scale = page.scale;
      one.panels[0].title.clear();
      write(one, "alpha_" + r.name.substr(0, r.name.find(' ')), "Coefficients: " + r.name, policies(r) + "; " + settings_);
    }
  }
  void radii() {
    std::vector<pictures::stacked_row> rows;
    bool parts = false;
    for (const report& r : reports_) {
      spectrum::spectrum_histogram h;
      for (const auto& x : r.eigenvalues) h.add(x);
      rows.push_back({r.name + (r.is_degree_one_part ? " *" : ""), h.radius.percentages()});
      parts = parts || r.is_degree_one_part;
    }
    pictures::figure f = spectrum::stack_figure(spectrum::radius_edges, rows, "radius");
    if (parts) f.note = "* the degree-one part of the spectrum";
    write(f, "radius", "Radius of eigenvalues of Λ", settings_);
  }
  /// Real spectra as strips, the others in planes.
  void spectra() {
    std::vector<spectrum::point_set> real, plane;
    for (const report& r : reports_) {
      spectrum::point_set set{r.name + (r.is_degree_one_part ? " *" : ""), r.eigenvalues};
      (spectrum::is_real(set) ? real : plane).push_back(std::move(set));
    }
    const auto with_parts = [&](pictures::figure f, const std::vector<spectrum::point_set>& sets) {
      for (const auto& set : sets)
        if (set.title.ends_with('*')) return f.note += (f.note.empty() ? "" : " ") + std::string("* the degree-one part."), f;
      return f;
    };
    if (!real.empty()) write(with_parts(spectrum::spectrum_figure(real), real), "eigenvalues_real", "Real eigenvalues of Λ", settings_);
    if (!plane.empty())
      write(with_parts(spectrum::spectrum_figure(plane), plane), "eigenvalues_complex", "Complex eigenvalues of Λ", settings_);
  }

  static std::string policies(const report& r) {
    return r.phi + ", " + r.evolution + ", " + r.scaling + ", " + r.normalization + (r.feature.empty() ? "" : ", " + r.feature);
  }
  void write(pictures::figure f, const std::string& stem, const std::string& title, const std::string& settings) {
    f.title = title;
    f.settings = settings;
    const pictures::drawing d = pictures::draw(f, folder_ + "/" + stem);
    if (!d.drawn && trouble_.empty()) trouble_ = d.note;
  }

  const std::vector<report>& reports_;
  std::string folder_, settings_, trouble_;
};

}  // namespace

std::string draw_pictures(const std::vector<report>& reports, const std::string& text_name, const std::string& folder) {
  album a(reports, text_name, folder);
  a.draw_all();
  return a.trouble();
}

}  // namespace demo
