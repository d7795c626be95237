// SPDX-License-Identifier: MIT
#pragma once
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd_not_implemented_fallback.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <memory>
#include <utility>

#include "calls.hpp"

/// A table's operators in PyTorch's dispatcher: schema, kernels for the CPU, for CUDA and for the meta device, autograd.
namespace coefdyn::interop {

namespace detail {

/// f(), with the library's refusals as PyTorch's ValueError.
template <class F>
auto with_python_errors(F f) -> decltype(f()) {
  try {
    return f();
  } catch (const std::invalid_argument& e) {
    TORCH_CHECK_VALUE(false, e.what());
  }
}
inline void leave(stack& s, std::size_t arguments, tensor_list results) {
  s.erase(s.end() - static_cast<std::ptrdiff_t>(arguments), s.end());
  for (at::Tensor& t : results) s.emplace_back(std::move(t));
}
enum class work { compute, shapes };
/// The forward operator on a device, or its shapes alone.
template <work Work>
struct forward_kernel : c10::OperatorKernel {
  const mixer_table* table;
  explicit forward_kernel(const mixer_table& t) : table(&t) {}
  void operator()(const c10::OperatorHandle&, c10::DispatchKeySet, stack* s) const {
    with_python_errors([&] {
      const operator_arguments a = read_forward(*table, *s);
      if constexpr (Work == work::shapes) expect_ranks(a);
      leave(*s, forward_arguments(*table), Work == work::shapes ? made_results(*table, a) : run_forward(*table, a));
    });
  }
};
/// The backward operator, likewise.
template <work Work>
struct backward_kernel : c10::OperatorKernel {
  const mixer_table* table;
  explicit backward_kernel(const mixer_table& t) : table(&t) {}
  void operator()(const c10::OperatorHandle&, c10::DispatchKeySet, stack* s) const {
    with_python_errors([&] {
      const operator_arguments a = read_backward(*table, *s);
      leave(*s, backward_arguments(*table), Work == work::shapes ? made_gradients(*table, a) : run_backward(*table, a));
    });
  }
};

/// A call of a forward operator, recorded.
struct differentiable : torch::autograd::Function<differentiable> {
  using context = torch::autograd::AutogradContext;
  /// `inputs` are those that may have gradients: streams, S, z.
  static tensor_list forward(context* c, const mixer_table* t, const c10::OperatorHandle* op, stack* s, at::TensorList inputs) {
    const operator_arguments a = read_forward(*t, *s);
    {
      const at::AutoDispatchBelowADInplaceOrView below;
      op->callBoxed(*s);
    }
    tensor_list out, saved = a.streams, undifferentiated;
    for (std::size_t i = s->size() - (t->linear ? count_of_states(*t) + 2 : 1); i < s->size(); ++i) out.push_back((*s)[i].toTensor());
    for (std::size_t i = 1; i < out.size(); ++i)
      if (!a.final || i > 1u + t->sums) undifferentiated.push_back(out[i]);
    c->mark_non_differentiable(undifferentiated);
    c->set_materialize_grads(false);
    for (const at::Tensor& x : {a.cu_seqlens, a.S, a.z, a.m, a.position}) saved.push_back(x);
    if (t->stabilised && a.final) saved.push_back(out[out.size() - 2]);
    c->save_for_backward(std::move(saved));
    c->saved_data["table"] = reinterpret_cast<std::int64_t>(t);
    (void)inputs;
    return out;
  }
  static tensor_list backward(context* c, const tensor_list& dy) {
    const auto& t = *reinterpret_cast<const mixer_table*>(c->saved_data["table"].toInt());
    const tensor_list saved = c->get_saved_variables();
    const std::size_t count = t.streams.size();
    const auto given = [](const at::Tensor& x) { return x.defined() ? c10::IValue(x) : c10::IValue(); };
    const at::Tensor &S = saved[count + 1], &z = saved[count + 2];
    tensor_list inputs(saved.begin(), saved.begin() + static_cast<std::ptrdiff_t>(count));
    c10::List<bool> wanted;
    std::size_t edge = 0;
    for (std::size_t i = 0; i < count; ++i) wanted.push_back(c->needs_input_grad(edge++));
    if (t.linear) wanted.push_back(S.defined() && c->needs_input_grad(edge++));
    if (t.sums) wanted.push_back(z.defined() && c->needs_input_grad(edge++));
    stack s = gradients_of_results(t, saved, dy);
    for (const at::Tensor& x : inputs) s.emplace_back(x);
    s.push_back(given(saved[count]));
    if (t.linear) s.push_back(given(S));
    if (t.sums) s.push_back(given(z));
    if (t.stabilised) s.push_back(given(saved[count + 3]));
    if (t.linear) s.push_back(given(saved[count + 4]));
    s.emplace_back(wanted);
    const std::string name = std::string("coefdyn::") + t.name + "_backward";
    c10::Dispatcher::singleton().findSchemaOrThrow(name.c_str(), "").callBoxed(s);
    tensor_list out(3);  // the table, the operator and its stack have no gradients
    for (std::size_t i = 0; i < s.size(); ++i)
      if (i < count || (i == count ? S : z).defined()) out.push_back(wanted.get(i) ? s[i].toTensor() : at::Tensor());
    return out;
  }

