// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/evolution/identity.hpp>
#include <coefdyn/evolution/read_before.hpp>
#include <coefdyn/evolution/scalar.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/exponential.hpp>
#include <coefdyn/scaling/inverse_sqrt_dim.hpp>
#include <coefdyn/spectrum/eigenvalues.hpp>
#include <coefdyn/spectrum/eta.hpp>
#include <limits>
#include <vector>

#include "inputs.hpp"

// A_t = I is what an evolution does, under whatever name.

namespace {
using namespace coefdyn;

struct nothing_moves {
  static constexpr structure_of structure{};
};
/// The same without a declared structure: nobody can know.
struct moves_in_secret {
  template <class At, class X>
  static void apply(const At&, X) {}
  template <class At, class X>
  static void apply_transposed(const At&, X) {}
};
template <class A>
using softmax_over = mixer<readout::exponential, A, scaling::inverse_sqrt_dim, normalization::sum>;

struct spectrum_of {
  std::vector<double> moduli;
  bool is_part;
};
template <class X>
spectrum_of spectrum_from(const X& x) {
  spectrum_of s;
  s.is_part = spectrum::eigenvalues(x, [&](const spectrum::token_spectrum& t) {
                for (const auto& z : t.values) s.moduli.push_back(std::abs(z));
              }).is_degree_one_part;
  return s;
}
}  // namespace

TEST_CASE("a user's identity has the identity's whole spectrum") {
  spectrum_tests::inputs<softmax_over<evolution::identity>> library;
  spectrum_tests::inputs<softmax_over<nothing_moves>> own;
  own.x.q = library.x.q, own.x.k = library.x.k, own.x.v = library.x.v;
  const spectrum_of want = spectrum_from(library.x), have = spectrum_from(own.x);
  CHECK(!want.is_part);
  CHECK(!have.is_part);
  REQUIRE(!want.moduli.empty());
  CHECK(have.moduli == want.moduli);
}
TEST_CASE("of evolutions that move, or may, a nonlinear readout shows the degree-one part") {
  CHECK(spectrum_from(spectrum_tests::inputs<softmax_over<evolution::scalar>>().x).is_part);
  CHECK(spectrum_from(spectrum_tests::inputs<softmax_over<moves_in_secret>>().x).is_part);
}
