// SPDX-License-Identifier: MIT
#pragma once
#include <doctest/doctest.h>

#include <cstdlib>
#include <functional>

#include "tolerances.hpp"

/// What every law starts with: a walk over the subjects, and checks that name mixer, form and place when they fail.
namespace coefdyn::laws {

/// The sanitizers' run takes a smaller grid.
inline bool reduced() { return std::getenv("COEFDYN_REDUCED") != nullptr; }

/// Calls law(subject) for every subject that `wanted` takes; an exception fails the law and says for whom.
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
  CHECK(count > 0);
}
inline bool in_double(const subject& s) { return s.accumulate == scalar_kind::float64; }
inline bool in_float(const subject& s) { return s.storage == scalar_kind::float32; }
inline bool ordinary(const subject& s) { return in_double(s) || in_float(s); }

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

inline void check_close(double error, double limit, const std::string& what) { CHECK_MESSAGE(error <= limit, what << ": error " << error << ", allowed " << limit); }
inline void check_bits(bool same, const std::string& what) { CHECK_MESSAGE(same, what << ": other bits"); }

}  // namespace coefdyn::laws
