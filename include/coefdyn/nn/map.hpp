// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <type_traits>
#include <utility>

#include "../core/math.hpp"
#include "tape.hpp"

namespace coefdyn::nn {

namespace detail {
/// An argument of `map`: whether it is read at the output's own place, and where otherwise.
template <class R>
struct map_argument {
  value<R> v;
  bool plain, summed;  // as wide as the output; one row for all
  unsigned repeat;     // columns of the output that read one of its columns
  map_argument(const value<R>& x, idx columns)
      : v(x), plain(x.columns == columns), summed(x.stride == 0), repeat(x.columns < columns ? unsigned(columns / x.columns) : 1) {
    if (x.columns < 1 || columns % x.columns != 0)
      throw invalid_input("argument of a map", "columns that divide " + std::to_string(columns), std::to_string(x.columns));
  }
  /// Has a gradient, and the output's rows and columns.
  COEFDYN_HD bool pulled_together() const { return v.gradient && plain && !summed; }
  COEFDYN_HD const R* row(idx i) const { return v.data + i * v.stride; }
  COEFDYN_HD idx at(idx c) const { return plain ? c : idx(unsigned(c) / repeat); }
  /// What columns c .. c + count - 1 of the output read, of row i.
  template <class Count>
  [[gnu::always_inline]] COEFDYN_HD void read(Count count, idx i, idx c, R* to) const {
    const R* const from = row(i);
    if (plain) {
      for (int j = 0; j < count; ++j) to[j] = from[c + j];
    } else if (const idx a = at(c); a == at(c + count - 1)) {
      for (int j = 0; j < count; ++j) to[j] = from[a];
    } else {
      for (int j = 0; j < count; ++j) to[j] = from[at(c + j)];
    }
  }
};
template <class R, std::size_t N>
struct map_arguments {
  map_argument<R> of[N];
  bool plain;
};
/// y = f(x...).
template <class R, std::size_t N, class F>
struct map_forward {
  map_arguments<R, N> x;
  value<R> y;
  F f;
  COEFDYN_HD void operator()(idx i, idx first, idx last) const { columns(i, first, last, std::make_index_sequence<N>{}); }

 private:
  template <std::size_t... I>
  COEFDYN_HD void columns(idx i, idx first, idx last, std::index_sequence<I...>) const {
    const R* const row[] = {x.of[I].row(i)...};
    R* const to = y.data + i * y.stride;
    if (x.plain) between(first, last, to, [&](idx c) COEFDYN_IN_LOOP { return f(row[I][c]...); });
    else
      in_blocks(first, last, [&](auto count, idx c) COEFDYN_IN_LOOP {
        R at[N][count], made[count];
        (x.of[I].read(count, i, c, at[I]), ...);
        for (int j = 0; j < count; ++j) made[j] = f(at[I][j]...);
        for (int j = 0; j < count; ++j) to[c + j] = made[j];
      });
  }
};
/// into[c] += dy df/dx of argument J, by dual numbers; c counts the argument's columns.
template <std::size_t J, class R, std::size_t N, class F>
struct map_backward {
  map_arguments<R, N> x;
  value<R> y;
  F f;
  COEFDYN_HD void operator()(idx i, idx first, idx last) const {
    pull(i, first, last, x.of[J].v.gradient + i * x.of[J].v.stride, std::make_index_sequence<N>{});
  }
  template <class Sum>
  COEFDYN_HD void operator()(idx i, idx first, idx last, Sum&& sum) const {
    pull(i, first, last, sum, std::make_index_sequence<N>{});
  }

