// SPDX-License-Identifier: MIT
// Published models against the logits that their authors' code gave: golden_models FOLDER...
// A folder has config.json, model.safetensors and io.safetensors (ids, logits by PyTorch).
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <coefdyn/models/open.hpp>
#include <cstdio>
#include <filesystem>

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
    std::printf("%-28s %s  %s\n", name.c_str(), good ? "passed" : "FAILED", what.c_str());
  }
};

/// Whole sequences, then the first sequence token by token, then a prompt at once with tokens behind it.
void check_folder(const fs::path& folder, score& s) {
  const std::string name = folder.filename().string();
  try {
    const auto seen = files::safetensors::read((folder / "io.safetensors").string());
    const auto ids = seen.load<std::int64_t>("ids");
    const auto want = seen.load<float>("logits");
    const idx batch = ids.shape.at(0), time = ids.shape.at(1);
    const auto model = models::open(folder.string());
    const std::size_t V = std::size_t(model->about().vocabulary), T = std::size_t(time);
    difference whole, steps, after;
    whole.between(model->logits(ids.values, batch, time), want.values);
    const std::span<const float> first(want.values.data(), T * V);
    auto text = model->start(time);
    for (std::size_t i = 0; i < T; ++i) steps.between(text->step(ids.values[i]), first.subspan(i * V, V));
    text->clear();
    const std::size_t prompt = T - T / 4;
    after.between(text->prefill(std::span(ids.values).first(prompt)), first.subspan((prompt - 1) * V, V));
    const std::string kept = (fs::temp_directory_path() / ("coefdyn-state-" + std::to_string(::getpid()))).string();
    text->save(kept);
    auto again = model->start(time);
    again->load(kept);
    fs::remove(kept);
    bool same_bits = std::ranges::equal(again->logits(), text->logits());
    for (std::size_t i = prompt; i < T; ++i) {
      after.between(text->step(ids.values[i]), first.subspan(i * V, V));
      same_bits = same_bits && std::ranges::equal(again->step(ids.values[i]), text->logits());
    }
    char line[240];
    std::snprintf(line, sizeof line, "largest difference: whole %.2g, token by token %.2g, prompt and then %.2g; %s; %lld numbers",
                  whole.largest, steps.largest, after.largest,
                  same_bits ? "saved states go on with the same bits" : "saved states go on with OTHER BITS",
                  static_cast<long long>(model->about().parameters));
    s.line(name, std::max({whole.largest, steps.largest, after.largest}) <= tolerance && same_bits, line);
  } catch (const std::exception& e) {
    s.line(name, false, e.what());
  }
}
}  // namespace

int main(int argc, char** argv) {
  score s;
  for (int i = 1; i < argc; ++i) check_folder(argv[i], s);
  std::printf("%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped);
  return s.failed > 0;
}
