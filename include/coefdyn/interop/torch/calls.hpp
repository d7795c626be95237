// SPDX-License-Identifier: MIT
#pragma once
#include <ATen/core/stack.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/ones_like.h>

#include <vector>

#include "arrays.hpp"

/// The calls of a mixer's operators over PyTorch's stack: arguments and results, for a device, for the meta device and for autograd.
///
///   M(q, k, v, streams.., *, cu_seqlens, initial_S, initial_z, initial_m, initial_position, final) -> y, S, z, m, position
///   M_backward(y's gradient, S's, z's, m, the same.., wanted) -> a gradient for each stream, S's, z's
///
/// Those of a state are there where the mixer has them; results that are not asked for are empty. m is the final state's.
namespace coefdyn::interop::detail {

using tensor_list = std::vector<at::Tensor>;
using stack = std::vector<c10::IValue>;

/// Arguments of both operators; a tensor that is not given is not defined.
struct operator_arguments {
  tensor_list streams;
  at::Tensor cu_seqlens, S, z, m, position;  // initial state
  at::Tensor y, final_S, final_z, final_m;   // of a backward call: gradients, and the final maximum
  bool final = false;
  std::vector<bool> wanted;
};
/// How many of S, z, m a mixer's state has.
inline std::size_t count_of_states(const mixer_table& t) { return t.linear ? std::size_t(1) + t.sums + t.stabilised : 0; }

/// Reads arguments from the end of a stack.
struct argument_reader {
  const c10::IValue* next;
  at::Tensor tensor() {
    const c10::IValue& v = *next++;
    return v.isNone() ? at::Tensor() : v.toTensor();
  }
  void common(const mixer_table& t, operator_arguments& a) {
    a.streams.reserve(t.streams.size());
    for (std::size_t i = 0; i < t.streams.size(); ++i) a.streams.push_back(tensor());
    a.cu_seqlens = tensor();
    if (!t.linear) return;
    a.S = tensor();
    if (t.sums) a.z = tensor();
    if (t.stabilised) a.m = tensor();
    a.position = tensor();
  }
};
inline std::size_t forward_arguments(const mixer_table& t) { return t.streams.size() + 1 + (t.linear ? count_of_states(t) + 2 : 0); }
inline std::size_t backward_arguments(const mixer_table& t) { return t.streams.size() + 3 + (t.linear ? 2 * count_of_states(t) + 1 : 0); }
inline operator_arguments read_forward(const mixer_table& t, const stack& s) {
  operator_arguments a;
  argument_reader read{s.data() + (s.size() - forward_arguments(t))};
  read.common(t, a);
  if (t.linear) a.final = read.next->toBool();
  return a;
}
inline operator_arguments read_backward(const mixer_table& t, const stack& s) {
  operator_arguments a;
  argument_reader read{s.data() + (s.size() - backward_arguments(t))};
  a.y = read.tensor();
  if (t.linear) {
    a.final_S = read.tensor();
    if (t.sums) a.final_z = read.tensor();
    if (t.stabilised) a.final_m = read.tensor();
  }
  read.common(t, a);
  for (const bool wanted : read.next->toBoolList()) a.wanted.push_back(wanted);
  return a;
}

/// Refuses what the shapes of the results cannot be told from.
inline void expect_ranks(const operator_arguments& a) {
  const char* names[] = {"q", "k", "v"};
  for (std::size_t i = 0; i < 3; ++i)
    if (a.streams[i].dim() != 4) refuse_array("", names[i], as_array(a.streams[i]), 4, number::other);
  if (a.cu_seqlens.defined() && a.cu_seqlens.dim() != 1) refuse_array("", "cu_seqlens", as_array(a.cu_seqlens), 1, number::other);
}
inline at::Tensor made(const operator_arguments& a, std::initializer_list<c10::SymInt> shape, at::ScalarType type) {
  return at::empty_symint(c10::SymIntArrayRef(shape.begin(), shape.size()), a.streams[0].options().dtype(type));
}
/// y, and where the mixer has a state S, z, m, position: of no elements unless they are asked for.
inline tensor_list made_results(const mixer_table& t, const operator_arguments& a) {
  const at::Tensor &q = a.streams[0], &v = a.streams[2];
  const c10::SymInt heads = v.sym_size(2), readers = q.sym_size(2).max(heads), n = q.sym_size(3), d = v.sym_size(3);
  tensor_list out{made(a, {q.sym_size(0), q.sym_size(1), readers, d}, row_type(t, q))};
  if (!t.linear) return out;
  const at::ScalarType sums = sum_type(t, q), states = state_type(t, q);
  const c10::SymInt sequences = a.cu_seqlens.defined() ? (a.cu_seqlens.sym_size(0) - 1).max(0) : q.sym_size(0);
  const auto result = [&](std::initializer_list<c10::SymInt> shape, at::ScalarType type) {
    out.push_back(a.final ? made(a, shape, type) : made(a, {0}, type));
  };
  result({sequences, heads, n, d}, states);
  if (t.sums) result({sequences, heads, n}, states);
  if (t.stabilised) result({sequences, heads}, sums);
  result({sequences}, at::kLong);
  return out;
}
/// A gradient for each stream, and of S and z.
inline tensor_list made_gradients(const mixer_table& t, const operator_arguments& a) {
  tensor_list out;
  const auto gradient = [&](const at::Tensor& of) {
    const bool wanted = of.defined() && a.wanted[out.size()];
    out.push_back(wanted ? at::empty_symint(of.sym_sizes(), of.options()) : made(a, {0}, row_type(t, a.streams[0])));
  };
  for (const at::Tensor& stream : a.streams) gradient(stream);
  if (t.linear) gradient(a.S);
  if (t.sums) gradient(a.z);
  return out;
}

/// e^m, and 1 where m is of a state that has seen nothing.
inline at::Tensor scale_of(const at::Tensor& m) { return m.exp().where(m.gt(-1e30), at::ones_like(m)); }

inline void expect_one_device(const mixer_table& t, const operator_arguments& a) {
  const at::Device on = a.streams[0].device();
  const auto there = [&](const at::Tensor& x, const char* name) {
    if (x.defined() && x.device() != on)
      coefdyn::detail::refuse({name}, {"a tensor on ", on.str().c_str(), ", as q is"}, {"one on ", x.device().str().c_str()});
  };
  for (std::size_t i = 0; i < t.streams.size(); ++i) there(a.streams[i], t.streams[i].name);
  there(a.S, "initial_S"), there(a.z, "initial_z"), there(a.m, "initial_m"), there(a.position, "initial_position");
  there(a.y, "gradient of y");
}
/// A table's calls on a GPU.
inline gpu_calls calls_on_gpu(const mixer_table& t, number rows) {
  if (t.on_gpu == nullptr)
    coefdyn::detail::refuse({t.name}, {"calls on a GPU, from COEFDYN_CUDA_CALLS(", t.name, ", ..) in a unit that nvcc compiles"}, {"none"});
  return t.on_gpu(t, rows);
}
/// Products of a call that carries a state, about.
inline double products_of(const operator_arguments& a) {
  return static_cast<double>(a.streams[0].numel()) * static_cast<double>(a.streams[2].size(3));
}
/// What both calls take; `offsets` and `streams` have to last as long as c.
inline void bind_inputs(const mixer_table& t, const operator_arguments& a, at::Tensor& offsets, std::vector<array>& streams,
                        table_call& c) {
  expect_one_device(t, a);
  for (const at::Tensor& x : a.streams) streams.push_back(as_array(x));
  c.rows = number_of(row_type(t, a.streams[0])), c.streams = streams;
  offsets = a.cu_seqlens.defined() ? a.cu_seqlens.cpu() : at::Tensor();  // the library reads them on the host
  c.cu_seqlens = as_array(offsets);
  c.initial = {as_array(a.S), as_array(a.z), as_array(a.m), as_array(a.position)};
}
inline tensor_list run_forward(const mixer_table& t, const operator_arguments& a) {
  expect_ranks(a);
  tensor_list out = made_results(t, a);
  torch_call c(a.streams[0].device(), products_of(a));
  at::Tensor offsets;
  std::vector<array> streams;
  bind_inputs(t, a, offsets, streams, c);
  c.y = as_array(out[0]);
  if (t.linear && a.final) {
    std::size_t i = 1;
    c.final.S = as_array(out[i++]);
    if (t.sums) c.final.z = as_array(out[i++]);
    if (t.stabilised) c.final.m = as_array(out[i++]);
    c.final.position = as_array(out[i]);
  }
  c.device.is_cpu() ? t.forward(c) : calls_on_gpu(t, c.rows).forward(c);
  return out;
}
inline tensor_list run_backward(const mixer_table& t, const operator_arguments& a) {
  expect_ranks(a);
  tensor_list out = made_gradients(t, a);
  torch_call c(a.streams[0].device(), products_of(a));
  at::Tensor offsets;
  std::vector<array> streams, gradients;
  bind_inputs(t, a, offsets, streams, c);
  c.y = as_array(a.y);
  const std::size_t count = t.streams.size();
  for (std::size_t i = 0; i < count; ++i) gradients.push_back(a.wanted[i] ? as_array(out[i]) : array{});
  c.gradients = gradients;
  at::Tensor S = a.final_S, z = a.final_z;
  if (t.stabilised && S.defined()) {  // the library's are of S e^m
    const at::Tensor by = scale_of(a.final_m).reciprocal().unsqueeze(-1);
    S = S.mul(by.unsqueeze(-1));
    if (z.defined()) z = z.mul(by);
  }
  c.final_gradient.S = as_array(S), c.final_gradient.z = as_array(z);
  const bool wants_S = t.linear && a.wanted[count] && a.S.defined(), wants_z = t.sums && a.wanted[count + 1] && a.z.defined();
  at::Tensor unasked;  // z goes with S
  if (wants_S || wants_z) {
    at::Tensor gS = wants_S ? out[count] : (unasked = at::empty_like(a.S));
    c.initial_gradient.S = as_array(gS);
    if (t.sums && a.z.defined()) c.initial_gradient.z = as_array(wants_z ? out[count + 1] : (unasked = at::empty_like(a.z)));
  }
  c.device.is_cpu() ? t.backward(c) : calls_on_gpu(t, c.rows).backward(c);
  if (t.stabilised && a.m.defined() && (wants_S || wants_z)) {
    const at::Tensor by = scale_of(a.m).unsqueeze(-1);
    if (wants_S) out[count].mul_(by.unsqueeze(-1));
    if (wants_z) out[count + 1].mul_(by);
  }
  return out;
}

}  // namespace coefdyn::interop::detail
