// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>

#if defined(__CUDACC__)
#define COEFDYN_HD __host__ __device__
#else
#define COEFDYN_HD
#endif

namespace coefdyn {

/// Every extent, stride and offset: 64 bit throughout, so tensors beyond 2^31 elements are ordinary.
using idx = std::int64_t;

}  // namespace coefdyn
