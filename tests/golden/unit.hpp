// SPDX-License-Identifier: MIT
#pragma once
#include <complex>
#include <cstdint>
#include <span>

/// The plain interface between the runner and a unit: one compiled combination of policies. A unit is a shared object with
///   extern "C" const golden::unit* golden_unit();
/// Sizes are run-time numbers, arrays go by stream name, numbers are double or float as the function table says. Arrays are the
/// host's; a unit that runs on a GPU makes its own copies.
namespace golden {

using idx = std::int64_t;

/// A tensor; extents and strides count elements, of two numbers each where the stream is complex.
struct array {
  void* data = nullptr;
  int rank = 0, bytes = 0;  // of an element
  idx extents[5] = {};
  idx strides[5] = {};
};
struct named_array {
  const char* name;
  array values;
};

/// What a combination takes: how the runner cuts a stream in time.
struct stream_fact {
  const char* name;
  int rank;
  bool timed, per_write, reading, complex;
};

enum class form_id { definition, parallel, recurrent, chunkwise, step, automatic };
inline constexpr int form_count = 6;

struct state_arrays {
  array S, z, m, position;  // no data: none
};
struct call {
  form_id form = form_id::definition;
  int chunk = 0;
  std::span<const named_array> inputs;
  const std::int32_t* narrow_offsets = nullptr;  // cu_seqlens in one of the two widths, or neither
  const std::int64_t* wide_offsets = nullptr;
  idx offsets = 0;
  idx first_read = 0;
  array y;  // out; in backward, dy
  state_arrays initial, final;
  // backward only
  std::span<const named_array> gradients;
  state_arrays final_gradient, initial_gradient;
};

/// Where a spectrum goes: (B, T - 1, Hq, n) eigenvalues and (B, T - 1, Hq) ratios; the published script's are softmax's alone.
struct spectrum_arrays {
  std::complex<double>* values;
  double* ratios;
  double* published_ratios;
};

/// One number type's functions; null where the unit was compiled without: a GPU's units have run and backward in float. Each
/// throws what the library throws.
struct functions {
  void (*run)(const call&) = nullptr;
  void (*eta)(const call&) = nullptr;  // y <- eta of the definition, given v = 1 with d = 1 and S_0 = z_0
  void (*log_eta)(const call&) = nullptr;
  void (*spectrum)(const call&, const spectrum_arrays&) = nullptr;
  void (*backward)(const call&) = nullptr;
};

struct unit {
  const char* mixer;
  bool on_gpu;
  bool linear, needs_sum, stabilised, complex_state, complex_reads;
  int writes;
  bool exists[form_count], backward_exists[form_count];
  std::span<const stream_fact> streams;
  functions in_double, in_float;
};

using unit_function = const unit* (*)();

}  // namespace golden
