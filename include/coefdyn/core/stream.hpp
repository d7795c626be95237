// SPDX-License-Identifier: MIT
#pragma once
#include "tensor.hpp"

/// Streams: the named tensors that travel beside a mixer. A policy says which it needs; tokens, one token as a policy
/// sees it, and gradients then have members of these names.
namespace coefdyn {

/// A list of types.
template <class... T>
struct list {};

/// Rows of a stream in time: none, T, T * writes_per_token.
enum class ticks { constant, token, write };
/// What one row of one head holds.
enum class width {  // what one row of one head holds
  scalar,           // one number
  key,              // n
  value,            // d
  pairs,            // n / 2
  factors,          // m, a policy sees that of its micro-step
  factors_key,      // m x n, likewise
  matrix            // n x n
};
/// Whose head index a stream has; shared has no head axis.
enum class owner { query, key, state, reader, shared };  // whose head index it has; shared has no head axis
/// The numbers of q and k.
enum class field { real, complex };
/// Which member of types<> holds a stream; gates are never below float.
enum class precision { storage, gate };

/// One need of a policy: a tag in a shape class.
template <class Tag, ticks Ticks, width Width, owner Owner = Tag::belongs_to, field Over = field::real>
struct need {
  using tag = Tag;
  static constexpr ticks time = Ticks;
  static constexpr width inner = Width;
  static constexpr owner heads = Owner;
  static constexpr field over = Over;
  static constexpr bool timed = Ticks != ticks::constant;
  static constexpr bool headed = Owner != owner::shared;
  static constexpr int inner_rank = Width == width::scalar ? 0 : Width == width::matrix || Width == width::factors_key ? 2 : 1;
  static constexpr int rank = (timed ? 2 : 0) + (headed ? 1 : 0) + inner_rank;
};
/// A need that holds only if no policy before it named the stream (b = beta takes beta as the evolution has it).
template <class Need>
struct unless_declared {};
/// A need that another policy has to name; illegal composition otherwise (b = 1 - lambda without a lambda).
template <class Tag>
struct declared_elsewhere {};

/// One number a token and head.
template <class Tag>
using per_head = need<Tag, ticks::token, width::scalar>;
/// n numbers a token and head.
template <class Tag>
using per_channel = need<Tag, ticks::token, width::key>;
/// One number a write and head.
template <class Tag>
using per_write = need<Tag, ticks::write, width::scalar>;
/// n numbers a write and head.
template <class Tag>
using per_write_channel = need<Tag, ticks::write, width::key>;
/// One number a head, the same for all tokens.
template <class Tag>
using fixed_per_head = need<Tag, ticks::constant, width::scalar>;
/// n numbers a head, the same for all tokens.
template <class Tag>
using fixed_per_channel = need<Tag, ticks::constant, width::key>;

// A tag is a name, the heads it belongs to and its precision and its meaning with its range; `field<V>` gives the member
// of that name, `of` finds it.
#define COEFDYN_STREAM(NAME, HEADS, PRECISION, MEANING)                                                                              \
  struct NAME {                                                                                                                      \
    static constexpr owner belongs_to = owner::HEADS;                                                                                \
    static constexpr precision held_in = precision::PRECISION;                                                                       \
    static constexpr const char* name = #NAME;                                                                                       \
    static constexpr const char* meaning = MEANING;                                                                                  \
    template <class V>                                                                                                               \
    struct field {                                                                                                                   \
      V NAME;                                                                                                                        \
    };                                                                                                                               \
    template <class Holder>                                                                                                          \
    COEFDYN_HD static constexpr auto& of(Holder& holder) {                                                                           \
      return holder.NAME;                                                                                                            \
    }                                                                                                                                \
    template <class T>                                                                                                               \
    COEFDYN_HD static constexpr void read_without_being_listed() {                                                                   \
      static_assert(sizeof(T) == 0,                                                                                                  \
                    "coefdyn: a policy reads at." #NAME " and does not list it: say `using streams = list<per_head<stream::" #NAME   \
                    ">>` in the policy, or the class that fits (per_channel, per_write, fixed_per_head, ...). An evolution and a "   \
                    "scaling see k, v and streams of the heads that hold a state, a normalization q and those of heads that read."); \
    }                                                                                                                                \
  }
namespace stream {
COEFDYN_STREAM(q, query, storage, "query; finite");
COEFDYN_STREAM(k, key, storage, "key; finite, and beta k'k <= 2 where a correction is along it");
COEFDYN_STREAM(v, state, storage, "value; finite");
COEFDYN_STREAM(log_decay, state, gate, "natural logarithm of lambda's absolute value; -inf to 0");
COEFDYN_STREAM(theta, state, gate, "angle of lambda or of a pair of channels; radians, a token");
COEFDYN_STREAM(beta, state, gate, "strength of a Householder; 0 to 2 on unit directions");
COEFDYN_STREAM(z, state, storage, "direction of a Householder, used as given; beta z'z <= 2");
COEFDYN_STREAM(a, state, storage, "column of the rank-one part, A = diag(lambda) + a c'");
COEFDYN_STREAM(c, state, storage, "row of the rank-one part, A = diag(lambda) + a c'");
COEFDYN_STREAM(A, state, gate, "the whole evolution matrix, constant; spectral radius at most 1");
COEFDYN_STREAM(u, state, gate, "bonus: the diagonal coefficient of a mixer that reads before it writes is q' diag(u) k");
COEFDYN_STREAM(delta, state, gate, "step size Delta of a write; 0 or more");
COEFDYN_STREAM(input_gate, state, gate, "i of exp(i)");
COEFDYN_STREAM(eta_gate, reader, gate, "w'u of a gate normalization, which divides by exp(psi(w'u + offset))");
COEFDYN_STREAM(eta_offset, reader, gate, "offset of a gate normalization");
COEFDYN_STREAM(raw, state, gate, "a layer's number before its parameterisation; finite");
COEFDYN_STREAM(dt_bias, state, gate, "added to raw before a softplus");
COEFDYN_STREAM(A_log, state, gate, "natural logarithm of a rate");
COEFDYN_STREAM(lower_bound, state, gate, "the least lambda of a gate; 0 to 1");
}  // namespace stream
#undef COEFDYN_STREAM

/// Among the parameters of a parameterisation: one number a head, also where the decay has one a channel.
template <class Tag>
struct one_per_head {};

namespace detail {
using every_stream = list<stream::q, stream::k, stream::v, stream::log_decay, stream::theta, stream::beta, stream::z, stream::a, stream::c,
                          stream::A, stream::u, stream::delta, stream::input_gate, stream::eta_gate, stream::eta_offset, stream::raw,
                          stream::dt_bias, stream::A_log, stream::lower_bound>;
}

// ---- lists of needs -------------------------------------------------------------------------------------------------
namespace detail {
template <class Tag, class... Need>
constexpr bool names(list<Need...>) {
  return (std::is_same_v<Tag, typename Need::tag> || ...);
}
template <class L, class N>
struct add_need;
template <class... L, class N>
struct add_need<list<L...>, N> {
  using type = std::conditional_t<(std::is_same_v<L, N> || ...), list<L...>, list<L..., N>>;
};
template <class... L, class N>
struct add_need<list<L...>, unless_declared<N>> {
  using type = std::conditional_t<names<typename N::tag>(list<L...>{}), list<L...>, list<L..., N>>;
};
template <class... L, class Tag>
struct add_need<list<L...>, declared_elsewhere<Tag>> {
  using type = list<L...>;
};
template <class Out, class... In>
struct merge {
  using type = Out;
};
template <class Out, class... Rest>
struct merge<Out, list<>, Rest...> : merge<Out, Rest...> {};
template <class Out, class H, class... T, class... Rest>
struct merge<Out, list<H, T...>, Rest...> : merge<typename add_need<Out, H>::type, list<T...>, Rest...> {};

template <class Tag, class... Need>
constexpr int times(list<Need...>) {
  return (0 + ... + int(std::is_same_v<Tag, typename Need::tag>));
}
template <class... Need>
constexpr bool one_shape_per_stream(list<Need...> all) {
  return ((times<typename Need::tag>(all) == 1) && ...);
}
template <class L, class Tag>
constexpr bool satisfied(L, declared_elsewhere<Tag>) {
  return names<Tag>(L{});
}
template <class L, class N>
constexpr bool satisfied(L, N) {
  return true;
}
// A `declared_elsewhere` stream holds one value per write, not one per factor.
template <class... Need, class N>
constexpr bool one_per_write(list<Need...>, N) {
  return true;
}
template <class... Need, class N>
constexpr bool one_per_write(list<Need...>, unless_declared<N>) {
  return ((!std::is_same_v<typename Need::tag, typename N::tag> || Need::inner == N::inner) && ...);
}
template <class L, class... Wanted>
constexpr bool all_one_per_write(L, list<Wanted...>) {
  return (one_per_write(L{}, Wanted{}) && ...);
}
template <class L, class... Wanted>
constexpr bool all_satisfied(L, list<Wanted...>) {
  return (satisfied(L{}, Wanted{}) && ...);
}
// the sub-list whose owner is on the reading side (query, reader) or on the state's side
template <bool Reading, class Out, class... Need>
struct side {
  using type = Out;
};
template <bool Reading, class... Out, class H, class... T>
struct side<Reading, list<Out...>, H, T...>
    : side<Reading, std::conditional_t<(H::heads == owner::query || H::heads == owner::reader) == Reading, list<Out..., H>, list<Out...>>,
           T...> {};
template <bool Reading, class L>
struct side_of;
template <bool Reading, class... Need>
struct side_of<Reading, list<Need...>> : side<Reading, list<>, Need...> {};
}  // namespace detail

namespace detail {
template <class Out, class... Lists>
struct concat {
  using type = Out;
};
template <class... Out, class... L, class... Rest>
struct concat<list<Out...>, list<L...>, Rest...> : concat<list<Out..., L...>, Rest...> {};
}  // namespace detail
/// Joins lists without resolving `unless_declared` and `declared_elsewhere`; `merged` resolves them.
template <class... Lists>
using concatenated = typename detail::concat<list<>, Lists...>::type;

/// The needs of several lists, each once; `unless_declared` and `declared_elsewhere` resolved.
template <class... Lists>
using merged = typename detail::merge<list<>, Lists...>::type;
/// Those needs whose heads read: q and the normalization's.
template <class Needs>
using reader_needs = typename detail::side_of<true, Needs>::type;
/// Those needs whose heads hold a state: k, v, the evolution's and the scaling's.
template <class Needs>
using state_needs = typename detail::side_of<false, Needs>::type;

/// Calls f(Need{}) for each need, in their order.
template <class... Need, class F>
COEFDYN_HD constexpr void for_each_need(list<Need...>, [[maybe_unused]] F f) {
  (f(Need{}), ...);
}

}  // namespace coefdyn
