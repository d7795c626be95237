// SPDX-License-Identifier: MIT
#pragma once
#include "../engine/chunkwise_backward.cuh"
#include "walk_reverse.cuh"

/// What a block of the small shapes' backward kernel does with the heads that share a key head.
namespace coefdyn::cuda::small {

/// What the kernel is given beside the call.
template <class R>
struct walk_memory {
  std::byte* slow;
  idx slow_bytes;
  R *slots, *reader_slots;  // gradients of streams without time: for every sequence and head
  int state_numbers, reader_numbers;
  idx windows, items;
};

template <class M, class R, class X, class Call, int N>
struct walk_item {
  using traits_ = traits<M>;
  using Block = walk_block<M, R, X, N>;
  using Pass = walk_pass<M, R, X, N>;
  using O = operands<M, R>;
  using Tile = lane_tile<N>;
  static constexpr int ln = Block::ln, micro = traits_::micro;
  const X& x;
  const extents& e;
  const Block& there;
  const Call& call;
  const walk_memory<R>& g;
  head_place head;
  int members = 1, member = 0;
  idx start = 0;

  /// What the corrections read is kept from the way forward.
  static constexpr bool keeps_corrections = Block::corrects && !Block::numerators;
  /// Numbers of a state head's part of the workspace.
  static COEFDYN_HD idx numbers(idx windows, int rows) {
    return windows * (Tile::numbers + (keeps_corrections ? rows * N : 0)) + 2 * Tile::numbers + (windows + 4) / 4 * 4;
  }
  __device__ R* mine() const {
    return reinterpret_cast<R*>(g.slow + idx(blockIdx.x) * g.slow_bytes) + member * numbers(g.windows, there.rows);
  }
  __device__ R* checkpoint(idx k) const { return mine() + k * Tile::numbers; }
  __device__ R* kept_gradient() const { return mine() + g.windows * Tile::numbers + int(threadIdx.x) / 32 * Tile::numbers; }
  __device__ R* maximum(idx k) const { return mine() + (g.windows + 2) * Tile::numbers + k; }
  __device__ R* corrections(idx k) const { return mine() + (g.windows + 2) * Tile::numbers + (g.windows + 4) / 4 * 4 + k * there.rows * N; }
  __device__ static bool by_columns() { return threadIdx.x < 32; }

  __device__ __forceinline__ void place(idx group, int m) {
    member = m, members = cpu::states_per_group(e);
    head.index = group / e.keys, head.s = sequence_at(x, e, head.index), head.state = int(group % e.keys) * members + m;
    head.readers = there.readers, head.first_reader = head.state * there.readers;
    start = call.initial.S.data && call.initial.position.data ? call.initial.position(head.index) : 0;
  }
  __device__ __forceinline__ auto rows(const Block& w, idx t, int count) const {
    return window_rows<M, R, X, state_frame_of<M, R, X>>{x, e, head.s, head.at(0), t, count, w.in, w.raw, w.spare};
  }
  __device__ __forceinline__ auto reader_rows(const Block& w, const typename Block::Reader& reader, int r, idx t, int count) const {
    return window_rows<M, R, X, reader_frame_of<M, R, X>>{x, e, head.s, head.at(r), t, count, reader.in, reader.raw, w.spare};
  }
  /// Streams and operands of a window; returns the last maximum.
  __device__ __forceinline__ R load(idx k, int count, bool reads, R m) const {
    const idx t = k * there.tokens;
    const Block w = there.here();
    const auto state = rows(w, t, count);
    if (reads) {
      const auto reader = w.reader(0);
      const auto first = reader_rows(w, reader, 0, t, count);
      state.take([&] { first.take([&] { take_dy(reader.dY, 0, t, count); }); });
      for (int r = 1; r < w.readers; ++r) {
        const auto other = w.reader(r);
        reader_rows(w, other, r, t, count).take([&] { take_dy(other.dY, r, t, count); });
      }
    } else {
      state.take([] {});
    }
    __syncthreads();
    if constexpr (decltype(state)::whole_vectors) {
      state.map();
      for (int r = 0; reads && r < w.readers; ++r) reader_rows(w, w.reader(r), r, t, count).map();
      __syncthreads();
    }
    O o = w.o;
    o.tokens = count, o.rows = count * micro;
    m = lower_inline<M>(w.in, start + t, m, o);
    if constexpr (O::has_decays)
      each2_unsynced(o.rows, O::channel ? o.n : 1, [&](int r, int c) {
        R& decay = o.g[r * o.decay_width() + c];
        decay = math::exp(decay);
      });
    const R* const far = corrections(k);
#pragma unroll 4
    for (int i = int(threadIdx.x); i < o.rows * N; i += Block::threads) {
      const int r = i / N, v = i % N;
      R write = o.b[r] * w.value(r, v);
      if (keeps_corrections && reads) {
        const R x = far[i];
        w.X_[r * ln + v] = x;
        if (!Block::untied) write += o.s[r] * x;
      }
      w.W[r * ln + v] = write;
    }
    for (int r = 0; reads && r < w.readers; ++r) {
      const auto reader = w.reader(r);
      lower_reads_inline<M>(reader.in, o, 0, reader.Q, reader.p);
    }
    __syncthreads();
    return m;
  }
  __device__ __forceinline__ void take_dy(R* dY, int r, idx t, int count) const {
    const auto& v = call.dy;
    far_rows<std::remove_pointer_t<decltype(v.data)>> from;
    from.p = v.data + head.s.batch * v.strides[0] + (head.s.begin + t) * v.strides[1] + (head.first_reader + r) * v.strides[2];
    from.row = v.strides[1], from.column = e.d == 1 ? 1 : v.strides[3], from.rows = count, from.size = from.width = e.d;
    take_rows(from, [&](int i, int u, const auto& number) { dY[i * ln + u] = cpu::converted<R>(number); }, [] {});
  }

