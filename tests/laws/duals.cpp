// SPDX-License-Identifier: MIT
// Dual numbers as the scalar type of a whole form are its directional derivative.
#include "support/law.hpp"

namespace coefdyn::laws {

TEST_CASE("a form over dual numbers gives the directional derivative") {
  for_subjects([](const subject& s) { return s.storage == scalar_kind::dual64; },
               [](const subject& s) {
                 const subject* plain = twin(s, "double");
                 REQUIRE(plain);
                 problem p = random_problem(s.info, fitted(s, {1, 21, 2, 1, 1, 6, 4, 0}));
                 random_numbers random(5);
                 problem plus = p, minus = p;
                 const double h = 1e-5;
                 for (auto& [name, t] : p.x) {
                   t.tangent.resize(t.value.size());
                   for (std::size_t i = 0; i < t.value.size(); ++i) {
                     t.tangent[i] = random.normal() * (name == "A" ? 0.1 : 1.0);
                     plus.x.at(name).value[i] += h * t.tangent[i];
                     minus.x.at(name).value[i] -= h * t.tangent[i];
                   }
                 }
                 const std::vector<double> high = plain->run(plus, {}).y, low = plain->run(minus, {}).y, value = plain->run(p, {}).y;
                 std::vector<double> difference(high.size());
                 for (std::size_t i = 0; i < high.size(); ++i) difference[i] = (high[i] - low[i]) / (2 * h);
                 for (form_choice f : s.forms()) {
                   const outcome o = s.run(p, {.form = f, .executor = {}, .initial = {}, .positions = {}});
                   check_close(relative_error(o.y, value), tolerance(s, pass::forward), to_string(f) + ", value");
                   check_close(relative_error(o.y_tangent, difference), 1e-6, to_string(f) + ", derivative");
                 }
               });
}

}  // namespace coefdyn::laws
