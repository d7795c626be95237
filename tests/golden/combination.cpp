// SPDX-License-Identifier: MIT
#include "combination.hpp"

#include <cstdio>

#include "coefdyn/files/safetensors.hpp"
#include "names.hpp"

namespace golden {
namespace {

using coefdyn::files::safetensors;

template <std::size_t N>
const name& look_up(const name (&table)[N], const std::string& word, const char* what) {
  for (const name& n : table)
    if (word == n.word) return n;
  throw std::runtime_error(std::string("names.hpp has no ") + what + " called '" + word + "'");
}
void replace(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
}
std::string shape_entry(const safetensors& f, const std::string& tensor, std::size_t axis) {
  if (!f.has(tensor) || f.at(tensor).shape.size() <= axis) throw std::runtime_error("its " + tensor + " is missing or has another rank");
  return std::to_string(f.at(tensor).shape[axis]);
}
bool is_complex_vector(const safetensors& f, const char* tensor) { return f.has(tensor) && f.at(tensor).shape.size() == 5; }

std::string evolution_of(const safetensors& f, combination& c) {
  const name& n = look_up(evolutions, metadata(f, "evolution"), "evolution");
  c.headers.insert(n.header);
  std::string type = n.type;
  replace(type, "{vector}", look_up(vectors, metadata(f, "z_is"), "z_is").type);
  replace(type, "{pairing}", look_up(pairings, metadata(f, "pairing"), "pairing").type);
  replace(type, "{strength}", f.has("beta") && f.at("beta").shape.size() == 1 ? "fixed" : "per_write");
  replace(type, "{gate}", f.has("log_decay") ? "scalar" : "none");
  if (type.find("{factors}") != std::string::npos) replace(type, "{factors}", shape_entry(f, "z", 3));
  const auto wrap = [&](const name& outer) {
    std::string wrapped = outer.type;
    replace(wrapped, "{evolution}", type);
    c.headers.insert(outer.header);
    type = wrapped;
  };
  const std::string writes = metadata(f, "writes_per_token"), read = metadata(f, "read");
  if (!writes.empty() && writes != "1") {
    wrap(writes_often);
    replace(type, "{writes}", writes);
  }
  if (read == reads_before.word) wrap(reads_before);
  else if (!read.empty() && read != "after") throw std::runtime_error("names.hpp has no read called '" + read + "'");
  return type;
}
std::string scaling_of(const safetensors& f, combination& c) {
  const std::string words = metadata(f, "scaling") + "*";
  std::string joined;
  int count = 0;
  for (std::size_t from = 0, to; (to = words.find('*', from)) != std::string::npos; from = to + 1, ++count) {
    const name& n = look_up(scalings, words.substr(from, to - from), "scaling");
    joined += (count ? ", " : "") + std::string(n.type);
    c.headers.insert(n.header);
  }
  if (count == 1) return joined;
  c.headers.insert(joined_scalings.header);
  std::string type = joined_scalings.type;
  replace(type, "{scalings}", joined);
  return type;
}

}  // namespace

std::string metadata(const safetensors& file, const std::string& key) {
  const auto found = file.metadata.find(key);
  return found == file.metadata.end() ? "" : found->second;
}

std::string combination::unit() const {
  std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (const char x : mixer + (complex_reads ? "+complex" : "")) hash = (hash ^ static_cast<unsigned char>(x)) * 0x100000001b3u;
  char text[32];
  std::snprintf(text, sizeof text, "unit_%016llx", static_cast<unsigned long long>(hash));
  return text;
}

combination combination_of(const safetensors& f) {
  combination c;
  c.eta = f.has("eta") || f.has("log_eta"), c.spectrum = f.has("eig") || f.has("eta_ratio");
  c.complex_reads = is_complex_vector(f, "q") || is_complex_vector(f, "k");
  const name& readout = look_up(readouts, metadata(f, "phi"), "phi");
  const std::string evolution = evolution_of(f, c), scaling = scaling_of(f, c);
  const name& normalization = look_up(normalizations, metadata(f, "normalization"), "normalization");
  std::string eta = normalization.type;
  replace(eta, "{offset}", f.has("eta_offset") ? "yes" : "no");
  const std::string psi = metadata(f, "feature");
  const name& feature = look_up(features, c.complex_reads || psi.empty() ? "identity" : psi, "feature");  // complex vectors have none
  for (const char* h : {readout.header, normalization.header, feature.header}) c.headers.insert(h);
  c.mixer = std::string("mixer<") + readout.type + ", " + evolution + ", " + scaling + ", " + eta + ", " + feature.type + ">";
  return c;
}

}  // namespace golden
