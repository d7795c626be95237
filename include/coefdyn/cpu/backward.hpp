// SPDX-License-Identifier: MIT
#pragma once
#include "../backward.hpp"
#include "launch_backward.hpp"
#include "run.hpp"

/// The calls of backward.hpp on the host.
namespace coefdyn {

/// What a backward pass computes in: as forward; but where gradients are differences of sums over tokens, which float would spoil,
/// the tiled forms of a float mixer run in double: those of angles, and of gates and a running maximum in the parallel form.
template <class M, class Form>
constexpr bool gradients_by_differences =
    std::is_same_v<Form, form::parallel>
        ? traits<M>::structure.turns != turning::none || traits<M>::stabilised || traits<M>::structure.decay != decaying::none
        : std::is_same_v<Form, form::chunkwise> && traits<M>::structure.turns != turning::none;
/// Whether those are the angles alone, so that rows' gradients, which are no differences, need no double.
template <class M, class Form>
constexpr bool angles_by_differences =
    gradients_by_differences<M, Form> &&
    (!std::is_same_v<Form, form::parallel> || (!traits<M>::stabilised && traits<M>::structure.decay == decaying::none));
/// Real number of a backward pass.
template <class M, class Form, class R>
using backward_real = std::conditional_t<gradients_by_differences<M, Form>, cpu::double_of<R>, form_real<Form, R>>;

namespace detail {
/// Whether no gradient but those of q, k and v is wanted.
template <class G, class... Need>
bool wants_rows_alone(const G& g, list<Need...>) {
  return ((is_one_of<typename Need::tag, stream::q, stream::k, stream::v> || g.template of<Need>().data == nullptr) && ...);
}
}  // namespace detail

namespace device {

/// A part for each worker, and one for sums over items.
template <class Executor, class Form, class X, class DY, class G>
std::size_t bytes(const device::cpu<Executor>& on, Form f, const backward_pass<X, DY, G>& pass) {
  using M = typename X::mixer_type;
  using R = backward_real<M, Form, typename X::real>;
  const std::size_t each = coefdyn::cpu::backward_bytes_per_worker<M, R, X>(f, pass.e, pass.longest);
  return coefdyn::cpu::constant_bytes<M, R, X>(pass.e) + static_cast<std::size_t>(on.executor.workers()) * each + alignment_slack;
}
/// Groups of heads in any order, by the executor; sums in a fixed one.
template <class Executor, class Form, class X, class DY, class G>
void launch(const device::cpu<Executor>& on, Form f, const backward_pass<X, DY, G>& pass, workspace ws) {
  using M = typename X::mixer_type;
  std::byte* const memory = coefdyn::detail::aligned_to_line(ws.data());
  const auto at_once = coefdyn::detail::groups_at_once<typename X::needs>(pass.g);
  if constexpr (angles_by_differences<M, Form>)
    if (coefdyn::detail::wants_rows_alone(pass.g, typename X::needs{}))
      return coefdyn::cpu::launch_backward<M, form_real<Form, typename X::real>>(on.executor, f, pass, memory, at_once);
  coefdyn::cpu::launch_backward<M, backward_real<M, Form, typename X::real>>(on.executor, f, pass, memory, at_once);
}

}  // namespace device
}  // namespace coefdyn
