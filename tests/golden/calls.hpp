// SPDX-License-Identifier: MIT
#pragma once
#include <cstring>

#include "golden_case.hpp"
#include "names.hpp"

/// A case's tensors in one number type, cut in time and bound to calls of a unit.
namespace golden {

/// How one run goes through time: whole, in pieces of some tokens, or in two parts; state or cache carried on.
struct plan {
  std::string label;
  form_id form;
  int chunk = 0;
  idx piece = 0;       // tokens per call; 0: whole
  bool split = false;  // two calls
};
/// Every plan that a unit has.
std::vector<plan> plans_of(const unit& u);

/// Row-major, elements of `parts` numbers.
template <class R>
array array_of(R* data, const std::vector<idx>& shape, int parts) {
  array a;
  a.data = data;
  a.rank = static_cast<int>(shape.size()) - (parts == 2 ? 1 : 0), a.bytes = static_cast<int>(sizeof(R)) * parts;
  idx stride = 1;
  for (int i = a.rank - 1; i >= 0; --i) {
    a.extents[i] = shape[static_cast<std::size_t>(i)];
    a.strides[i] = stride;
    stride *= a.extents[i];
  }
  return a;
}
template <class R>
array along(const array& a, int axis, idx from, idx to, int parts) {
  array part = a;
  if (a.data) part.data = static_cast<R*>(a.data) + from * a.strides[axis] * parts;
  part.extents[axis] = to - from;
  return part;
}

/// One input (or its gradient) under its stream's name.
template <class R>
struct buffer {
  const stream_fact* fact;
  std::string tensor_name;
  bool promoted = false;  // a real tensor where the stream is complex
  std::vector<R> values;
  array a;
  int parts() const { return fact->complex ? 2 : 1; }
};

template <class R>
std::vector<buffer<R>> buffers_of(const unit& u, const golden_case& c) {
  std::vector<buffer<R>> out;
  for (const stream_fact& f : u.streams) {
    buffer<R> b{&f, f.name, false, {}, {}};
    for (const stream_name& s : streams)
      if (b.tensor_name == s.stream) b.tensor_name = s.tensor;
    const tensor* t = c.find(b.tensor_name);
    if (!t) throw std::runtime_error("it has no tensor " + b.tensor_name + ", which " + u.mixer + " needs");
    std::vector<idx> shape = t->shape;
    b.promoted = f.complex && static_cast<int>(shape.size()) == f.rank;
    if (b.promoted) shape.push_back(2);
    if (static_cast<int>(shape.size()) != f.rank + (f.complex ? 1 : 0))
      throw std::runtime_error("its tensor " + b.tensor_name + " has another rank than the stream " + f.name);
    b.values.reserve(t->values.size() * (b.promoted ? 2 : 1));
    for (const double x : t->values) {
      b.values.push_back(static_cast<R>(x));
      if (b.promoted) b.values.push_back(R(0));
    }
    b.a = array_of(b.values.data(), shape, b.parts());
    out.push_back(std::move(b));
  }
  return out;
}
/// Tokens [from, to) of every stream; those of the reading side from `first_read`.
template <class R>
std::vector<named_array> cut(const std::vector<buffer<R>>& inputs, idx from, idx to, idx first_read, idx writes) {
  std::vector<named_array> out;
  for (const buffer<R>& b : inputs) {
    array a = b.a;
    const idx rows = b.fact->per_write ? writes : 1, start = b.fact->reading ? std::max(from, first_read) : from;
    if (b.fact->timed) a = along<R>(a, 1, start * rows, to * rows, b.parts());
    out.push_back({b.fact->name, a});
  }
  return out;
}

/// Memory of a state: S, z, m, position.
template <class R>
struct state_memory {
  std::vector<R> S, z, m;
  std::vector<idx> position;
  state_arrays arrays;

