// SPDX-License-Identifier: MIT
// NaN goes where the formula takes it and nowhere else: to what depends on it in every form alike, never to an earlier token, nor, in
// gradients, to a later one.
#include "support/law.hpp"

namespace coefdyn::laws {
namespace {

constexpr idx time = 70;  // two tiles, several chunks
constexpr idx places[] = {0, 1, 40, 69};

problem small_problem(const subject& s) { return random_problem(s.info, fitted(s, {1, time, 1, 1, 1, 4, 3, 0})); }
/// Where NaN is: one letter a number.
std::string pattern(const std::vector<double>& x) {
  std::string out(x.size(), '.');
  for (std::size_t i = 0; i < x.size(); ++i)
    if (std::isnan(x[i])) out[i] = 'N';
  return out;
}
/// An entry of a tensor's row at token t.
std::size_t entry_at(const tensor& x, idx t) {
  const std::size_t rows = x.info.time == ticks::constant ? 1 : std::size_t(x.shape[1]);
  const std::size_t width = x.value.size() / rows;
  return (x.info.time == ticks::constant ? 0 : std::size_t(t) * (rows / std::size_t(time)) * width) + (width > 1 ? 1 : 0);
}
/// A form that goes through powers of a map, which meet a state of zeros.
bool multiplies_zero_states(const subject& s, form_choice f) {
  return (f.name == form_name::chunkwise || f.name == form_name::automatic) && s.info.structure.constant && !s.has(form_name::parallel);
}
/// A correction behind the read: what it does at a token has no part in that token's read, and tiles multiply it with 0 there.
bool corrects_behind_the_read(const subject& s) {
  return s.info.structure.order == reads::before_write && s.info.structure.correction != rank_one::none;
}
bool is_tiled(form_choice f) { return f.name != form_name::definition && f.name != form_name::recurrent; }
/// Whether y at token t moves with the first value of the token's own: its weight may be exactly 0.
bool weighs_itself(const subject& s, const problem& p, idx t) {
  problem moved = p;
  std::vector<double>& v = moved.x.at("v").value;
  v[std::size_t(t) * (v.size() / std::size_t(time)) + 1] += 1;
  const auto y = [&](const problem& x) {
    return s.run(x, {.form = {form_name::definition}, .executor = {}, .initial = {}, .positions = {}})
        .y[std::size_t(t * p.size.readers() * p.size.d) + 1];
  };
  return y(moved) != y(p);
}

}  // namespace

TEST_CASE("NaN in a stream reaches the same outputs in every form, none before its token") {
  for_subjects(ordinary, [](const subject& s) {
    const problem p = small_problem(s);
    for (const auto& [name, stream] : p.x)
      for (const idx t : places) {
        if (stream.info.time == ticks::constant && t > 0) continue;
        problem bad = p;
        bad.x.at(name).value[entry_at(stream, t)] = std::nan("");
        std::string want;
        for (const form_choice f : s.forms()) {
          if (stream.info.time == ticks::constant && multiplies_zero_states(s, f)) continue;
          if (corrects_behind_the_read(s) && is_tiled(f)) continue;
          const std::string got = pattern(s.run(bad, {.form = f, .executor = {}, .initial = {}, .positions = {}}).y);
          if (want.empty()) want = got;
          INFO(name, " at ", t, ", ", to_string(f), ": ", got, " for ", want);
          const std::size_t row = std::size_t(p.size.readers() * p.size.d);
          CHECK((got == want || corrects_behind_the_read(s)));
          CHECK((stream.info.time == ticks::constant || got.find('N') >= std::size_t(t) * row));
          if (name == "q" || name == "k" || name == "v") CHECK(got.find('N') / row == std::size_t(t));
        }
      }
  });
}

TEST_CASE("NaN in dy reaches the same gradients in every form, none of a later token") {
  for_subjects(in_double, [](const subject& s) {
    const problem p = small_problem(s);
    random_numbers random(3);
    std::vector<double> dy(std::size_t(p.size.time * p.size.readers() * p.size.d));
    for (double& v : dy) v = random.normal();
    for (const idx t : places) {
      std::vector<double> bad = dy;
      bad[std::size_t(t * p.size.readers() * p.size.d) + 1] = std::nan("");
      std::map<std::string, std::string> want;
      for (const form_choice f : s.forms()) {
        if (f.name == form_name::step || f.name == form_name::automatic) continue;
        if (corrects_behind_the_read(s) && is_tiled(f)) continue;
        const gradient_numbers g = s.backward(p, {.form = f, .executor = {}, .initial = {}, .positions = {}}, bad, nullptr);
        for (const auto& [name, v] : g.of) {
          const std::string got = pattern(v);
          std::string& first = want[name];
          if (first.empty()) first = got;
          INFO("d", name, ", dy at ", t, ", ", to_string(f), ": ", got, " for ", first);
          CHECK((got == first || corrects_behind_the_read(s)));
          if (p.x.at(name).info.time == ticks::constant) continue;
          const std::size_t row = v.size() / std::size_t(time), last = got.rfind('N');
          CHECK((last == std::string::npos || last / row <= std::size_t(t)));
          if (name == "q") CHECK((got.find('N') == std::string::npos || got.find('N') / row == std::size_t(t)));
          if (name == "v") CHECK((got[std::size_t(t) * row + 1] == 'N' || !weighs_itself(s, p, t)));
        }
      }
    }
  });
}

}  // namespace coefdyn::laws
