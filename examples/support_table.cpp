// SPDX-License-Identifier: MIT
// The README's tables of mixers, forms and streams, from the types.
//
//   support_table                  prints them
//   support_table --check README   fails where the README's copy of one, between its markers, is another
//   support_table --write README   puts them there
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
  const std::string sums = cuda::has_sweep<M>     ? "sweep (sm_90a)"
                           : cuda::has_delta<M>   ? "delta (sm_90a)"
                           : cuda::has_channel<M> ? "channel (sm_90a)"
                                                  : "";
  const std::string rows = traits<M>::linear ? sums : cuda::has_flash<M> ? "tiles (sm_90a)" : "";
  return (rows.empty() ? "*generic* " + std::string(long_form<M>()) : rows) + (cuda::has_scan<M> ? ", scan" : "") +
         (cuda::has_step<M> ? ", step" : "");
}

/// A named mixer a row: its policies, the forms that it has, and what runs them.
std::string forms_table() {
  std::ostringstream s;
  s << "| `mixers::` | φ | A_t | b_j | η_i | ψ | definition | parallel | recurrent | chunkwise | convolution | step | CPU | CUDA |\n"
    << "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";
  mixers::for_each(mixers::all{}, [&]<class Named>(Named) {
    using M = typename Named::mixer_type;
    const auto code = [](const std::string& name) { return name.find('<') == std::string::npos ? name : "`" + name + "`"; };
    const auto mark = [](bool exists) { return exists ? " ✓ |" : " – |"; };
    s << "| " << Named::name << " | " << code(name_of<typename M::readout>()) << " | " << code(name_of<typename M::evolution>()) << " | "
      << code(name_of<typename M::scaling>()) << " | " << code(name_of<typename M::normalization>()) << " | "
      << (traits<M>::has_feature ? code(name_of<typename M::feature_map>()) : "") << " |" << mark(form_exists<form::definition, M>)
      << mark(form_exists<form::parallel, M>) << mark(form_exists<form::recurrent, M>) << mark(form_exists<form::chunkwise, M>)
      << mark(form_exists<form::convolution, M>) << (traits<M>::linear ? " state |" : " cache |") << " "
      << name_of(cpu::chosen<M>(idx(1) << 30, 128, 128)) << " | " << kernels<M>() << " |\n";
  });
  return s.str();
}

/// The shape of a need: "[B, T, H, n]".
template <class M, class Need>
std::string shape() {
  std::string s = "[";
  if (Need::timed) s += Need::time == ticks::write && traits<M>::writes > 1 ? "B, " + std::to_string(traits<M>::writes) + " T, " : "B, T, ";
  const char* const owners[] = {"H_q, ", "H_k, ", "H, ", "H_y, ", ""};
  s += owners[int(Need::heads)];
  const char* const inner[] = {"", "n, ", "d, ", "n/2, ", "m, ", "m, n, ", "n, n, "};
  s += inner[int(Need::inner)];
  return s.substr(0, s.size() - 2) + "]";
}
/// Members with their shapes; q, k and v only where they are not q [B, T, H_q, n], k [B, T, H_k, n], v [B, T, H, d] of real numbers.
template <class M, class... Need>
std::string members(list<Need...>) {
  std::string s;
  const auto add = [&]<class N>(N) {
    const bool usual = std::is_same_v<typename N::tag, stream::q> || std::is_same_v<typename N::tag, stream::k> ||
                       std::is_same_v<typename N::tag, stream::v>;
    const bool complex = N::over == field::complex;
    if (usual && !complex && !(N::time == ticks::write && traits<M>::writes > 1)) return;
    s += (s.empty() ? "`" : ", `") + std::string(N::tag::name) + "` " + (complex ? "complex " : "") + shape<M, N>();
  };
  (add(Need{}), ...);
  return s;
}
/// A named mixer a row: the members of its tokens with their shapes, and what they are called elsewhere.
std::string members_table() {
  std::ostringstream s;
  s << "| `mixers::` | beside `q`, `k`, `v` | remark |\n|---|---|---|\n";
  mixers::for_each(mixers::all{}, [&]<class Named>(Named) {
    using M = typename Named::mixer_type;
    s << "| " << Named::name << " | " << members<M>(needs_of<M, Named::over>{}) << " | " << Named::remark << " |\n";
  });
  return s.str();
}

/// A stream a row, in the order of core/stream.hpp.
std::string streams_table() {
  std::ostringstream s;
  s << "| stream | meaning; range | held in |\n|---|---|---|\n";
  const auto row = [&]<class Tag>(Tag) {
    s << "| `" << Tag::name << "` | " << Tag::meaning << " | "
      << (Tag::held_in == precision::gate ? "gate type (float or double)" : "storage type") << " |\n";
  };
  using namespace stream;
  row(q{}), row(k{}), row(v{}), row(log_decay{}), row(theta{}), row(beta{}), row(z{}), row(a{}), row(c{}), row(A{}), row(u{}), row(delta{}),
      row(input_gate{}), row(eta_gate{}), row(eta_offset{}), row(raw{}), row(dt_bias{}), row(A_log{}), row(lower_bound{});
  return s.str();
}

/// Compares, or replaces, what stands in `text` between the markers of a table.
bool renew(std::string& text, const std::string& name, const std::string& table) {
  const std::string begin = "<!-- table: " + name + ", from examples/support_table.cpp -->\n", end = "<!-- end of table -->";
  const std::size_t marker = text.find(begin), first = marker + begin.size();
  const std::size_t to = marker == std::string::npos ? marker : text.find(end, first);
  if (to == std::string::npos) {
    std::fprintf(stderr, "no table between the markers of %s\n", name.c_str());
    return false;
  }
  const bool same = text.substr(first, to - first) == table;
  text.replace(first, to - first, table);
  return same;
}
}  // namespace

int main(int arguments, char** argument) {
  const std::pair<std::string, std::string> tables[] = {
      {"forms", forms_table()}, {"streams", streams_table()}, {"members", members_table()}};
  if (arguments < 3) {
    for (const auto& [name, table] : tables) std::cout << table << "\n";
    return 0;
  }
  const std::string command = argument[1], path = argument[2];
  std::ifstream in(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(in), {});
  bool same = true;
  for (const auto& [name, table] : tables) same = renew(text, name, table) && same;
  if (same) return 0;
  if (command != "--write") {
    std::fprintf(stderr, "%s shows another table than the types do; run support_table --write %s\n", path.c_str(), path.c_str());
    return 1;
  }
  std::ofstream(path, std::ios::binary) << text;
  return 0;
}
