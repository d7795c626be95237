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
/// Real number of a backward pass.
template <class M, class Form, class R>
using backward_real = std::conditional_t<gradients_by_differences<M, Form>, cpu::double_of<R>, form_real<Form, R>>;

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
  coefdyn::cpu::launch_backward<M, backward_real<M, Form, typename X::real>>(
      on.executor, f, pass, coefdyn::detail::aligned_to_line(ws.data()), coefdyn::detail::repeats(pass.g, typename X::needs{}));
}

}  // namespace device
}  // namespace coefdyn
