// SPDX-License-Identifier: MIT
#include "load.hpp"

#include <algorithm>
#include <cmath>
#include <coefdyn/files/npy.hpp>
#include <coefdyn/files/safetensors.hpp>
#include <complex>
#include <cstdio>
#include <stdexcept>

namespace spectrum_of {
namespace {
namespace files = coefdyn::files;

std::string shown(const std::vector<long>& shape) {
  std::string s = "(";
  for (std::size_t a = 0; a < shape.size(); ++a) s += (a ? ", " : "") + std::to_string(shape[a]);
  return s + ")";
}
/// (B, H, T, ...) to (B, T, H, ...).
void heads_behind(array& a) {
  if (a.shape.size() < 3) return;
  const long batch = a.shape[0], heads = a.shape[1], time = a.shape[2];
  const long inner = batch * heads * time == 0 ? 0 : long(a.values.size()) / (batch * heads * time);
  std::vector<double> out(a.values.size());
  for (long b = 0; b < batch; ++b)
    for (long h = 0; h < heads; ++h)
      for (long t = 0; t < time; ++t)
        std::copy_n(a.values.begin() + ((b * heads + h) * time + t) * inner, inner, out.begin() + ((b * time + t) * heads + h) * inner);
  a.values = std::move(out);
  std::swap(a.shape[1], a.shape[2]);
}
/// Each head `times` times, side by side.
void repeat_heads(array& a, long times) {
  const long rows = a.shape[0] * a.shape[1] * a.shape[2], inner = a.shape[3];
  std::vector<double> out;
  out.reserve(a.values.size() * std::size_t(times));
  for (long r = 0; r < rows; ++r)
    for (long i = 0; i < times; ++i) out.insert(out.end(), a.values.begin() + r * inner, a.values.begin() + (r + 1) * inner);
  a.values = std::move(out);
  a.shape[2] *= times;
}
void add(arrays& in, const std::string& name, array a, const layout& how) {
  static const std::map<std::string, std::string> also{
      {"dt", "delta"}, {"i_gate", "input_gate"}, {"g", "log_decay"}, {"w", "log_decay"}, {"gk", "log_decay"}};
  if (how.heads_first) heads_behind(a);
  const auto other = also.find(name);
  in[other == also.end() ? name : other->second] = std::move(a);
}
double largest(const array& a) { return a.values.empty() ? 0 : *std::max_element(a.values.begin(), a.values.end()); }

void expect_unit_keys(const array& k) {
  const long n = k.shape.back();
  double worst = 1;
  for (std::size_t at = 0; n > 0 && at + std::size_t(n) <= k.values.size(); at += std::size_t(n)) {
    double square = 0;
    for (long c = 0; c < n; ++c) square += k.values[at + std::size_t(c)] * k.values[at + std::size_t(c)];
    if (std::abs(std::sqrt(square) - 1) > std::abs(worst - 1)) worst = std::sqrt(square);
  }
  if (std::abs(worst - 1) > 1e-3)
    std::fprintf(
        stderr,
        "k: this family is published with keys of length 1, but a key of the file has length %g: eigenvalues 1 - beta |k|^2 are those "
        "of the keys as given; normalise them if the model does.\n",
        worst);
}
}  // namespace

void load(arrays& in, const std::string& argument, const layout& how) {
  const std::size_t equals = argument.find('=');
  if (equals != std::string::npos) {
    const auto file = files::npy_file::read(argument.substr(equals + 1));
    array a{{file.shape.begin(), file.shape.end()}, {}};
    if (file.type == files::number_type::c64 || file.type == files::number_type::c128) {
      for (const auto& z : file.load<std::complex<double>>().values) a.values.push_back(z.real()), a.values.push_back(z.imag());
      a.shape.push_back(2);
    } else {
      a.values = file.load<double>().values;
    }
    return add(in, argument.substr(0, equals), std::move(a), how);
  }
  const auto file = files::safetensors::read(argument);
  bool any = false;
  for (const auto& [name, t] : file.tensors) {
    if (t.dtype.starts_with("I") || !name.starts_with(how.prefix)) continue;
    add(in, name.substr(how.prefix.size()), {{t.shape.begin(), t.shape.end()}, file.load<double>(name).values}, how);
    any = true;
  }
  if (!any)
    throw std::runtime_error(argument + " holds no array" + (how.prefix.empty() ? "" : " whose name begins with " + how.prefix) +
                             "; --list shows all");
}

void list(const std::string& argument) {
  if (argument.find('=') != std::string::npos) {
    const auto file = files::npy_file::read(argument.substr(argument.find('=') + 1));
    std::printf("%s  %s\n", argument.c_str(), shown({file.shape.begin(), file.shape.end()}).c_str());
    return;
  }
  const auto file = files::safetensors::read(argument);
  for (const auto& [name, t] : file.tensors)
    std::printf("%-40s %-5s %s\n", name.c_str(), std::string(t.dtype).c_str(), shown({t.shape.begin(), t.shape.end()}).c_str());
}

void prepare(arrays& in, const known& k) {
  const auto has = [&](const char* name) { return in.contains(name); };
  if (has("log_decay") && largest(in.at("log_decay")) > 0)
    throw std::runtime_error("log_decay should be at most 0, since it is the logarithm of what is kept, but is " +
                             std::to_string(largest(in.at("log_decay"))) + " somewhere; give log(decay), not the decay");
  if (has("k") && has("v") && has("q") && in["k"].shape.size() == 4 && in["v"].shape.size() == 4) {
    const long keys = in["k"].shape[2], values = in["v"].shape[2];
    if (keys > 0 && values > keys && values % keys == 0 && in["q"].shape.size() == 4 && in["q"].shape[2] == keys)
      repeat_heads(in["q"], values / keys), repeat_heads(in["k"], values / keys);
  }
  if (has("q") && in["q"].shape.size() == 4 && in["q"].shape[1] < in["q"].shape[2])
    std::fprintf(stderr, "q: %s is read as (B, T, H, n), fewer tokens than heads: if it is (B, H, T, n), say --layout BHTD.\n",
                 shown(in["q"].shape).c_str());
  const bool unit = k.name.find("delta") != std::string::npos || k.name == "kda" || k.name == "comba";
  if (unit && has("k") && !in["k"].shape.empty()) expect_unit_keys(in["k"]);
}

}  // namespace spectrum_of
