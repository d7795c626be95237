// SPDX-License-Identifier: MIT
#pragma once
#include "delta.cuh"
#include "hopper.cuh"
#include "sweep_plan.cuh"

/// Delta rules with a scalar decay or none (`has_delta`) by the Hopper kernels: numbers and mapped rows made ahead, the triangular
/// system of every chunk inverted, then one pass over time; backward one each way, and all chunks at once.
namespace coefdyn::cuda {

template <class M, class R, class X>
struct delta_plan {
  static constexpr bool gives_gradients = true, exists = has_delta<M> && has_rows_of_bf16<R, X>;
  using rows_type = hopper::prepared_rows<M>;
  using state_type = typename X::types_type::state;

  extents e;
  sequence_offsets offsets;          // may lie on the host: for counts alone
  bool fit = false, copies = false;  // copies: of states

  delta_plan(form::chunkwise f, const X& x, const extents& e_, idx) : e(e_), offsets(x.cu_seqlens) {
    const auto whole = [](int n) { return n == 64 || n == 128; };
    copies = e.readers != e.states || !std::is_same_v<state_type, float>;
    fit = (f.length == 0 || f.length == sweep::chunk) && whole(e.n) && whole(e.d) && e.time > 0 && e.readers > 0 && e.first_read == 0 &&
          e.states % e.keys == 0 && hopper::copyable(x.q) && hopper::copyable(x.k) && hopper::copyable(x.v) &&
          hopper::piece_count<sweep::chunk>(offsets, e.time) * e.batch * e.readers * 2 < (idx(1) << 31) && hopper::available();
  }
  bool fits() const { return fit; }
  std::string name() const { return "delta, sm_90a, chunks of 64"; }
  template <class Y, class Carry>
  bool takes(const Y& y, const Carry& c) const {
    return (!y.data || hopper::copyable(y)) && c.captures == 0 && hopper::state_copy::serves(c.initial, e, copies) &&
           hopper::state_copy::serves(c.final, e, copies);
  }
  struct pieces {
    numbers::arrays numbers;
    rows_type rows;
    hopper::state_copy initial, final;
    bf16* inverses = nullptr;  // where they are not kept
    pieces(generic::memory& a, const delta_plan& p, int parts)
        : numbers(numbers::take<M>(a, p.e)), rows(a, p.e), initial(a, p.e, p.copies), final(a, p.e, p.copies) {
      if (parts) inverses = a.template take<bf16>(parts * p.inverse_count());
    }
  };
  /// Bytes of what a forward call can keep for the backward call: the inverses in two parts.
  idx kept_bytes() const { return 2 * inverse_count() * idx(sizeof(bf16)); }
  idx bytes() const {
    generic::memory a;
    pieces(a, *this, 1);
    return a.slow_used;
  }
  template <class Y, class Carry>
  void run(cudaStream_t stream, const X& x, const Y& y, const Carry& c, std::byte* ws, std::byte* kept) const {
    generic::memory a{nullptr, ws};
    const pieces w(a, *this, kept ? 0 : 1);
    numbers::make<M>(stream, x, e, generic::positions_of(c.initial), w.numbers);
    w.rows.make(stream, x, e);
    const sweep_inputs in = inputs(x, w, w.initial.in(stream, c.initial, e, false));
    const delta_inputs correct = correction(w, kept);
    with_sizes([&]<int n, int d>() {
      delta_forward<n, d>(shape(x), in, correct, hopper::raw(y), w.final.place(c.final), kept != nullptr, stream);
    });
    w.final.out(stream, c.final, e, false);
    generic::count_tokens(stream, x, e, c);
  }

