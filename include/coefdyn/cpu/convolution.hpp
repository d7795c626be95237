// SPDX-License-Identifier: MIT
#pragma once
#include "backward.hpp"
#include "forms/convolution_backward.hpp"

/// form::convolution on the host.
///
/// ```cpp
/// #include <coefdyn/coefdyn.hpp>
/// #include <coefdyn/cpu/convolution.hpp>
///
/// using namespace coefdyn;
///
/// void long_sequence(const tokens<mixers::s4d, float, heads::grouped_queries, field::complex>& x, const view<float, 4>& y) {
///   run(device::cpu{}, form::convolution{}, x, y);  // x.q and x.k: views with a stride of 0 along time
/// }
/// ```
///
/// Cost: T log T a value column, whatever n is, and for the kernel of a head n T, or n^2 (n log T + sqrt T) where A is not diagonal. It
/// carries no state. Heads run on the executor's workers; sequences of a head share its kernel where q and k have a stride of 0 along the
/// batch too. Sequences that are packed into one row are transformed in the length of the longest.
///
/// error   invalid_input, before anything is written, for a q or k that differs between tokens, a gradient of theirs that is not one row
///         for all tokens, and states
/// source  Gu et al., arXiv:2111.00396 and 2206.11893
namespace coefdyn {

namespace detail {
/// Refuses a stride along an axis of more than one element that is not 0.
[[gnu::noinline]] inline void expect_one_row(const char* prefix, const char* name, const any_view& v, int axis) {
  if (v.data && v.extents[axis] > 1 && v.strides[axis] != 0)
    refuse({prefix, name},
           {"one row for all ", axis == 0 ? "batch rows, as the input has it," : "tokens", " in form::convolution (stride 0 along axis ",
            idx(axis), ")"},
           {"stride ", v.strides[axis]});
}
/// What a convolution asks of x and of what a call carries, beyond the other forms.
template <class X, class Types>
void check_convolution(const X& x, const carried<typename X::mixer_type, Types>& c) {
  static_assert(is_one_of<typename X::real, float, double>,
                "coefdyn: form::convolution computes in float or double; for dual numbers use form::recurrent or form::definition.");
  expect_one_row("", "q", x.q, 1), expect_one_row("", "k", x.k, 1);
  if (any_state(c.initial).given() || any_state(c.final).given() || any_state(c.captured).given() || !c.positions.empty())
    refuse({"carry"}, {"no state in form::convolution; form::recurrent and form::chunkwise carry one"}, {"a state"});
}
template <class X, class G, class Types>
void check_convolution_gradients(const X& x, const G& g, const carried_gradients<typename X::mixer_type, Types>& s) {
  expect_one_row("gradient of ", "q", g.q, 1), expect_one_row("gradient of ", "k", g.k, 1);
  if (cpu::shares_kernel(x)) expect_one_row("gradient of ", "q", g.q, 0), expect_one_row("gradient of ", "k", g.k, 0);
  if (any_state(s.final).given() || any_state(s.initial).given())
    refuse({"carry"}, {"no gradient of a state in form::convolution; form::recurrent and form::chunkwise carry one"}, {"a state"});
}
}  // namespace detail

namespace device {

/// Itself, where q and k are time-invariant and no state is asked for.
template <class Executor, class X, class Y>
form::convolution chosen(const device::cpu<Executor>&, form::convolution f, const forward_pass<X, Y>& pass) {
  coefdyn::detail::check_convolution(pass.x, pass.c);
  return f;
}
/// The same, and where the gradients of q and k are one row each.
template <class Executor, class X, class DY, class G>
form::convolution chosen(const device::cpu<Executor>&, form::convolution f, const backward_pass<X, DY, G>& pass) {
  coefdyn::detail::check_convolution(pass.x, pass.c);
  coefdyn::detail::check_convolution_gradients(pass.x, pass.g, pass.s);
  return f;
}
/// A part for each worker.
template <class Executor, class X, class Y>
std::size_t bytes(const device::cpu<Executor>& on, form::convolution, const forward_pass<X, Y>& pass) {
  arena a;
  (void)coefdyn::cpu::convolution_head<typename X::mixer_type, double, X>(a, pass.e, pass.longest);
  return static_cast<std::size_t>(on.executor.workers()) * coefdyn::cpu::whole_lines(a.used) + alignment_slack;
}
/// Heads in any order, by the executor.
template <class Executor, class X, class Y>
void launch(const device::cpu<Executor>& on, form::convolution, const forward_pass<X, Y>& pass, workspace ws) {
  if (pass.longest == 0) return;
  const std::size_t each = (ws.size() - alignment_slack) / static_cast<std::size_t>(on.executor.workers()) / 64 * 64;
  std::byte* const base = coefdyn::detail::aligned_to_line(ws.data());
  on.executor(coefdyn::cpu::convolution_items(pass.x, pass.e), [&](idx item, int worker) {
    arena a{base + each * static_cast<std::size_t>(worker), each, 0};
    coefdyn::cpu::convolution_head<typename X::mixer_type, double, X> w(a, pass.e, pass.longest);
    coefdyn::cpu::convolution_forward<typename X::mixer_type, double>(pass.x, pass.e, item, pass.y, w);
  });
}
/// A part for each worker, and one for sums over heads.
template <class Executor, class X, class DY, class G>
std::size_t bytes(const device::cpu<Executor>& on, form::convolution, const backward_pass<X, DY, G>& pass) {
  arena a;
  (void)coefdyn::cpu::convolution_backward_head<typename X::mixer_type, double, X>(a, pass.e, pass.longest);
  return coefdyn::cpu::constant_bytes<typename X::mixer_type, double, X>(coefdyn::cpu::kernels_apart(pass.x, pass.e)) +
         static_cast<std::size_t>(on.executor.workers()) * coefdyn::cpu::whole_lines(a.used) + alignment_slack;
}
/// Groups of heads in any order, by the executor; sums in a fixed one.
template <class Executor, class X, class DY, class G>
void launch(const device::cpu<Executor>& on, form::convolution, const backward_pass<X, DY, G>& pass, workspace ws) {
  using M = typename X::mixer_type;
  const extents kernels = coefdyn::cpu::kernels_apart(pass.x, pass.e);
  coefdyn::cpu::clear_gradients<X>(pass.g, false, typename X::needs{});
  if (pass.longest == 0) return;
  std::byte* const base = coefdyn::detail::aligned_to_line(ws.data());
  const std::size_t shared = coefdyn::cpu::constant_bytes<M, double, X>(kernels);
  arena all{base, shared, 0};
  coefdyn::cpu::constant_slots<M, double, X> slots(all, kernels);
  const std::size_t each = (ws.size() - alignment_slack - shared) / static_cast<std::size_t>(on.executor.workers()) / 64 * 64;
  const auto item = [&](idx i, int worker) {
    arena a{base + shared + each * static_cast<std::size_t>(worker), each, 0};
    coefdyn::cpu::convolution_backward_head<M, double, X> w(a, pass.e, pass.longest);
    coefdyn::cpu::convolution_backward<M, double>(pass.x, pass.e, i, pass.dy, pass.g, slots, w);
  };
  const bool in_order = coefdyn::cpu::shares_kernel(pass.x) ? coefdyn::detail::repeats_over_heads(pass.g, typename X::needs{})
                                                            : coefdyn::detail::repeats(pass.g, typename X::needs{});
  if (in_order) serial{}(coefdyn::cpu::convolution_items(pass.x, pass.e), item);
  else on.executor(coefdyn::cpu::convolution_items(pass.x, pass.e), item);
  slots.add_all(pass.x, kernels, pass.g);
}

}  // namespace device
}  // namespace coefdyn
