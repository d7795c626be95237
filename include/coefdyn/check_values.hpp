// SPDX-License-Identifier: MIT
#pragma once
#include <cstdio>
#include <vector>

#include "cpu/stages/head.hpp"

/// Looks at the numbers of a call, each stream by what it means, since a shape that fits says nothing of them:
///
///   log_decay                  in [-inf, 0] and not NaN; so is what an evolution computes from streams of its own
///   every other stream         finite; so are S, z and m of an initial state, and its positions are not below 0
///   I - beta k k'              beta |k|^2 in [0, 2], with k (or z) as the dynamics meet it, after the feature map, at every micro-step
///   D + a c'                   no real eigenvalue outside [-1, 1] (comba, RWKV-7; any correction whose row is not its column)
///
/// ```cpp statements with call
/// check_values(x);  // throws invalid_input with the tensor, its index and the value
/// ```
///
/// In a unit that defines COEFDYN_CHECK_VALUES before its first include, `run` and `backward` on the CPU do it too.
/// The last two are bounds on one step: within them the state of a call stays within what it has been given, beyond them it grows as
/// powers do. They allow for keys that are rounded to their storage type. A dense A is looked at for finite numbers only.
/// memory  host; nothing is written. A few rows are allocated for evolutions with a correction
/// cost    one thread reads every stream once: for debug builds and for a batch that went wrong, not for each step of a training
namespace coefdyn {

namespace detail {
inline double plain(double x) { return x; }
inline double plain(float x) { return static_cast<double>(x); }
inline double plain(bf16 x) { return static_cast<double>(static_cast<float>(x)); }
inline double plain(half x) { return static_cast<double>(static_cast<float>(x)); }
template <class R>
double plain(const dual<R>& x) {
  return plain(x.v);
}
// by their bits, so that flags which deny NaN change nothing
inline bool is_number(double x) { return (__builtin_bit_cast(std::uint64_t, x) & ~(std::uint64_t(1) << 63)) <= 0x7ff0000000000000u; }
inline bool is_finite(double x) { return (__builtin_bit_cast(std::uint64_t, x) & ~(std::uint64_t(1) << 63)) < 0x7ff0000000000000u; }
inline bool is_log_decay(double x) { return is_number(x) && x <= 0; }

[[noreturn, gnu::noinline, gnu::cold]] inline void refuse_value(const char* prefix, const char* name, const char* expected,
                                                                const char* what, double value, const char* also, const idx* at, int rank) {
  char number[32];
  std::snprintf(number, sizeof number, "%.9g", value);
  refuse({prefix, name}, {expected}, {what, number, also, " at ", {at, rank}});
}

/// Whether every number of a tensor is one that it may hold.
template <class E>
void check_numbers(const char* prefix, const char* name, const any_view& v, bool decays) {
  if (!v.data || !has_elements(v.rank, v.extents)) return;
  idx at[6] = {};
  const auto test = [&](double x) {
    if (decays ? is_log_decay(x) : is_finite(x)) return;
    refuse_value(prefix, name, decays ? "a logarithm of a decay, in [-inf, 0]" : "finite numbers", "", x, "", at, v.rank);
  };
  while (true) {
    idx offset = 0;
    for (int a = 0; a < v.rank; ++a) offset += at[a] * v.strides[a];
    const E& x = static_cast<const E*>(v.data)[offset];
    if constexpr (is_complex<E>) test(plain(x.re)), test(plain(x.im));
    else test(plain(x));
    int a = v.rank - 1;
    for (; a >= 0; at[a--] = 0)
      if (v.strides[a] != 0 && ++at[a] < v.extents[a]) break;  // a repeated axis is looked at once
    if (a < 0) return;
  }
}
template <class V>
void check_view(const char* prefix, const char* name, const V& v, bool decays = false) {
  check_numbers<std::remove_cvref_t<decltype(*v.data)>>(prefix, name, v, decays);
}
template <class X, class... Need>
void check_numbers_of(const X& x, list<Need...>) {
  (check_view("", Need::tag::name, x.template of<Need>(), std::is_same_v<typename Need::tag, stream::log_decay>), ...);
}

/// The vectors of one correction I + s col row', or of D + s col row'.
struct correction_sums {
  double rows = 0, columns = 0, both = 0;  // |row|^2, |col|^2, row'col
  double above = 1, below = 1;             // of the characteristic polynomial just outside [-1, 1], over what it is without the correction
  bool same = true;                        // col = row
};
/// How far beyond its bound a product of rounded numbers may be.
template <class Storage>
constexpr double rounding_of = std::is_same_v<Storage, bf16>   ? 0x1p-6
                               : std::is_same_v<Storage, half> ? 0x1p-9
                                                               : 0x1p-20;

template <class A, class At>
correction_sums sums_of_correction(const At& at, double strength, double slack) {
  constexpr structure_of s = structure_v<A>;
  correction_sums sum;
  for (int c = 0; c < at.n; ++c) {
    const double lambda = at.micro_step > 0 ? 1 : math::exp(plain(log_decay_of<A>(at, c)));
    const double row = plain(A::row(at, c)), column = plain(column_of<A>(at, c));
    const double part = strength * column * row * (s.row_sees == sees::decayed ? lambda : 1.0);
    sum.rows += row * row, sum.columns += column * column, sum.both += row * column;
    sum.same = sum.same && row == column;
    sum.above -= part / (1 + slack - lambda), sum.below += part / (1 + slack + lambda);
  }
  return sum;
}
/// The names that a sentence takes: of the correction's strength, and of its direction.
template <class M>
constexpr const char* strength_name = names<stream::beta>(needs_of<M>{}) ? "beta" : "evolution";
template <class M>
constexpr const char* direction_name = traits<M>::structure.correction == rank_one::along_key ? "k"
                                       : names<stream::z>(needs_of<M>{})                      ? "z"
                                       : names<stream::a>(needs_of<M>{})                      ? "a"
                                                                                              : "evolution";

/// Decays that an evolution computes, and its correction, of one token's micro-step.
template <class M, class Storage, class At>
void check_evolution(const At& at, idx batch, idx row, int state, int key) {
  using A = typename M::evolution;
  constexpr structure_of s = structure_v<A>;
  const idx there[] = {batch, row, state, 0};
  if constexpr (s.decay != decaying::none && !names<stream::log_decay>(needs_of<M>{}))
    for (int c = 0; at.micro_step == 0 && c < (s.decay == decaying::channel ? at.n : 1); ++c) {
      const idx channel[] = {batch, row, state, c};
      const double g = plain(log_decay_of<A>(at, c));
      if (!is_log_decay(g))
        refuse_value("", "evolution", "a logarithm of a decay, in [-inf, 0]", "", g, "", channel, s.decay == decaying::channel ? 4 : 3);
    }
  if constexpr (s.correction != rank_one::none) {
    constexpr double slack = rounding_of<Storage>;
    const double strength = plain(A::strength(at));
    const correction_sums sum = sums_of_correction<A>(at, strength, slack);
    if (sum.same && s.row_sees == sees::decayed) {
      const double along = -strength * sum.rows;
      const idx direction[] = {batch, row, s.correction == rank_one::along_key ? key : state};
      if (along < -2 * slack)
        refuse_value("", strength_name<M>, "a strength of at least 0, since the state grows along its direction", "", -strength, "", there,
                     3);
      if (!(along <= 2 * (1 + slack)) && sum.rows > 1 + slack)
        refuse_value("", direction_name<M>,
                     "strength times squared length of at most 2 (mixers::unit_keys<M> divides keys by their length)", "", along, "",
                     direction, 3);
      if (!(along <= 2 * (1 + slack)))
        refuse_value("", strength_name<M>, "strength times squared length of at most 2", "", along, "", there, 3);
    } else if (s.turns == turning::none && (sum.above < 0 || sum.below < 0)) {
      refuse_value("", direction_name<M>, "a rank-one part that keeps the eigenvalues of A_t within [-1, 1]",
                   "row'column = ", strength * sum.both, sum.above < 0 ? ", an eigenvalue above 1" : ", an eigenvalue below -1", there, 3);
    }
  }
}
template <class M, class X>
void check_evolutions(const X& x, const extents& e) {
  using R = cpu::double_of<typename X::real>;
  using traits_ = traits<M>;
  using frame = cpu::state_frame<M, R, X::over>;
  constexpr idx window = 64;
  arena count;
  frame(count, {e.n, e.d, e.d, window}), count.take<R>(3 * idx(e.n));
  std::vector<std::byte> memory(count.used + 64);
  arena a{aligned_to_line(memory.data()), memory.size(), 0};
  frame f(a, {e.n, e.d, e.d, window});
  R* const scratch = a.take<R>(3 * idx(e.n));
  for (idx group = 0; group < cpu::groups(e); ++group)
    for (int member = 0; member < cpu::states_per_group(e); ++member) {
      const cpu::head_place head = cpu::head_of_group(x, e, group, member);
      for (idx t = 0; t < head.tokens(); t += window) {
        const idx some = head.tokens() - t < window ? head.tokens() - t : window;
        cpu::gather<M>(x, e, head.s, head.at(0), t, some, t == 0, f, scratch);
        for (idx i = 0; i < some; ++i)
          for (int l = 0; l < traits_::micro; ++l)
            check_evolution<M, typename X::types_type::storage>(
                f.at(i, l, t + i), head.s.batch, (head.s.begin + t + i) * traits_::writes + (traits_::writes > 1 ? l : 0), head.state,
                cpu::head_of<need<stream::k, ticks::write, width::key>>(head.at(0), e));
      }
    }
}
}  // namespace detail

/// error   invalid_input for shapes too, as `run` has it
template <class X>
void check_values(const X& x) {
  using M = typename X::mixer_type;
  using traits_ = traits<M>;
  const extents e = check(x);
  detail::check_numbers_of(x, typename X::needs{});
  constexpr bool computes = traits_::structure.decay != decaying::none && !detail::names<stream::log_decay>(needs_of<M>{});
  if constexpr (traits_::structured && (computes || traits_::structure.correction != rank_one::none)) detail::check_evolutions<M>(x, e);
}
/// The same with the state that comes in.
template <class X, class Types>
void check_values(const X& x, const carried<typename X::mixer_type, Types>& c) {
  check_values(x);
  const auto& s = c.initial;
  detail::check_view("initial state", " S", s.S), detail::check_view("initial state", " z", s.z);
  detail::check_view("initial state", " m", s.m);
  for (idx i = 0; s.position && i < s.position.extents[0]; ++i)
    if (s.position(i) < 0)
      detail::refuse({"initial state position"}, {"a number of tokens of at least 0"}, {s.position(i), " at ", {&i, 1}});
}
/// The same of a backward call.
template <class X, class DY, class Types>
void check_values(const X& x, const view<DY, 4>& dy, const carried<typename X::mixer_type, Types>& c,
                  const carried_gradients<typename X::mixer_type, Types>& s) {
  check_values(x, c);
  detail::check_view("", "dy", dy);
  detail::check_view("gradient of the final state", " S", s.final.S), detail::check_view("gradient of the final state", " z", s.final.z);
}

}  // namespace coefdyn
