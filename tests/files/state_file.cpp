// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/evolution/scalar.hpp>
#include <coefdyn/files/state_file.hpp>
#include <coefdyn/normalization/floored_sum.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/exp_input.hpp>
#include <coefdyn/scaling/one.hpp>

#include "support.hpp"

namespace {
using namespace coefdyn;
using namespace file_tests;
using plain = mixer<readout::linear, evolution::scalar, scaling::one, normalization::one>;
using summed = mixer<readout::linear, evolution::scalar, scaling::exp_input, normalization::floored_sum>;

/// The header's 8-byte numbers, in its order.
enum field { version, element, real, sequences, heads, n, d, count_S, count_z, count_m };
std::string with(std::string bytes, std::initializer_list<std::pair<field, std::uint64_t>> changes) {
  for (const auto& [which, value] : changes) bytes.replace(8 + 8 * std::size_t(which), 8, little_endian(value, 8));
  return bytes;
}
template <class M>
std::string bytes_of_state(const state<M>& s) {
  const auto b = save_state(s);
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}
template <class M>
std::string why(const std::string& bytes) {
  return message<invalid_input>([&] { load_state<M>(bytes_of(bytes), "s.bin"); });
}

TEST_CASE("state files: through a file and back, empty sizes too") {
  const scratch folder;
  state<summed> s(2, 3, 4, 5);
  for (std::size_t i = 0; i < s.S.size(); ++i) s.S[i] = float(i);
  s.position[1] = 9;
  files::write_file(folder.file("s.bin"), save_state(s));
  const auto back = load_state<summed>(files::mapped_file(folder.file("s.bin")).bytes(), "s.bin");
  CHECK(back.S == s.S);
  CHECK(back.position == s.position);
  for (const auto& e : {state<summed>(0, 3, 4, 5), state<summed>(2, 3, 0, 5), state<summed>(2, 300, 400, 0)})
    CHECK(load_state<summed>(save_state(e)).m == e.m);
}

TEST_CASE("state files: no size in a header does more than be refused, by name and value") {
  const std::string good = bytes_of_state(state<summed>(2, 3, 4, 5));
  REQUIRE(why<summed>(good) == "");
  const std::uint64_t sizes[] = {(1ull << 31) - 1, 1ull << 31, 1ull << 32, 1ull << 62, 1ull << 63, ~0ull};
  for (const std::uint64_t size : sizes)
    for (const field f : {sequences, heads, n, d, count_S, count_z, count_m}) {
      std::string said;
      CHECK(peak_of([&] { said = why<summed>(with(good, {{f, size}})); }) < 4096);
      CAPTURE(said);
      CHECK(said.starts_with("coefdyn: s.bin"));
      if (f <= d && size >= 1ull << 31) CHECK(said.find("a size below 2^31, given " + std::to_string(size)) != std::string::npos);
    }
  // a size of 0 must not hide the others
  const std::string empty = bytes_of_state(state<plain>(0, 3, 4, 5)), flat = bytes_of_state(state<plain>(2, 3, 0, 5));
  constexpr std::uint64_t most = (1ull << 31) - 1;
  for (const std::string& bytes : {with(flat, {{sequences, most}}), with(flat, {{sequences, most}, {heads, most}}),
                                   with(empty, {{heads, most}, {n, most}, {d, most}, {sequences, 1}}),
                                   with(bytes_of_state(state<plain>(1, 1, 1, 0)), {{sequences, most}, {heads, most}, {n, most}})}) {
    std::string said;
    CHECK(peak_of([&] { said = why<plain>(bytes); }) < 4096);
    CHECK(said.starts_with("coefdyn: s.bin"));
  }
  CHECK(why<summed>(good.substr(0, good.size() - 1)).find("bytes, as its sizes say, given") != std::string::npos);
  CHECK(why<summed>(good + "x").find("bytes, as its sizes say, given") != std::string::npos);
  CHECK(why<summed>(good.substr(0, 20)).find("at least 24 bytes") != std::string::npos);
  CHECK(why<summed>("not a state file at all").find("write it with save_state") != std::string::npos);
  CHECK(why<summed>(with(good, {{version, 2}})) == "coefdyn: s.bin version: expected 1, given 2");
  std::string past = good;
  past.replace(past.size() - 8, 8, little_endian(~0ull, 8));
  CHECK(why<summed>(past) == "coefdyn: s.bin position: expected a count of tokens, given -1");
}
}  // namespace
