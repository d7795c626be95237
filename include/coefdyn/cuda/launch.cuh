// SPDX-License-Identifier: MIT
#pragma once
#include "../call.hpp"
#include "engine/chunkwise.cuh"
#include "engine/definition.cuh"
#include "engine/parallel.cuh"
#include "hopper/channel_plan.cuh"
#include "hopper/delta_plan.cuh"
#include "hopper/flash_plan.cuh"
#include "hopper/sweep_plan.cuh"
#include "plan.cuh"
#include "small/scan.cuh"
#include "small/step.cuh"
#include "tables.cuh"

/// Which kernels run a form: the first plan in the form's list that the mixer's type admits and that serves the sizes, the inputs and the
/// device; the last, of the generic engine, serves all.
namespace coefdyn::cuda {

/// The generic engine's plan of each form.
template <class M, class R, class X>
struct engine {
  static generic::definition_plan<M, R, X> serves(form::definition);
  static generic::recurrent_plan<M, R, X> serves(form::recurrent);
  static generic::recurrent_plan<M, R, X> serves(form::step);
  static generic::chunkwise_plan<M, R, X> serves(form::chunkwise);
  static generic::parallel_plan<M, R, X> serves(form::parallel);
};
/// The plans that are tried before it, in order.
template <class M, class R, class X>
struct fast_plans {
  static list<> before(form::definition);
  static list<> before(form::recurrent);
  static list<small::scan_plan<M, R, X>, small::step_plan<M, R, X>> before(form::step);
  static list<sweep_plan<M, R, X>, delta_plan<M, R, X>, channel_plan<M, R, X>, small::scan_plan<M, R, X>, small::walk_plan<M, R, X>> before(
      form::chunkwise);
  static list<flash_plan<M, R, X>> before(form::parallel);
};
template <class X, class Form>
using fast_plans_for = decltype(fast_plans<typename X::mixer_type, typename X::real, X>::before(Form{}));
template <class X, class Form>
using engine_plan_for = decltype(engine<typename X::mixer_type, typename X::real, X>::serves(Form{}));

/// f(the first plan that exists, fits and is accepted by `takes`); the last is accepted unasked.
template <class Plan, class... Rest, class Form, class X, class Takes, class F>
decltype(auto) first_plan(list<Plan, Rest...>, Form form_, const X& x, const call_size& size, const Takes& takes, const F& f) {
  if constexpr (sizeof...(Rest) == 0) {
    return f(Plan(form_, x, size.e, size.longest));
  } else {
    if constexpr (Takes::template admits<Plan>) {
      const Plan plan(form_, x, size.e, size.longest);
      if (plan.fits() && takes(plan)) return f(plan);
    }
    return first_plan(list<Rest...>{}, form_, x, size, takes, f);
  }
}

/// One forward call: which plan serves it, its bytes, its launches.
template <class Form, class X, class Y>
struct forward_call {
  using Types = typename X::types_type;
  using Carry = generic::carry_view<typename X::mixer_type, Types>;
  const device::cuda& on;
  Form form_;
  const forward_pass<X, Y>& pass;

  idx bytes() const {
    return tables(nullptr).bytes + choose([](const auto& plan) { return plan.bytes(); });
  }
  idx kept_bytes() const {
    return choose([](const auto& plan) { return plan.kept_bytes(); });
  }
  std::string name() const {
    return choose([](const auto& plan) { return plan.name(); });
  }
  void run(std::byte* ws, kept_forward* kept) const {
    const auto there = tables(ws);
    choose([&](const auto& plan) {
      const idx wanted = plan.kept_bytes();
      const bool keeps = kept && wanted > 0;
      if (keeps && idx(kept->memory.size()) < wanted)
        COEFDYN_THROW invalid_input("kept", std::to_string(wanted) + " bytes of device memory (kept_bytes)",
                                    std::to_string(kept->memory.size()));
      plan.run(on.stream, there.x, pass.y, there.c, ws + there.bytes, keeps ? kept->memory.data() : nullptr);
      if (kept) kept->filled = keeps, kept->y = hopper::raw(pass.y);
    });
  }

 private:
  struct takes_outputs {
    const Y& y;
    Carry c;
    template <class Plan>
    static constexpr bool admits = Plan::exists;
    template <plan<Form, X, Y, Carry> Plan>
    bool operator()(const Plan& p) const {
      return p.takes(y, c);
    }
  };
  template <class F>
  decltype(auto) choose(F f) const {
    static_assert(plan<engine_plan_for<X, Form>, Form, X, Y, Carry>);
    using plans = concatenated<fast_plans_for<X, Form>, list<engine_plan_for<X, Form>>>;
    return first_plan(plans{}, form_, pass.x, pass, takes_outputs{pass.y, generic::view_of(pass.c)}, f);
  }
  generic::placed_tables<X> tables(std::byte* ws) const { return {on, pass.x, pass.c, ws}; }
};

}  // namespace coefdyn::cuda
