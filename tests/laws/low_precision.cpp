// SPDX-License-Identifier: MIT
// bf16 and half are storage: the arithmetic is that of float on the rounded inputs, to the bit.
#include "support/law.hpp"

namespace coefdyn::laws {

TEST_CASE("bf16 and half storage compute what float computes on the rounded inputs") {
  for_subjects([](const subject& s) { return s.storage == scalar_kind::brain16 || s.storage == scalar_kind::half16; },
               [](const subject& s) {
                 const subject* in_floats = twin(s, "float");
                 REQUIRE(in_floats);
                 problem p = random_problem(s.info, fitted(s, {2, 40, 4, 2, 2, 12, 9, 0}));
                 s.round(p);
                 for (form_choice f : s.forms()) {
                   request q{.form = f, .executor = {}, .initial = {}, .want_final = s.info.linear, .positions = {}, .wide_output = true};
                   const outcome wide = s.run(p, q), reference = in_floats->run(p, q);
                   check_bits(same_bits(wide.y, reference.y), to_string(f) + ", outputs in float");
                   if (s.info.linear) check_bits(same_bits(wide.final, reference.final), to_string(f) + ", states in float");
                   q.wide_output = false;
                   std::vector<double> rounded = reference.y;
                   for (double& v : rounded) v = rounded_to(s.storage, v);
                   check_bits(same_bits(s.run(p, q).y, rounded), to_string(f) + ", outputs in the storage type");
                 }
               });
}

}  // namespace coefdyn::laws
