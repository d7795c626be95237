// SPDX-License-Identifier: MIT
#include "fuzz.hpp"

#include <doctest/doctest.h>

#include <coefdyn/evolution/scalar.hpp>
#include <coefdyn/files/npy.hpp>
#include <coefdyn/files/safetensors.hpp>
#include <coefdyn/files/state_file.hpp>
#include <coefdyn/normalization/floored_sum.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/exp_input.hpp>

/// The readers of arrays and states (fuzz.hpp).
namespace {
using namespace coefdyn;
using namespace coefdyn::files;
using namespace file_tests;

TEST_CASE("fuzz: safetensors") {
  const std::string tensor = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})", data(24, '\x11');
  const std::vector<std::string> seeds{
      safetensors_bytes("{" + tensor + "}", data.substr(0, 8)),
      safetensors_bytes(R"({"__metadata__":{"format":"pt","\u00e9":"\ud83d\ude00"},)" + tensor +
                            R"(,"b.c":{"data_offsets":[8,24],"shape":[4,1,2],"dtype":"BF16"}}  )",
                        data),
      safetensors_bytes(
          R"({"t":{"dtype":"I64","shape":[],"data_offsets":[0,8],"x":[1,{"y":null}]},"u":{"dtype":"BOOL","shape":[0,9],"data_offsets":[8,8]}})",
          data.substr(0, 8)),
  };
  const std::vector<std::string> words{"\"",
                                       "\\ud800",
                                       "\\u0061",
                                       "{",
                                       "}",
                                       "[",
                                       "]",
                                       ",",
                                       ":",
                                       "null",
                                       "-0",
                                       "1e999",
                                       "\"a\":",
                                       "\"shape\"",
                                       "\"__metadata__\"",
                                       "F8_E4M3",
                                       "F4",
                                       "U64",
                                       "C64",
                                       "\xff",
                                       std::string(1, '\0'),
                                       "[[[[[[[[",
                                       "{\"x\":{\"x\":"};
  std::size_t tensors = 0;
  const std::size_t accepted = fuzz<file_error>(
      seeds, words, 100,
      [](std::string& s) {
        const std::size_t close = s.rfind('}');
        if (s.size() >= 8 && close != std::string::npos && close >= 8) s.replace(0, 8, little_endian(close - 7, 8));
      },
      [&](const std::string& s) {
        const auto file = safetensors::parse(bytes_of(s), "name");
        std::size_t total = 0;
        for (const auto& [name, t] : file.tensors) {
          CHECK(t.bytes.size() * 8 == std::size_t(t.size()) * std::size_t(entry_of(t.type).bits));
          total += t.bytes.size();
          ++tensors;
          std::size_t loaded = std::size_t(t.size());
          message<file_error>([&] { loaded = file.load<std::complex<float>>(name).values.size(); });  // not of every type
          CHECK(loaded == std::size_t(t.size()));
        }
        std::uint64_t length = 0;
        std::memcpy(&length, s.data(), 8);
        CHECK(total + length + 8 == s.size());
      });
  CHECK(accepted > 40);
  CHECK(tensors > accepted / 2);
}

TEST_CASE("fuzz: npy") {
  const std::string data(48, '\x11');
  const std::vector<std::string> seeds{
      npy_bytes("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }          \n", data),
      npy_bytes("{'descr': '>c8', 'fortran_order': True, 'shape': (3, 1, 2), }\n", data),
      npy_bytes("{'descr':'|b1','fortran_order':False,'shape':()}", "\1", 2),
      npy_bytes("{\"shape\":(0,7),\"fortran_order\":True,\"descr\":\"<i2\"}", "", 3),
  };
  const std::vector<std::string> words{"'",   "\"",  ",}",   "{",       "}",     "(",    ")",
                                       ",",   ":",   "True", "False",   "L",     "-1",   "0",
                                       "<f2", ">i8", "|u1",  "'shape'", "\\x3c", "\xff", std::string(1, '\0'),
                                       " "};
  const std::size_t accepted = fuzz<file_error>(
      seeds, words, 40,
      [](std::string& s) {
        const std::size_t close = s.rfind('}'), begin = s.size() > 6 && s[6] == 1 ? 10 : 12;
        if (s.size() > begin && close != std::string::npos && close > begin)
          s.replace(8, begin - 8, little_endian(close + 1 - begin, static_cast<int>(begin - 8)));
      },
      [](const std::string& s) {
        const auto file = npy_file::parse(bytes_of(s), "name");
        const auto all = file.load<std::complex<double>>();
        CHECK(all.values.size() * std::size_t(entry_of(file.type).bits / 8) == file.bytes.size());
        CHECK(file.bytes.size() < s.size());
      });
  CHECK(accepted > 40);
}

TEST_CASE("fuzz: state files") {
  using M = mixer<readout::linear, evolution::scalar, scaling::exp_input, normalization::floored_sum>;
  std::vector<std::string> seeds;
  for (const auto& s : {state<M>(2, 3, 2, 3), state<M>(1, 1, 0, 4), state<M>(0, 2, 3, 1)}) {
    const auto b = save_state(s);
    seeds.emplace_back(reinterpret_cast<const char*>(b.data()), b.size());
  }
  const std::size_t accepted = fuzz<invalid_input>(
      seeds, {std::string(8, '\0'), "\1", std::string("\2\0\0\0\0\0\0\0", 8), "coefdyn", "\x7f"}, 8, [](std::string&) {},
      [](const std::string& s) {
        const auto read = load_state<M>(bytes_of(s), "name");
        const auto again = save_state(read);
        CHECK(std::string(reinterpret_cast<const char*>(again.data()), again.size()) == s);
      });
  CHECK(accepted > 40);
}
}  // namespace