 private:
  template <class Into, std::size_t... I>
  COEFDYN_HD void pull(idx i, idx first, idx last, Into&& into, std::index_sequence<I...>) const {
    const R* const row[] = {x.of[I].row(i)...};
    const R* const dy = y.gradient + i * y.stride;
    if (x.plain) {
      between(first, last, into, [&](idx c) COEFDYN_IN_LOOP { return into[c] + dy[c] * f(dual<R>(row[I][c], R(I == J ? 1 : 0))...).d; });
      return;
    }
    const auto slopes = [&](auto count, idx c, R* to) COEFDYN_IN_LOOP {  // times dy
      R at[N][count];
      (x.of[I].read(count, i, c, at[I]), ...);
      for (int j = 0; j < count; ++j) to[j] = dy[c + j] * f(dual<R>(at[I][j], R(I == J ? 1 : 0))...).d;
    };
    if (x.of[J].repeat == 1) {
      in_blocks(first, last, [&](auto count, idx c) COEFDYN_IN_LOOP {
        R part[count];
        slopes(count, c, part);
        for (int j = 0; j < count; ++j) into[c + j] += part[j];
      });
      return;
    }
    for (idx a = first; a < last; ++a)
      in_blocks(a * x.of[J].repeat, (a + 1) * x.of[J].repeat, [&](auto count, idx c) COEFDYN_IN_LOOP {
        R part[count];
        slopes(count, c, part);
        for (int j = 0; j < count; ++j) into[a] += part[j];
      });
  }
};
/// The same for all arguments that have the output's rows and columns, in one pass over the host's memory: what their slopes share is
/// computed once.
template <class R, std::size_t N, class F>
struct map_backward_together {
  map_arguments<R, N> x;
  value<R> y;
  F f;
  COEFDYN_HD void operator()(idx i, idx first, idx last) const { pull(i, first, last, std::make_index_sequence<N>{}); }

