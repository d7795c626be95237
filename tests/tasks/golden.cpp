// SPDX-License-Identifier: MIT
#include "golden.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

/// Every tasks*.safetensors of a folder: COEFDYN_GOLDEN_NN in the environment, else the one that the build names.
TEST_CASE("golden samples, orders, weights and maps are equal to the last token") {
  const char* const set = std::getenv("COEFDYN_GOLDEN_NN");
  const std::filesystem::path folder = set ? set : COEFDYN_GOLDEN_NN;
  if (!std::filesystem::is_directory(folder)) {
    MESSAGE("skipped: no folder " << folder.string());
    return;
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("tasks") || !name.ends_with(".safetensors")) continue;
    const auto result = golden_tasks::compared(entry.path().string());
    for (const std::string& fault : result.faults) FAIL_CHECK(fault);
    MESSAGE(name << ": " << result.compared << " samples compared");
    CHECK(result.compared > 0);
  }
}
