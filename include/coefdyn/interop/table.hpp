// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "../core/streams.hpp"
#include "../cpu/backward.hpp"
#include "../mixers/all.hpp"

/// A mixer as a table: its streams as data, and its calls over arrays whose types are known when the program runs. What a binding to
/// another language or framework needs; interop/torch.hpp is one.
///
/// ```cpp
/// const interop::mixer_table& table = interop::table_of<mixers::gla>("gla");  // table.streams: q, k, v, log_decay with their shapes
/// ```
///
/// A unit that makes tables knows nothing of the binding, and the binding nothing of mixers.
namespace coefdyn::interop {

/// Types of numbers that arrays of a call have.
enum class number : int { bfloat16, float16, float32, float64, complex64, complex128, int32, int64, other };
/// Their names.
inline const char* name_of(number n) {
  constexpr const char* names[] = {"bfloat16",   "float16", "float32", "float64",     "complex64",
                                   "complex128", "int32",   "int64",   "another type"};
  return names[static_cast<std::size_t>(n)];
}

/// An array of a caller's: rank 0 and without data where there is none. Strides in elements; extents beyond the fifth are left out.
struct array {
  void* data = nullptr;
  number of = number::other;
  int rank = 0;
  idx extents[5] = {}, strides[5] = {};
  bool given = false;
};
/// The arrays of a state: S (N, H, n, d), z (N, H, n), m (N, H), position (N).
struct state_arrays {
  array S, z, m, position;
};

/// One call, forward or backward.
struct table_call {
  number rows = number::float32;                  // storage type of the call: bfloat16, float16, float32 or float64
  std::span<const array> streams{}, gradients{};  // in the table's order; gradients that are not given are not computed
  array y{};                                      // of the forward call; in a backward call its gradient
  array cu_seqlens{};
  state_arrays initial{}, final{}, initial_gradient{}, final_gradient{};
  std::byte* (*allocate)(void* owner, std::size_t bytes) = nullptr;  // a workspace, which the owner keeps until the call has ended
  void* owner = nullptr;
  void* stream = nullptr;  // of a CUDA call
  int workers = 1;
  /// part(job, worker) for each of `workers` workers, at the same time where it can.
  void (*spread)(int workers, void (*part)(void* job, int worker), void* job) = nullptr;
};

/// What a table says of a stream.
struct stream_row {
  const char *name, *meaning;
  ticks time;
  width inner;
  owner heads;
  bool complex, gate;  // gates are float beside bfloat16 and float16
  int rank;
};
/// Calls over arrays in a GPU's memory; offsets of packed sequences lie on the host.
struct gpu_calls {
  void (*forward)(const table_call&) = nullptr;
  void (*backward)(const table_call&) = nullptr;
};
/// A mixer: its streams, what its state has, its calls.
struct mixer_table {
  static constexpr int this_layout = 2;
  int layout = this_layout;  // of these structs, for tables that are loaded when the program runs
  const char* name = nullptr;
  std::span<const stream_row> streams;
  bool linear, complex_state, complex_rows, sums, stabilised;  // whether it has a state S; whether q and k are complex; a z; an m
  int writes, micro;                                           // rows of k and v, and factors, that a token has
  void (*forward)(const table_call&);                          // error: invalid_input, as run
  void (*backward)(const table_call&);                         // error: invalid_input, as backward
  /// The same on a GPU for rows of a type, from a unit that nvcc compiles (interop/table.cuh) and that this may load; null without one.
  gpu_calls (*on_gpu)(const mixer_table&, number rows) = nullptr;
};

namespace detail {

/// Type of numbers as a table names it.
template <class T>
constexpr number numbers_of = number::other;
template <>
inline constexpr number numbers_of<bf16> = number::bfloat16;
template <>
inline constexpr number numbers_of<half> = number::float16;
template <>
inline constexpr number numbers_of<float> = number::float32;
template <>
inline constexpr number numbers_of<double> = number::float64;
template <>
inline constexpr number numbers_of<complex<float>> = number::complex64;
template <>
inline constexpr number numbers_of<complex<double>> = number::complex128;
template <>
inline constexpr number numbers_of<idx> = number::int64;

[[noreturn, gnu::cold, gnu::noinline]] inline void refuse_array(const char* prefix, const char* name, const array& a, int rank, number of) {
  using coefdyn::detail::refuse;
  if (a.rank != rank)
    refuse({prefix, name}, {"a tensor of ", rank, rank == 1 ? " axis" : " axes"}, {a.rank, a.rank == 1 ? " axis" : " axes"});
  refuse({prefix, name}, {"numbers of type ", name_of(of)}, {name_of(a.of)});
}
/// An array as a view; one that is not given as a view that nobody has assigned.
template <class T, int Rank>
view<T, Rank> typed(const array& a, const char* prefix, const char* name) {
  view<T, Rank> v;
  if (!a.given) return v;
  constexpr number of = numbers_of<std::remove_const_t<T>>;
  if (a.rank != Rank || a.of != of) refuse_array(prefix, name, a, Rank, of);
  v.data = static_cast<T*>(a.data);
  for (int i = 0; i < Rank; ++i) v.extents[i] = a.extents[i], v.strides[i] = a.strides[i];
  return v;
}
template <class State>
State typed_state(const state_arrays& a, const char* prefix) {
  using E = typename State::element_type;
  using R = typename State::real_type;
  using I = std::remove_pointer_t<decltype(State{}.position.data)>;
  return {typed<E, 4>(a.S, prefix, "S"), typed<E, 3>(a.z, prefix, "z"), typed<R, 2>(a.m, prefix, "m"),
          typed<I, 1>(a.position, prefix, "position")};
}
inline sequence_offsets typed_offsets(const array& a) {
  using coefdyn::detail::refuse;
  if (!a.given) return {};
  if (a.rank != 1 || (a.of != number::int32 && a.of != number::int64))
    refuse({"cu_seqlens"}, {"one axis of int32 or int64"}, {a.rank, a.rank == 1 ? " axis of " : " axes of ", name_of(a.of)});
  if (a.extents[0] > 1 && a.strides[0] != 1) refuse({"cu_seqlens"}, {"offsets without gaps"}, {"stride ", a.strides[0]});
  const std::size_t count = static_cast<std::size_t>(a.extents[0]);
  if (a.of == number::int32) return std::span(static_cast<const std::int32_t*>(a.data), count);
  return std::span(static_cast<const std::int64_t*>(a.data), count);
}

/// A caller's threads as an executor: items go to whoever is free.
struct borrowed_threads {
  const table_call* call;
  int workers() const { return call->workers; }
  template <class F>
  void operator()(idx count, F f) const {
    if (call->workers <= 1 || count <= 1) return serial{}(count, f);
    struct shared {
      F& f;
      idx count;
      std::atomic<idx> next{0};
    } job{f, count};
    const idx workers = count < call->workers ? count : call->workers;
    call->spread(
        static_cast<int>(workers),
        [](void* p, int worker) {
          shared& j = *static_cast<shared*>(p);
          for (idx i = j.next++; i < j.count; i = j.next++) j.f(i, worker);
        },
        &job);
  }
};
inline workspace workspace_of(const table_call& c, std::size_t bytes) { return {c.allocate(c.owner, bytes), bytes}; }
/// The device of a call: here the host, on the caller's threads.
struct on_host {
  static device::cpu<borrowed_threads> device_of(const table_call& c) { return {{&c}}; }
};

/// The calls of M in one type of numbers, on a device.
template <class On, class M, class T, field Over, class Form>
struct typed_calls {
  using X = tokens<M, T, heads::as_given, Over>;
  using Types = typename X::types_type;
  using G = coefdyn::gradients<M, T, heads::as_given, Over>;
  static X inputs(const table_call& c) {
    X x;
    std::size_t i = 0;
    for_each_need(typename X::needs{}, [&]<class N>(N) {
      x.template set<N>(typed<const coefdyn::detail::stored_as<N, Types>, N::rank>(c.streams[i++], "", N::tag::name));
    });
    x.cu_seqlens = typed_offsets(c.cu_seqlens);
    return x;
  }
  static void forward(const table_call& c) {
    const X x = inputs(c);
    const auto on = On::device_of(c);
    const auto y = typed<typename Types::storage, 4>(c.y, "", "y");
    const carried<M, Types> states{typed_state<const_state<M, Types>>(c.initial, "initial state "),
                                   typed_state<mutable_state<M, Types>>(c.final, "final state "),
                                   {},
                                   {}};
    run(on, Form{}, x, y, states, workspace_of(c, workspace_bytes(on, Form{}, x, states, y)));
  }
  static void backward(const table_call& c) {
    const X x = inputs(c);
    const auto on = On::device_of(c);
    const auto dy = typed<const typename Types::storage, 4>(c.y, "gradient of ", "y");
    G g;
    std::size_t i = 0;
    for_each_need(typename X::needs{}, [&]<class N>(N) {
      g.template set<N>(typed<coefdyn::detail::stored_as<N, Types>, N::rank>(c.gradients[i++], "gradient of ", N::tag::name));
    });
    const carried<M, Types> states{typed_state<const_state<M, Types>>(c.initial, "initial state "), {}, {}, {}};
    const carried_gradients<M, Types> of_states{typed_state<const_state<M, Types>>(c.final_gradient, "gradient of the final state "),
                                                typed_state<mutable_state<M, Types>>(c.initial_gradient, "gradient of the initial state ")};
    coefdyn::backward(on, Form{}, x, dy, g, states, of_states,
                      workspace_of(c, backward_workspace_bytes(on, Form{}, x, dy, g, states, of_states)));
  }
};
/// Refuses rows that no call of a mixer takes.
[[noreturn]] inline void refuse_rows(bool complex, number rows) {
  coefdyn::detail::refuse({"q"}, {complex ? "rows of complex64 or complex128" : "rows of bfloat16, float16, float32 or float64"},
                          {name_of(rows)});
}
/// Forward and backward in the numbers of a call.
template <class On, class M, field Over, class Form>
struct calls_of {
  template <class F>
  static void in_type(number rows, F f) {
    if (rows == number::float32) return f(typed_calls<On, M, float, Over, Form>{});
    if (rows == number::float64) return f(typed_calls<On, M, double, Over, Form>{});
    if constexpr (Over == field::real) {
      if (rows == number::bfloat16) return f(typed_calls<On, M, bf16, Over, Form>{});
      if (rows == number::float16) return f(typed_calls<On, M, half, Over, Form>{});
    }
    refuse_rows(Over == field::complex, rows);
  }
  static void forward(const table_call& c) {
    in_type(c.rows, [&](auto calls) { calls.forward(c); });
  }
  static void backward(const table_call& c) {
    in_type(c.rows, [&](auto calls) { calls.backward(c); });
  }
};
template <class Needs>
struct rows_of;
template <class... Need>
struct rows_of<list<Need...>> {
  static constexpr std::array<stream_row, sizeof...(Need)> value{stream_row{Need::tag::name, Need::tag::meaning, Need::time, Need::inner,
                                                                            Need::heads, Need::over == field::complex,
                                                                            Need::tag::held_in == precision::gate, Need::rank}...};
};
}  // namespace detail

/// The table of a mixer under a name that outlives it. `Over`: the field of q and k; `Form`: the form of its calls.
template <class M, field Over = field::real, class Form = form::automatic>
mixer_table table_of(const char* name) {
  using facts = traits<M>;
  mixer_table t{};
  t.name = name;
  t.streams = detail::rows_of<needs_of<M, Over>>::value;
  t.linear = facts::linear, t.complex_state = facts::complex_state, t.complex_rows = Over == field::complex;
  t.sums = facts::linear && facts::needs_sum, t.stabilised = facts::stabilised;
  t.writes = facts::writes, t.micro = facts::micro;
  t.forward = detail::calls_of<detail::on_host, M, Over, Form>::forward;
  t.backward = detail::calls_of<detail::on_host, M, Over, Form>::backward;
  return t;
}

namespace detail {
template <class... Named>
constexpr std::size_t place_of(std::string_view name, list<Named...>) {
  constexpr std::string_view names[] = {Named::name...};
  std::size_t i = 0;
  while (i < sizeof...(Named) && names[i] != name) ++i;
  return i;
}
template <std::size_t I, class First, class... Rest>
constexpr auto element(list<First, Rest...>) {
  if constexpr (I == 0) return std::type_identity<First>{};
  else return element<I - 1>(list<Rest...>{});
}
/// The one of a list of names that is called so.
template <label Name, class L>
struct find_named {
  using type = typename decltype(element<place_of(Name.text(), L{})>(L{}))::type;
};
}  // namespace detail
/// The table of a named architecture, in the field that it is published with.
template <label Name>
mixer_table table_of_named(const char* name) {
  using found = typename detail::find_named<Name, mixers::all>::type;
  return table_of<typename found::mixer_type, found::over>(name);
}

}  // namespace coefdyn::interop
