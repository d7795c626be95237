// SPDX-License-Identifier: MIT
#pragma once
#include "tape.hpp"

namespace coefdyn::nn {

/// Token ids (B, T), row-major, in the caller's memory; they have to stay there until the step's backward is done.
struct token_ids {
  const std::int64_t* data = nullptr;
  idx batch = 0, time = 0;
  idx rows() const { return batch * time; }
};

/// y_t = table[id_t] [+ positions[t]]; t counts the tokens of the past too, where there is one.
///
/// shape   table [V, D], positions [at least T, D] or none
/// error   invalid_input for an id outside the table or more tokens than positions, before anything is written
template <class R>
value<R> embed(tape<R>& t, const token_ids& ids, const parameter& table, const parameter& positions = {}) {
  for (idx i = 0; i < ids.rows(); ++i)
    if (ids.data[i] < 0 || ids.data[i] >= table.rows)
      throw invalid_input("token id", "0 .. " + std::to_string(table.rows - 1), std::to_string(ids.data[i]) + " at " + std::to_string(i));
  const idx first = t.before() ? t.before()->length() : 0;
  if (positions && first + ids.time > positions.rows)
    throw invalid_input("ids", "at most " + std::to_string(positions.rows) + " tokens, one a position", std::to_string(first + ids.time));
  const idx D = table.columns;
  const value<R> y = t.make(ids.batch, ids.time, D);
  t.by_rows(ids.rows(), [&](idx begin, idx end) {
    for (idx i = begin; i < end; ++i)
      for (idx c = 0; c < D; ++c)
        y.data[i * D + c] =
            t.weights(table)[ids.data[i] * D + c] + (positions ? t.weights(positions)[(first + i % ids.time) * D + c] : R(0));
  });
  t.record([=](tape<R>& back) {  // one after the other: rows of a table are shared
    for (idx i = 0; i < ids.rows(); ++i)
      for (idx c = 0; c < D; ++c) {
        back.gradients(table)[ids.data[i] * D + c] += y.gradient[i * D + c];
        if (positions) back.gradients(positions)[i % ids.time * D + c] += y.gradient[i * D + c];
      }
  });
  return y;
}

/// A caller's numbers (B, T, C) as an activation without a gradient.
template <class R>
value<R> input_of(const R* data, idx batch, idx time, idx columns) {
  return {const_cast<R*>(data), nullptr, batch, time, columns, columns};  // operations never write their arguments' data
}

}  // namespace coefdyn::nn
