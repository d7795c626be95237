// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/core/state.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

/// A problem is a mixer's inputs as plain numbers under the streams' names: laws cut, join and repeat it without knowing the
/// mixer's type. subject.hpp runs it.
namespace coefdyn::laws {

/// The same sequence of numbers with every compiler and library.
class random_numbers {
 public:
  explicit random_numbers(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  std::uint64_t bits();
  double uniform();  // [0, 1)
  double uniform(double a, double b) { return a + (b - a) * uniform(); }
  double normal();
  int below(int n) { return int(bits() % std::uint64_t(n)); }

 private:
  std::uint64_t state_;
};

/// A need of a mixer, at run time.
struct stream_info {
  std::string name;
  ticks time;
  width inner;
  owner heads;
  bool is_complex, is_storage;
  bool timed() const { return time != ticks::constant; }
  bool headed() const { return heads != owner::shared; }
  bool reading() const { return heads == owner::query || heads == owner::reader; }
};
/// What laws ask of a mixer.
struct mixer_info {
  std::string name, policies;
  std::vector<stream_info> streams;
  structure_of structure;
  bool linear, structured, chunkable, needs_sum, floored, stabilised, exponential_input, complex_state, exponential_readout, normalised,
      nonnegative_features;
  bool normalised_features;  // of unit norm or sum already
  int micro, writes;
  bool grouped_values = false, complex_queries = false;
  bool has(const std::string& stream) const;
  const stream_info& at(const std::string& stream) const;
  bool corrects() const { return structure.correction != rank_one::none; }
  bool dense() const { return !structured; }
  bool is_signed_sum() const { return needs_sum && !floored && linear && !nonnegative_features; }
};

struct sizes {
  idx batch = 2, time = 37;
  int queries = 4, keys = 2, states = 2;
  int n = 16, d = 24;
  idx first_read = 0;
  int readers() const { return queries > states ? queries : states; }
  int heads_of(owner o) const;
};

/// One stream, row-major; complex numbers as pairs. `tangent` is used by dual numbers alone.
struct tensor {
  stream_info info;
  std::vector<idx> shape;
  std::vector<double> value, tangent;
  int parts() const { return info.is_complex ? 2 : 1; }
};

struct problem {
  sizes size;
  std::map<std::string, tensor> x;
  std::vector<idx> offsets;  // cu_seqlens; empty: every batch row is one sequence
  bool narrow_offsets = false;
  idx sequences() const { return offsets.empty() ? size.batch : idx(offsets.size()) - 1; }
};

/// What the numbers are like. A decay outside `mild` is the log decay of every token, or changes half way.
struct recipe {
  enum class decays { mild, fixed, strong_then_weak, weak_then_strong, alternating, resets } decay = decays::mild;
  double log_decay = -0.1;  // under `fixed`; others alternate between it and weaker ones
  double cosine = 0;        // between successive unit keys, 0: independent
  double beta = -1;         // negative: uniform in (0, 1)
  double norm = 1;          // of q, v and other families' keys
  std::uint64_t seed = 1;
};

std::vector<idx> shape_of(const mixer_info& m, const stream_info& s, const sizes& z);
problem random_problem(const mixer_info& m, const sizes& z, const recipe& r = {});

// ---- cutting and joining ---------------------------------------------------------------------------------------------------
/// Tokens [begin, end) of every row.
problem tokens_between(const problem& p, const mixer_info& m, idx begin, idx end);
/// One batch row.
problem batch_row(const problem& p, const mixer_info& m, idx row);
/// One key head (or state head) with all that hangs on it.
problem one_group(const problem& p, const mixer_info& m, int group);
/// The batch rows, cut to `lengths`, one behind the other as packed sequences.
problem packed(const problem& p, const mixer_info& m, const std::vector<idx>& lengths);
/// Every reader with a key head and a state of its own.
problem ungrouped(const problem& p, const mixer_info& m);
/// The same numbers at every token from `begin` on changed into others.
void change_from(problem& p, const mixer_info& m, idx begin, std::uint64_t seed);

/// A state as plain numbers: S (sequences, heads, n, d), z, m, position; complex numbers as pairs.
struct state_numbers {
  idx sequences = 0;
  int heads = 0, n = 0, d = 0;
  std::vector<double> S, z, m;
  std::vector<idx> position;
};
state_numbers random_state(const mixer_info& m, const problem& p, std::uint64_t seed);
state_numbers empty_state(const mixer_info& m, idx sequences, int heads, int n, int d, double starting_maximum);
/// One sequence of a state of several.
state_numbers one_sequence(const state_numbers& s, idx sequence);

}  // namespace coefdyn::laws
