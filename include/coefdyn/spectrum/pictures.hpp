// SPDX-License-Identifier: MIT
#pragma once

/// Spectra, coefficients and horizons as figures, which `pictures::draw` (../pictures/draw.hpp) makes into files. Titles and settings
/// are the caller's: they should name the mixer, its policies and sizes, and the data.
#include "../pictures/draw.hpp"
#include "pictures/coefficients.hpp"
#include "pictures/eigenvalues.hpp"
#include "pictures/histograms.hpp"
#include "pictures/horizons.hpp"
