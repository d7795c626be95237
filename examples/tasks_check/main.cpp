// SPDX-License-Identifier: MIT
// Trains a model that solves each task and one that by its form cannot, and says what they reach.
//
//   tasks_check                    a night
//   tasks_check mqar               the lines of one task
//   tasks_check --quick            a twentieth of the steps: that it runs
#include <unistd.h>

#include <chrono>
#include <coefdyn/files/file.hpp>
#include <cstdio>
#include <iostream>

#include "../tasks/options.hpp"
#include "lines.hpp"

namespace check_tasks {
namespace {

using show_tasks::command_line;
using show_tasks::option_table;
using show_tasks::usage_error;

std::vector<line> all_lines() {
  std::vector<line> all;
  for (auto part : {lines_of_recall, lines_of_order, lines_of_classes})
    for (line& l : part()) all.push_back(std::move(l));
  return all;
}

/// On a terminal one line that is written over; else a line at every new accuracy.
class progress_line {
 public:
  void operator()(const train::progress& p) {
    const bool news = terminal_ ? p.step % 10 == 0 : p.accuracy >= 0 && p.accuracy != last_;
    if (!news) return;
    last_ = p.accuracy;
    std::fprintf(stderr, "%s  step %ld of %ld, loss %.3f, accuracy %s, %.0f tokens/s, %.0f s left %s", terminal_ ? "\r" : "", p.step,
                 p.steps, p.loss, p.accuracy < 0 ? "-" : percent(p.accuracy).c_str(), p.tokens_per_second, p.seconds_left,
                 terminal_ ? "  " : "\n");
  }
  void end() const {
    if (terminal_) std::fprintf(stderr, "\r%100s\r", "");
  }

 private:
  static std::string percent(double share) {
    char text[16];
    std::snprintf(text, sizeof text, "%.1f %%", 100 * share);
    return text;
  }
  const bool terminal_ = ::isatty(2) == 1;
  double last_ = -1;
};

struct tally {
  int right = 0, wrong = 0, skipped = 0;
};
void check(const line& l, const changes& c, tally& sum) {
  const bool able = l.accuracy == expected::at_least;
  std::printf("%s: %s\n  %s, since %s\n", std::string(l.task).c_str(), l.layer.c_str(), able ? "solves it" : "cannot", l.why.c_str());
  std::fflush(stdout);
  progress_line tell;
  const auto start = std::chrono::steady_clock::now();
  train::outcome end;
  try {
    end = l.run(l, c, [&](const train::progress& p) { tell(p); });
  } catch (const files::file_error& e) {
    std::printf("  skipped: %s\n", e.what());
    ++sum.skipped;
    return;
  }
  tell.end();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const bool right = able == (end.accuracy >= l.threshold);
  std::printf("  accuracy %.1f %% (macro %.1f %%), expected %s %.0f %%, after %ld steps, %.0f s: %s\n", 100 * end.accuracy,
              100 * end.macro_accuracy, able ? "at least" : "below", 100 * l.threshold, end.steps, seconds,
              c.quick ? "not judged"
              : right ? "as expected"
                      : "NOT as expected");
  std::fflush(stdout);
  ++(right || c.quick ? sum.right : sum.wrong);
}

int run(int argc, char** argv) {
  changes c;
  std::vector<char*> others;
  for (int i = 0; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--quick") c.quick = true;
    else others.push_back(argv[i]);
  }
  const command_line given(int(others.size()), others.data());
  option_table table;
  table.add("data", c.data), table.add("steps", c.steps), table.add("rate", c.rate), table.add("seed", c.seed),
      table.add("threads", c.threads);
  table.set("tasks-check", given);
  const std::vector<line> all = all_lines();
  std::string known;
  std::string_view last;
  for (const line& l : all)
    if (l.task != last) known += (known.empty() ? "" : ", ") + std::string(last = l.task);
  tally sum;
  for (const line& l : all)
    if (given.words.empty() || l.task == given.words[0]) check(l, c, sum);
  if (sum.right + sum.wrong + sum.skipped == 0) throw usage_error("no task is called " + given.words[0] + "; there are " + known + ".");
  std::printf("\n%d lines as expected, %d not, %d skipped\n", sum.right, sum.wrong, sum.skipped);
  return sum.wrong > 0;
}

}  // namespace
}  // namespace check_tasks

int main(int argc, char** argv) {
  try {
    return check_tasks::run(argc, argv);
  } catch (const std::exception& e) {
    std::cerr << e.what() << "\n";
    return 2;
  }
}