 private:
  template <std::size_t... I>
  COEFDYN_HD void pull(idx i, idx first, idx last, std::index_sequence<I...> all) const {
    const R* const dy = y.gradient + i * y.stride;
    R* const into[] = {(x.of[I].pulled_together() ? x.of[I].v.gradient + i * x.of[I].v.stride : nullptr)...};
    if (x.plain && ((into[I] != nullptr) && ...)) {
      const R* const row[] = {x.of[I].row(i)...};
      in_blocks(first, last, [&](auto count, idx c) COEFDYN_IN_LOOP {
        R part[N][count];
        for (int j = 0; j < count; ++j) slopes(dy[c + j], part, j, all, row[I][c + j]...);
        (add(count, c, part[I], into[I]), ...);
      });
    } else {
      in_blocks(first, last, [&](auto count, idx c) COEFDYN_IN_LOOP {
        R at[N][count], part[N][count];
        (x.of[I].read(count, i, c, at[I]), ...);
        for (int j = 0; j < count; ++j) slopes(dy[c + j], part, j, all, at[I][j]...);
        ((into[I] ? add(count, c, part[I], into[I]) : void()), ...);
      });
    }
  }
  template <class Part, std::size_t... I, class... At>
  [[gnu::always_inline]] COEFDYN_HD void slopes(R dy, Part& part, int j, std::index_sequence<I...>, At... at) const {
    ((part[I][j] = dy * slope<I>(std::index_sequence<I...>{}, at...)), ...);
  }
  template <std::size_t J, std::size_t... I, class... At>
  [[gnu::always_inline]] COEFDYN_HD R slope(std::index_sequence<I...>, At... at) const {
    return f(dual<R>(at, R(I == J ? 1 : 0))...).d;
  }
  template <class Count>
  [[gnu::always_inline]] COEFDYN_HD static void add(Count count, idx c, const R* part, R* into) {
    R sum[count];
    for (int j = 0; j < count; ++j) sum[j] = into[c + j] + part[j];
    for (int j = 0; j < count; ++j) into[c + j] = sum[j];
  }
};
template <std::size_t J, class R, class On, std::size_t N, class F>
void pull_argument(tape<R, On>& t, const map_arguments<R, N>& a, F f, const value<R>& y) {
  const value<R>& x = a.of[J].v;
  if (!x.gradient || (tape<R, On>::is_host && a.of[J].pulled_together())) return;
  const map_backward<J, R, N, F> pull{a, y, f};
  if (a.of[J].summed && y.rows() > 1) t.sum_by_rows(y.rows(), x.columns, x.gradient, pull);
  else t.elements(y.rows(), x.columns, pull);
}
template <class R, class On, std::size_t N, class F>
void pull_arguments(tape<R, On>& t, const map_arguments<R, N>& a, F f, const value<R>& y) {
  if constexpr (tape<R, On>::is_host)
    if (std::any_of(std::begin(a.of), std::end(a.of), [](const auto& one) { return one.pulled_together(); }))
      t.elements(y.rows(), y.columns, map_backward_together<R, N, F>{a, y, f});
  [&]<std::size_t... J>(std::index_sequence<J...>) { (pull_argument<J>(t, a, f, y), ...); }(std::make_index_sequence<N>{});
}
}  // namespace detail

/// y = f(x...) at every row and column. An argument of fewer columns is spread: its column c / (columns / its columns) is read, which is a
/// head's number for all channels of the head; one of stride 0 is the same for all rows. Gradients are by dual numbers. On a GPU f is host
/// and device code (COEFDYN_HD), of a type at namespace scope.
///
/// shape   x (rows, columns) or fewer columns that divide them; the first with rows of its own gives batch and time
/// error   invalid_input for columns that don't divide
template <class R, class On, class F, class... X>
value<R> map_to(tape<R, On>& t, idx columns, F f, const X&... x) {
  const detail::map_arguments<R, sizeof...(X)> a{{detail::map_argument<R>(x, columns)...}, ((x.columns == columns) && ...)};
  idx batch = 1, time = 1;
  for (const auto& one : a.of)
    if (one.v.rows() > 1) batch = one.v.batch, time = one.v.time;
  for (const auto& one : a.of)
    if (!one.summed && one.v.rows() != batch * time)
      throw invalid_input("argument of a map", std::to_string(batch * time) + " rows", std::to_string(one.v.rows()));
  value<R> y = t.make(batch, time, columns);
  if (std::all_of(std::begin(a.of), std::end(a.of), [](const auto& one) { return one.summed; })) y.stride = 0;  // still one row for all
  t.elements(y.rows(), columns, detail::map_forward<R, sizeof...(X), F>{a, y, f});
  t.record([=](tape<R, On>& back) { detail::pull_arguments(back, a, f, y); });
  return y;
}
/// As wide as its first argument.
template <class R, class On, class F, class... X>
value<R> map(tape<R, On>& t, F f, const value<R>& first, const X&... more) {
  return map_to(t, first.columns, f, first, more...);
}

/// a + b.
struct sum_of {
  template <class X>
  [[gnu::always_inline]] COEFDYN_HD X operator()(X a, X b) const {
    return a + b;
  }
};
/// a b.
struct product_of {
  template <class X>
  [[gnu::always_inline]] COEFDYN_HD X operator()(X a, X b) const {
    return a * b;
  }
};
namespace detail {
template <class R>
struct group_sum {
  value<R> x, y;
  idx group;
  template <class Team>
  COEFDYN_HD void operator()(Team team, idx i, idx h) const {
    R sum = R(0);
    for (idx c = team.first(); c < group; c += team.step()) sum += x.data[i * x.stride + h * group + c];
    sum = team.sum(sum);
    if (team.first() == 0) y.data[i * y.stride + h] = sum;
  }
};
template <class R>
struct spread_to_groups {
  value<R> x, y;
  unsigned group;
  COEFDYN_HD void operator()(idx i, idx first, idx last) const {
    for (idx c = first; c < last; ++c) x.gradient[i * x.stride + c] += y.gradient[i * y.stride + idx(unsigned(c) / group)];
  }
};
}  // namespace detail
/// The sum of each group of `group` columns.
template <class R, class On>
value<R> sum_groups(tape<R, On>& t, const value<R>& x, idx group) {
  const value<R> y = t.make(x.batch, x.time, x.columns / group);
  t.groups(x.rows(), y.columns, detail::group_sum<R>{x, y, group});
  t.record([=](tape<R, On>& back) {
    if (x.gradient) back.elements(x.rows(), x.columns, detail::spread_to_groups<R>{x, y, unsigned(group)});
  });
  return y;
}
/// a + b, element by element.
template <class R, class On>
value<R> add(tape<R, On>& t, const value<R>& a, const value<R>& b) {
  return map(t, sum_of{}, a, b);
}

namespace detail {
template <class R, class F>
struct from_place {
  R* to;
  F f;
  COEFDYN_HD void operator()(idx, idx first, idx last) const {
    for (idx c = first; c < last; ++c) to[c] = R(f(c));
  }
};
}  // namespace detail
/// One row for all, without a gradient: column c holds f(c).
template <class R, class On, class F>
value<R> constants(tape<R, On>& t, idx columns, F f) {
  R* const x = t.template take<R>(columns);
  t.elements(1, columns, detail::from_place<R, F>{x, f});
  return {x, nullptr, 1, 1, columns, 0};
}

}  // namespace coefdyn::nn
