// SPDX-License-Identifier: MIT
#pragma once
#include <new>

#include "../core/device.hpp"
#include "chunkwise.hpp"
#include "definition.hpp"
#include "parallel.hpp"
#include "recurrent.hpp"
#include "state_rows.hpp"
#include "tuning.hpp"

/// One launch(device, form, ...) for each form: which head kernel, with what workspace.
namespace coefdyn::cpu {

template <class X>
idx longest_sequence(const X& x, const extents& e) {
  idx longest = 0;
  for (idx i = 0; i < e.sequences; ++i) {
    const sequence s = sequence_at(x, e, i);
    longest = s.end - s.begin > longest ? s.end - s.begin : longest;
  }
  return longest;
}

/// Lays out one worker's head kernel; over an empty arena it only counts bytes.
template <class M, class R, class X>
struct layouts {
  using T = traits<M>;
  static definition_head<M, R, X> lay(form::definition, arena& a, const extents& e, idx longest) { return {a, e, longest}; }
  static recurrent_head<M, R, X> lay(form::recurrent, arena& a, const extents& e, idx longest)
    requires(!T::structured)
  {
    return {a, e, longest};
  }
  static state_rows_head<M, R, X> lay(form::recurrent, arena& a, const extents& e, idx longest)
    requires(T::structured)
  {
    const idx length = tuning_for<M, R>(e.n, e.d).window;
    return {a, e, int(length < longest ? length : longest > 0 ? longest : 1)};
  }
  static parallel_head<M, R, X> lay(form::parallel, arena& a, const extents& e, idx longest) {
    return {a, e, longest, tuning_for<M, R>(e.n, e.d).tile};
  }
  static chunkwise_head<M, R, X> lay(form::chunkwise f, arena& a, const extents& e, idx longest) {
    const idx length = f.length > 0 ? f.length : tuning_for<M, R>(e.n, e.d).chunk;
    return {a, e, int(length < longest ? length : longest > 0 ? longest : 1)};
  }
};
template <class M, class R, class X, class Form>
std::size_t bytes_per_worker(Form f, const X& x, const extents& e) {
  arena a;
  (void)layouts<M, R, X>::lay(f, a, e, longest_sequence(x, e));
  return (a.used + 63) / 64 * 64;
}

template <class M, class R, class X, class Form, class Executor, class Y, class Types>
void launch(const device::cpu<Executor>& on, Form f, const X& x, const extents& e, const Y& y, const carried<M, Types>& c, workspace ws) {
  const std::size_t per_worker = bytes_per_worker<M, R, X>(f, x, e);
  const idx longest = longest_sequence(x, e);
  on.executor(groups(e), [&](idx group, int worker) {
    arena a{ws.data() + per_worker * static_cast<std::size_t>(worker), per_worker, 0};
    auto kernel = layouts<M, R, X>::lay(f, a, e, longest);
    for (int member = 0; member < states_per_group(e); ++member) {
      const head hd = head_of_group(x, e, group, member);
      if constexpr (std::is_same_v<Form, form::definition>) definition_forward<M, R>(x, e, hd, y, c, kernel);
      else if constexpr (std::is_same_v<Form, form::recurrent> && traits<M>::structured) state_rows_forward<M, R>(x, e, hd, y, c, kernel);
      else if constexpr (std::is_same_v<Form, form::recurrent>) recurrent_forward<M, R>(x, e, hd, y, c, kernel);
      else if constexpr (std::is_same_v<Form, form::parallel>) parallel_forward<M, R>(x, e, hd, y, c, kernel);
      else chunkwise_forward<M, R>(x, e, hd, y, c, kernel);
    }
  });
  store_positions(x, e, c);
}

}  // namespace coefdyn::cpu
