// SPDX-License-Identifier: MIT
#pragma once
#if __cplusplus <= 201703L && !(defined(_MSVC_LANG) && _MSVC_LANG > 201703L)
#error coefdyn: this library is C++20: compile with -std=c++20 (g++ 12, clang++ 19 or newer; nvcc too)
#include "the end of the attempt"  // which stops a compiler that goes on after an error
#endif
#include <cstdint>

#if defined(__CUDACC__)
#define COEFDYN_HD __host__ __device__
#else
#define COEFDYN_HD
#endif

// Without exceptions what would be thrown ends the program, with its sentence on the standard error stream.
#if defined(__cpp_exceptions)
#define COEFDYN_THROW throw
#else
#include <cstdio>
#include <cstdlib>
#include <exception>
namespace coefdyn::detail {
struct end_of_program {
  [[noreturn]] void operator=(const std::exception& error) const {
    std::fprintf(stderr, "%s\n", error.what());
    std::abort();
  }
};
}  // namespace coefdyn::detail
#define COEFDYN_THROW ::coefdyn::detail::end_of_program{} =
#endif

namespace coefdyn {

/// Every extent, stride and offset: 64 bit throughout, so tensors beyond 2^31 elements are ordinary.
using idx = std::int64_t;

}  // namespace coefdyn
