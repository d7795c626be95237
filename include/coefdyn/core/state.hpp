// SPDX-License-Identifier: MIT
#pragma once
#include "buffer.hpp"
#include "check.hpp"

/// The state of sequences between calls: S (N, H, n, d), and where the mixer needs them z (N, H, n) and m (N, H).
/// N is the batch, or the number of packed sequences. For a nonlinear readout the state is the key/value cache (decode/cache.hpp).
namespace coefdyn {

/// Where a state's memory lies, as far as its type says: a view that the caller makes says nothing.
enum class lies { unsaid, on_host, on_device };

/// A caller's state. With exp(i) scaling S and z are kept scaled by e^-m; `unscaled` of state<> undoes it. An empty m
/// reads as 0. An empty S reads as no state at all.
template <class M, class E, class R>
struct state_view {
  using element_type = E;
  using real_type = R;
  view<E, 4> S;                                                              // (N, H, n, d)
  view<E, 3> z;                                                              // (N, H, n), of a mixer with a sum
  view<R, 2> m;                                                              // (N, H), of a mixer whose state is kept scaled
  view<std::conditional_t<std::is_const_v<R>, const idx, idx>, 1> position;  // tokens seen so far; empty reads as 0
  lies where = lies::unsaid;
  COEFDYN_HD constexpr explicit operator bool() const { return bool(S); }
  template <class Const>
    requires(!std::is_const_v<E> && std::is_same_v<Const, state_view<M, const E, const R>>)
  constexpr operator Const() const {
    return {S, z, m, position, where};
  }
};

/// A caller's state of a mixer that a call may write.
template <class M, class Types>
using mutable_state =
    state_view<M, state_element<M, typename detail::as_types<Types>::type::state>, typename detail::as_types<Types>::type::accumulate>;
/// A caller's state of a mixer that a call reads.
template <class M, class Types>
using const_state = state_view<M, const state_element<M, typename detail::as_types<Types>::type::state>,
                               const typename detail::as_types<Types>::type::accumulate>;

/// m of a state that has seen nothing: no exponent is kept yet; a floored sum's floor starts it at 0.
template <class M, class R>
COEFDYN_HD constexpr R empty_maximum() {
  if constexpr (traits<M>::floored) return R(0);
  else return math::unset_maximum<R>();
}

/// A state that owns its memory, zero at first: on the host, or where `Space` says. A call takes it as it takes views; it has to lie where
/// the call's device reads (memory_of<Device>).
template <class M, class Types = float, memory_space Space = memory::host>
struct state {
  using element = state_element<M, typename detail::as_types<Types>::type::state>;  // a number of S and z: complex where the evolution is
  using real = typename detail::as_types<Types>::type::accumulate;
  idx sequences = 0;            // N
  int heads = 0, n = 0, d = 0;  // those that own a state, and its rows and columns
  buffer<element, Space> S, z;  // (N, H, n, d); (N, H, n) or empty, where no sum divides
  buffer<real, Space> m;        // (N, H), or empty where no exponent is kept out of S
  buffer<idx, Space> position;  // (N): tokens that each sequence has behind it

  state() = default;
  /// Sequences that begin: S = 0, z = 0, m of nothing, position 0.
  /// error   invalid_input for a size below 0
  state(idx sequences_, int heads_, int n_, int d_, const Space& where = {})
      : sequences(sequences_),
        heads(heads_),
        n(n_),
        d(d_),
        S(size_of(n_, d_), where),
        z(traits<M>::needs_sum ? size_of(n_, 1) : 0, where),
        m(traits<M>::stabilised ? size_of(1, 1) : 0, empty_maximum(), where),
        position(static_cast<std::size_t>(sequences_), where) {
    static_assert(traits<M>::linear,
                  "coefdyn: a state of n x d exists only for a linear readout map (Lemma 1); for a nonlinear one use cache<M>.");
  }
  /// Of a call's sizes (`check(x)` returns them).
  explicit state(const extents& e, const Space& where = {}) : state(e.sequences, e.states, e.n, e.d, where) {}
  /// The same state in another space.
  template <class Other>
    requires(!std::is_same_v<Other, Space>)
  explicit state(const state<M, Types, Other>& o, const Space& where = {})
      : sequences(o.sequences), heads(o.heads), n(o.n), d(o.d), S(o.S, where), z(o.z, where), m(o.m, where), position(o.position, where) {}

  /// The views that a call takes, in {initial, final}.
  operator mutable_state<M, Types>() {
    return {view(S.data(), sequences, heads, n, d), z_view(z), m_view(m), view(position.data(), sequences), lies_in};
  }
  operator const_state<M, Types>() const {
    return {view(S.data(), sequences, heads, n, d), z_view(z), m_view(m), view(position.data(), sequences), lies_in};
  }
  /// m of a sequence that begins.
  COEFDYN_HD static constexpr real empty_maximum() { return coefdyn::empty_maximum<M, real>(); }
  /// S of one head without the factor e^-m.
  element unscaled(idx s, int h, int c, int v) const
    requires(Space::on_host)
  {
    const std::size_t head = static_cast<std::size_t>(s * heads + h);
    const element x =
        S[(head * static_cast<std::size_t>(n) + static_cast<std::size_t>(c)) * static_cast<std::size_t>(d) + static_cast<std::size_t>(v)];
    return traits<M>::stabilised ? math::exp(m[head]) * x : x;
  }

