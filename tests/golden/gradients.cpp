// SPDX-License-Identifier: MIT
#include "calls.hpp"
#include "checks.hpp"

namespace golden {
namespace {

/// A state's gradient from a tensor of the file; no data where both are absent.
template <class R>
state_memory<R> upstream_of(const unit& u, const golden_case& c) {
  const tensor *S = c.find("dstate"), *z = c.find("dzstate");
  if (!u.linear || (!S && !z)) return {};
  state_memory<R> s(u, c, R(0));
  if (S) std::copy(S->values.begin(), S->values.end(), s.S.begin());
  if (z && u.needs_sum) std::copy(z->values.begin(), z->values.end(), s.z.begin());
  s.arrays.m = {}, s.arrays.position = {};
  return s;
}

template <class R>
void check_in(const unit& u, const golden_case& c, report& r) {
  const double tolerance = tolerances(c).gradient[sizeof(R) == sizeof(float)], floor = 1e-3 * c.largest_gradient();
  const functions& f = functions_for<R>(u);
  constexpr R none = std::numeric_limits<R>::quiet_NaN();
  const std::vector<buffer<R>> inputs = buffers_of<R>(u, c);
  const tensor* dy_tensor = c.find("dy");
  if (!dy_tensor) throw std::runtime_error("it has gradients but no dy");
  std::vector<R> dy(dy_tensor->values.begin(), dy_tensor->values.end());
  const state_memory<R> initial = initial_of<R>(u, c), upstream = upstream_of<R>(u, c);
  const std::vector<std::int32_t> narrow(c.offsets.begin(), c.offsets.end());
  for (const plan& p : plans_of(u)) {
    if (p.piece > 0 || p.split || !u.backward_exists[static_cast<int>(p.form)]) continue;
    const std::string what = "backward " + p.label + " " + type_name(R());
    try {
      std::vector<buffer<R>> gradients = buffers_of<R>(u, c);
      for (buffer<R>& g : gradients) std::fill(g.values.begin(), g.values.end(), none);
      state_memory<R> initial_gradient;
      if (initial.arrays.S.data)
        initial_gradient = state_memory<R>(u, c, none), initial_gradient.arrays.m = {}, initial_gradient.arrays.position = {};
      const std::vector<named_array> all = cut(inputs, 0, c.T, 0, c.writes), outputs = cut(gradients, 0, c.T, 0, c.writes);
      call k;
      k.form = p.form, k.chunk = p.chunk, k.inputs = all, k.gradients = outputs;
      k.offsets = static_cast<idx>(c.offsets.size());
      if (sizeof(R) == sizeof(float)) k.narrow_offsets = k.offsets ? narrow.data() : nullptr;
      else k.wide_offsets = k.offsets ? c.offsets.data() : nullptr;
      k.y = array_of(dy.data(), {c.B, c.T, c.Hq, c.d}, 1);
      k.initial = initial.arrays, k.final_gradient = upstream.arrays, k.initial_gradient = initial_gradient.arrays;
      f.backward(k);
      for (const auto& [name, expected] : c.tensors) {
        if (!name.starts_with("d_")) continue;
        const std::string input = name.substr(2);
        const auto b = std::find_if(gradients.begin(), gradients.end(), [&](const buffer<R>& g) { return g.tensor_name == input; });
        std::vector<R> got;
        if (input == "state0") got = initial_gradient.S;
        else if (input == "zstate0") got = initial_gradient.z;
        else if (b == gradients.end()) got.assign(expected.values.size(), R(0));  // the combination does not take this tensor
        else if (!b->promoted) got = b->values;
        else
          for (std::size_t i = 0; i < b->values.size(); i += 2) got.push_back(b->values[i]);
        r.compare(what + " " + name, got, expected.values, tolerance, floor);
      }
      r.ran("backward " + p.label);
    } catch (const std::exception& e) {
      r.fail(what + ": " + e.what());
    }
  }
}

}  // namespace

void check_gradients(const unit& u, const golden_case& c, report& r) {
  bool any = false;
  for (const auto& [name, t] : c.tensors) any = any || name.starts_with("d_");
  if (!any) return;
  if (!u.in_float.backward) return r.notes.push_back("gradients not run: the unit has no backward");
  if (u.in_double.backward) check_in<double>(u, c, r);
  check_in<float>(u, c, r);
}

}  // namespace golden
