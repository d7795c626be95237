// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/core/streams.hpp>
#include <coefdyn/cpu/backward.hpp>
#include <coefdyn/interop/table.hpp>
#include <coefdyn/mixers/all.hpp>
#include <cstdio>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

/// Calls of the C++ library with random numbers, written to a file: what the operators' results are compared with, bit for bit.
namespace torch_reference {

using namespace coefdyn;

/// One record: "name type extents..", a line end, and the numbers as they lie in memory.
template <class T, int Rank>
void save(std::FILE* to, const std::string& name, const view<T, Rank>& v) {
  if (v.data == nullptr) return;
  std::fprintf(to, "%s %s", name.c_str(), interop::name_of(interop::detail::numbers_of<std::remove_const_t<T>>));
  for (int a = 0; a < Rank; ++a) std::fprintf(to, " %lld", static_cast<long long>(v.extents[a]));
  std::fputc('\n', to);
  std::fwrite(v.data, sizeof(T), static_cast<std::size_t>(v.size()), to);
}

/// Numbers that a stream may hold.
struct numbers {
  std::mt19937 bits{20};
  double unit() { return std::uniform_real_distribution<double>(0, 1)(bits); }
  double normal() { return std::normal_distribution<double>(0, 1)(bits); }
  double of(const std::string& stream, int n) {
    if (stream == "log_decay") return -0.5 * unit() - 0.01;
    if (stream == "beta" || stream == "delta") return unit();
    if (stream == "k" || stream == "z" || stream == "a" || stream == "c") return 0.6 * normal() / n;
    if (stream == "A") return 0.3 * normal() / n;
    return normal();
  }
};
template <class T>
void put(T& to, double re, double im) {
  if constexpr (is_complex<T>) to = {static_cast<decltype(T::re)>(re), static_cast<decltype(T::re)>(im)};
  else to = static_cast<T>(static_cast<std::conditional_t<std::is_same_v<T, double>, double, float>>(re));
}
template <class Buffer>
void fill(Buffer& b, numbers& random, const std::string& stream, int n) {
  for (auto& x : b) {
    const double re = random.of(stream, n);
    put(x, re, random.of(stream, n));
  }
}
template <class T, class Types>
constexpr bool is_storage = std::is_same_v<T, typename Types::storage>;

/// Forward and back, with a state in and out where the mixer has one.
template <class M, class T, field Over>
void calls(std::FILE* to, idx time, int queries) {
  using X = tokens<M, T, heads::grouped_queries, Over>;
  using Types = typename X::types_type;
  using storage = typename Types::storage;
  const extents e{.batch = 2, .time = time, .readers = queries, .states = 3, .queries = queries, .keys = 3, .n = 6, .d = 5, .sequences = 2};
  numbers random;
  stream_buffers<M, T, Over> held(e), slopes(e);
  for_each_need(typename X::needs{}, [&]<class N>(N) { fill(held.template of<N>(), random, N::tag::name, e.n); });
  X x;
  held.bind(x);
  gradients<M, T, heads::grouped_queries, Over> g;
  slopes.bind(g);
  std::vector<storage> y_numbers(static_cast<std::size_t>(e.batch * time * queries * e.d)), dy_numbers(y_numbers.size());
  for (storage& v : dy_numbers) put(v, random.normal(), 0);
  const view<storage, 4> y(y_numbers.data(), e.batch, time, queries, e.d);
  const view<const storage, 4> dy(dy_numbers.data(), e.batch, time, queries, e.d);
  const auto keep = [&] {
    for_each_need(typename X::needs{}, [&]<class N>(N) {
      save(to, N::tag::name, static_cast<const view<const coefdyn::detail::stored_as<N, Types>, N::rank>&>(x.template of<N>()));
      save(to, std::string("grad_") + N::tag::name,
           static_cast<const view<coefdyn::detail::stored_as<N, Types>, N::rank>&>(g.template of<N>()));
    });
    save(to, "y", y), save(to, "dy", dy);
  };
  if constexpr (traits<M>::linear) {
    state<M, T> initial(e), final(e), d_initial(e), d_final(e);
    fill(initial.S, random, "S", 1), fill(d_final.S, random, "S", 1);
    for (auto& z : initial.z) put(z, 1 + random.unit(), 0);
    for (auto& z : d_final.z) put(z, random.normal(), 0);
    for (auto& m : initial.m) m = 0;
    for (idx& p : initial.position) p = 4;
    run(device::cpu{}, form::automatic{}, x, y, {initial, final});
    // gradients of the final state are of S e^m, and what is compared are those of S: m has to be 0 there, or be left out
    if constexpr (traits<M>::stabilised) backward(device::cpu{}, form::automatic{}, x, dy, g, {initial, {}}, {{}, d_initial});
    else backward(device::cpu{}, form::automatic{}, x, dy, g, {initial, {}}, {d_final, d_initial});
    keep();
    const auto states = [&](const char* prefix, state<M, T>& s) {
      const mutable_state<M, T> v = s;
      const std::string p = prefix;
      save(to, p + "S", v.S), save(to, p + "z", v.z), save(to, p + "m", v.m), save(to, p + "position", v.position);
    };
    states("initial_", initial), states("final_", final), states("grad_final_", d_final), states("grad_initial_", d_initial);
  } else {
    run(device::cpu{}, form::automatic{}, x, y);
    backward(device::cpu{}, form::automatic{}, x, dy, g);
    keep();
  }
}
/// Files DIR/NAME.TYPE.TOKENS of a named mixer.
template <label Name, class T>
void write(const std::string& folder, const char* type) {
  using found = typename interop::detail::find_named<Name, mixers::all>::type;
  for (const idx time : {idx(5), idx(150)}) {
    const std::string path = folder + "/" + std::string(Name.text()) + "." + type + "." + std::to_string(time);
    std::FILE* const to = std::fopen(path.c_str(), "wb");
    if (to == nullptr) throw std::runtime_error("cannot write " + path);
    calls<typename found::mixer_type, T, found::over>(to, time, found::over == field::complex ? 3 : 6);
    std::fclose(to);
  }
}

}  // namespace torch_reference
