// SPDX-License-Identifier: MIT
#pragma once
#include <bit>
#include <cstddef>

#include "core/state.hpp"

/// States as bytes: version 1, little endian on every machine.
///
///   8 bytes "coefdyn\0", then 8-byte integers: version, element code, real code, sequences, heads, n, d, count of S, of z, of m;
///   then S, z (real and imaginary part beside each other), m, and the positions (8-byte integers).
///
/// error   load_state throws invalid_input for other bytes: magic, version, types, sizes that do not fit the mixer
namespace coefdyn {

namespace detail {
inline constexpr std::uint64_t state_version = 1;
template <class R>
constexpr std::uint64_t number_code() {  // bytes of a real number, +256 if complex
  if constexpr (is_complex<R>) return 256 + sizeof(decltype(R{}.re));
  else return sizeof(R);
}
template <class U>
void put_little_endian(std::vector<std::byte>& out, U u) {
  for (std::size_t i = 0; i < sizeof(U); ++i) out.push_back(static_cast<std::byte>((u >> (8 * i)) & 0xff));
}
template <class R>
void put_number(std::vector<std::byte>& out, const R& x) {
  if constexpr (is_complex<R>) {
    put_number(out, x.re);
    put_number(out, x.im);
  } else {
    static_assert(sizeof(R) == 8 || sizeof(R) == 4 || sizeof(R) == 2, "coefdyn: a state file holds 16, 32 or 64 bit numbers.");
    using U = std::conditional_t<sizeof(R) == 8, std::uint64_t, std::conditional_t<sizeof(R) == 4, std::uint32_t, std::uint16_t>>;
    put_little_endian(out, std::bit_cast<U>(x));
  }
}
struct byte_reader {
  std::span<const std::byte> bytes;
  std::size_t at = 0;
  template <class U>
  U integer() {
    if (at + sizeof(U) > bytes.size())
      throw invalid_input("state file", "at least " + std::to_string(at + sizeof(U)) + " bytes", std::to_string(bytes.size()));
    U u = 0;
    for (std::size_t i = 0; i < sizeof(U); ++i) u = static_cast<U>(u | static_cast<U>(static_cast<U>(bytes[at + i]) << (8 * i)));
    at += sizeof(U);
    return u;
  }
  template <class R>
  R number() {
    if constexpr (is_complex<R>) {
      using Real = decltype(R{}.re);
      const Real re = number<Real>();
      return R{re, number<Real>()};
    } else {
      using U = std::conditional_t<sizeof(R) == 8, std::uint64_t, std::conditional_t<sizeof(R) == 4, std::uint32_t, std::uint16_t>>;
      return std::bit_cast<R>(integer<U>());
    }
  }
};
}  // namespace detail

template <class M, class Types>
std::vector<std::byte> save_state(const state<M, Types>& s) {
  using S = state<M, Types>;
  std::vector<std::byte> out;
  for (const char c : {'c', 'o', 'e', 'f', 'd', 'y', 'n', '\0'}) out.push_back(static_cast<std::byte>(c));
  const std::uint64_t header[] = {detail::state_version,
                                  detail::number_code<typename S::element>(),
                                  detail::number_code<typename S::real>(),
                                  std::uint64_t(s.sequences),
                                  std::uint64_t(s.heads),
                                  std::uint64_t(s.n),
                                  std::uint64_t(s.d),
                                  s.S.size(),
                                  s.z.size(),
                                  s.m.size()};
  for (const std::uint64_t h : header) detail::put_little_endian(out, h);
  for (const auto& x : s.S) detail::put_number(out, x);
  for (const auto& x : s.z) detail::put_number(out, x);
  for (const auto& x : s.m) detail::put_number(out, x);
  for (const idx p : s.position) detail::put_little_endian(out, static_cast<std::uint64_t>(p));
  return out;
}

template <class M, class Types = float>
state<M, Types> load_state(std::span<const std::byte> bytes) {
  using S = state<M, Types>;
  detail::byte_reader in{bytes};
  for (const char c : {'c', 'o', 'e', 'f', 'd', 'y', 'n', '\0'})
    if (in.integer<std::uint8_t>() != static_cast<std::uint8_t>(c))
      throw invalid_input("state file", "the bytes \"coefdyn\" in front", "other bytes");
  const auto expect = [&](const char* what, std::uint64_t want) {
    const auto given = in.integer<std::uint64_t>();
    if (given != want) throw invalid_input(std::string("state file ") + what, std::to_string(want), std::to_string(given));
  };
  expect("version", detail::state_version);
  expect("element code", detail::number_code<typename S::element>());
  expect("real code", detail::number_code<typename S::real>());
  const auto dimension = [&](const char* what) {
    const auto v = in.integer<std::uint64_t>();
    if (v > (std::uint64_t(1) << 31)) throw invalid_input(std::string("state file ") + what, "a size below 2^31", std::to_string(v));
    return static_cast<int>(v);
  };
  const int sequences = dimension("sequences"), heads_ = dimension("heads"), n = dimension("n"), d = dimension("d");
  if (double(sequences) * heads_ * n * d * double(sizeof(typename S::element)) > double(bytes.size()))
    throw invalid_input("state file", "as many bytes as its sizes say", std::to_string(bytes.size()));
  S s(sequences, heads_, n, d);
  expect("count of S", s.S.size());
  expect("count of z", s.z.size());
  expect("count of m", s.m.size());
  for (auto& x : s.S) x = in.number<typename S::element>();
  for (auto& x : s.z) x = in.number<typename S::element>();
  for (auto& x : s.m) x = in.number<typename S::real>();
  for (auto& p : s.position) p = static_cast<idx>(in.integer<std::uint64_t>());
  if (in.at != bytes.size()) throw invalid_input("state file", std::to_string(in.at) + " bytes", std::to_string(bytes.size()));
  return s;
}

}  // namespace coefdyn