  /// Forward over all windows: the state at the start of each, then the final state's gradient to where the way back begins.
  __device__ __forceinline__ void forward(Tile& dS) const {
    const Block w = there.here();
    const idx tokens = head.tokens(), windows = (tokens + there.tokens - 1) / there.tokens;
    R m = starting_scale<M, R>(call, head.index, head.state);
    clear(w.matrix, N * ln);
    const slice all{0, e.d, e.d, value_width<M>(e.d)};
    load_state<M>(call.initial, head.index, head.state, e.n, all, ln, w.matrix);
    Tile S;
    if (by_columns()) S.load([&](int v, int c) { return w.matrix[c * ln + v]; });
    for (idx k = 0; k < windows; ++k) {
      const idx t = k * there.tokens;
      const int count = int(tokens - t < there.tokens ? tokens - t : there.tokens);
      R* const kept = checkpoint(k);
      if (by_columns()) S.store([&](int v, int c, R value) { kept[c * N + v] = value; });
      if (threadIdx.x == 0) *maximum(k) = m;
      if (!traits_::stabilised && !keeps_corrections && k == windows - 1) break;
      m = load(k, count, false, m);
      if (by_columns()) Pass{w, count}.template columns<keeps_corrections ? keep::corrections : keep::nothing>(S, corrections(k));
      __syncthreads();
    }
    __syncthreads();
    clear(w.matrix, N * ln);
    load_final_gradient<M>(call.final_gradient, head.index, head.state, e.n, e.d, m, w.matrix, ln);
    load_matrix(w, dS);
    __syncthreads();
  }
  __device__ __forceinline__ static void load_matrix(const Block& w, Tile& S) {
    if (by_columns()) S.load([&](int v, int c) { return w.matrix[c * ln + v]; });
    else S.load([&](int c, int v) { return w.matrix[c * ln + v]; });
  }
  /// dY from dy, with the gradients of the normalization's streams.
  __device__ __forceinline__ void finish_reads(const Block& w, idx t, int count) const {
    for (int r = 0; r < w.readers; ++r) {
      const auto reader = w.reader(r);
      if constexpr (Block::numerators) {
        if constexpr (O::before)
          each2(count, value_width<M>(e.d), [&](int i, int v) {
            const int row = (i + 1) * micro - 1;
            reader.Y[i * ln + v] += reader.p[i] * w.o.b[row] * w.value(row, v);
          });
        const auto dy = [&](idx, idx i, int, int v) { return reader.dY[i * ln + v]; };
        finish_rows_backward<M>(
            reader.in, count, start + t, [&](int i) { return static_cast<const R*>(reader.Y + i * ln); }, [&](int i) { return w.o.m[i]; },
            dy, idx(0), idx(0), head.first_reader + r, [&](int i) { return reader.dY + i * ln; }, w.df,
            with_constants(reader.gradient, reader_slot(r)), idx(0));
      } else {
        for (int k = int(threadIdx.x); k < count * N; k += Block::threads)
          reader.dY[k / N * ln + k % N] *=
              inverse_eta<typename M::normalization>(R(0), w.o.m[k / N], reader.in.at(k / N, 0, start + t + k / N));
      }
    }
    __syncthreads();
  }
  __device__ R* state_slot() const { return g.slots + (head.index * e.states + head.state) * g.state_numbers; }
  __device__ R* reader_slot(int r) const { return g.reader_slots + (head.index * e.readers + head.first_reader + r) * g.reader_numbers; }
  template <class... Need>
  __device__ __forceinline__ void clear_rows(const frame<M, R, list<Need...>>& f, int count) const {
    const auto one = [&]<class N_>(N_) {
      if (!N_::timed || (member > 0 && cpu::is_shared<N_>)) return;
      const auto b = f.template of<N_>();
      each_unsynced(int(f.template rows<N_>(count)) * int(b.stride), [&](int i) { b.p[i] = R(0); });
    };
    (one(Need{}), ...);
  }
  __device__ __forceinline__ void clear_readers(const Block& w, int count) const {
    for (int r = 0; r < w.readers; ++r) clear_rows(w.reader(r).gradient, count);
  }
  __device__ __forceinline__ void clear_slots() const {
    each_unsynced(g.state_numbers, [&](int i) { state_slot()[i] = R(0); });
    for (int r = 0; r < there.readers; ++r) each_unsynced(g.reader_numbers, [&](int i) { reader_slot(r)[i] = R(0); });
  }

