// SPDX-License-Identifier: MIT
#pragma once
#include <bit>
#include <cstddef>
#include <utility>
#include <vector>

#include "../core/state.hpp"

/// States as bytes: version 1, little endian on every machine. In `coefdyn`, beside `state`, since no file is opened here:
/// files/file.hpp turns bytes into files and back.
///
/// ```cpp statements with call
/// const std::vector<std::byte> bytes = save_state(s);
/// s = load_state<M>(bytes);                             // or load_state<M>(files::mapped_file("s.bin").bytes(), "s.bin")
/// ```
///
///   8 bytes "coefdyn\0", then 8-byte integers: version, element code, real code, sequences, heads, n, d, count of S, of z, of m;
///   then S, z (real and imaginary part beside each other), m, and the positions (8-byte integers).
///
/// error   load_state throws invalid_input, named as its second argument says, for other bytes: magic, version, types, sizes that do not
///         fit the mixer or the bytes. Nothing is allocated before the sizes are known to be those of the bytes.
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
  const std::string& name;
  std::size_t at = 0;
  template <class U>
  U integer() {
    if (at + sizeof(U) > bytes.size())
      COEFDYN_THROW invalid_input(name, "at least " + std::to_string(at + sizeof(U)) + " bytes", std::to_string(bytes.size()));
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

/// The bytes of a state.
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

namespace detail {
/// Checks a header, and that the sizes it claims are those of the bytes.
template <class S>
struct state_header {
  std::uint64_t sequences, heads, n, d;
  state_header(byte_reader& in, bool has_z, bool has_m) {
    for (const char c : {'c', 'o', 'e', 'f', 'd', 'y', 'n', '\0'})
      if (in.integer<std::uint8_t>() != static_cast<std::uint8_t>(c))
        COEFDYN_THROW invalid_input(in.name, "the bytes \"coefdyn\" in front", "other bytes; write it with save_state");
    const auto expect = [&](const char* what, std::uint64_t want) {
      const auto given = in.integer<std::uint64_t>();
      if (given != want) COEFDYN_THROW invalid_input(in.name + " " + what, std::to_string(want), std::to_string(given));
    };
    expect("version", state_version);
    expect("element code", number_code<typename S::element>());
    expect("real code", number_code<typename S::real>());
    for (const auto& [size, what] :
         {std::pair(&sequences, "sequences"), std::pair(&heads, "heads"), std::pair(&n, "n"), std::pair(&d, "d")}) {
      *size = in.integer<std::uint64_t>();
      if (*size >= std::uint64_t(1) << 31) COEFDYN_THROW invalid_input(in.name + " " + what, "a size below 2^31", std::to_string(*size));
    }
    const std::uint64_t per_head = count_of(in, sequences, heads), rows = count_of(in, per_head, n), S_count = count_of(in, rows, d);
    expect("count of S", S_count);
    expect("count of z", has_z ? rows : 0);
    expect("count of m", has_m ? per_head : 0);
    const std::uint64_t want = in.at + sizeof(typename S::element) * (S_count + (has_z ? rows : 0)) +
                               sizeof(typename S::real) * (has_m ? per_head : 0) + 8 * sequences;
    if (want != in.bytes.size())
      COEFDYN_THROW invalid_input(in.name, std::to_string(want) + " bytes, as its sizes say", std::to_string(in.bytes.size()));
  }

 private:
  /// A product of sizes; beyond 2^55 it fits no bytes, and the state's own arithmetic might not hold it, were there a 0 behind it.
  static std::uint64_t count_of(const byte_reader& in, std::uint64_t a, std::uint64_t b) {
    if (b != 0 && a > (std::uint64_t(1) << 55) / b)
      COEFDYN_THROW invalid_input(in.name, "sizes with a product below 2^55", std::to_string(a) + " times " + std::to_string(b));
    return a * b;
  }
};
}  // namespace detail

/// The state that bytes hold.
template <class M, class Types = float>
state<M, Types> load_state(std::span<const std::byte> bytes, const std::string& name = "state file") {
  using S = state<M, Types>;
  detail::byte_reader in{bytes, name};
  const detail::state_header<S> header(in, traits<M>::needs_sum, traits<M>::stabilised);
  S s(static_cast<idx>(header.sequences), static_cast<int>(header.heads), static_cast<int>(header.n), static_cast<int>(header.d));
  for (auto& x : s.S) x = in.number<typename S::element>();
  for (auto& x : s.z) x = in.number<typename S::element>();
  for (auto& x : s.m) x = in.number<typename S::real>();
  for (auto& p : s.position) {
    p = static_cast<idx>(in.integer<std::uint64_t>());
    if (p < 0) COEFDYN_THROW invalid_input(name + " position", "a count of tokens", std::to_string(p));
  }
  return s;
}

}  // namespace coefdyn