 private:
  /// y's gradient, S's, z's, m: the first arguments of the backward operator.
  static stack gradients_of_results(const mixer_table& t, const tensor_list& saved, const tensor_list& dy) {
    const at::Tensor &q = saved[0], &v = saved[2];
    const auto heads = q.sym_size(2).max(v.sym_size(2));
    const at::TensorOptions rows = q.options().dtype(row_type(t, q));
    stack s{dy[0].defined() ? dy[0] : at::zeros_symint({q.sym_size(0), q.sym_size(1), heads, v.sym_size(3)}, rows)};
    if (!t.linear) return s;
    const at::Tensor dS = dy[1], dz = t.sums ? dy[2] : at::Tensor();
    const bool any = dS.defined() || dz.defined();
    const at::TensorOptions states = q.options().dtype(state_type(t, q));
    const auto& offsets = saved[t.streams.size()];
    const c10::SymInt sequences = offsets.defined() ? offsets.sym_size(0) - 1 : q.sym_size(0);
    const auto or_zeros = [&](const at::Tensor& x, c10::SymIntArrayRef shape) {
      s.push_back(!any ? c10::IValue() : c10::IValue(x.defined() ? x : at::zeros_symint(shape, states)));
    };
    or_zeros(dS, {sequences, v.sym_size(2), q.sym_size(3), v.sym_size(3)});
    if (t.sums) or_zeros(dz, {sequences, v.sym_size(2), q.sym_size(3)});
    if (t.stabilised) s.push_back(any ? c10::IValue(saved.back()) : c10::IValue());
    return s;
  }
};
/// The forward operator under autograd.
struct autograd_kernel : c10::OperatorKernel {
  const mixer_table* table;
  explicit autograd_kernel(const mixer_table& t) : table(&t) {}
  void operator()(const c10::OperatorHandle& op, c10::DispatchKeySet, stack* s) const {
    const operator_arguments a = read_forward(*table, *s);
    tensor_list inputs = a.streams;
    if (a.S.defined()) inputs.push_back(a.S);
    if (a.z.defined()) inputs.push_back(a.z);
    bool any = false;
    for (const at::Tensor& x : inputs) any = any || x.requires_grad();
    if (any && c10::GradMode::is_enabled()) {
      stack call(s->end() - static_cast<std::ptrdiff_t>(forward_arguments(*table)), s->end());
      leave(*s, forward_arguments(*table), differentiable::apply(table, &op, &call, at::TensorList(inputs)));
    } else {
      const at::AutoDispatchBelowADInplaceOrView below;
      op.callBoxed(s);
    }
  }
};

inline std::string inputs_schema(const mixer_table& t) {
  std::string s;
  for (const stream_row& stream : t.streams) s += (s.empty() ? "Tensor " : ", Tensor ") + std::string(stream.name);
  s += ", *, Tensor? cu_seqlens=None";
  if (!t.linear) return s;
  s += ", Tensor? initial_S=None";
  if (t.sums) s += ", Tensor? initial_z=None";
  if (t.stabilised) s += ", Tensor? initial_m=None";
  return s + ", Tensor? initial_position=None";
}
inline std::string forward_schema(const mixer_table& t) {
  const std::string s = std::string(t.name) + "(" + inputs_schema(t);
  if (!t.linear) return s + ") -> Tensor";
  return s + ", bool final=False) -> (Tensor y, Tensor S" + (t.sums ? ", Tensor z" : "") + (t.stabilised ? ", Tensor m" : "") +
         ", Tensor position)";
}
inline std::string backward_schema(const mixer_table& t) {
  std::string s = std::string(t.name) + "_backward(Tensor grad_y, ", results;
  if (t.linear) s += "Tensor? grad_S, ";
  if (t.sums) s += "Tensor? grad_z, ";
  if (t.stabilised) s += "Tensor? m, ";
  for (const stream_row& stream : t.streams) results += (results.empty() ? "Tensor grad_" : ", Tensor grad_") + std::string(stream.name);
  if (t.linear) results += ", Tensor grad_initial_S";
  if (t.sums) results += ", Tensor grad_initial_z";
  return s + inputs_schema(t) + ", bool[] wanted) -> (" + results + ")";
}
}  // namespace detail

/// Registers coefdyn::NAME and coefdyn::NAME_backward, NAME being the table's, for the CPU, CUDA, the meta device and autograd: torch.ops
/// calls them, torch.compile traces them. The table has to outlive the program's last call; registrations last until the program ends.
///
/// error   c10::Error where the name is registered already; invalid_input for a table of another version of this header
inline void register_operator(const mixer_table& table) {
  using namespace detail;
  if (table.layout != mixer_table::this_layout)
    coefdyn::detail::refuse({"table"}, {"layout ", mixer_table::this_layout}, {table.layout, "; compile its unit again"});
  static std::vector<std::unique_ptr<torch::Library>>& kept = *new std::vector<std::unique_ptr<torch::Library>>;
  auto library = std::make_unique<torch::Library>(torch::Library::FRAGMENT, "coefdyn", std::nullopt, __FILE__, __LINE__);
  const std::string name = table.name, back = name + "_backward";
  const std::vector<at::Tag> tags{at::Tag::pt2_compliant_tag};
  library->def(torch::schema(forward_schema(table).c_str()), tags);
  library->def(torch::schema(backward_schema(table).c_str()), tags);
  const auto add = [&]<class Kernel>(const std::string& of, c10::DispatchKey key, std::unique_ptr<Kernel> kernel) {
    library->impl(of.c_str(), torch::dispatch(key, torch::CppFunction::makeFromBoxedFunctor(std::move(kernel))));
  };
  add(name, c10::DispatchKey::CPU, std::make_unique<forward_kernel<work::compute>>(table));
  add(name, c10::DispatchKey::CUDA, std::make_unique<forward_kernel<work::compute>>(table));
  add(back, c10::DispatchKey::CUDA, std::make_unique<backward_kernel<work::compute>>(table));
  add(name, c10::DispatchKey::Meta, std::make_unique<forward_kernel<work::shapes>>(table));
  add(name, c10::DispatchKey::Autograd, std::make_unique<autograd_kernel>(table));
  add(back, c10::DispatchKey::CPU, std::make_unique<backward_kernel<work::compute>>(table));
  add(back, c10::DispatchKey::Meta, std::make_unique<backward_kernel<work::shapes>>(table));
  library->impl(back.c_str(), torch::dispatch(c10::DispatchKey::Autograd, torch::autograd::autogradNotImplementedFallback()));
  kept.push_back(std::move(library));
}

}  // namespace coefdyn::interop
