// SPDX-License-Identifier: MIT
#pragma once
#include <string>

#include "names.hpp"
#include "run.hpp"

namespace coefdyn {

/// What `run` does for these tokens, in words: "chunkwise, avx512, 8 threads". Where machine or program could do better, the
/// sentence goes on with what is missing: vector targets that the program was built without, or OpenMP.
///
///   chosen_kernel(device::cpu{}, form::automatic{}, x)
///
/// error   invalid_input, as run
template <class Executor, class Form, class X>
std::string chosen_kernel(const device::cpu<Executor>& on, Form form_, const X& x) {
  using M = typename X::mixer_type;
  using R = typename X::real;
  theorem<Form, M>();
  const extents e = check(x);
  std::string text = detail::with_form<M>(form_, e, cpu::longest_sequence(x, e), [](auto f) { return name_of<decltype(f)>(); });
  const cpu::target here = cpu::products<R>::best().where();
  const int workers = on.executor.workers();
  text += ", " + std::string(cpu::name_of(here)) + ", " + std::to_string(workers) + (workers == 1 ? " thread" : " threads");
  if constexpr (std::is_same_v<R, float> || std::is_same_v<R, double>)
    if (here != cpu::best_target())
      text += "; the machine has " + std::string(cpu::name_of(cpu::best_target())) +
              ": link coefdyn::coefdyn, or include <coefdyn/cpu/targets.hpp> in one file of the program";
#if !defined(_OPENMP)
  if constexpr (std::is_same_v<Executor, openmp>) text += "; for more threads compile with OpenMP (-fopenmp)";
#endif
  return text;
}

}  // namespace coefdyn