  // ---- backward --------------------------------------------------------------------------------------------------------------
  template <class Call>
  bool takes_gradients(const Call& call, bool repeats) const {
    const auto& g = call.g;
    if (rows_type::made) return false;  // mapped rows and their gradients are rounded once more: dk would be 6e-3 off
    return !repeats && !numbers::constant_wanted<X>(g) && hopper::serves_gradients(call, e, copies);
  }
  struct backward_pieces {
    pieces forward;
    numbers::arrays gradients;
    hopper::state_copy initial;
    hopper::row_gradient q, k, v;
    delta_workspace work;
    backward_pieces(generic::memory& a, const delta_plan& p, bool kept)
        : forward(a, p, kept ? 0 : 2),
          gradients(numbers::take<M>(a, p.e)),
          initial(a, p.e, p.copies),
          q(a, p.e, p.e.queries, p.e.n),
          k(a, p.e, p.e.keys, p.e.n),
          v(a, p.e, p.e.states, p.e.d) {
      const extents& e = p.e;
      const idx rows = e.batch * e.time * e.readers, sums = rows * e.n / 64;
      const idx states = delta_state_bytes({int(e.batch), e.time, e.readers, p.offsets}, e.n, e.d);
      work.written = a.template take<bf16>(2 * rows * e.d), work.dx = a.template take<bf16>(rows * e.d);
      work.states = a.template take<unsigned char>(states), work.gradients = a.template take<unsigned char>(states);
      work.sums.correct = a.template take<float>(sums);
      if (numbers::kinds<M>::decay) work.sums.gate = a.template take<float>(sums);
      if (numbers::kinds<M>::read) work.sums.read = a.template take<float>(sums);
    }
  };
  idx backward_bytes(bool kept) const {
    generic::memory a;
    backward_pieces(a, *this, kept);
    return a.slow_used;
  }
  template <class Call>
  void run_backward(cudaStream_t stream, const X& x, const Call& call, std::byte* ws, const std::byte* kept, tensor) const {
    generic::memory a{nullptr, ws};
    const backward_pieces w(a, *this, kept != nullptr);
    const auto start = generic::positions_of(call.initial);
    numbers::make<M>(stream, x, e, start, w.forward.numbers);
    w.forward.rows.make(stream, x, e);
    const sweep_inputs in = inputs(x, w.forward, w.forward.initial.in(stream, call.initial, e, false));
    sweep_gradients g;
    g.dy = hopper::raw(call.dy);
    g.dq = w.q.place(call.g.q, e), g.dk = w.k.place(call.g.k, e), g.dv = w.v.place(call.g.v, e);
    g.d_state_out = w.forward.final.in(stream, call.final_gradient, e, true);
    g.d_state = w.initial.place(call.initial_gradient);
    g.d_log_decay = array(w.gradients.log_decay), g.d_scaling = array(w.gradients.scale), g.d_read_factor = array(w.gradients.read);
    const delta_inputs correct = correction(w.forward, kept);
    with_sizes([&]<int n, int d>() {
      delta_backward<n, d>(shape(x), in, correct, g, array(w.gradients.strength), w.work, kept != nullptr, stream);
    });
    w.initial.out(stream, call.initial_gradient, e, true);
    w.v.out(stream, call.g.v, e, call.g.accumulate);
    rows_type::give_back(stream, x, e, w.q, w.k, call.g);
    if (numbers::wanted<X>(call.g)) numbers::raise<M>(stream, x, e, start, w.gradients, call.g);
  }

 private:
  sweep_shape shape(const X& x) const { return {int(e.batch), e.time, e.readers, x.cu_seqlens}; }
  delta_inputs correction(const pieces& w, const std::byte* kept) const {
    return {array(w.numbers.strength), kept ? reinterpret_cast<bf16*>(const_cast<std::byte*>(kept)) : w.inverses, group()};
  }
  idx inverse_count() const { return delta_inverse_count({int(e.batch), e.time, e.readers, {}}, group()); }
  int group() const { return e.readers / e.states; }
  sweep_inputs inputs(const X& x, const pieces& w, const float* state) const {
    sweep_inputs in;
    in.q = w.rows.query(x), in.k = w.rows.key(x), in.v = hopper::raw(x.v);
    in.q_group = e.readers / e.queries, in.k_group = e.readers / e.keys, in.v_group = group();
    in.log_decay = array(w.numbers.log_decay), in.scaling = array(w.numbers.scale), in.read_factor = array(w.numbers.read);
    in.write_scale = numbers::constant_scale<M>(e), in.scale = numbers::constant_read<M>(e);
    in.state = state;
    return in;
  }
  tensor array(const float* p) const { return p ? hopper::dense(p, e, 1) : tensor{}; }
  template <class F>
  void with_sizes(F f) const {
    if (e.n == 128) e.d == 128 ? f.template operator()<128, 128>() : f.template operator()<128, 64>();
    else e.d == 128 ? f.template operator()<64, 128>() : f.template operator()<64, 64>();
  }
};

}  // namespace coefdyn::cuda
