// SPDX-License-Identifier: MIT
#pragma once
#include "tensor.hpp"

/// Whether tensors share memory. What a call writes has memory of its own; only a final state may lie exactly where its initial
/// one does. Strides are looked at, so that tensors woven into one another (q, k, v and y in one array) are told apart.
namespace coefdyn::detail {

/// The memory of one tensor. in_place: a written and a read region of one number above 0 may be the same memory.
struct region {
  const char *prefix, *name;
  any_view tensor;
  int in_place;
  std::uintptr_t first, last;  // its bytes lie in between
  bool same_as(const region& o) const {
    bool same = first == o.first && tensor.rank == o.tensor.rank && tensor.element == o.tensor.element;
    for (int a = 0; same && a < tensor.rank; ++a)
      same = tensor.extents[a] == o.tensor.extents[a] && (tensor.extents[a] == 1 || tensor.strides[a] == o.tensor.strides[a]);
    return same;
  }
};
/// r of a tensor; false where that has no byte.
COEFDYN_CHECK bool set_region(region& r, const char* prefix, const char* name, const any_view& v, int in_place) {
  idx begin = 0, end = 0;
  if (!v.data) return false;
  for (int a = 0; a < v.rank; ++a) {
    if (v.extents[a] == 0) return false;
    const idx reach = (v.extents[a] - 1) * v.strides[a];
    (reach < 0 ? begin : end) += reach;
  }
  const idx bytes = static_cast<idx>(v.element);
  r.prefix = prefix, r.name = name, r.tensor = v, r.in_place = in_place;
  r.first = reinterpret_cast<std::uintptr_t>(v.data) + static_cast<std::uintptr_t>(begin * bytes);
  r.last = reinterpret_cast<std::uintptr_t>(v.data) + static_cast<std::uintptr_t>(end * bytes + bytes - 1);
  return true;
}
COEFDYN_HELD(bool set_region<>(region&, const char*, const char*, const any_view&, int));
/// Its axes: extents and strides in bytes, the element's bytes as the last axis. Axes of extent 1 or stride 0 are left out, and strides
/// are positive.
struct byte_axes {
  int rank = 0;
  idx extents[6], strides[6];
  explicit byte_axes(const any_view& v) {
    const idx bytes = static_cast<idx>(v.element);
    for (int a = 0; a < v.rank; ++a)
      if (v.extents[a] != 1 && v.strides[a] != 0)
        extents[rank] = v.extents[a], strides[rank++] = (v.strides[a] < 0 ? -v.strides[a] : v.strides[a]) * bytes;
    extents[rank] = bytes, strides[rank++] = 1;
  }
};

/// Whether sum_i step_i x_i = target has a solution with 0 <= x_i <= most_i. Found at once where strides are nested, as those of
/// arrays are; after many tries it counts as no.
struct reachable {
  int count = 0;
  idx step[14] = {}, most[14] = {}, rest[14] = {};  // rest: what the steps behind reach
  int tries = 1 << 12;

  void add(idx s, idx m) {  // the largest step first, equal ones together
    int at = 0;
    while (at < count && step[at] > s) ++at;
    if (at < count && step[at] == s) {
      most[at] += m;
      return;
    }
    for (int i = count++; i > at; --i) step[i] = step[i - 1], most[i] = most[i - 1];
    step[at] = s, most[at] = m;
  }
  bool operator()(idx target) {
    idx sum = 0;
    for (int i = count - 1; i >= 0; --i) rest[i] = sum, sum += step[i] * most[i];
    return target >= 0 && target <= sum && from(0, target);
  }

 private:
  bool from(int i, idx target) {
    if (i == count) return target == 0;
    if (--tries < 0) return false;
    const idx least = target > rest[i] ? (target - rest[i] + step[i] - 1) / step[i] : 0;
    for (idx x = target / step[i] < most[i] ? target / step[i] : most[i]; x >= least; --x)
      if (from(i + 1, target - x * step[i])) return true;
    return false;
  }
};
inline bool lie_apart(const region& a, const region& b) { return a.last < b.first || b.last < a.first; }
COEFDYN_CHECK bool share(const region& a, const region& b) {
  if (lie_apart(a, b)) return false;
  reachable r;
  for (const byte_axes& axes : {byte_axes(a.tensor), byte_axes(b.tensor)})
    for (int i = 0; i < axes.rank; ++i) r.add(axes.strides[i], axes.extents[i] - 1);
  return r(static_cast<idx>(b.last - a.first));
}
COEFDYN_HELD(bool share<>(const region&, const region&));
/// Whether two elements of a tensor share memory, axes of stride 0 apart.
COEFDYN_CHECK bool meets_itself(const any_view& v) {
  const byte_axes a(v);
  for (int i = 0; i + 1 < a.rank; ++i) {  // the first axis along which the two differ
    reachable r;
    idx target = -a.strides[i];
    if (a.extents[i] > 2) r.add(a.strides[i], a.extents[i] - 2);
    for (int j = i + 1; j < a.rank; ++j) r.add(a.strides[j], 2 * (a.extents[j] - 1)), target += a.strides[j] * (a.extents[j] - 1);
    if (r(target)) return true;
  }
  return false;
}
COEFDYN_HELD(bool meets_itself<>(const any_view&));
/// Whether each axis steps over all that the axes behind it reach, as those of most arrays do: then no two elements meet.
inline bool is_nested(const any_view& v) {
  idx within = 0;
  for (int a = v.rank - 1; a >= 0; --a) {
    const idx s = v.strides[a] < 0 ? -v.strides[a] : v.strides[a];
    if (v.extents[a] == 1 || s == 0) continue;
    if (s <= within) return false;
    within += s * (v.extents[a] - 1);
  }
  return true;
}

/// The memory of one call: first what is written, then what is read.
struct regions {
  region* all;
  int count = 0, written = 0;

  explicit regions(region* memory) : all(memory) {}
  /// v has to outlive this.
  void add(const char* prefix, const char* name, const any_view& v, int in_place = 0) {
    count += set_region(all[count], prefix, name, v, in_place);
  }
  /// S, z, m and positions of a state. `in_place`: whether it may lie where the other state of the call does.
  void add_state(const char* prefix, const any_view& S, const any_view& z, const any_view& m, const any_view& position, bool in_place) {
    add(prefix, " S", S, in_place ? 1 : 0), add(prefix, " z", z, in_place ? 2 : 0), add(prefix, " m", m, in_place ? 3 : 0);
    add(prefix, " position", position, in_place ? 4 : 0);
  }
  void end_of_written() { written = count; }
};
/// Refuses a written tensor that shares memory with another one of the call, or with itself.
COEFDYN_CHECK void expect_apart(const regions& memory) {
  for (int i = 0; i < memory.written; ++i) {
    const region& w = memory.all[i];
    if (!is_nested(w.tensor) && meets_itself(w.tensor))
      refuse({w.prefix, w.name}, {"memory of its own"}, {"strides with which two elements share memory"});
    for (int j = i + 1; j < memory.count; ++j) {
      const region& o = memory.all[j];
      if (lie_apart(w, o)) continue;
      const bool state = j >= memory.written && w.in_place && w.in_place == o.in_place;
      if ((state && w.same_as(o)) || !share(w, o)) continue;
      refuse({w.prefix, w.name}, {"memory of its own", state ? ", or exactly that of the other state" : ""},
             {"memory shared with ", o.prefix, o.name});
    }
  }
}
COEFDYN_HELD(void expect_apart<>(const regions&));

}  // namespace coefdyn::detail
