// SPDX-License-Identifier: MIT
// Mixers that a loop cannot tell apart share one instantiation of it.
#include <doctest/doctest.h>

#include <coefdyn/cpu/stages/keyed.hpp>
#include <coefdyn/mixers/all.hpp>
#include <string_view>
#include <typeinfo>
#include <vector>

namespace {
using namespace coefdyn;

template <skeleton Kind>
struct of_value {};

TEST_CASE("linear mixers share skeletons") {
  static_assert(std::is_same_v<cpu::chunk<mixers::retnet, float>, cpu::chunk<mixers::mamba2, float>>);
  static_assert(std::is_same_v<cpu::state_rows<mixers::gla, double>, cpu::state_rows<mixers::s6, double>>);
  static_assert(!std::is_same_v<cpu::chunk<mixers::retnet, float>, cpu::chunk<mixers::gla, float>>);
  static_assert(!std::is_same_v<cpu::chunk<mixers::kda, float>, cpu::chunk<mixers::rwkv7, float>>);
  std::vector<const std::type_info*> values;
  int linear = 0;
  mixers::for_each(mixers::all{}, [&](auto entry) {
    using M = typename decltype(entry)::mixer_type;
    if (!traits<M>::linear) return;
    ++linear;
    for (const std::type_info* known : values)
      if (*known == typeid(of_value<skeleton_of<M>>)) return;
    values.push_back(&typeid(of_value<skeleton_of<M>>));
  });
  MESSAGE(linear << " linear mixers have " << values.size() << " skeletons");
  CHECK(5 * static_cast<int>(values.size()) <= 3 * linear);
}

}  // namespace
