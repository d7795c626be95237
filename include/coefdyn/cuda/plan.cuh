// SPDX-License-Identifier: MIT
#pragma once
#include <concepts>
#include <string>

#include "hopper/hopper.cuh"

/// What a kernel in front of the generic engine, and the engine itself, is to the calls. A new one is a file with its plan, and a line in
/// `fast_plans` (launch.cuh).
namespace coefdyn::cuda {

/// What a forward call leaves for the backward call beside its y, which has to stay as it is: the states that enter segments, or
/// the sums of rows. `run` fills it where it is given; `backward` makes again what it does not find.
struct kept_forward {
  workspace memory;  // kept_bytes(device, form, x) of device memory
  tensor y;          // set by run
  bool filled = false;
};

/// A plan is made of a call, and says whether its kernels serve it, in how many bytes, and launches them.
template <class P, class Form, class X, class Y, class Carry>
concept plan = std::constructible_from<P, Form, const X&, const extents&, idx> &&
               requires(const P& p, const X& x, const Y& y, const Carry& c, cudaStream_t stream, std::byte* memory) {
                 { P::exists } -> std::convertible_to<bool>;  // whether the types admit it; the rest is asked of one that exists
                 { p.fits() } -> std::same_as<bool>;          // sizes, inputs and device
                 { p.takes(y, c) } -> std::same_as<bool>;     // outputs and states
                 { p.bytes() } -> std::same_as<idx>;          // of workspace
                 { p.kept_bytes() } -> std::same_as<idx>;     // that it leaves for backward in `kept`, where that is given
                 { p.name() } -> std::same_as<std::string>;
                 p.run(stream, x, y, c, memory, memory);  // workspace, kept or null
               };
/// One whose kernels have a backward pass: `Plan::gives_gradients`. Call: generic::backward_call. `gradients_fit()`, where there is one:
/// whether the backward pass, too, serves the sizes.
template <class P, class Form, class X, class Call>
concept gradient_plan = std::constructible_from<P, Form, const X&, const extents&, idx> &&
                        requires(const P& p, const X& x, const Call& call, cudaStream_t stream, std::byte* memory, tensor y, bool is) {
                          { P::gives_gradients } -> std::convertible_to<bool>;
                          { p.fits() } -> std::same_as<bool>;
                          { p.takes_gradients(call, is) } -> std::same_as<bool>;  // is: a gradient adds several items into one element
                          { p.backward_bytes(is) } -> std::same_as<idx>;          // is: what the forward call kept is there
                          p.run_backward(stream, x, call, memory, memory, y);     // workspace, kept or null, kept y
                        };

}  // namespace coefdyn::cuda
