// SPDX-License-Identifier: MIT
#pragma once
#include "delta.cuh"
#include "hopper.cuh"
#include "sweep_plan.cuh"

/// Delta rules with a scalar decay or none (`has_delta`) by the Hopper kernels: numbers and mapped rows made ahead, the triangular
/// system of every chunk inverted, then one pass over time.
namespace coefdyn::cuda {

template <class M, class R, class X>
struct delta_plan {
  static constexpr bool gives_gradients = false, exists = has_delta<M> && has_rows_of_bf16<R, X>;
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
    bf16* inverses;
    pieces(generic::memory& a, const delta_plan& p)
        : numbers(numbers::take<M>(a, p.e)), rows(a, p.e), initial(a, p.e, p.copies), final(a, p.e, p.copies) {
      inverses = a.template take<bf16>(delta_inverse_count({int(p.e.batch), p.e.time, p.e.readers, {}}, p.group()));
    }
  };
  idx kept_bytes() const { return 0; }
  idx bytes() const {
    generic::memory a;
    pieces(a, *this);
    return a.slow_used;
  }
  template <class Y, class Carry>
  void run(cudaStream_t stream, const X& x, const Y& y, const Carry& c, std::byte* ws, std::byte*) const {
    generic::memory a{nullptr, ws};
    const pieces w(a, *this);
    numbers::make<M>(stream, x, e, generic::positions_of(c.initial), w.numbers);
    w.rows.make(stream, x, e);
    const sweep_shape shape{int(e.batch), e.time, e.readers, x.cu_seqlens};
    const delta_inputs correction{array(w.numbers.strength), w.inverses, group()};
    const sweep_inputs in = inputs(x, w, w.initial.in(stream, c.initial, e, false));
    with_sizes([&]<int n, int d>() { delta_forward<n, d>(shape, in, correction, hopper::raw(y), w.final.place(c.final), stream); });
    w.final.out(stream, c.final, e, false);
    generic::count_tokens(stream, x, e, c);
  }

 private:
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
