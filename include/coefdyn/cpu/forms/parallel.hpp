// SPDX-License-Identifier: MIT
#pragma once
#include "../skeletons/tile.hpp"
#include "../stages/head.hpp"
#include "../stages/lower.hpp"
#include "../stages/machine.hpp"
#include "../stages/readout_rows.hpp"
#include "../stages/weight_draws.hpp"

/// The parallel form: tiles of scores, right to left from each query's own tile, weighted by phi and summed at once; any
/// readout map, no T x T storage. An exponential phi under a normalization divides by the running maximum's exponential (online softmax).
namespace coefdyn::cpu {

template <class M, class R, class X>
struct parallel_head {
  using traits_ = traits<M>;
  using O = operands<M, R>;
  int length = 0, n = 0, d = 0, e = 0;
  bool from_nothing = false;  // no state comes in
  idx tiles = 0;
  state_frame<M, R, X::over> in;
  reader_frame<M, R, X::over> reads;
  O o;
  tile<M, R> t;
  R* summaries = nullptr;
  idx per_tile = 0;
  R* values = nullptr;  // (T writes, e): V of every tile
  R* keys = nullptr;    // (tiles, n, rows): each summary's moved, transposed
  R *Q = nullptr, *p = nullptr, *Z = nullptr, *Y = nullptr, *m = nullptr, *factor = nullptr, *scratch = nullptr, *S = nullptr;
  R *sums = nullptr, *ones = nullptr;  // (rows): of weights; (columns)
  weight_draws<M, R> draws;

  parallel_head() = default;
  parallel_head(arena& a, const extents& size, idx tokens, int length_, const form::weight_dropout& drop = {}, bool backward = false)
      : length(length_),
        n(traits_::lowered(size.n)),
        d(size.d),
        e(padded_width<M>(size.d)),
        tiles((tokens + length_ - 1) / length_),
        in(a, {.n = size.n, .d = size.d, .e = e, .tokens = length_}),
        reads(a, {.n = size.n, .d = size.d, .e = e, .tokens = length_}),
        o(a, length_, size.n, e, traits_::micro > 1 && !traits_::structure.writes_each),
        t(a, length_ * traits_::micro, n, products_of<M, R, X>(backward)) {
    const idx rows = idx(length) * traits_::micro;
    per_tile = tile_summary<M, R>::numbers(int(rows), n);
    summaries = a.take<R>(tiles * per_tile), values = a.take<R>(tiles * rows * e), keys = a.take<R>(tiles * rows * n);
    Q = a.take<R>(rows * n), p = a.take<R>(length), Z = a.take<R>(rows * rows), Y = a.take<R>(rows * e), m = a.take<R>(rows),
    factor = a.take<R>(rows), scratch = a.take<R>(3 * idx(size.n)), S = a.take<R>(idx(n) * e);
    sums = a.take<R>(rows), ones = a.take<R>(rows);
    draws.drop = drop;
  }
  tile_summary<M, R> summary(idx j, int rows) const { return {summaries + j * per_tile, rows, n}; }
  R* value_rows(idx j) const { return values + j * idx(length) * traits_::micro * e; }
  /// Scores Z (rows, columns) of queries Q (rows, n) at the end of tile k, all of whose rows exist.
  void score(int rows, idx k, const R* Q_there) const {
    const int columns = length * traits_::micro;
    clear(Z, idx(rows) * columns);
    t.machine.nn(rows, columns, n, Q_there, n, keys + k * columns * idx(n), columns, Z, columns);
  }

  /// Streams, operands and summary of tile j, tokens [at, at + count).
  void load(const X& x, const extents& size, const head_place& head, idx j, int count, idx position, R& running) {
    const idx at = j * length;
    gather<M>(t.machine.where(), x, size, head.s, head.at(0), at, count, j == 0, in, scratch);
    o.tokens = count;
    o.rows = count * traits_::micro;
    o.from_nothing = from_nothing && j == 0;
    lower<M>(t.machine.where(), in, position + at, running, o);
    t.prepare(o, summary(j, o.rows));
    copy(o.V, idx(o.rows) * e, value_rows(j));
    const int columns = length * traits_::micro;
    t.machine.transpose(o.rows, n, summary(j, o.rows).moved, n, keys + j * columns * idx(n), columns);
  }
  /// A token that reads before micro-steps of its own meets its bonus in a later row of its tile; else rows of a tile weigh nothing
  /// above the diagonal, and a product of the lower half keeps what is there, NaN too, out of earlier tokens.
  static constexpr bool bonus_is_above = O::before && traits_::micro > 1;
  /// Whether a read row of this tile sees a row of this tile.
  static constexpr bool sees_own(int read, int row) { return traits_::structure.order == reads::before_write ? row < read : row <= read; }

