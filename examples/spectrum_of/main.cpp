// SPDX-License-Identifier: MIT
// The spectrum of a mixer on arrays dumped from a model: a table, .npy and JSON, and pictures.
//
//   spectrum_of gated_deltanet layer3.safetensors --out layer3
//   spectrum_of "linear, gated_householder<>, beta, sqrt_dim" q=q.npy k=k.npy log_decay=g.npy beta=b.npy
#include <coefdyn/files/npy.hpp>
#include <coefdyn/files/safetensors.hpp>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "known.hpp"

namespace spectrum_of {

namespace files = coefdyn::files;

std::vector<known>& table() {
  static std::vector<known> all;
  return all;
}

void save_json(const std::string& path, const summary& s) {
  nlohmann::ordered_json json{{"policies", s.policies}, {"heads", nlohmann::ordered_json::array()}};
  for (const summary::head& h : s.heads)
    json["heads"].push_back({{"radius", h.radius}, {"phase", h.phase}, {"near_zero_share", h.near_zero_share}});
  const std::string text = json.dump() + "\n";
  files::write_file(path, std::as_bytes(std::span(text)));
}

namespace {

void usage() {
  std::printf(
      "usage: spectrum_of MIXER FILE.safetensors | NAME=FILE.npy ... [--out FOLDER] [--near-zero THRESHOLD]\n"
      "MIXER is a name or its policies \"phi, A, b, eta[, psi]\"; arrays are (B, T, H, ...) under the streams' names:\n");
  for (const known& k : table()) {
    std::printf("  %-24s %s\n%26s", k.name.c_str(), k.policies.c_str(), "");
    for (const std::string& s : k.streams) std::printf(" %s", s.c_str());
    std::printf("\n");
  }
  std::printf("Another combination is one more line in examples/spectrum_of/.\n");
}

void load(arrays& in, const std::string& argument) {
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
    in[argument.substr(0, equals)] = std::move(a);
    return;
  }
  const auto file = files::safetensors::read(argument);
  const std::map<std::string, std::string> also{{"dt", "delta"}, {"i_gate", "input_gate"}};
  for (const auto& [name, t] : file.tensors) {
    if (t.dtype.starts_with("I")) continue;
    const auto other = also.find(name);
    in[other == also.end() ? name : other->second] = {{t.shape.begin(), t.shape.end()}, file.load<double>(name).values};
  }
}

int main_(int argc, char** argv) {
  if (argc < 3) {
    usage();
    return 2;
  }
  options o;
  arrays in;
  for (int i = 2; i < argc; ++i) {
    const std::string a = argv[i];
    if (a == "--out" && i + 1 < argc) o.folder = argv[++i];
    else if (a == "--near-zero" && i + 1 < argc) o.near_zero = std::stod(argv[++i]);
    else {
      load(in, a);
      o.source += (o.source.empty() ? "" : ", ") + std::filesystem::path(a.substr(a.find('=') + 1)).filename().string();
    }
  }
  for (const known& k : table())
    if (k.name == argv[1] || k.policies == argv[1]) {
      std::filesystem::create_directories(o.folder);
      std::printf("%s: %s\n", k.name.c_str(), k.policies.c_str());
      o.mixer = k.name;
      k.analyse(in, o);
      return 0;
    }
  std::printf("no mixer %s is compiled in.\n", argv[1]);
  usage();
  return 2;
}

}  // namespace
}  // namespace spectrum_of

int main(int argc, char** argv) {
  try {
    return spectrum_of::main_(argc, argv);
  } catch (const std::exception& e) {
    std::printf("spectrum_of: %s\n", e.what());
    return 1;
  }
}
