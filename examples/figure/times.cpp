// SPDX-License-Identifier: MIT
#include <time.h>

#include <algorithm>
#include <coefdyn/coefdyn.hpp>
#include <coefdyn/mixers/attention.hpp>
#include <coefdyn/mixers/linear_attention.hpp>
#include <coefdyn/pictures/palette.hpp>
#include <random>

#include "figures.hpp"

namespace figures {
namespace {
namespace pictures = coefdyn::pictures;
using coefdyn::idx;

constexpr int heads = 8, n = 64, repeats = 5;
constexpr double least_seconds = 0.1;

double seconds_of_this_thread() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}
/// Five samples after a call that does not count, by one thread: each is the mean of calls that take a tenth of a second.
template <class M, class Form>
json measured(idx length, const Form& form) {
  std::mt19937 draws(1);
  std::normal_distribution<float> normal;
  std::vector<float> q(std::size_t(length * heads * n)), k(q.size()), v(q.size()), y(q.size());
  for (auto* to : {&q, &k, &v})
    for (float& x : *to) x = normal(draws);
  coefdyn::tokens<M> x;
  x.q = coefdyn::view(std::as_const(q), 1, length, heads, n), x.k = coefdyn::view(std::as_const(k), 1, length, heads, n);
  x.v = coefdyn::view(std::as_const(v), 1, length, heads, n);
  std::vector<double> seconds;
  for (int i = 0; i <= repeats; ++i) {
    const double from = seconds_of_this_thread();
    double now = from;
    long calls = 0;
    for (; calls == 0 || (i > 0 && now - from < least_seconds); ++calls) {
      coefdyn::run(coefdyn::device::cpu<coefdyn::serial>{}, form, x, coefdyn::view(y, 1, length, heads, n));
      now = seconds_of_this_thread();
    }
    if (i > 0) seconds.push_back((now - from) / double(calls));
  }
  std::sort(seconds.begin(), seconds.end());
  return {{"seconds", seconds}, {"median", seconds[repeats / 2]}};
}
/// A line of the slope of T^power through the last point.
pictures::curve slope(const std::vector<double>& x, const std::vector<double>& y, int power) {
  pictures::curve c{
      .name = "slopes 1 and 2", .colour = pictures::palette::frame, .x = x, .style = pictures::curve::stroke::dashed, .thickness = 0.8};
  for (const double T : x) c.y.push_back(y.back() * std::pow(T / x.back(), power));
  return c;
}
}  // namespace

void time_against_length(const fs::path& folder, const options& o) {
  const std::vector<idx> all_lengths{256, 512, 1024, 2048, 4096};
  const std::string sizes = "B 1, H 8, n = d = 64";
  std::vector<run> runs;
  for (const idx T : all_lengths) {
    const std::string length = std::to_string(T);
    runs.push_back({"recurrent, T " + length, {"linear_attention", "recurrent", sizes, length}, [T] {
                      return measured<coefdyn::mixers::linear_attention>(T, coefdyn::form::recurrent{});
                    }});
    runs.push_back({"quadratic, T " + length, {"softmax_attention", "parallel", sizes, length}, [T] {
                      return measured<coefdyn::mixers::softmax_attention>(T, coefdyn::form::parallel{});
                    }});
  }
  keep_asked(runs, o);
  const std::vector<json> results = results_of(runs, folder, o);
  table t{{"T", "recurrent (ms)", "quadratic (ms)"}, {}};
  json all{{"settings", sizes}, {"runs", json::array()}};
  std::vector<double> x, y[2];
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (i % 2 == 0) x.push_back(double(all_lengths[i / 2])), t.rows.push_back({std::to_string(all_lengths[i / 2])});
    y[i % 2].push_back(1e3 * results[i].at("median").get<double>());
    t.rows.back().push_back(fixed(y[i % 2].back(), 2));
    all["runs"].push_back(
        {{"name", runs[i].name}, {"last", read_json(folder / folder_name(runs[i]) / "finished.json")}, {"measured", results[i]}});
  }
  pictures::panel p;
  p.x.label = "length T", p.y.label = "time of a forward pass (ms)", p.x.logarithmic = p.y.logarithmic = true, p.height = 5;
  for (const double T : x) p.x.ticks.push_back({T, fixed(T, 0)});
  using stroke = pictures::curve::stroke;
  p.marks = {
      slope(x, y[0], 1), slope(x, y[1], 2),
      pictures::curve{
          .name = "recurrent: phi(s) = s", .colour = pictures::palette::line(0), .x = x, .y = y[0], .style = stroke::line_and_dots},
      pictures::curve{
          .name = "quadratic: phi(s) = exp s", .colour = pictures::palette::line(1), .x = x, .y = y[1], .style = stroke::line_and_dots}};
  pictures::figure f;
  f.title = "P1-5 small: time of a forward pass against length";
  f.settings = sizes + ", float; form::recurrent of linear attention, form::parallel of softmax attention; one core.";
  f.note = "Processor time of one thread, median of five samples of 0.1 s.";
  f.panels = {p};
  write_table(folder, t, all);
  draw(folder, "time", f);
}

}  // namespace figures
