// SPDX-License-Identifier: MIT
#pragma once
#include "../backward.hpp"
#include "launch_backward.cuh"
#include "run.cuh"

/// The calls of backward.hpp on a GPU.
///
/// ```cuda statements with device
/// backward(device::cuda{stream}, form::chunkwise{}, x, dy, g, carry<M>{}, state_gradients<M>{}, memory);  // queued, nothing allocated
/// backward(device::cuda{stream}, form::chunkwise{}, x, dy, g);                                            // allocates on the stream
/// ```
namespace coefdyn {

namespace device {

/// `kept`: filled by the forward call on the same inputs, whose y is still there; null: all is made again.
template <class Form, class X, class DY, class G>
std::size_t bytes(const device::cuda& on, Form f, const backward_pass<X, DY, G>& pass, const coefdyn::cuda::kept_forward* kept = nullptr) {
  return std::size_t(coefdyn::cuda::backward_call<Form, X, DY, G>{on, f, pass, kept}.bytes());
}
/// Work is queued on the stream.
template <class Form, class X, class DY, class G>
void launch(const device::cuda& on, Form f, const backward_pass<X, DY, G>& pass, workspace ws,
            const coefdyn::cuda::kept_forward* kept = nullptr) {
  coefdyn::cuda::expect_aligned(ws);
  coefdyn::cuda::backward_call<Form, X, DY, G>{on, f, pass, kept}.run(ws.data());
}

}  // namespace device

/// Bytes of device memory that `backward` needs in its workspace, where dy and the gradients of q, k and v are all there, have
/// 16-byte aligned rows and are not added to; the query below is for any call. `kept`: what `run` has filled, or null.
template <class Form, class X>
std::size_t backward_workspace_bytes(const device::cuda& on, Form form_, const X& x, const cuda::kept_forward* kept) {
  theorem<Form, typename X::mixer_type>();
  if constexpr (form_exists<Form, typename X::mixer_type>)
    return detail::with_backward_pass(on, form_, x, detail::cotangent_view<X>{}, detail::gradients_of<X>{}, {}, {}, true,
                                      [&](auto f, const auto& pass) { return bytes(on, f, pass, kept); });
  else return 0;
}
/// The same for one call.
template <class Form, class X, class DY, class G>
std::size_t backward_workspace_bytes(const device::cuda& on, Form form_, const X& x, const view<DY, 4>& dy, const G& g,
                                     const detail::carried_of<X>& c, const detail::carried_gradients_of<X>& s,
                                     const cuda::kept_forward* kept) {
  theorem<Form, typename X::mixer_type>();
  if constexpr (form_exists<Form, typename X::mixer_type>)
    return detail::with_backward_pass(on, form_, x, dy, g, c, s, false, [&](auto f, const auto& pass) { return bytes(on, f, pass, kept); });
  else return 0;
}
/// `backward` with what the forward call on the same inputs, whose y is still there, has kept.
template <class Form, class X, class DY, class G>
void backward(const device::cuda& on, Form form_, const X& x, const view<DY, 4>& dy, const G& g, const detail::carried_of<X>& c,
              const detail::carried_gradients_of<X>& s, workspace ws, const cuda::kept_forward* kept) {
  detail::backward_with<false>(on, form_, x, dy, g, c, s, ws, kept);
}

}  // namespace coefdyn
