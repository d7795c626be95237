// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/pictures/figure.hpp>

#include "runs.hpp"

/// The figures that `./run figure` knows, and what each leaves: table.json, table.txt, and pictures.
namespace figures {

struct known_figure {
  std::string name, about;
  void (*make)(const fs::path& folder, const options& o);
};
const std::vector<known_figure>& known_figures();

/// Spectra before and after training, arXiv:2510.09379: of six models; of attention with and without convolution and gate; of one layer;
/// of norm functions and a time-invariant model.
///@{
void spectra_of_models(const fs::path& folder, const options& o);
void spectra_of_parts(const fs::path& folder, const options& o);
void spectra_of_one_layer(const fs::path& folder, const options& o);
void spectra_of_norms(const fs::path& folder, const options& o);
///@}
/// Readout maps, learned positions, evolutions, and time against length, arXiv:2510.09389.
///@{
void readout_maps(const fs::path& folder, const options& o);
void positions(const fs::path& folder, const options& o);
void evolutions_compared(const fs::path& folder, const options& o);
void time_against_length(const fs::path& folder, const options& o);
///@}

/// Rows under names: a text to read, and JSON.
struct table {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};
/// Writes table.txt and prints it; table.json holds `all`.
void write_table(const fs::path& folder, const table& t, const json& all);
/// Draws, and says where.
void draw(const fs::path& folder, const std::string& stem, const coefdyn::pictures::figure& f);

/// The first runs alone, where so many are asked for.
template <class Runs>
void keep_asked(Runs& runs, const options& o) {
  if (o.runs > 0 && o.runs < std::ssize(runs)) runs.resize(std::size_t(o.runs));
}
/// The steps that a run is given, and what a picture says of them: " (500 of the 1000 steps aimed at)" where they are cut.
///@{
long steps_of(const options& o, long steps);
std::string cut_text(long steps, long aim);
///@}
std::string fixed(double x, int digits);

}  // namespace figures
