// SPDX-License-Identifier: MIT
// Published models against what their authors' code gave: golden_models MODEL...; golden_models_cuda: on a GPU, without states in files.
// A folder has config.json, model.safetensors and io.safetensors (ids, logits by PyTorch). Beside a file NAME.bin or NAME.safetensors lies
// NAME.greedy200.txt (the ids that follow token 1, each the most likely), or expected-logits-TAG.bin where its name has that tag (after the
// bytes "in, of which the first is a quotation mark).
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <coefdyn/models/open.hpp>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace {
using namespace coefdyn;
namespace fs = std::filesystem;

constexpr double tolerance = 1e-4;  // absolute, float32

/// The largest difference; NaN counts as infinite.
struct difference {
  double largest = 0;
  void between(std::span<const float> got, std::span<const float> want) {
    for (std::size_t i = 0; i < want.size(); ++i) {
      const double d = std::abs(double(got[i]) - double(want[i]));
      largest = std::isnan(d) ? HUGE_VAL : std::max(largest, d);
    }
  }
};
struct score {
  int passed = 0, failed = 0, skipped = 0;
  void line(const std::string& name, bool good, const std::string& what) {
    ++(good ? passed : failed);
    std::printf("%-36s %s  %s\n", name.c_str(), good ? "passed" : "FAILED", what.c_str());
  }
};

#if GOLDEN_CUDA
constexpr bool on_gpu = true;
std::unique_ptr<models::language_model> opened(const fs::path& path) { return models::compiled::on_gpu(path.string()); }
#else
constexpr bool on_gpu = false;
std::unique_ptr<models::language_model> opened(const fs::path& path) { return models::open(path.string()); }
#endif
/// Whether a text's saved state goes on with the same bits over `more`; also what `look` sees of it.
template <class Look>
bool goes_on(const models::language_model& model, models::decoding& text, idx time, std::span<const std::int64_t> more, Look look) {
  std::unique_ptr<models::decoding> again;
  if (!on_gpu) {
    const std::string kept = (fs::temp_directory_path() / ("coefdyn-state-" + std::to_string(::getpid()))).string();
    text.save(kept);
    again = model.start(time);
    again->load(kept);
    fs::remove(kept);
  }
  bool same = !again || std::ranges::equal(again->logits(), text.logits());
  for (std::size_t i = 0; i < more.size(); ++i) {
    look(text.step(more[i]), i);
    if (again) same = same && std::ranges::equal(again->step(more[i]), text.logits());
  }
  return same;
}

/// Whole sequences, then the first sequence token by token, then a prompt at once with tokens behind it.
void check_folder(const fs::path& folder, score& s) {
  const std::string name = folder.filename().string();
  try {
    const auto seen = files::safetensors::read((folder / "io.safetensors").string());
    const auto ids = seen.load<std::int64_t>("ids");
    const auto want = seen.load<float>("logits");
    const idx batch = ids.shape.at(0), time = ids.shape.at(1);
    const auto model = opened(folder);
    const std::size_t V = std::size_t(model->about().vocabulary), T = std::size_t(time);
    difference whole, steps, after;
    whole.between(model->logits(ids.values, batch, time), want.values);
    const std::span<const float> first(want.values.data(), T * V);
    auto text = model->start(time);
    for (std::size_t i = 0; i < T; ++i) steps.between(text->step(ids.values[i]), first.subspan(i * V, V));
    text->clear();
    const std::size_t prompt = T - T / 4;
    after.between(text->prefill(std::span(ids.values).first(prompt)), first.subspan((prompt - 1) * V, V));
    const bool same_bits =
        goes_on(*model, *text, time, std::span(ids.values).subspan(prompt, T - prompt),
                [&](std::span<const float> got, std::size_t i) { after.between(got, first.subspan((prompt + i) * V, V)); });
    char line[240];
    std::snprintf(line, sizeof line, "largest difference: whole %.2g, token by token %.2g, prompt and then %.2g; %s; %lld numbers",
                  whole.largest, steps.largest, after.largest,
                  on_gpu      ? "on a GPU"
                  : same_bits ? "saved states go on with the same bits"
                              : "saved states go on with OTHER BITS",
                  static_cast<long long>(model->about().parameters));
    s.line(name, std::max({whole.largest, steps.largest, after.largest}) <= tolerance && same_bits, line);
  } catch (const std::exception& e) {
    s.line(name, false, e.what());
  }
}
/// The most likely token again and again, from token 1.
void check_greedy(const fs::path& file, const fs::path& expected, score& s) {
  std::ifstream in(expected);
  std::string line;
  while (std::getline(in, line) && line.starts_with("#")) {
  }
  std::istringstream words(line);
  const std::vector<std::int64_t> want{std::istream_iterator<std::int64_t>(words), {}};
  const auto model = opened(file);
  const auto text = model->start(idx(want.size()) + 1);
  std::size_t equal = 0;
  std::int64_t token = 1;
  for (const std::int64_t next : want) {
    const auto logits = text->step(token);
    token = std::max_element(logits.begin(), logits.end()) - logits.begin();
    if (token != next) break;
    ++equal;
  }
  s.line(file.filename().string(), !want.empty() && equal == want.size(),
         std::to_string(equal) + " of " + std::to_string(want.size()) + " greedy tokens equal");
}
void check_last_logits(const fs::path& file, const fs::path& expected, score& s) {
  const files::mapped_file bytes(expected.string());
  std::vector<float> want(bytes.bytes().size() / sizeof(float));
  std::memcpy(want.data(), bytes.bytes().data(), want.size() * sizeof(float));
  const auto model = opened(file);
  if (idx(want.size()) != model->about().vocabulary) throw std::runtime_error(expected.string() + " has not one logit a word");
  const std::vector<std::int64_t> prompt{'"', 'i', 'n'};
  difference whole, steps;
  const auto text = model->start(8);
  whole.between(text->prefill(prompt), want);
  text->clear();
  for (const std::int64_t id : prompt) text->step(id);
  steps.between(text->logits(), want);
  char line[120];
  std::snprintf(line, sizeof line, "largest difference: whole %.2g, token by token %.2g", whole.largest, steps.largest);
  s.line(file.filename().string(), std::max(whole.largest, steps.largest) <= tolerance, line);
}
/// A model in one file, by what lies beside it.
void check_file(const fs::path& file, score& s) {
  try {
    const fs::path greedy = file.parent_path() / (file.stem().string() + ".greedy200.txt");
    if (fs::exists(greedy)) return check_greedy(file, greedy, s);
    for (const auto& beside : fs::directory_iterator(file.parent_path())) {
      const std::string name = beside.path().stem().string(), before = "expected-logits-";
      if (name.starts_with(before) && file.stem().string().find(name.substr(before.size())) != std::string::npos)
        return check_last_logits(file, beside.path(), s);
    }
    std::printf("%-28s skipped: nothing beside it says what it should give\n", file.filename().c_str());
    ++s.skipped;
  } catch (const std::exception& e) {
    s.line(file.filename().string(), false, e.what());
  }
}
}  // namespace

int main(int argc, char** argv) {
  score s;
  for (int i = 1; i < argc; ++i) fs::is_directory(argv[i]) ? check_folder(argv[i], s) : check_file(argv[i], s);
  std::printf("%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped);
  return s.failed > 0;
}
