// SPDX-License-Identifier: MIT
// Every form of one mixer gives the same numbers, and the definition is the truth.
#include "support/law.hpp"

namespace coefdyn::laws {
namespace {

/// Odd sizes: T around a chunk of 16 and beyond the longest, n = 1, n and d no multiples of anything, one head and several.
const std::vector<sizes>& odd_sizes() {
  static const std::vector<sizes> all = [] {
    std::vector<sizes> v{
        {2, 0, 2, 2, 2, 8, 8},   {1, 1, 4, 2, 2, 16, 24},  {2, 15, 1, 1, 1, 1, 1},   {1, 16, 2, 1, 1, 17, 5},
        {2, 17, 2, 2, 2, 6, 33}, {1, 65, 2, 1, 1, 20, 13}, {1, 37, 4, 2, 2, 16, 24},
    };
    if (reduced()) v = {v[0], v[2], v[4], v[6]};
    return v;
  }();
  return all;
}

void agree_with_definition(const subject& s) {
  const subject& truth = truth_of(s);
  for (sizes z : odd_sizes()) {
    z = fitted(s, z);
    recipe r;
    r.seed = std::uint64_t(z.time * 100 + z.n);
    problem p = random_problem(s.info, z, r);
    s.round(p);
    for (bool carried : {false, true}) {
      if (carried && !s.info.linear) continue;
      request q;
      q.want_final = s.info.linear;
      if (carried) {
        state_numbers start = random_state(s.info, p, 7);
        for (double& v : start.S) v = rounded_to(s.state_kind, v);
        for (double& v : start.z) v = rounded_to(s.state_kind, v);
        for (double& v : start.m) v = rounded_to(s.accumulate, v);
        q.initial = start;
      }
      const outcome reference = truth.run(p, q);
      if (!all_finite(reference.y)) FAIL_CHECK("definition: not finite at T = " << z.time << ", n = " << z.n);
      const limits limit = allowed(s, p, pass::forward, q.initial);
      for (form_choice f : s.forms()) {
        q.form = f;
        const outcome o = s.run(p, q);
        const std::string where =
            to_string(f) + (carried ? " from a state" : "") + " at T = " + std::to_string(z.time) + ", n = " + std::to_string(z.n);
        check_close(relative_error(o.y, reference.y), limit.output, where);
        if (q.want_final) check_close(state_error(s.info, o.final, reference.final), limit.state, where + ", final state");
      }
    }
  }
}

}  // namespace

TEST_CASE("forms agree with the definition in double") {
  for_subjects(in_double, [](const subject& s) { agree_with_definition(s); });
}
TEST_CASE("forms agree with the definition in float") {
  for_subjects(in_float, [](const subject& s) { agree_with_definition(s); });
}
TEST_CASE("forms agree with the definition on the machine's slower targets") {
  on_slower_targets([] { for_subjects(ordinary, [](const subject& s) { agree_with_definition(s); }); });
}

}  // namespace coefdyn::laws
