// SPDX-License-Identifier: MIT
#include <coefdyn/pictures/draw.hpp>
#include <cstdio>

#include "figures.hpp"

namespace figures {

void write_table(const fs::path& folder, const table& t, const json& all) {
  std::vector<std::size_t> width(t.columns.size(), 0);
  const auto each = [&](auto f) {
    f(t.columns);
    for (const auto& row : t.rows) f(row);
  };
  each([&](const std::vector<std::string>& row) {
    for (std::size_t c = 0; c < row.size(); ++c) width[c] = std::max(width[c], row[c].size());
  });
  std::string text;
  each([&](const std::vector<std::string>& row) {
    for (std::size_t c = 0; c < row.size(); ++c)
      text += row[c] + (c + 1 == row.size() ? "\n" : std::string(width[c] + 2 - row[c].size(), ' '));
  });
  std::printf("\n%s\n", text.c_str());
  write_text(folder / "table.txt", text);
  write_text(folder / "table.json", all.dump(1) + "\n");
}
void draw(const fs::path& folder, const std::string& stem, const coefdyn::pictures::figure& f) {
  const coefdyn::pictures::drawing d = coefdyn::pictures::draw(f, (folder / stem).string());
  std::printf("written: %s.png, .svg, .pdf, .gp%s\n", (folder / stem).c_str(), d.drawn ? "" : (" (not drawn: " + d.note + ")").c_str());
}
long steps_of(const options& o, long steps) { return o.steps > 0 ? o.steps : steps; }
std::string cut_text(long steps, long aim) {
  return steps < aim ? std::to_string(steps) + " steps (cut: " + std::to_string(aim) + " aimed at)" : std::to_string(steps) + " steps";
}
std::string fixed(double x, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, x);
  return text;
}

}  // namespace figures
