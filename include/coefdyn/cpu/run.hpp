// SPDX-License-Identifier: MIT
#pragma once
#include "../run.hpp"
#include "device.hpp"
#include "launch.hpp"

/// The calls of run.hpp on the host.
///
/// ```cpp statements with call
/// run(device::cpu{}, form::automatic{}, x, y);                // OpenMP's threads, where the program is compiled with it
/// run(device::cpu{openmp{2}}, form::automatic{}, x, y);       // two of them
/// run(device::cpu{serial{}}, form::automatic{}, x, y);        // this one; an executor of yours goes in its place
/// ```
namespace coefdyn {

/// What a form computes in: its tokens' real number, and double for float tokens in the definition, which has to be the truth.
template <class Form, class R>
using form_real = std::conditional_t<std::is_same_v<Form, form::definition>, cpu::double_of<R>, R>;

namespace detail {
template <class Executor>
void check_executor(const Executor& over) {
  if constexpr (std::is_same_v<Executor, openmp>)
    if (over.limit < 0) refuse({"openmp limit"}, {"a number of threads, or 0 for all"}, {over.limit});
  if (over.workers() < 1) refuse({"executor"}, {"at least one worker"}, {over.workers()});
}
}  // namespace detail

namespace device {

/// Checks the executor and the tokens.
template <class Executor, class X>
call_size size_of(const device::cpu<Executor>& on, const X& x) {
  coefdyn::detail::check_executor(on.executor);
  const extents e = check(x);
  return {e, longest_sequence(x, e)};
}
/// The form itself; automatic by the cost tables of tuning.hpp, step as the recurrence or a read of the cache.
template <class Executor, class Form, class Pass>
auto chosen(const device::cpu<Executor>&, Form form_, [[maybe_unused]] const Pass& pass) {
  using M = typename std::remove_cvref_t<decltype(pass.x)>::mixer_type;
  using step = step_form<M, form::recurrent>;
  if constexpr (std::is_same_v<Form, form::automatic> && form_exists<form::chunkwise, M>) {
    using any = form::one_of<step, form::chunkwise>;
    constexpr bool backward = requires { pass.dy; };
    return coefdyn::cpu::chosen<M>(pass.longest, pass.e.n, pass.e.d, backward) == coefdyn::cpu::chosen_form::chunkwise
               ? any(form::chunkwise{})
               : any(step{});
  } else if constexpr (is_one_of<Form, form::automatic, form::step>) {
    return step{};
  } else if constexpr (std::is_same_v<Form, form::convolution>) {
    static_assert(sizeof(M) == 0,
                  "coefdyn: form::convolution is in a header of its own, since it takes Fourier transforms from a library: include "
                  "<coefdyn/cpu/convolution.hpp> and link coefdyn::convolution, or have Eigen's headers.");
    return step{};
  } else {
    return form_;
  }
}
/// A workspace may begin at any byte; the arrays in it begin on a cache line, up to 63 bytes later.
inline constexpr std::size_t alignment_slack = 64;
/// A part for each worker.
template <class Executor, class Form, class X, class Y>
std::size_t bytes(const device::cpu<Executor>& on, Form f, const forward_pass<X, Y>& pass) {
  using memory = coefdyn::cpu::worker_memory<typename X::mixer_type, form_real<Form, typename X::real>, X, Form>;
  return static_cast<std::size_t>(on.executor.workers()) * memory::bytes(f, pass.e, pass.longest) + alignment_slack;
}
/// Heads in any order, by the executor.
template <class Executor, class Form, class X, class Y>
void launch(const device::cpu<Executor>& on, Form f, const forward_pass<X, Y>& pass, workspace ws) {
  coefdyn::cpu::launch<typename X::mixer_type, form_real<Form, typename X::real>>(on.executor, f, pass,
                                                                                  coefdyn::detail::aligned_to_line(ws.data()));
}

}  // namespace device
}  // namespace coefdyn
