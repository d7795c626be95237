// SPDX-License-Identifier: MIT
// Strong and weak decays, keys that nearly coincide, reflections and large norms: nothing non-finite, and the forms agree.
#include <algorithm>

#include "support/law.hpp"

namespace coefdyn::laws {
namespace {

using decays = recipe::decays;

/// Where the definition itself overflows the forms may: an exponential readout or input gate that nothing normalises.
bool bounded(const subject& s) { return ordinary(s) && !((s.info.exponential_readout || s.info.exponential_input) && !s.info.normalised); }

std::string text_of(const recipe& r, idx time) {
  static const char* const names[] = {"mild", "fixed", "strong then weak", "weak then strong", "alternating", "with resets"};
  return std::string("decays ") + names[int(r.decay)] + " (" + std::to_string(r.log_decay) + "), cosine " + std::to_string(r.cosine) +
         ", beta " + std::to_string(r.beta) + ", norm " + std::to_string(r.norm) + ", T = " + std::to_string(time);
}
std::vector<recipe> grid(const subject& s) {
  std::vector<recipe> all;
  std::vector<std::pair<decays, double>> gates{{decays::mild, 0}};
  if (s.info.has("log_decay")) {
    gates.clear();
    for (double g : {0.0, -1e-3, -5.0, -20.0, -80.0}) gates.push_back({decays::fixed, g});
    for (double g : {-5.0, -20.0, -80.0})
      for (decays how : {decays::strong_then_weak, decays::weak_then_strong, decays::alternating})
        if (s.info.at("log_decay").timed()) gates.push_back({how, g});
  }
  const std::vector<double> betas = s.info.corrects() ? std::vector<double>{1, 2} : std::vector<double>{-1};
  const std::vector<double> cosines = s.info.corrects() ? std::vector<double>{0.99, 0} : std::vector<double>{0};
  std::uint64_t seed = 1;
  for (auto [how, g] : gates)
    for (double beta : betas)
      for (double cosine : cosines)
        for (double norm : {0.1, 1.0, 10.0}) all.push_back({how, g, cosine, beta, norm, seed++});
  if (reduced()) {
    std::vector<recipe> some;
    for (std::size_t i = 0; i < all.size(); i += 7) some.push_back(all[i]);
    return some;
  }
  return all;
}
void finite_and_agreeing(const subject& s, const problem& p, pass what, const std::string& where) {
  const subject& truth = truth_of(s);
  problem rounded = p;
  s.round(rounded);
  const bool with_state = s.info.linear;
  const request definition{.form = {}, .executor = {}, .initial = {}, .want_final = with_state, .positions = {}};
  const outcome reference = truth.run(rounded, definition);
  const limits limit = allowed(s, rounded, what);
  // the weights of such a sum may all underflow in float: then a row is 0, as one without weights is
  const bool can_underflow = in_float(s) && s.info.needs_sum && !s.info.linear && !s.info.exponential_readout;
  CHECK_MESSAGE(all_finite(reference.y), where << ": the definition is not finite");
  for (form_choice f : s.forms()) {
    if (f.length == 1 || f.length == 5) continue;
    request q = definition;
    q.form = f;
    outcome o = s.run(rounded, q);
    const std::size_t d = std::size_t(p.size.d);
    for (std::size_t row = 0; can_underflow && f.name != form_name::definition && row < o.y.size(); row += d)
      if (std::all_of(&o.y[row], &o.y[row] + d, [](double v) { return v == 0; })) std::copy_n(&reference.y[row], d, &o.y[row]);
    check_close(relative_error(o.y, reference.y), limit.output, to_string(f) + ": " + where);
    if (with_state) check_close(state_error(s.info, o.final, reference.final), limit.state, to_string(f) + ", final state: " + where);
  }
}
void over_grid(const subject& s) {
  for (const recipe& r : grid(s))
    for (idx time : {63, 64, 65}) {
      if (time != 63 + idx(r.seed % 3) && r.norm != 1.0) continue;
      const problem p = random_problem(s.info, fitted(s, {1, time, 1, 1, 1, 16, 8, 0}), r);
      finite_and_agreeing(s, p, pass::stress, text_of(r, time));
    }
}
/// The subjects in two halves of equal length, so that two cores share them.
bool even(const subject& s) {
  const auto& all = subjects();
  return (std::find_if(all.begin(), all.end(), [&](const auto& x) { return x.get() == &s; }) - all.begin()) % 2 == 0;
}

}  // namespace

TEST_CASE("stress grid in double, first half of the mixers") {
  for_subjects([](const subject& s) { return bounded(s) && in_double(s) && even(s); }, over_grid);
}
TEST_CASE("stress grid in double, second half of the mixers") {
  for_subjects([](const subject& s) { return bounded(s) && in_double(s) && !even(s); }, over_grid);
}
TEST_CASE("stress grid in float, first half of the mixers") {
  for_subjects([](const subject& s) { return bounded(s) && in_float(s) && even(s); }, over_grid);
}
TEST_CASE("stress grid in float, second half of the mixers") {
  for_subjects([](const subject& s) { return bounded(s) && in_float(s) && !even(s); }, over_grid);
}

TEST_CASE("a log decay of -inf is a reset") {
  for_subjects([](const subject& s) { return bounded(s) && s.info.has("log_decay") && s.info.at("log_decay").timed(); },
               [](const subject& s) {
                 recipe r;
                 r.decay = decays::resets;
                 const sizes z = fitted(s, {2, 65, 1, 1, 1, 12, 8, 0});
                 const problem p = random_problem(s.info, z, r);
                 finite_and_agreeing(s, p, pass::stress, text_of(r, z.time));
                 // the last reset of 65 tokens is at 59: outputs from there on are those of a sequence that starts there
                 if (s.info.structure.row_sees == sees::undecayed || s.info.structure.order == reads::before_write || s.info.floored ||
                     !s.info.linear)
                   return;
                 const problem tail = tokens_between(p, s.info, 59, z.time);
                 const limits limit = allowed(s, p, pass::forward);
                 for (form_choice f : s.forms()) {
                   const request q{.form = f, .executor = {}, .initial = {}, .positions = {}};
                   const std::vector<double> whole = s.run(p, q).y, alone = s.run(tail, q).y;
                   std::vector<double> end;
                   const std::size_t each = whole.size() / std::size_t(z.batch), kept = alone.size() / std::size_t(z.batch);
                   for (std::size_t b = 0; b < std::size_t(z.batch); ++b)
                     end.insert(end.end(), whole.begin() + std::ptrdiff_t((b + 1) * each - kept),
                                whole.begin() + std::ptrdiff_t((b + 1) * each));
                   check_close(relative_error(end, alone), limit.output, to_string(f) + ", after the reset");
                 }
               });
}

namespace {
/// Six mixers at T = 4096 against the definition's last 64 rows; the others against the recurrent (or parallel) form.
bool by_definition(const subject& s) {
  static const std::string names[] = {"softmax_attention", "mlstm", "gla", "gated_deltanet", "kda", "rwkv7"};
  return s.types == "double" && std::find(std::begin(names), std::end(names), s.info.name) != std::end(names);
}
void long_range(const subject& s) {
  if (s.info.dense() && !s.info.linear) return;
  const idx time = reduced() ? 300 : 4096, rows = 64;
  recipe r;
  r.decay = s.info.has("log_decay") && s.info.at("log_decay").timed() ? decays::alternating : decays::mild;
  r.log_decay = -5;
  r.cosine = s.info.corrects() ? 0.99 : 0;
  problem p = random_problem(s.info, fitted(s, {1, time, 1, 1, 1, 8, 4, 0}), r);
  s.round(p);
  const subject& truth = truth_of(s);
  const form_choice oracle{by_definition(s) ? form_name::definition : s.info.linear ? form_name::recurrent : form_name::parallel, 0};
  problem last = p;
  last.size.first_read = time - rows;
  for (auto& [name, t] : last.x)
    if (t.info.reading() && t.info.timed()) t = tokens_between(p, s.info, time - rows, time).x.at(name);
  const std::vector<double> reference = truth.run(last, {.form = oracle, .executor = {}, .initial = {}, .positions = {}}).y;
  for (form_choice f : s.forms()) {
    if (f.name == form_name::definition || f.length == 1 || f.length == 5) continue;
    const std::vector<double> y = s.run(p, {.form = f, .executor = {}, .initial = {}, .positions = {}}).y;
    CHECK_MESSAGE(all_finite(y), to_string(f) << " at T = " << time << " is not finite");
    check_close(relative_error({y.end() - std::ptrdiff_t(reference.size()), y.end()}, reference), tolerance(s, pass::long_range),
                to_string(f) + " at T = " + std::to_string(time));
  }
}
}  // namespace

TEST_CASE("4096 tokens stay finite and agree with the definition") {
  int count = 0;
  for_subjects([](const subject& s) { return bounded(s) && by_definition(s); }, [&](const subject& s) { long_range(s), ++count; });
  if (has_every_mixer()) CHECK(count == 6);
}
TEST_CASE("4096 tokens stay finite and forms agree, in double") {
  for_subjects([](const subject& s) { return bounded(s) && in_double(s) && !by_definition(s); }, long_range);
}
TEST_CASE("4096 tokens stay finite and forms agree, in float") {
  for_subjects([](const subject& s) { return bounded(s) && in_float(s); }, long_range);
}

}  // namespace coefdyn::laws
