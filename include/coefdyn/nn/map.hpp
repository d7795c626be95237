// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <array>

#include "../core/math.hpp"
#include "tape.hpp"

namespace coefdyn::nn {

namespace detail {
/// An argument of `map`: whether it is read at the output's own place, and where otherwise.
template <class R>
struct map_argument {
  value<R> v;
  bool plain, summed;  // as wide as the output; one row for all
  idx repeat;          // columns of the output that read one of its columns
  map_argument(const value<R>& x, idx columns)
      : v(x), plain(x.columns == columns), summed(x.stride == 0), repeat(x.columns < columns ? columns / x.columns : 1) {
    if (x.columns < 1 || columns % x.columns != 0)
      throw invalid_input("argument of a map", "columns that divide " + std::to_string(columns), std::to_string(x.columns));
  }
  const R* row(idx i) const { return v.data + i * v.stride; }
  idx at(idx c) const { return plain ? c : c / repeat; }
};
template <class R, std::size_t N, class F, std::size_t... I>
void map_rows(const std::array<map_argument<R>, N>& a, F f, R* out, idx stride, idx columns, idx begin, idx end,
              std::index_sequence<I...>) {
  const bool plain = (a[I].plain && ...);
  for (idx i = begin; i < end; ++i) {
    const R* const row[] = {a[I].row(i)...};
    R* const y = out + i * stride;
    if (plain)
      for (idx c = 0; c < columns; ++c) y[c] = f(row[I][c]...);
    else
      for (idx c = 0; c < columns; ++c) y[c] = f(row[I][a[I].at(c)]...);
  }
}
/// into[at(c)] += dy df/dx of argument J, by dual numbers.
template <std::size_t J, class R, std::size_t N, class F, std::size_t... I>
void pull_row(const std::array<map_argument<R>, N>& a, F f, const R* dy, idx columns, idx i, R* into, std::index_sequence<I...>) {
  const R* const row[] = {a[I].row(i)...};
  const auto slope = [&](idx c) { return f(dual<R>(row[I][a[I].at(c)], R(I == J ? 1 : 0))...).d; };
  if ((a[I].plain && ...))
    for (idx c = 0; c < columns; ++c) into[c] += dy[c] * f(dual<R>(row[I][c], R(I == J ? 1 : 0))...).d;
  else
    for (idx c = 0; c < columns; ++c) into[a[J].at(c)] += dy[c] * slope(c);
}
template <std::size_t J, class R, std::size_t N, class F>
void pull_argument(tape<R>& t, const std::array<map_argument<R>, N>& a, F f, const value<R>& y) {
  const value<R>& x = a[J].v;
  if (!x.gradient) return;
  const auto over = [&](idx begin, idx end, R* into, idx stride) {
    for (idx i = begin; i < end; ++i)
      pull_row<J>(a, f, y.gradient + i * y.stride, y.columns, i, into + i * stride, std::make_index_sequence<N>{});
  };
  if (a[J].summed && y.rows() > 1) t.sum_by_rows(y.rows(), x.columns, x.gradient, [&](idx b, idx e, R* sum) { over(b, e, sum, 0); });
  else t.by_rows(y.rows(), [&](idx b, idx e) { over(b, e, x.gradient, x.stride); });
}
}  // namespace detail

/// y = f(x...) at every row and column. An argument of fewer columns is spread: its column c / (columns / its columns) is read, which is a
/// head's number for all channels of the head; one of stride 0 is the same for all rows. Gradients are by dual numbers.
///
/// shape   x (rows, columns) or fewer columns that divide them; the first with rows of its own gives batch and time
/// error   invalid_input for columns that don't divide
template <class R, class F, class... X>
value<R> map_to(tape<R>& t, idx columns, F f, const X&... x) {
  const std::array<detail::map_argument<R>, sizeof...(X)> a{detail::map_argument<R>(x, columns)...};
  idx batch = 1, time = 1;
  for (const auto& one : a)
    if (one.v.rows() > 1) batch = one.v.batch, time = one.v.time;
  for (const auto& one : a)
    if (!one.summed && one.v.rows() != batch * time)
      throw invalid_input("argument of a map", std::to_string(batch * time) + " rows", std::to_string(one.v.rows()));
  value<R> y = t.make(batch, time, columns);
  if (std::all_of(a.begin(), a.end(), [](const auto& one) { return one.summed; })) y.stride = 0;  // still one row for all
  t.by_rows(y.rows(), [&](idx begin, idx end) {
    detail::map_rows(a, f, y.data, y.stride, columns, begin, end, std::make_index_sequence<sizeof...(X)>{});
  });
  t.record([=](tape<R>& back) {
    [&]<std::size_t... J>(std::index_sequence<J...>) {
      (detail::pull_argument<J>(back, a, f, y), ...);
    }(std::make_index_sequence<sizeof...(X)>{});
  });
  return y;
}
/// As wide as its first argument.
template <class R, class F, class... X>
value<R> map(tape<R>& t, F f, const value<R>& first, const X&... more) {
  return map_to(t, first.columns, f, first, more...);
}

/// a + b + ..
struct sum_of {
  template <class X>
  X operator()(X a, X b) const {
    return a + b;
  }
};
/// a b ..
struct product_of {
  template <class X>
  X operator()(X a, X b) const {
    return a * b;
  }
};
/// The sum of each group of `group` columns.
template <class R>
value<R> sum_groups(tape<R>& t, const value<R>& x, idx group) {
  const value<R> y = t.make(x.batch, x.time, x.columns / group);
  t.by_rows(x.rows(), [&](idx begin, idx end) {
    for (idx i = begin; i < end; ++i)
      for (idx h = 0; h < y.columns; ++h) {
        R sum = R(0);
        for (idx c = 0; c < group; ++c) sum += x.data[i * x.stride + h * group + c];
        y.data[i * y.stride + h] = sum;
      }
  });
  t.record([=](tape<R>& back) {
    back.by_rows(x.rows(), [&](idx begin, idx end) {
      for (idx i = begin; i < end; ++i)
        for (idx c = 0; c < x.columns && x.gradient; ++c) x.gradient[i * x.stride + c] += y.gradient[i * y.stride + c / group];
    });
  });
  return y;
}
/// a + b, element by element.
template <class R>
value<R> add(tape<R>& t, const value<R>& a, const value<R>& b) {
  return map(t, sum_of{}, a, b);
}

}  // namespace coefdyn::nn
