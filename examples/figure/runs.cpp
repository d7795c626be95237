// SPDX-License-Identifier: MIT
#include "runs.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <coefdyn/files/file.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <map>
#include <span>
#include <thread>

namespace figures {
namespace {
using clock = std::chrono::steady_clock;

volatile sig_atomic_t stopping = 0;

/// While it lives, Ctrl-C and SIGTERM are noted; the trainings are told once, and save.
class noted_signals {
 public:
  noted_signals() {
    stopping = 0;
    struct sigaction note{};
    note.sa_handler = [](int) { stopping = 1; };
    sigemptyset(&note.sa_mask);  // no SA_RESTART: waiting ends
    sigaction(SIGINT, &note, &before_[0]), sigaction(SIGTERM, &note, &before_[1]);
  }
  noted_signals(const noted_signals&) = delete;
  noted_signals& operator=(const noted_signals&) = delete;
  ~noted_signals() { sigaction(SIGINT, &before_[0], nullptr), sigaction(SIGTERM, &before_[1], nullptr); }

 private:
  struct sigaction before_[2];
};

std::string last_line(const fs::path& path) {
  std::ifstream in(path);
  std::string last;
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) last = line;
  return last;
}

/// One figure's runs.
class workshop {
 public:
  workshop(const std::vector<run>& runs, const fs::path& folder, const options& o) : runs_(runs), folder_(folder), options_(o) {}

  std::vector<json> results() {
    std::deque<std::size_t> trainings, measurements;
    for (std::size_t i = 0; i < runs_.size(); ++i)
      if (fs::exists(at(i) / "finished.json")) std::printf("%s: finished before\n", runs_[i].name.c_str());
      else (runs_[i].measure ? measurements : trainings).push_back(i);
    const noted_signals noted;
    train(trainings);
    for (; !stopping && failed_.empty() && !measurements.empty(); measurements.pop_front()) measure(measurements.front());
    if (!failed_.empty()) throw std::runtime_error(failed_);
    if (stopping) throw std::runtime_error("stopped; the same command goes on with what is not finished.");
    std::vector<json> out;
    for (std::size_t i = 0; i < runs_.size(); ++i) out.push_back(read_json(at(i) / "figures.json"));
    return out;
  }

 private:
  fs::path at(std::size_t i) const { return folder_ / folder_name(runs_[i]); }

  void train(std::deque<std::size_t>& waiting) {
    bool told = false;
    while (!running_.empty() || (!waiting.empty() && !stopping)) {
      while (!stopping && !waiting.empty() && running_.size() < std::size_t(options_.jobs)) start(next_of(waiting));
      if (stopping && !told)
        for (told = true; const auto& [child, i] : running_) kill(-child, SIGINT);  // with its compiler, if it is at that
      int status = 0;
      if (const pid_t child = waitpid(-1, &status, 0); child > 0 && running_.contains(child)) ended(child, status);
    }
  }
  /// Takes the first whose layer no other is compiling, or the first.
  std::size_t next_of(std::deque<std::size_t>& waiting) const {
    const auto layer = [this](std::size_t i) { return runs_[i].settings.at(1); };
    const auto is_free = [&](std::size_t i) {
      return std::none_of(running_.begin(), running_.end(), [&](const auto& other) { return layer(other.second) == layer(i); });
    };
    auto at = std::find_if(waiting.begin(), waiting.end(), is_free);
    if (at == waiting.end()) at = waiting.begin();
    const std::size_t i = *at;
    waiting.erase(at);
    return i;
  }
  std::vector<std::string> arguments(std::size_t i) const {
    const int threads = std::max(1, int(std::thread::hardware_concurrency()) / options_.jobs);
    std::vector<std::string> all{FIGURE_TRAIN};
    if (fs::exists(at(i) / "checkpoint.safetensors")) all.insert(all.end(), {"--resume", at(i).string()});
    else all.insert(all.end(), runs_[i].settings.begin(), runs_[i].settings.end()), all.insert(all.end(), {"--out", at(i).string()});
    all.insert(all.end(), {"--checkpoint-every", "100", "--threads", std::to_string(threads)});
    return all;
  }
  void start(std::size_t i) {
    fs::create_directories(at(i));
    const std::vector<std::string> words = arguments(i);
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    const std::string log = (at(i) / "log.txt").string();
    std::printf("%s: begins\n", runs_[i].name.c_str());
    std::fflush(stdout);
    const pid_t self = getpid(), child = fork();
    if (child < 0) throw std::runtime_error("no process could be started to train in.");
    if (child == 0) {
      setpgid(0, 0);  // Ctrl-C on a terminal reaches this program alone, which hands it on
      prctl(PR_SET_PDEATHSIG, SIGINT);
      signal(SIGINT, SIG_DFL);  // a shell's background job ignores it, and so would a compiler
      const int file = open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0666);
      if (getppid() != self || file < 0 || dup2(file, 1) < 0 || dup2(file, 2) < 0) _exit(127);
      execv(argv[0], argv.data());
      _exit(127);
    }
    running_[child] = i;
    begun_[i] = clock::now();
  }
  void ended(pid_t child, int status) {
    const std::size_t i = running_.at(child);
    running_.erase(child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return finish(i);
    if (stopping) return;
    if (failed_.empty())
      failed_ = runs_[i].name + " failed: " + last_line(at(i) / "log.txt") + " (all of it: " + (at(i) / "log.txt").string() + ")";
    std::printf("%s: failed\n", runs_[i].name.c_str());
  }
  void measure(std::size_t i) {
    fs::create_directories(at(i));
    begun_[i] = clock::now();
    write_text(at(i) / "figures.json", runs_[i].measure().dump(1) + "\n");
    finish(i);
  }
  void finish(std::size_t i) {
    const double seconds = std::chrono::duration<double>(clock::now() - begun_.at(i)).count();
    const char* commit = std::getenv("COEFDYN_COMMIT");
    const json last{{"name", runs_[i].name}, {"settings", runs_[i].settings}, {"commit", commit ? commit : ""}, {"seconds", seconds}};
    write_text(at(i) / "finished.json", last.dump(1) + "\n");
    const json what = read_json(at(i) / "figures.json");
    if (what.contains("accuracy"))
      std::printf("%s: accuracy %.3f after %ld steps, %.0f s\n", runs_[i].name.c_str(), what.at("accuracy").get<double>(),
                  what.at("steps").get<long>(), seconds);
    else std::printf("%s: measured, %.0f s\n", runs_[i].name.c_str(), seconds);
    std::fflush(stdout);
  }

  const std::vector<run>& runs_;
  const fs::path folder_;
  const options& options_;
  std::map<pid_t, std::size_t> running_;
  std::map<std::size_t, clock::time_point> begun_;
  std::string failed_;
};

}  // namespace

std::string folder_name(const run& r) {
  std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a, the same everywhere
  for (const char c : json(r.settings).dump()) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  char name[20];
  std::snprintf(name, sizeof name, "%016llx", static_cast<unsigned long long>(hash));
  return name;
}
std::vector<json> results_of(const std::vector<run>& runs, const fs::path& folder, const options& o) {
  return workshop(runs, folder, o).results();
}
json read_json(const fs::path& path) {
  std::ifstream in(path);
  json j = json::parse(in, nullptr, false);
  if (j.is_discarded())
    throw std::runtime_error(path.string() + ": expected a file of JSON; remove its folder, and the run is made again.");
  return j;
}
void write_text(const fs::path& path, const std::string& text) {
  coefdyn::files::write_file(path.string(), std::as_bytes(std::span(text)));
}

}  // namespace figures
