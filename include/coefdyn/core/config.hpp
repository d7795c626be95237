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

// Checks of a call are the same in every unit. A program that links the library (COEFDYN_TARGETS=1, cpu/products/products.hpp) has their
// code from there, compiled once by cpu/targets.cpp: they are templates, of no type, since of those that are `extern` a compiler makes
// no code. COEFDYN_CHECK stands before the definition, COEFDYN_HELD(declaration) behind it. What they throw has strings, so their names
// tell strings of one standard library from another's. Without exceptions a unit ends the program by itself.
#if defined(_GLIBCXX_USE_CXX11_ABI)
#define COEFDYN_STRINGS _GLIBCXX_USE_CXX11_ABI
#else
#define COEFDYN_STRINGS 2
#endif
#define COEFDYN_CHECK              \
  template <int = COEFDYN_STRINGS> \
  [[gnu::noinline]]
#if defined(COEFDYN_HOLDS_CHECKS)
#define COEFDYN_HELD(declaration) template declaration
#elif defined(COEFDYN_TARGETS) && COEFDYN_TARGETS && defined(__cpp_exceptions) && !defined(__CUDACC__)
#define COEFDYN_HELD(declaration) extern template declaration
#else
#define COEFDYN_HELD(declaration) static_assert(true)
#endif

namespace coefdyn {

/// Every extent, stride and offset: 64 bit throughout, so tensors beyond 2^31 elements are ordinary.
using idx = std::int64_t;

}  // namespace coefdyn
