// SPDX-License-Identifier: MIT
#pragma once
#include <cctype>
#include <string>
#include <string_view>

#include "core/mixer.hpp"

/// Policies and mixers by name, for tables and messages.
///
///   name_of<evolution::householder<evolution::along::z>>()      "householder<z>"
///   name_of<mixers::gla>()                                      "linear, diagonal, one, sqrt_dim"
namespace coefdyn {

namespace detail {
template <class T>
constexpr std::string_view raw_name() {
#if defined(_MSC_VER)
  return __FUNCSIG__;
#else
  return __PRETTY_FUNCTION__;
#endif
}
inline void replace_all(std::string& s, std::string_view what, std::string_view by) {
  for (std::size_t at = s.find(what); at != std::string::npos; at = s.find(what, at + by.size())) s.replace(at, what.size(), by);
}
}  // namespace detail

/// A policy's name without namespaces and without parameters that have their default: compilers agree on the rest.
template <class P>
std::string name_of() {
  constexpr std::string_view probe = detail::raw_name<int>(), raw = detail::raw_name<P>();
  constexpr std::size_t before = probe.find("int"), after = probe.size() - before - 3;
  std::string s(raw.substr(before, raw.size() - before - after));
  for (std::size_t colons = s.find("::"); colons != std::string::npos; colons = s.find("::")) {
    std::size_t begin = colons;
    while (begin > 0 && (std::isalnum(static_cast<unsigned char>(s[begin - 1])) || s[begin - 1] == '_')) --begin;
    if (begin == colons && begin > 0 && s[begin - 1] == '}') begin = s.rfind('{', begin);  // an unnamed namespace
    if (begin == colons && begin > 0 && s[begin - 1] == ')') begin = s.rfind('(', begin);
    s.erase(begin, colons + 2 - begin);
  }
  const std::string_view shorter[][2] = {{"> >", ">>"},    {", per_write", ""}, {", no>", ">"},  {", yes>", ", offset>"},
                                         {", none>", ">"}, {"<key>", "<>"},     {"<real>", "<>"}};
  for (const auto& [longer, name] : shorter) detail::replace_all(s, longer, name);
  return s;
}

/// The formula's letters: phi, A_t, b_j, eta_i, and psi where there is one.
template <is_mixer M>
std::string name_of() {
  std::string s = name_of<typename M::readout>() + ", " + name_of<typename M::evolution>() + ", " + name_of<typename M::scaling>() + ", " +
                  name_of<typename M::normalization>();
  return traits<M>::has_feature ? s + ", " + name_of<typename M::feature_map>() : s;
}

}  // namespace coefdyn