  /// Weights of scores against the `columns` rows of values of tile k, added to Y, the sums of all of them at d; `own`: the tile's own,
  /// with its mask and bonus.
  void weigh(int rows_q, int columns, idx k, const R* V, bool own) {
    if constexpr (O::before)
      if (own) put_bonus(rows_q, columns);
    if constexpr (takes_maximum<M>) {
      hide(rows_q, columns, own, math::minus_infinity<R>());
      exponentials(rows_q, columns, own);
      for (int i = 0; i < rows_q; ++i)
        if (factor[i] != R(1)) t.machine.scale_rows(1, e, factor + i, Y + idx(i) * e, e, Y + idx(i) * e, e);
    } else {
      apply_readout<typename M::readout>(t.machine, idx(rows_q) * columns, Z);
      hide(rows_q, columns, own, R(0));
      if constexpr (traits_::needs_sum) {
        by_channel(columns, ones, [](int) { return R(1); });
        clear(sums, rows_q);
        t.machine.row_dots(rows_q, columns, Z, columns, ones, 0, sums);
      }
    }
    drop_weights(rows_q, columns, k, own, Z);
    if (own && !bonus_is_above) t.machine.nn_lower_left(rows_q, d, Z, columns, V, e, Y, e);
    else t.machine.nn(rows_q, d, columns, Z, columns, V, e, Y, e);
    if constexpr (traits_::needs_sum)
      for (int i = 0; i < rows_q; ++i) Y[idx(i) * e + d] += sums[i];
  }
  /// Z becomes e^(Z - m). Of the tile's own, where no row weighs a column behind it, those columns alone that some row of a block does.
  void exponentials(int rows_q, int columns, bool own) {
    constexpr int block = 16;
    const bool triangle = own && traits_::micro == 1 && rows_q == columns;
    for (int i = 0; i < rows_q; i += triangle ? block : rows_q) {
      const int count = triangle && rows_q - i > block ? block : rows_q - i, width = triangle ? i + count : columns;
      R* const row = Z + idx(i) * columns;
      t.machine.exp_rows(count, width, row, columns, m + i, factor + i, sums + i);
      for (int r = 0; r < count && width < columns; ++r) clear(row + idx(r) * columns + width, columns - width);
    }
  }
  /// The bonus's scores, where a token's read meets its own write.
  void put_bonus(int rows_q, int columns) const {
    for (int i = 0; i < rows_q / traits_::micro; ++i) {
      const int w = i * traits_::micro + traits_::micro - 1;
      Z[idx(read_row<M>(i)) * columns + w] = p[i] * o.b[w];
    }
  }
  /// x (rows, columns), which belongs to weights of tile k, times what their draws say; of the tile's own, those at or before the read.
  void drop_weights(int rows_q, int columns, idx k, bool own, R* x) const {
    if (!draws.given()) return;
    run_on(t.machine.where(), [&, draws_ = draws, stream = *draws.drop.draws] {  // copies, which no row can be
      for (int i = 0; i < rows_q / traits_::micro; ++i) {
        R* const row = x + idx(read_row<M>(i)) * columns;
        const std::uint64_t first = draws_.word(i, k * length * traits_::micro);
        by_channel(own ? (i + 1) * traits_::micro : columns, row,
                   [&](int c) { return draws_.factor_at(stream, first + std::uint64_t(c)) * row[c]; });
      }
    });
  }
  /// `value` where row i does not weigh column j.
  void hide(int rows_q, int columns, bool own, R value) const {
    if (traits_::micro == 1) {
      for (int i = 0; own && i < rows_q; ++i) by_channel(columns - i - 1, Z + idx(i) * columns + i + 1, [&](int) { return value; });
      return;
    }
    for (int i = 0; i < rows_q; ++i)
      for (int j = 0; j < columns; ++j)
        if (!weighs(i, j, own)) Z[idx(i) * columns + j] = value;
  }
  static constexpr bool weighs(int i, int j, bool own) {
    if (!is_read(i)) return false;
    return (traits_::writes_at(j % traits_::micro) && (!own || sees_own(i, j))) ||
           (O::before && own && j == i / traits_::micro * traits_::micro + traits_::micro - 1);
  }
  static constexpr bool is_read(int row) {
    return row % traits_::micro == (traits_::structure.order == reads::before_write ? 0 : traits_::micro - 1);
  }
  /// The maximum that the read of token i of the tile at hand is scaled by.
  R maximum(int i) const {
    if constexpr (traits_::stabilised) return o.m[i];
    else return takes_maximum<M> ? m[read_row<M>(i)] : R(0);
  }
  idx tiles_of(idx tokens) const { return (tokens + length - 1) / length; }
  /// Tokens of tile j of a sequence.
  int count_of(idx j, idx tokens) const { return int(tokens - j * length < length ? tokens - j * length : length); }
};

/// Y of the queries Q (rows of tile j), over that tile and all before it; Q is moved to the start of the sequence where a state wants it.
/// `moved(k)` is called before tile k is met.
template <class M, class R, class X, class Moved>
void sum_over_tiles(parallel_head<M, R, X>& w, idx j, int rows, R* Q, bool from_state, Moved moved) {
  using traits_ = traits<M>;
  clear(w.Y, idx(rows) * w.e);
  for (int i = 0; i < rows; ++i) w.m[i] = starting_maximum<M, R>();
  w.t.own(w.o, w.summary(j, rows), Q, w.Z);
  w.weigh(rows, rows, j, w.o.V, true);
  const int columns = w.length * traits_::micro;
  for (idx k = j - 1; k >= 0; --k) {
    moved(k);
    w.score(rows, k, Q);
    w.weigh(rows, columns, k, w.value_rows(k), false);
    if (k || from_state) w.summary(k, columns).transport(w.t.machine, rows, Q, w.Z);
  }
}
/// y of tile j, tokens [at, at + count).
template <class M, class R, class X, class Y>
void parallel_reads(const X& x, const extents& size, const head_place& head, const Y& y, idx start, idx j, int count, bool from_state,
                    parallel_head<M, R, X>& w) {
  const idx at = j * w.length;
  const int rows = w.o.rows, from = unread(size, at, count), width = w.e;
  for (int r = 0; r < head.readers && from < count; ++r) {
    gather<M>(w.t.machine.where(), x, size, head.s, head.at(r), at + from, count - from, true, w.reads, w.scratch);
    R* Q = lower_reads<M>(w.reads, w.o, from, w.Q, w.p);
    w.draws.begin(size, head, r, at);
    sum_over_tiles(w, j, rows, Q, from_state, [](idx) {});
    if constexpr (traits<M>::linear)
      if (from_state) w.t.machine.nn(rows, width, w.n, Q, w.n, w.S, width, w.Y, width);
    for (int i = from; i < count; ++i)
      finish_row<M, R>(w.Y + idx(read_row<M>(i)) * width, size.d, w.maximum(i), w.reads.at(i - from, 0, start + at + i), y,
                       head.row(at + i - size.first_read, r));
  }
}

/// Forward of one head. A linear readout takes and gives states; for any other the carry is the cache (cache.hpp).
template <class M, class R, class X, class Y, class Types>
void parallel_forward(const X& x, const extents& size, const head_place& head, const Y& y, const carried<M, Types>& c,
                      parallel_head<M, R, X>& w) {
  const idx tokens = head.tokens(), start = initial_position(c, head.index);
  R running = initial_maximum<M, Types, R>(c, head.index, head.state);
  w.from_nothing = !c.initial;
  load_state<M>(c, head, size, w.e, w.S);
  w.o.begin_sequence();
  for (idx j = 0; j < w.tiles_of(tokens); ++j) {
    const int count = w.count_of(j, tokens);
    w.load(x, size, head, j, count, start, running);
    parallel_reads(x, size, head, y, start, j, count, bool(c.initial), w);
  }
  if constexpr (traits<M>::linear) parallel_states(size, head, c, w, running);
}
/// A state from a tile's start to its end: S <- e^Gamma S + ends' (U S) + moved' V, turned by the tile's angle.
template <class M, class R, class X>
void through_tile(parallel_head<M, R, X>& w, const tile_summary<M, R>& s, int rows, const R* V, R* S) {
  using O = operands<M, R>;
  const int width = w.e;
  if constexpr (O::corrects) {
    clear(w.Y, idx(rows) * width);
    w.t.machine.nn(rows, width, w.n, s.U, w.n, S, width, w.Y, width);
  }
  if constexpr (O::has_decays)
    for (int r = 0; r < w.n; ++r)
      for (int v = 0; v < width; ++v) S[idx(r) * width + v] = s.all[O::channel ? r : 0] * S[idx(r) * width + v];
  if constexpr (O::corrects) w.t.machine.tn(w.n, width, rows, s.ends, w.n, w.Y, width, S, width);
  w.t.machine.tn(w.n, width, rows, s.moved, w.n, V, width, S, width);
  if (O::turns && !w.o.onward)
    for (int v = 0; v < width; ++v)
      for (int p = 0; p < w.n / 2; ++p) {
        const channel_pair i = pair_of(O::pairs, p, w.n);
        turn_pair(s.co[p], s.si[p], S[idx(i.x) * width + v], S[idx(i.y) * width + v]);
      }
}
/// The final state of a linear mixer, from the summaries.
template <class M, class R, class X, class Types>
void parallel_states(const extents& size, const head_place& head, const carried<M, Types>& c, parallel_head<M, R, X>& w, R running) {
  if (!c.final) return;
  const idx tokens = head.tokens();
  for (idx j = 0; j < w.tiles_of(tokens); ++j) {
    const int rows = w.count_of(j, tokens) * traits<M>::micro;
    through_tile(w, w.summary(j, rows), rows, w.value_rows(j), w.S);
  }
  turn_state(w.o, +1, w.S, idx(w.e), w.e);
  store_state<M>(c.final, head.index, head.state, size, w.e, w.S, running);
}

}  // namespace coefdyn::cpu
