// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <utility>

#include "tape.hpp"

namespace coefdyn::nn {

/// Token ids (B, T), row-major, in the caller's memory; they have to stay there until the step's backward is done.
struct token_ids {
  const std::int64_t* data = nullptr;
  idx batch = 0, time = 0;
  const idx* lengths = nullptr;  // (B), tokens before the padding, at least 1; none: no sequence is padded
  idx rows() const { return batch * time; }
};

namespace detail {
template <class R>
struct embedded {
  value<R> y;
  const std::int64_t* ids;
  const R *table, *positions;  // the second from the first token's position, or none
  COEFDYN_HD void operator()(idx i, idx begin, idx end) const {
    const idx D = y.columns;
    for (idx c = begin; c < end; ++c) y.data[i * D + c] = table[ids[i] * D + c] + (positions ? positions[i % y.time * D + c] : R(0));
  }
};
/// Row words[w] of a table takes the gradients of places begin[w] .. begin[w + 1] - 1 of the list, w < *count; column c of it.
template <class R>
struct embedded_to_table {
  value<R> y;
  R* table;
  const idx *count, *begin, *words, *places;
  template <class Team>
  COEFDYN_HD void operator()(Team team, idx w, idx c) const {
    if (w >= *count) return;
    R* const to = table + words[w] * y.columns + c;
    R sum = team.first() == 0 ? *to : R(0);
    for (idx p = begin[w] + team.first(); p < begin[w + 1]; p += team.step()) sum += y.gradient[places[p] * y.columns + c];
    sum = team.sum(sum);
    if (team.first() == 0) *to = sum;
  }
};
template <class R>
struct embedded_to_positions {
  value<R> y;
  R* to;
  COEFDYN_HD void operator()(idx s, idx first, idx last) const {
    for (idx b = 0; b < y.batch; ++b)
      for (idx c = first; c < last; ++c) to[s * y.columns + c] += y.gradient[(b * y.time + s) * y.columns + c];
  }
};
/// The words that occur, in order, and the places of each word's tokens, one word after the other; begin[w] is where those of words[w]
/// start, and behind the last the end. `begin` has room for all words and one. Returns how many occur.
inline idx sort_places(const token_ids& ids, idx all_words, idx* begin, idx* words, idx* places) {
  std::fill_n(begin, all_words + 1, idx(0));
  for (idx i = 0; i < ids.rows(); ++i) ++begin[ids.data[i] + 1];
  for (idx v = 0; v < all_words; ++v) begin[v + 1] += begin[v];
  for (idx i = 0; i < ids.rows(); ++i) places[begin[ids.data[i]]++] = i;  // each ends where it began plus its tokens
  idx count = 0, end = 0;
  for (idx v = 0; v < all_words; ++v) {
    const idx first = std::exchange(end, begin[v]);
    if (first < end) words[count] = v, begin[count++] = first;
  }
  begin[count] = end;
  return count;
}
/// The lists of `sort_places` behind their count, one after the other.
struct word_lists {
  idx all_words, rows;
  COEFDYN_HD constexpr idx most() const { return all_words < rows ? all_words : rows; }
  constexpr idx size() const { return 2 + all_words + most() + rows; }
  template <class T>
  COEFDYN_HD T* begin(T* lists) const {
    return lists + 1;
  }
  template <class T>
  COEFDYN_HD T* words(T* lists) const {
    return lists + 2 + all_words;
  }
  template <class T>
  COEFDYN_HD T* places(T* lists) const {
    return words(lists) + most();
  }
  void fill(const token_ids& ids, idx* lists) const { lists[0] = sort_places(ids, all_words, begin(lists), words(lists), places(lists)); }
};
inline void expect_words(const token_ids& ids, idx words) {
  for (idx i = 0; i < ids.rows(); ++i)
    if (ids.data[i] < 0 || ids.data[i] >= words)
      throw invalid_input("token id", "0 .. " + std::to_string(words - 1), std::to_string(ids.data[i]) + " at " + std::to_string(i));
}
}  // namespace detail

/// y_t = table[id_t] [+ positions[t]]; t counts the tokens of the past too, where there is one. The ids are the host's on every device.
///
/// shape   table [V, D], positions [at least T, D] or none
/// error   invalid_input for an id outside the table or more tokens than positions, before anything is written
template <class R, class On>
value<R> embed(tape<R, On>& t, const token_ids& ids, const parameter& table, const parameter& positions = {}) {
  detail::expect_words(ids, table.rows);
  const idx first = t.before() ? t.before()->length() : 0;
  if (positions && first + ids.time > positions.rows)
    throw invalid_input("ids", "at most " + std::to_string(positions.rows) + " tokens, one a position", std::to_string(first + ids.time));
  const idx D = table.columns, words = table.rows;
  const value<R> y = t.make(ids.batch, ids.time, D);
  t.elements(
      ids.rows(), D,
      detail::embedded<R>{y, t.here(ids.data, ids.rows()), t.weights(table), positions ? t.weights(positions) + first * D : nullptr});
  if (!t.records()) return y;
  const detail::word_lists lists{words, ids.rows()};
  const idx* const there = t.template from_host<idx>(lists.size(), [=](idx* to) {
    detail::expect_words(ids, words);  // once more where a recorded step is run with other ids
    lists.fill(ids, to);
  });
  const detail::embedded_to_table<R> pull{y, t.gradients(table), there, lists.begin(there), lists.words(there), lists.places(there)};
  t.record([=](tape<R, On>& back) {
    back.groups(lists.most(), D, pull);
    if (positions) back.elements(y.time, D, detail::embedded_to_positions<R>{y, back.gradients(positions)});
  });
  return y;
}

/// A caller's numbers (B, T, C), in the tape's memory, as an activation without a gradient.
template <class R>
value<R> input_of(const R* data, idx batch, idx time, idx columns) {
  return {const_cast<R*>(data), nullptr, batch, time, columns, columns};  // operations never write their arguments' data
}

}  // namespace coefdyn::nn
