// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <vector>

#include "report.hpp"

/// The demo's pictures.
namespace demo {

/// Writes them into the folder; a sentence if gnuplot did not draw them, else nothing.
std::string draw_pictures(const std::vector<report>& reports, const std::string& text_name, const std::string& folder);

}  // namespace demo
