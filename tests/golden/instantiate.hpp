// SPDX-License-Identifier: MIT
#pragma once
#include "coefdyn/cpu/run.hpp"
#include "coefdyn/evolution/identity.hpp"
#include "coefdyn/normalization/one.hpp"
#include "coefdyn/readout/linear.hpp"
#include "coefdyn/scaling/one.hpp"
#if __has_include("coefdyn/cpu/backward.hpp") && !defined(GOLDEN_FORWARD_ONLY)
#include "coefdyn/cpu/backward.hpp"
#define GOLDEN_BACKWARD 1
#endif
#ifdef __CUDACC__
#include "coefdyn/cuda/backward.cuh"
#include "gpu_call.cuh"
#undef GOLDEN_ETA
#undef GOLDEN_SPECTRUM
#endif
#ifdef GOLDEN_SPECTRUM
#include "coefdyn/spectrum/as_published.hpp"
#include "coefdyn/spectrum/eigenvalues.hpp"
#endif
#include "unit.hpp"

/// What a generated unit instantiates: every form of one mixer in double and float, behind the plain table of unit.hpp. The unit
/// defines GOLDEN_ETA and GOLDEN_SPECTRUM where a case has those outputs; GOLDEN_FORWARD_ONLY leaves out the gradients. Compiled
/// by nvcc the same unit runs on the GPU, in float, and has forms and gradients alone.
namespace golden {

using namespace coefdyn;

/// Calls f(device, call) with the call's arrays where the device has them.
#ifdef __CUDACC__
inline constexpr bool on_gpu = true;
template <class F>
void on_device(const call& host, F f) {
  gpu_call moved(host);
  f(device::cuda{}, moved.c);
  moved.copy_back();
}
#else
inline constexpr bool on_gpu = false;
template <class F>
void on_device(const call& host, F f) {
  f(device::cpu{serial{}}, host);
}
#endif

template <class T, int Rank>
view<T, Rank> view_of(const array& a) {
  view<T, Rank> v;
  v.data = static_cast<T*>(a.data);
  for (int i = 0; i < Rank; ++i) v.extents[i] = a.extents[i], v.strides[i] = a.strides[i];
  return v;
}
inline const array* find(std::span<const named_array> all, std::string_view name) {
  for (const named_array& a : all)
    if (name == a.name) return &a.values;
  return nullptr;
}
template <class Need, class V>
void bind(V& bound, std::span<const named_array> all) {
  const array* a = find(all, Need::tag::name);
  if (!a) return;
  if (a->rank != Need::rank) throw invalid_input(Need::tag::name, "rank " + std::to_string(Need::rank), "rank " + std::to_string(a->rank));
  bound = view_of<std::remove_pointer_t<decltype(bound.data)>, Need::rank>(*a);
}
/// Binds every stream, of inputs or of gradients, by its name.
template <class Streams, class... Need>
void bind_all(Streams& x, std::span<const named_array> all, list<Need...>) {
  const auto member = [&]<class N>(list<N>) -> auto& {
    return const_cast<std::remove_cvref_t<decltype(x.template of<N>())>&>(x.template of<N>());
  };
  (bind<Need>(member(list<Need>{}), all), ...);
}
template <class M, class R, field Over>
auto tokens_of(const call& c) {
  tokens<M, R, heads::grouped_queries, Over> x;
  bind_all(x, c.inputs, needs_of<M, Over>{});
  if (c.narrow_offsets) x.cu_seqlens = std::span<const std::int32_t>(c.narrow_offsets, static_cast<std::size_t>(c.offsets));
  if (c.wide_offsets) x.cu_seqlens = std::span<const std::int64_t>(c.wide_offsets, static_cast<std::size_t>(c.offsets));
  x.first_read = c.first_read;
  return x;
}
template <class M, class R, class State>
State state_of(const state_arrays& s) {
  using E = std::remove_pointer_t<decltype(State{}.S.data)>;
  using G = std::remove_pointer_t<decltype(State{}.m.data)>;
  using P = std::remove_pointer_t<decltype(State{}.position.data)>;
  State out;
  out.S = view_of<E, 4>(s.S), out.z = view_of<E, 3>(s.z), out.m = view_of<G, 2>(s.m), out.position = view_of<P, 1>(s.position);
  return out;
}
template <class M, class R>
carry<M, R> carry_of(const call& c) {
  carry<M, R> k;
  k.initial = state_of<M, R, const_state<M, R>>(c.initial);
  k.final = state_of<M, R, mutable_state<M, R>>(c.final);
  return k;
}

/// Calls f with the form of an id, where the mixer has it.
template <class M, class F>
void with_form_id(form_id id, int chunk, F f) {
  const auto if_exists = [&]<class Form>(Form form_) {
    if constexpr (form_exists<Form, M>) f(form_);
    else throw std::runtime_error("this form does not exist for the combination");
  };
  switch (id) {
    case form_id::definition:
      return if_exists(form::definition{});
    case form_id::parallel:
      return if_exists(form::parallel{});
    case form_id::recurrent:
      return if_exists(form::recurrent{});
    case form_id::chunkwise:
      return if_exists(form::chunkwise{chunk});
    case form_id::step:
      return if_exists(form::step{});
    case form_id::automatic:
      return if_exists(form::automatic{});
  }
}
template <class M, class R, field Over>
void run_form(const call& host) {
  on_device(host, [](const auto& on, const call& c) {
    const auto x = tokens_of<M, R, Over>(c);
    with_form_id<M>(c.form, c.chunk, [&](auto form_) { run(on, form_, x, view_of<R, 4>(c.y), carry_of<M, R>(c)); });
  });
}

#ifdef GOLDEN_ETA
/// A normalization that reads out eta itself: with v = 1 the numerator is the sum, so y = (value / sum) sum.
template <class Eta, bool Logarithm>
struct revealed : Eta {
  static constexpr bool needs_sum = true;
  template <class R, class At>
  static R inverse(R sum, R m, const At& at) {
    const R logarithm = coefdyn::log_eta<Eta>(sum, m, at);
    if constexpr (Logarithm) return logarithm / sum;
    else if constexpr (gives_eta<Eta, At>) return R(Eta::eta(sum * math::exp(m), at)) / sum;
    else return R(eta_sign<Eta>(sum, m, at)) * math::exp(logarithm) / sum;
  }
};
template <class M, class R, field Over, bool Logarithm>
void run_eta(const call& c) {
  using Eta = revealed<typename M::normalization, Logarithm>;
  if constexpr (M::normalization::needs_sum) {
    using revealing = mixer<typename M::readout, typename M::evolution, typename M::scaling, Eta, typename M::feature_map>;
    run(device::cpu{serial{}}, form::definition{}, tokens_of<revealing, R, Over>(c), view_of<R, 4>(c.y), carry_of<revealing, R>(c));
  } else {
    using revealing = mixer<readout::linear, evolution::identity, scaling::one, Eta>;
    run(device::cpu{serial{}}, form::definition{}, tokens_of<revealing, R, field::real>(c), view_of<R, 4>(c.y));
  }
}
#endif

#ifdef GOLDEN_SPECTRUM
/// Eigenvalues and ratios as the library's visitor gives them; NaN where there is no ratio.
template <class M, class R, field Over>
void run_spectrum(const call& c, const spectrum_arrays& out) {
  const auto x = tokens_of<M, R, Over>(c);
  const extents e = extents_of(x);
  spectrum::eigenvalues(x, [&](const spectrum::token_spectrum& s) {
    const idx at = (s.sequence * (e.time - 1) + s.token - 1) * e.readers + s.reader;
    out.ratios[at] = s.has_ratio ? s.ratio : std::numeric_limits<double>::quiet_NaN();
    for (std::size_t i = 0; i < s.values.size(); ++i) out.values[at * e.n + idx(i)] = s.values[i];
  });
  if constexpr (traits<M>::needs_max && Over == field::real)
    for (idx b = 0; b < e.batch; ++b)
      for (int h = 0; h < e.readers; ++h) {
        const auto ratios = spectrum::as_published::softmax_ratios(x, b, h);
        for (idx i = 0; i + 1 < e.time; ++i)
          out.published_ratios[(b * (e.time - 1) + i) * e.readers + h] = ratios[static_cast<std::size_t>(i)];
      }
}
#endif

#ifdef GOLDEN_BACKWARD
template <class M, class R, field Over>
void run_backward(const call& host) {
  on_device(host, [](const auto& on, const call& c) {
    gradients<M, R, heads::grouped_queries, Over> g;
    bind_all(g, c.gradients, needs_of<M, Over>{});
    state_gradients<M, R> s;
    s.final = state_of<M, R, const_state<M, R>>(c.final_gradient);
    s.initial = state_of<M, R, mutable_state<M, R>>(c.initial_gradient);
    const auto x = tokens_of<M, R, Over>(c);
    with_form_id<M>(c.form, c.chunk, [&](auto form_) { backward(on, form_, x, view_of<const R, 4>(c.y), g, carry_of<M, R>(c), s); });
  });
}
#endif

template <class M, field Over, class... Need>
std::span<const stream_fact> facts_of(list<Need...>) {
  static constexpr stream_fact facts[] = {{Need::tag::name, Need::rank, Need::timed, Need::time == ticks::write,
                                           Need::heads == owner::query || Need::heads == owner::reader, Need::over == field::complex}...};
  return facts;
}
template <class M, class R, field Over>
constexpr functions functions_of() {
  functions f;
  if constexpr (!on_gpu || std::is_same_v<R, float>) {
    f.run = run_form<M, R, Over>;
#ifdef GOLDEN_ETA
    f.eta = run_eta<M, R, Over, false>, f.log_eta = run_eta<M, R, Over, true>;
#endif
#ifdef GOLDEN_SPECTRUM
    f.spectrum = run_spectrum<M, R, Over>;
#endif
#ifdef GOLDEN_BACKWARD
    f.backward = run_backward<M, R, Over>;
#endif
  }
  return f;
}
template <class M, field Over>
const unit* unit_of(const char* name) {
  using traits_ = traits<M>;
  static const unit u{name,
                      on_gpu,
                      traits_::linear,
                      traits_::needs_sum,
                      traits_::stabilised,
                      traits_::complex_state,
                      Over == field::complex,
                      traits_::writes,
                      {true, form_exists<form::parallel, M>, form_exists<form::recurrent, M>, form_exists<form::chunkwise, M>, true, true},
                      {true, form_exists<form::parallel, M>, form_exists<form::recurrent, M>, form_exists<form::chunkwise, M>, true, true},
                      facts_of<M, Over>(needs_of<M, Over>{}),
                      functions_of<M, double, Over>(),
                      functions_of<M, float, Over>()};
  return &u;
}

}  // namespace golden
