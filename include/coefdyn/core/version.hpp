// SPDX-License-Identifier: MIT
#pragma once

/// The one place where the version stands; CMake reads it from here.
#define COEFDYN_VERSION_MAJOR 0
#define COEFDYN_VERSION_MINOR 1
#define COEFDYN_VERSION_PATCH 0
