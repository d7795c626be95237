// SPDX-License-Identifier: MIT
// bf16 and half are storage: the arithmetic is that of float on the rounded inputs, to the bit. Where the machine multiplies
// bf16, the chunkwise and parallel forms of bf16 tokens round the factors of their products, and stay near the definition.
#include <coefdyn/cpu/products/products.hpp>

#include "support/law.hpp"

namespace coefdyn::laws {
namespace {

/// Whether a form may round the factors of its products to bf16.
bool rounds(const subject& s, form_choice f) {
  const bool by_token = f.name == form_name::definition || f.name == form_name::recurrent || (f.name == form_name::step && s.info.linear);
  return s.rounds_factors && !by_token && cpu::products<float>::rounded().where() == cpu::target::avx512_bf16;
}
/// Relative root mean square; infinite where one is not finite.
double relative_rms(const std::vector<double>& x, const std::vector<double>& reference) {
  if (x.size() != reference.size() || !all_finite(x)) return math::infinity<double>();
  double gap = 0, size = 0;
  for (std::size_t i = 0; i < x.size(); ++i) gap += (x[i] - reference[i]) * (x[i] - reference[i]), size += reference[i] * reference[i];
  return gap > 0 ? std::sqrt(gap / size) : 0;
}

}  // namespace

TEST_CASE("bf16 and half storage compute what float computes on the rounded inputs") {
  for_subjects([](const subject& s) { return s.storage == scalar_kind::brain16 || s.storage == scalar_kind::half16; },
               [](const subject& s) {
                 const subject* in_floats = twin(s, "float");
                 REQUIRE(in_floats);
                 problem p = random_problem(s.info, fitted(s, {2, 40, 4, 2, 2, 12, 9, 0}));
                 s.round(p);
                 for (form_choice f : s.forms()) {
                   if (rounds(s, f)) continue;
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

TEST_CASE("products of rounded factors stay near the definition in double") {
  for_subjects([](const subject& s) { return s.rounds_factors; },
               [](const subject& s) {
                 const subject& truth = truth_of(s);
                 for (sizes z : {sizes{8, 1, 4, 4, 4, 8, 8, 0}, sizes{2, 65, 4, 2, 2, 20, 13, 0}, sizes{1, 150, 2, 1, 1, 72, 130, 0},
                                 sizes{1, 300, 1, 1, 1, 128, 64, 0}}) {
                   if (reduced() && z.time > 65) continue;
                   z = fitted(s, z);
                   problem p = random_problem(s.info, z);
                   s.round(p);
                   for (bool carried : {false, true}) {
                     if (carried && !s.info.linear) continue;
                     request q{
                         .form = {}, .executor = {}, .initial = {}, .want_final = s.info.linear, .positions = {}, .wide_output = true};
                     if (carried) {
                       q.initial = random_state(s.info, p, 7);
                       for (auto* part : {&q.initial->S, &q.initial->z})
                         for (double& v : *part) v = rounded_to(s.state_kind, v);
                     }
                     const outcome reference = truth.run(p, q);
                     for (form_choice f : s.forms()) {
                       if (!rounds(s, f)) continue;
                       q.form = f;
                       const outcome o = s.run(p, q);
                       const std::string where = to_string(f) + (carried ? " from a state" : "") + " at T = " + std::to_string(z.time);
                       check_close(relative_rms(o.y, reference.y), 5e-3, where);
                       if (!q.want_final) continue;
                       check_close(relative_rms(o.final.S, reference.final.S), 5e-3, where + ", final state");
                       check_close(relative_rms(o.final.z, reference.final.z), 5e-3, where + ", final normalizer");
                     }
                   }
                 }
               });
}

}  // namespace coefdyn::laws
