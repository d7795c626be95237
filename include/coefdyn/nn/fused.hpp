// SPDX-License-Identifier: MIT
#pragma once
#include "source.hpp"

/// Fused layouts: one matrix whose rows are several projections, under the names and in the order of published checkpoints.
namespace coefdyn::nn {

/// How many rows a part of a fused projection has.
enum class rows_of { values, queries, keys, heads, one };
/// How many rows that is, at these sizes.
inline idx count_rows(rows_of r, const sizes& z) {
  switch (r) {
    case rows_of::values:
      return idx(z.heads) * z.d;
    case rows_of::queries:
      return idx(z.heads) * z.n;
    case rows_of::keys:
      return idx(z.key_heads) * z.n;
    case rows_of::heads:
      return z.heads;
    default:
      return 1;
  }
}
/// All parts in one product: name.weight [sum of rows, D], in this order.
template <label Name, bias Bias, rows_of... Rows>
struct fused {
  row_parts parts;
  projection_parameters p;
  fused(const scope& s, const sizes& z, const stream_shape&)
      : parts(parts_of(z)), p(s, std::string(Name.text()), z.width, parts.columns(), Bias == bias::yes) {}
  static row_parts parts_of(const sizes& z) {
    static_assert(sizeof...(Rows) <= row_parts::most);
    row_parts out;
    (out.add(count_rows(Rows, z)), ...);
    return out;
  }
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    return p(c.t, c.u);
  }
};
/// Parts First .. First + Count - 1 of a source that has parts.
template <class Whole, int First, int Count = 1>
struct part {
  Whole whole;
  row_parts parts;
  part(const scope& s, const sizes& z, const stream_shape& want) : whole(s, z, want) {
    for (int i = First; i < First + Count; ++i) parts.add(whole.parts.begin[i + 1] - whole.parts.begin[i]);
  }
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    return c(whole).part(whole.parts.begin[First], parts.columns());
  }
};

}  // namespace coefdyn::nn