 private:
  static constexpr lies lies_in = Space::on_host ? lies::on_host : out_of_reach<Space> ? lies::on_device : lies::unsaid;
  std::size_t size_of(int rows, int columns) const {
    if (sequences < 0 || heads < 0 || rows < 0 || columns < 0)
      detail::refuse({"state"}, {"sizes (N, H, n, d) of at least 0"}, {"(", sequences, ", ", heads, ", ", n, ", ", d, ")"});
    return static_cast<std::size_t>(sequences * heads * rows * columns);
  }
  template <class V>
  auto z_view(V& v) const {
    using T = std::remove_pointer_t<decltype(v.data())>;
    return v.empty() ? view<T, 3>{} : view<T, 3>(v.data(), sequences, heads, n);
  }
  template <class V>
  auto m_view(V& v) const {
    using T = std::remove_pointer_t<decltype(v.data())>;
    return v.empty() ? view<T, 2>{} : view<T, 2>(v.data(), sequences, heads);
  }
};

/// Where states enter and leave a call; empty members: zeros in, nothing out.
template <class M, class Types>
struct carried {
  const_state<M, Types> initial{};
  mutable_state<M, Types> final{};
  std::span<const idx> positions{};    // ascending numbers of tokens of each sequence after which `captured` takes the state
  mutable_state<M, Types> captured{};  // sequence axis: positions x N
};
/// What `run` takes: initial, final and captured states.
template <class M, class Types = float>
using carry = carried<M, typename detail::as_types<Types>::type>;

/// Gradients of the states that enter and leave: of the unscaled S and z, the maximum m held constant.
template <class M, class Types>
struct carried_gradients {
  const_state<M, Types> final{};      // in: gradient of the final state; empty: zero
  mutable_state<M, Types> initial{};  // out: gradient of the initial state; empty: not wanted
};
/// What `backward` takes: gradients of final and initial states.
template <class M, class Types = float>
using state_gradients = carried_gradients<M, typename detail::as_types<Types>::type>;

namespace detail {
/// A state of any mixer, for the checks.
struct any_state {
  any_view S, z, m, position;
  lies where;
  bool needs_sum = false, stabilised = false;
  template <class M, class E, class R>
  any_state(const state_view<M, E, R>& s)
      : S(s.S), z(s.z), m(s.m), position(s.position), where(s.where), needs_sum(traits<M>::needs_sum), stabilised(traits<M>::stabilised) {}
  /// Whether anything is bound; then S has to be.
  bool given() const { return !S.unset() || z.data || m.data || position.data; }
};
COEFDYN_CHECK void check_state(const any_state& s, const extents& e, idx sequences, const char* name, bool input) {
  const idx S_want[] = {sequences, e.states, e.n, e.d}, z_want[] = {sequences, e.states, e.n}, m_want[] = {sequences, e.states};
  expect_view(name, " S", s.S, S_want);
  if (s.needs_sum && !(s.z.unset() && !has_elements(3, z_want))) {
    if (!s.z.data && s.S.data) refuse({name, " z"}, {"the normalizer state z ", {z_want, 3}, " beside S, since eta is a sum"}, {"none"});
    expect_view(name, " z", s.z, z_want);
  }
  if (s.m.data) expect_view(name, " m", s.m, m_want);
  else if (!input && s.stabilised && s.S.data)
    refuse({name, " m"}, {"the running maximum m ", {m_want, 2}, ", since S is kept scaled by e^-m"}, {"none"});
  if (s.position.data) expect_view(name, " position", s.position, &sequences);
}
COEFDYN_HELD(void check_state<>(const any_state&, const extents&, idx, const char*, bool));
/// Refuses a state whose type says that the call's device does not reach it.
COEFDYN_CHECK void expect_reach(const any_state& s, bool on_host, const char* name) {
  if (s.where == lies::unsaid || (s.where == lies::on_host) == on_host || !s.given()) return;
  refuse({name}, {"memory that the call's device reads: state<M, types, memory_of<Device>>"},
         {on_host ? "a state in a device's memory" : "a state on the host"});
}
COEFDYN_HELD(void expect_reach<>(const any_state&, bool, const char*));
/// Initial, final and captured states, and the positions of those.
COEFDYN_CHECK void check_states(const any_state& initial, const any_state& final, const any_state& captured, const idx* positions,
                                idx count, const extents& e) {
  if (initial.given()) check_state(initial, e, e.sequences, "initial state", true);
  if (final.given()) check_state(final, e, e.sequences, "final state", false);
  for (idx i = 0; i < count; ++i)
    if (positions[i] < (i ? positions[i - 1] : 0)) refuse({"positions"}, {"ascending numbers of tokens"}, {positions[i]});
  if (count > 0 || captured.given()) check_state(captured, e, e.sequences * count, "captured state", false);
}
COEFDYN_HELD(void check_states<>(const any_state&, const any_state&, const any_state&, const idx*, idx, const extents&));
}  // namespace detail

}  // namespace coefdyn
