// SPDX-License-Identifier: MIT
#pragma once
#include <set>

#include "coefdyn/train/adamw.hpp"
#include "coefdyn/train/schedule.hpp"
#include "unit.hpp"
#if defined(__CUDACC__)
#include "coefdyn/nn/cuda/layers.cuh"
#endif

/// What a unit is made of: a layer or a model under the runner's interface. A unit that nvcc compiles runs on the GPU, in float alone.
namespace golden_nn {

using namespace coefdyn;

inline const tensor& find(const tensors& all, const std::string& name) {
  const auto t = all.find(name);
  if (t == all.end()) throw std::runtime_error("the file has no tensor " + name);
  return t->second;
}
/// Every parameter from param.name, of the shape that the file has.
template <class R, class On>
void load(nn::weights<R, On>& there, const tensors& in) {
  nn::weights<R> w(there.parameters());
  std::size_t used = 0;
  w.initialise(1);  // running numbers, which the files do not have
  for (const auto& e : w.parameters()->entries()) {
    if (!e.is_trained()) continue;
    const tensor& t = find(in, "param." + e.name);
    if (t.shape != e.shape)
      throw std::runtime_error(e.name + " has shape " + nn::parameter_list::text(e.shape) + " here, " + nn::parameter_list::text(t.shape) +
                               " in the file");
    const auto to = w(e.name);
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = static_cast<R>(t.values[i]);
    ++used;
  }
  for (const auto& [name, t] : in) used -= name.starts_with("param.");
  if (used != 0) throw std::runtime_error("the file has parameters that the layer does not name");
  there.copy_from(w);
}
template <class R, class On>
void store(tensors& out, const std::string& prefix, const nn::weights<R, On>& there) {
  const nn::weights<R>& w = nn::on_host(there);
  for (const auto& e : w.parameters()->entries()) {
    if (!e.is_trained()) continue;
    const auto from = w(e.name);
    out[prefix + e.name] = {e.shape, {from.begin(), from.end()}};
  }
}
template <class R>
std::vector<R> numbers(const tensor& t) {
  return {t.values.begin(), t.values.end()};
}

/// Numbers of the tape's memory.
template <class R, class On>
std::vector<double> read(const nn::tape<R, On>& t, const R* from, std::size_t count) {
  std::vector<R> host(count);
  t.read(from, idx(count), host.data());
  return {host.begin(), host.end()};
}

/// Whether projections round their factors.
enum class factors { as_they_are, in_bf16 };
template <factors As, class Tape>
void round_factors(Tape& t) {
  if constexpr (As == factors::in_bf16) t.products().bf16_factors = true;
}

template <class L, class R, class On = device::cpu<openmp>, factors As = factors::as_they_are>
tensors run_layer(const layer_call& call) {
  const auto list = std::make_shared<nn::parameter_list>();
  const L layer(nn::scope(*list), call.size);
  nn::weights<R, On> w(list), dw(list);
  load(w, *call.in);
  const tensor &u = find(*call.in, "u"), &d = find(*call.in, "grad_o");
  nn::tape<R, On> t(w, &dw);
  round_factors<As>(t);
  tensors out;
  for (int step = 0; step < 2; ++step) {  // the second in the memory of the first
    dw.clear();
    t.begin();
    const nn::value<R> x = t.make(u.shape[0], u.shape[1], u.shape[2]);
    const auto from = numbers<R>(u), slope = numbers<R>(d);
    const auto given = nn::input_of(t.here(from.data(), idx(from.size())), x.batch, x.time, x.columns);
    t.elements(x.rows(), x.columns, nn::detail::copied_row<R>{given, x});
    nn::across_layers<R> across;
    const nn::value<R> o = layer(t, x, across);
    nn::value<R> slopes = o;
    slopes.gradient = const_cast<R*>(t.here(slope.data(), idx(slope.size())));
    t.elements(o.rows(), o.columns, nn::detail::added_gradients<R>{slopes, o});
    t.backward();
    out["o"] = {d.shape, read(t, o.data, slope.size())};
    out["grad.u"] = {u.shape, read(t, x.gradient, from.size())};
  }
  store(out, "grad.", dw);
  return out;
}

template <class M, class R, class On = device::cpu<openmp>, factors As = factors::as_they_are>
tensors run_model(const model_call& call) {
  const M model(call.size);
  nn::weights<R, On> w(model.parameters()), dw(model.parameters());
  load(w, *call.in);
  const std::set<std::string> no_decay(call.no_decay.begin(), call.no_decay.end());
  for (const auto& e : model.parameters()->entries())
    if (e.is_trained() && e.decays == no_decay.contains(e.name))
      throw std::runtime_error(e.name + (e.decays ? " decays here" : " does not decay here"));
  std::vector<std::int64_t> ids, labels;
  std::vector<R> x;
  for (const double v : find(*call.in, "targets").values) labels.push_back(std::int64_t(v));
  const bool tokens_in = call.in->contains("ids");
  const tensor& input = find(*call.in, tokens_in ? "ids" : "x");
  if (tokens_in)
    for (const double v : input.values) ids.push_back(std::int64_t(v));
  else x = numbers<R>(input);
  nn::tape<R, On> t(w, &dw);
  round_factors<As>(t);
  const auto given = [&] {  // of a step that has begun
    const idx B = input.shape[0], T = input.shape[1];
    if (tokens_in) return nn::model_input<R>(nn::token_ids{ids.data(), B, T});
    return nn::model_input<R>(nn::input_of<R>(t.here(x.data(), idx(x.size())), B, T, input.shape[2]));
  };
  train::adamw<R, On> optimiser(w, {call.beta1, call.beta2, call.eps, call.decay, call.clip});
  const train::schedule rate{call.rate, call.least, call.warmup, call.total};
  tensors out;
  auto &loss = out["loss"].values, &norm = out["norm"].values, &lr = out["lr"].values;
  for (long step = 0; step <= call.steps; ++step) {
    dw.clear();
    t.begin(nn::dropout_draws{});  // a step of training, without dropout
    const nn::value<R> logits = model(t, given());
    loss.push_back(nn::cross_entropy<R>(t, logits, labels).loss);
    if (step == call.steps) break;
    t.backward();
    if (step == 0) {
      out["logits"].values = read(t, logits.data, std::size_t(logits.rows() * logits.columns));
      store(out, "grad.", dw);
    }
    lr.push_back(rate(step));
    norm.push_back(optimiser.step(w, dw, lr.back()));
  }
  store(out, "after.", w);
  return out;
}

#if defined(__CUDACC__)
template <class L>
in_both<layer_call> layer_functions() {
  return {nullptr, &run_layer<L, float, device::cuda>, &run_layer<L, float, device::cuda, factors::in_bf16>};
}
template <class M>
in_both<model_call> model_functions() {
  return {nullptr, &run_model<M, float, device::cuda>, &run_model<M, float, device::cuda, factors::in_bf16>};
}
#else
template <class L>
in_both<layer_call> layer_functions() {
  return {&run_layer<L, double>, &run_layer<L, float>, nullptr};
}
template <class M>
in_both<model_call> model_functions() {
  return {&run_model<M, double>, &run_model<M, float>, nullptr};
}
#endif

}  // namespace golden_nn
