// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>

#include "../core/config.hpp"

/// Colours that people with any colour vision tell apart, and that differ in grey too.
namespace coefdyn::pictures::palette {

/// For lines and groups, in this order. source  Okabe and Ito, Color Universal Design (2008)
inline constexpr std::array<const char *, 7> lines{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"};
/// The i-th of `lines`, which begin again behind the last.
constexpr const char *line(std::size_t i) { return lines[i % lines.size()]; }

/// Two states of one thing: before (light) and after (dark), and the deviations drawn on them.
///@{
inline constexpr const char *before = "#a9c6e3", *after = "#1d4f80", *before_deviation = "#4f6f8f", *after_deviation = "#e08a3c";
///@}

/// Magnitudes from small (dark) to large (bright); what is exactly 0, and what is no number, have colours that are not in it.
/// source  viridis, by van der Walt and Smith (CC0)
inline constexpr std::array<const char *, 9> magnitude{"#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c",
                                                       "#28ae80", "#5ec962", "#addc30", "#fde725"};
/// Colours of what is exactly 0, and of what is no number, beside `magnitude`.
///@{
inline constexpr const char *zero = "#d4d4d4", *no_number = "#d55e00";
///@}

/// Shares: none is the paper, few is light, many is dark.
inline constexpr std::array<const char *, 5> share{"#a6cee3", "#6baed6", "#2f7fbc", "#12508f", "#041d45"};

/// Bins of a radius, [0, 0.1] to above 100: what shrinks is blue, what grows is orange.
inline constexpr std::array<const char *, 7> radius{"#08306b", "#2171b5", "#6baed6", "#c6dbef", "#fdbe85", "#e6550d", "#7f2704"};

/// Any other ordered bins: five samples of `magnitude`.
inline constexpr std::array<const char *, 5> ordered{"#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"};

/// Words and lines of a figure.
///@{
inline constexpr const char *ink = "#202020", *faint_ink = "#606060", *grid = "#e2e2e2", *frame = "#808080";
///@}

}  // namespace coefdyn::pictures::palette
