// SPDX-License-Identifier: MIT
#pragma once
#include <doctest/doctest.h>

#include <coefdyn/cpu/products/products.hpp>
#include <functional>

#include "reduced.hpp"
#include "tolerances.hpp"

/// What every law starts with: a walk over the subjects, and checks that name mixer, form and place when they fail.
namespace coefdyn::laws {

/// Calls law(subject) for every subject that `wanted` takes; an exception fails the law and says for whom. In a program of all
/// mixers there is one that it takes.
inline void for_subjects(const std::function<bool(const subject&)>& wanted, const std::function<void(const subject&)>& law) {
  int count = 0;
  for (const auto& s : subjects()) {
    if (!wanted(*s)) continue;
    ++count;
    const std::string who = s->name();
    INFO("mixer ", who);
    try {
      law(*s);
    } catch (const std::exception& e) {
      FAIL_CHECK("exception: " << std::string(e.what()));
    }
  }
  if (has_every_mixer()) CHECK(count > 0);
}
inline bool in_double(const subject& s) { return s.accumulate == scalar_kind::float64; }
inline bool in_float(const subject& s) { return s.storage == scalar_kind::float32; }
inline bool ordinary(const subject& s) { return in_double(s) || in_float(s); }

/// While it lives, the program lacks the targets above this one.
class slowed_to {
 public:
  explicit slowed_to(cpu::target t) {
    for (std::size_t faster = std::size_t(t) + 1; faster < cpu::target_count; ++faster)
      cpu::detail::tables<float>[faster] = nullptr, cpu::detail::tables<double>[faster] = nullptr;
  }
  ~slowed_to() { cpu::detail::tables<float> = floats_, cpu::detail::tables<double> = doubles_; }
  slowed_to(const slowed_to&) = delete;
  slowed_to& operator=(const slowed_to&) = delete;

 private:
  decltype(cpu::detail::tables<float>) floats_ = cpu::detail::tables<float>;
  decltype(cpu::detail::tables<double>) doubles_ = cpu::detail::tables<double>;
};
/// Calls law() on every target of this machine but its best, which all other laws run on.
inline void on_slower_targets(const std::function<void()>& law) {
  for (cpu::target t : {cpu::target::portable, cpu::target::neon, cpu::target::avx2}) {
    if (!cpu::has_target(t) || t == cpu::best_target()) continue;
    const slowed_to only(t);
    REQUIRE(cpu::products<float>::best().where() == t);
    REQUIRE(cpu::products<double>::best().where() == t);
    law();
  }
}

/// Sizes that a subject's head grouping and evolution allow.
inline sizes fitted(const subject& s, sizes z) {
  if (s.info.grouped_values) {
    z.keys = z.queries = 2;
    z.states = z.batch > 0 ? 4 : 2;
  }
  const turning t = s.info.structure.turns;
  if (t == turning::half_pairs || t == turning::adjacent_pairs) z.n = z.n < 2 ? 2 : z.n / 2 * 2;
  return z;
}

/// What may separate two computations of this problem: the table's row, or, where a signed sum of a float mixer nearly cancels,
/// 256 times what moving the inputs by half an ulp does to the definition in double (185 times is the most that was seen: a chunk's
/// substitution adds up the rounding errors of its rows).
struct limits {
  double output, state;
};
inline limits allowed(const subject& s, const problem& p, pass what, const std::optional<state_numbers>& initial = {}) {
  limits l{tolerance(s, what), tolerance(s, what)};
  const mixer_info& m = s.info;
  if (!in_float(s) || !m.needs_sum || !m.linear || m.nonnegative_features) return l;
  const subject& truth = truth_of(s);
  const request q{.form = {}, .executor = {}, .initial = initial, .want_final = true, .positions = {}};
  const outcome a = truth.run(p, q);
  random_numbers random(41);
  for (int draw = 0; draw < 4; ++draw) {
    problem moved = p;
    for (auto& [name, t] : moved.x)
      for (double& v : t.value) v *= 1 + 0x1p-24 * random.uniform(-1, 1);
    const outcome b = truth.run(moved, q);
    l.output = std::max(l.output, 256 * relative_error(b.y, a.y)), l.state = std::max(l.state, 256 * state_error(m, b.final, a.final));
  }
  return l;
}

inline void check_close(double error, double limit, const std::string& what) {
  CHECK_MESSAGE(error <= limit, what << ": error " << error << ", allowed " << limit);
}
inline void check_bits(bool same, const std::string& what) { CHECK_MESSAGE(same, what << ": other bits"); }

}  // namespace coefdyn::laws
