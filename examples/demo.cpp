// SPDX-License-Identifier: MIT
// The main job: named mixers and one of the user's own over a text, in every form that they have.
//
//   demo [FILE [FOLDER]]      a text of at least one row of 1024 bytes; where pictures go
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "coefdyn/core/device.hpp"
#include "coefdyn/spectrum/histogram.hpp"
#include "demo/pictures.hpp"
#include "demo/report.hpp"

namespace {
namespace spectrum = coefdyn::spectrum;

std::string grouped(double x) {  // 1234567 as 1 234 567
  std::string digits = std::to_string(static_cast<long long>(x));
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, " ");
  return digits;
}

class printer : public demo::sink {
 public:
  explicit printer(int expected) : expected_(expected) {}

  void start(const std::string& name) override {
    std::printf("\n[%2d/%d] %s\n", int(reports_.size()) + 1, expected_, name.c_str());
    std::fflush(stdout);
  }
  void take(demo::report r) override {
    std::printf("  phi %s   A_t %s   b_j %s   eta_i %s%s%s\n", r.phi.c_str(), r.evolution.c_str(), r.scaling.c_str(),
                r.normalization.c_str(), r.feature.empty() ? "" : "   psi ", r.feature.c_str());
    std::printf("  %-11s%6s x %-6s%13s   difference to the definition\n", "form", "rows", "tokens", "tokens/s");
    double worst = 0;
    for (const demo::form_result& f : r.forms) {
      if (!f.exists) {
        std::printf("  %-11s     -                     -   does not exist: %s\n", f.name.c_str(),
                    f.name == "parallel" ? "A_t has no declared structure" : "phi is not linear (Lemma 1)");
        continue;
      }
      const std::string speed = grouped(f.tokens_per_second);
      if (&f == &r.forms.front()) std::printf("  %-11s%6d x %-6d%13s\n", f.name.c_str(), f.rows, f.tokens, speed.c_str());
      else std::printf("  %-11s%6d x %-6d%13s   %.1e\n", f.name.c_str(), f.rows, f.tokens, speed.c_str(), f.disagreement);
      worst = f.disagreement <= worst ? worst : f.disagreement;
    }
    std::printf("  largest disagreement between forms: %.1e    |alpha| <= 1e-3: %.1f %%\n", worst, r.near_zero);
    agrees_ = agrees_ && worst < 1e-3;
    print_radii(r);
    reports_.push_back(std::move(r));
  }
  int finish(const std::string& text_name, const std::filesystem::path& folder) {
    const std::string trouble = demo::draw_pictures(reports_, text_name, folder.string());
    std::printf(
        "\npictures, each as .png, .svg and .pdf with its script and data: %s\n"
        "  coefficients: those of eight mixers for the first %d tokens; alpha: of all, alpha_*: of each; radius: histograms; "
        "eigenvalues_*\n",
        folder.c_str(), demo::mapped);
    if (!trouble.empty()) std::printf("%s\n", trouble.c_str());
    if (!agrees_) std::printf("forms disagree by more than 1e-3\n");
    return agrees_ ? 0 : 1;
  }
  std::size_t count() const { return reports_.size(); }

 private:
  void print_radii(const demo::report& r) const {
    spectrum::spectrum_histogram h;
    for (const auto& x : r.eigenvalues) h.add(x);
    const std::vector<double> share = h.radius.percentages();
    std::printf("  radius of eigenvalues (%%) ");
    for (std::size_t bin = 0; bin < share.size(); ++bin) {
      if (share[bin] == 0) continue;
      const double low = spectrum::radius_edges[bin], high = spectrum::radius_edges[bin + 1];
      std::printf(std::isinf(high) ? "  > %g: %.1f"
                  : bin == 0       ? "  [%g, %g]: %.1f"
                                   : "  (%g, %g]: %.1f",
                  low, std::isinf(high) ? share[bin] : high, share[bin]);
    }
    std::printf("%s\n", r.is_degree_one_part ? "  (degree-one part)" : "");
  }

  int expected_;
  std::vector<demo::report> reports_;
  bool agrees_ = true;
};
}  // namespace

int main(int arguments, char** argument) {
  const auto begin = std::chrono::steady_clock::now();
  const std::string path = arguments > 1 ? argument[1] : DEMO_TEXT;
  const std::filesystem::path folder = arguments > 2 ? argument[2] : DEMO_PICTURES;
  demo::corpus text;
  std::ifstream file(path, std::ios::binary);
  text.bytes.assign(std::istreambuf_iterator<char>(file), {});
  if (!file.eof() && !file.good()) std::fprintf(stderr, "%s cannot be read\n", path.c_str());
  if (text.rows() < 1) {
    std::fprintf(stderr, "%s should hold at least one row of %d bytes, but holds %zu\n", path.c_str(), demo::row_length, text.bytes.size());
    return 2;
  }
  std::filesystem::create_directories(folder);
  std::printf("text: %s, %s bytes, %d rows of %d; %d heads of n = %d, d = %d; float; %d threads\n", path.c_str(),
              grouped(double(text.bytes.size())).c_str(), text.rows(), demo::row_length, demo::head_count, demo::n, demo::d,
              coefdyn::openmp{}.workers());
  std::printf(
      "definition and parallel, quadratic in T, take the stated rows; with a cache, steps follow a prompt; a step runs on one thread\n"
      "alpha and eigenvalues: row 1, head 1, %d tokens\n",
      demo::mapped);

  printer out(demo::mixer_count);
  demo::run_attention(text, out);
  demo::run_linear(text, out);
  demo::run_gated(text, out);
  demo::run_delta(text, out);
  demo::run_recurrent(text, out);
  const int result = out.finish(std::filesystem::path(path).filename().string(), folder);
  std::printf("%zu mixers in %.0f s\n", out.count(), std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  return result;
}
