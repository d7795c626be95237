// SPDX-License-Identifier: MIT
#pragma once
#include "../chosen.hpp"
#include "../names.hpp"
#include "run.hpp"

namespace coefdyn::device {

/// Form, vector target and threads. Where machine or program could do better, the sentence goes on with what is missing: vector targets
/// that the program was built without, or OpenMP.
template <class Executor, class Form, class Pass>
std::string kernel_name(const device::cpu<Executor>& on, Form, const Pass& pass) {
  using R = typename std::remove_cvref_t<decltype(pass.x)>::real;
  const coefdyn::cpu::target here = coefdyn::cpu::products<R>::best().where();
  const int workers = on.executor.workers();
  std::string text = name_of<Form>();
  text += ", " + std::string(coefdyn::cpu::name_of(here)) + ", " + std::to_string(workers) + (workers == 1 ? " thread" : " threads");
  if constexpr (std::is_same_v<R, float> || std::is_same_v<R, double>)
    if (here != coefdyn::cpu::best_target())
      text += "; the machine has " + std::string(coefdyn::cpu::name_of(coefdyn::cpu::best_target())) +
              ": link coefdyn::coefdyn, or include <coefdyn/cpu/targets.hpp> in one file of the program";
#if !defined(_OPENMP)
  if constexpr (std::is_same_v<Executor, openmp>) text += "; for more threads compile with OpenMP (-fopenmp)";
#endif
  return text;
}

}  // namespace coefdyn::device
