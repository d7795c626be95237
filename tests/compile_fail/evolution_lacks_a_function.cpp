// SPDX-License-Identifier: MIT
// expects: coefdyn: the evolution (second policy) lacks `log_decay(at, c)`, which its structure's decay = decaying::channel names
// expects: coefdyn: the evolution (second policy) lacks `angle(at, c)`, which its structure's turns name
// expects: coefdyn: the evolution (second policy) lacks `strength(at)`, which its structure's rank-one correction names
// expects: coefdyn: the evolution (second policy) lacks `row(at, c)`, which its structure's rank-one correction names
// expects: coefdyn: the evolution (second policy) lacks `column(at, c)`, which its structure's correction = rank_one::free names
// expects: coefdyn: the evolution (second policy) lacks `bonus(at, c)`, which its structure's order = reads::before_write names
// expects: coefdyn: the evolution (second policy) needs `static constexpr structure_of structure` and the functions that it names, or apply
// expects: coefdyn: the evolution (second policy) lacks `log_decay(at)`, which its structure's decay = decaying::scalar names
#include <coefdyn/cpu/run.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/one.hpp>

using namespace coefdyn;
#ifndef COEFDYN_MUST_FAIL
#define COEFDYN_MUST_FAIL 0
#endif
struct everything {
  using streams = list<per_channel<stream::log_decay>, need<stream::theta, ticks::token, width::pairs>, per_write<stream::beta>,
                       per_write_channel<stream::z>, fixed_per_channel<stream::u>>;
#if COEFDYN_MUST_FAIL != 7
  static constexpr structure_of structure{.decay = COEFDYN_MUST_FAIL == 8 ? decaying::scalar : decaying::channel,
                                          .correction = COEFDYN_MUST_FAIL == 2 ? rank_one::none : rank_one::free,
                                          .order = COEFDYN_MUST_FAIL == 6 ? reads::before_write : reads::after_write,
                                          .turns = COEFDYN_MUST_FAIL == 2 ? turning::half_pairs : turning::none};
#endif
#if COEFDYN_MUST_FAIL != 1
  template <class At>
  static auto log_decay(const At& at, int c) {
    return at.log_decay[c];
  }
#endif
#if COEFDYN_MUST_FAIL != 3
  template <class At>
  static auto strength(const At& at) {
    return -at.beta;
  }
#endif
#if COEFDYN_MUST_FAIL != 4
  template <class At>
  static auto row(const At& at, int c) {
    return at.z[c];
  }
#endif
#if COEFDYN_MUST_FAIL != 5
  template <class At>
  static auto column(const At& at, int c) {
    return at.z[c];
  }
#endif
};
using M = mixer<readout::linear, everything, scaling::one, normalization::one>;
void call(const tokens<M>& x, const view<float, 4>& y) { run(device::cpu{}, form::recurrent{}, x, y); }