  state_memory() = default;
  state_memory(const unit& u, const golden_case& c, R value) {
    const int parts = u.complex_state ? 2 : 1;
    std::vector<idx> shape{c.sequences(), c.Hkv, c.n, c.d, 2}, z_shape{c.sequences(), c.Hkv, c.n, 2};
    if (parts == 1) shape.pop_back(), z_shape.pop_back();
    const auto size = [](const std::vector<idx>& s) {
      idx all = 1;
      for (const idx e : s) all *= e;
      return static_cast<std::size_t>(all);
    };
    S.assign(size(shape), value), position.assign(static_cast<std::size_t>(c.sequences()), 0);
    arrays.S = array_of(S.data(), shape, parts);
    if (u.needs_sum) z.assign(size(z_shape), value), arrays.z = array_of(z.data(), z_shape, parts);
    if (u.stabilised)
      m.assign(static_cast<std::size_t>(c.sequences() * c.Hkv), value), arrays.m = array_of(m.data(), {c.sequences(), c.Hkv}, 1);
    arrays.position = array_of(position.data(), {c.sequences()}, 1);
  }
  state_memory(state_memory&&) = default;
  state_memory& operator=(state_memory&&) = default;
};
template <class R>
state_arrays of_sequence(const state_arrays& s, idx sequence, int parts) {
  state_arrays one = s;
  if (s.S.data) one.S = along<R>(s.S, 0, sequence, sequence + 1, parts);
  if (s.z.data) one.z = along<R>(s.z, 0, sequence, sequence + 1, parts);
  if (s.m.data) one.m = along<R>(s.m, 0, sequence, sequence + 1, 1);
  if (s.position.data) one.position = along<idx>(s.position, 0, sequence, sequence + 1, 1);
  return one;
}
/// The given initial state, zeros for the part that a case leaves out; nothing where it has none.
template <class R>
state_memory<R> initial_of(const unit& u, const golden_case& c) {
  const tensor *S = c.find("state0"), *z = c.find("zstate0");
  if (!u.linear || (!S && !z)) return {};
  state_memory<R> s(u, c, R(0));
  if (S) std::copy(S->values.begin(), S->values.end(), s.S.begin());
  if (z && u.needs_sum) std::copy(z->values.begin(), z->values.end(), s.z.begin());
  s.arrays.m = {}, s.arrays.position = {};
  return s;
}

template <class R>
struct outcome {
  std::vector<R> y;
  state_memory<R> final;
};

/// Runs a case by a plan into memory prefilled with NaN. `function` is functions::run or a relative of it.
template <class R>
outcome<R> follow(const unit& u, const golden_case& c, const plan& p, void (*function)(const call&), bool with_states = true) {
  const std::vector<buffer<R>> inputs = buffers_of<R>(u, c);
  const int parts = u.complex_state ? 2 : 1;
  constexpr R none = std::numeric_limits<R>::quiet_NaN();
  outcome<R> out;
  out.y.assign(static_cast<std::size_t>(c.B * c.T * c.Hq * c.d), none);
  const array y = array_of(out.y.data(), {c.B, c.T, c.Hq, c.d}, 1);
  const state_memory<R> initial = initial_of<R>(u, c);
  if (u.linear && with_states) out.final = state_memory<R>(u, c, none);
  call k;
  k.form = p.form, k.chunk = p.chunk;

  if (p.piece == 0 && !p.split) {
    const std::vector<named_array> all = cut(inputs, 0, c.T, 0, c.writes);
    const std::vector<std::int32_t> narrow(c.offsets.begin(), c.offsets.end());
    k.inputs = all, k.y = y, k.initial = initial.arrays, k.final = out.final.arrays;
    k.offsets = static_cast<idx>(c.offsets.size());
    if (sizeof(R) == sizeof(float)) k.narrow_offsets = k.offsets ? narrow.data() : nullptr;
    else k.wide_offsets = k.offsets ? c.offsets.data() : nullptr;
    function(k);
    return out;
  }
  const bool packed = !c.offsets.empty();
  for (idx s = 0; s < (packed ? c.sequences() : 1); ++s) {
    const idx begin = packed ? c.offsets[static_cast<std::size_t>(s)] : 0, end = packed ? c.offsets[static_cast<std::size_t>(s) + 1] : c.T;
    const auto mine = [&](const state_arrays& all) { return packed && all.S.data ? of_sequence<R>(all, s, parts) : all; };
    idx from = begin;
    for (bool first = true; first || from < end; first = false) {
      const idx to = std::min(end, p.split ? (first ? begin + (end - begin) * 2 / 5 : end) : from + p.piece);
      const std::vector<named_array> part = cut(inputs, u.linear ? from : begin, to, from, c.writes);
      k.inputs = part, k.y = along<R>(y, 1, from, to, 1);
      k.first_read = u.linear ? 0 : from - begin;
      k.final = mine(out.final.arrays);
      k.initial = first ? mine(initial.arrays) : k.final;
      function(k);
      from = to;
    }
  }
  return out;
}

}  // namespace golden