  /// Window k backward.
  __device__ __forceinline__ void back(idx k, Tile& dS) const {
    const Block w = there.here();
    const idx tokens = head.tokens(), t = k * there.tokens;
    const int count = int(tokens - t < there.tokens ? tokens - t : there.tokens);
    if (members > 1) dS.take(kept_gradient());
    if constexpr (Block::numerators) clear_readers(w, count);
    if constexpr (O::before) each_unsynced(count * ln, [&](int i) { w.d.bonus[i] = R(0); });
    load(k, count, true, *maximum(k));
    const Pass pass{w, count};
    const R* const kept = checkpoint(k);
    if constexpr (Block::numerators) {
      if (by_columns()) {
        Tile S;
        S.load([&](int v, int c) { return kept[c * N + v]; });
        pass.template columns<keep::all>(S);
      }
      __syncthreads();
    }
    finish_reads(w, t, count);
    if (by_columns()) {
      pass.columns_back(dS);
    } else {
      Tile S;
      S.load([&](int c, int v) { return kept[c * N + v]; });
      pass.channels(S);
    }
    __syncthreads();
    if (by_columns()) pass.numbers();
    else pass.channels_back(dS);
    __syncthreads();
    if (members > 1) dS.keep(kept_gradient());
    leave(w, t, count);
  }
  /// Gradients of operands to the streams, and those to the caller.
  __device__ __forceinline__ void leave(const Block& w, idx t, int count) const {
    O o = w.o, d = w.d;
    o.tokens = d.tokens = count, o.rows = d.rows = count * micro;
    clear_rows(w.gradient, count);
    if constexpr (!Block::numerators) clear_readers(w, count);
    __syncthreads();
    if constexpr (O::has_decays && !O::channel)
      each_sum(
          d.rows, o.n, [&](int r, int c) { return micro > 1 && r % micro ? R(0) : w.decays[r * ln + c]; },
          [&](int r, R sum) { d.g[r] = sum; });
    for (int r = 0; r < w.readers; ++r) {
      const auto reader = w.reader(r);
      if constexpr (O::before) bonus(w, reader, o, d);
      raise_queries<M, R>(count, reader.gradient, idx(0), [&](int i) { return reader.dQ + cpu::read_row<M>(i) * ln; });
    }
    raise_streams<M, R>(
        w.in, count, start + t, with_constants(w.gradient, state_slot()), idx(0),
        [&](int i, int l) { return row_gradient_of<M>(o, d, i, l); }, typename state_frame_of<M, R, X>::needs{});
    __syncthreads();
    const bool last = member == members - 1;
    rows(w, t, count).give(call.g, w.gradient, last);
    for (int r = 0; r < w.readers; ++r) {
      const auto reader = w.reader(r);
      reader_rows(w, reader, r, t, count).give(call.g, reader.gradient, last);
    }
    __syncthreads();
  }
  /// What a read takes of its own token: p b V.
  __device__ __forceinline__ void bonus(const Block& w, const typename Block::Reader& reader, const O& o, const O& d) const {
    each2(o.tokens, N, [&](int i, int v) {
      const int row = (i + 1) * micro - 1;
      d.V[row * ln + v] += reader.p[i] * o.b[row] * reader.dY[i * ln + v];
    });
    each_sum(
        o.tokens, N, [&](int i, int v) { return reader.dY[i * ln + v] * w.value((i + 1) * micro - 1, v); },
        [&](int i, R dot) {
          const int row = (i + 1) * micro - 1;
          d.b[row] += reader.p[i] * dot;
          w.df[i] = o.b[row] * dot;
        });
    bonus_backward<M>(reader.in, o, w.df, reader.dQ, d);
  }

  __device__ __forceinline__ void go(idx group) {
    Tile dS;
    place(group, 0);
    for (int m = 0; m < members; ++m) {
      place(group, m);
      clear_slots();
      forward(dS);
      if (members > 1) dS.keep(kept_gradient());
    }
    for (idx k = (head.tokens() + there.tokens - 1) / there.tokens - 1; k >= 0; --k)
      for (int m = 0; m < members; ++m) {
        if (members > 1) place(group, m);
        back(k, dS);
      }
    for (int m = 0; m < members; ++m) {
      if (members > 1) place(group, m), dS.take(kept_gradient());
      if (!call.initial_gradient.S.data) continue;
      const Block w = there.here();
      if (by_columns()) dS.store([&](int v, int c, R value) { w.matrix[c * ln + v] = value; });
      __syncthreads();
      store_initial_gradient<M>(call.initial_gradient, head.index, head.state, e.n, e.d, starting_scale<M, R>(call, head.index, head.state),
                                static_cast<const R*>(w.matrix), ln);
      __syncthreads();
    }
  }
};

}  // namespace coefdyn::cuda::small
