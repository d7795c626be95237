// SPDX-License-Identifier: MIT
// The README's table of mixers and forms, from the types.
//
//   support_table                  prints it
//   support_table --check README   fails where the README's copy, between its markers, is another one
//   support_table --write README   puts it there
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>

#include "coefdyn/cpu/tuning.hpp"
#include "coefdyn/cuda/kernels.hpp"
#include "coefdyn/mixers/all.hpp"
#include "coefdyn/names.hpp"
#include "coefdyn/theorems.hpp"

namespace {
using namespace coefdyn;

/// The form that `automatic` takes over long sequences on a GPU.
template <class M>
const char* long_form() {
  if (traits<M>::linear && traits<M>::structured) return "chunkwise";
  return traits<M>::linear ? "recurrent" : traits<M>::structured ? "parallel" : "definition";
}
/// Its kernels on a GPU: those for sm_90a (bf16 rows of 64 or 128), else the generic engine's; those of
/// states of few columns and of a step.
template <class M>
std::string kernels() {
  const std::string rows = traits<M>::linear ? (cuda::has_sweep<M> ? "sweep (sm_90a)" : "") : cuda::has_flash<M> ? "tiles (sm_90a)" : "";
  return (rows.empty() ? std::string(long_form<M>()) : rows) + (cuda::has_scan<M> ? ", scan" : "") + (cuda::has_step<M> ? ", step" : "");
}

std::string table() {
  std::ostringstream s;
  s << "| `mixers::` | φ | A_t | b_j | η_i | ψ | definition | parallel | recurrent | chunkwise | step | CPU | CUDA |\n"
    << "|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";
  mixers::for_each(mixers::all{}, [&]<class Named>(Named) {
    using M = typename Named::mixer_type;
    const auto code = [](const std::string& name) { return name.find('<') == std::string::npos ? name : "`" + name + "`"; };
    const auto mark = [](bool exists) { return exists ? " ✓ |" : " – |"; };
    s << "| " << Named::name << " | " << code(name_of<typename M::readout>()) << " | " << code(name_of<typename M::evolution>()) << " | "
      << code(name_of<typename M::scaling>()) << " | " << code(name_of<typename M::normalization>()) << " | "
      << (traits<M>::has_feature ? code(name_of<typename M::feature_map>()) : "") << " |" << mark(form_exists<form::definition, M>)
      << mark(form_exists<form::parallel, M>) << mark(form_exists<form::recurrent, M>) << mark(form_exists<form::chunkwise, M>)
      << (traits<M>::linear ? " state |" : " cache |") << " " << name_of(cpu::chosen<M>(idx(1) << 30, 128, 128)) << " | " << kernels<M>()
      << " |\n";
  });
  return s.str();
}
}  // namespace

int main(int arguments, char** argument) {
  if (arguments < 3) {
    std::cout << table();
    return 0;
  }
  const std::string command = argument[1], path = argument[2], begin = "<!-- table: examples/support_table.cpp -->\n",
                    end = "<!-- end of table -->";
  std::ifstream in(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(in), {});
  const std::size_t from = text.find(begin), to = text.find(end);
  if (from == std::string::npos || to == std::string::npos) {
    std::fprintf(stderr, "%s has no table between its markers\n", path.c_str());
    return 1;
  }
  const std::size_t first = from + begin.size();
  if (text.substr(first, to - first) == table()) return 0;
  if (command != "--write") {
    std::fprintf(stderr, "%s shows another table than the types do; run support_table --write %s\n", path.c_str(), path.c_str());
    return 1;
  }
  std::ofstream(path, std::ios::binary) << text.replace(first, to - first, table());
  return 0;
}
