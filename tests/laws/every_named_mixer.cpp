// SPDX-License-Identifier: MIT
// The laws are about all mixers: every named architecture is among the subjects.
#include <coefdyn/mixers/all.hpp>

#include "support/law.hpp"

namespace coefdyn::laws {

[[maybe_unused]] const bool all_of_them = has_every_mixer() = true;

TEST_CASE("every named mixer obeys the laws") {
  mixers::for_each(mixers::all{}, [](auto entry) {
    using named = decltype(entry);
    const std::string policies = name_of<typename named::mixer_type>(), name(named::name);
    bool found = false;
    for (const auto& s : subjects())
      found = found || (s->types == "double" && s->info.policies == policies &&
                        s->info.complex_queries == (named::over == field::complex) && twin(*s, "float"));
    CHECK_MESSAGE(found, name << " is not registered in laws/mixers");
  });
}

}  // namespace coefdyn::laws
