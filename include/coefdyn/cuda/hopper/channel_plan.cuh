// SPDX-License-Identifier: MIT
#pragma once
#include "channel.cuh"
#include "hopper.cuh"

/// A decay per channel without a correction (`has_channel`) by the Hopper kernels: mapped rows made ahead, then every chunk's tiles, then
/// one pass over time. Backward belongs to the generic engine.
namespace coefdyn::cuda {

template <class M, class R, class X>
struct channel_plan {
  static constexpr bool gives_gradients = false, exists = has_channel<M> && has_rows_of_bf16<R, X>;
  using rows_type = hopper::prepared_rows<M>;
  using state_type = typename X::types_type::state;

  extents e;
  sequence_offsets offsets;          // may lie on the host: for counts alone
  bool fit = false, copies = false;  // copies: of states

  channel_plan(form::chunkwise f, const X& x, const extents& e_, idx) : e(e_), offsets(x.cu_seqlens) {
    const auto whole = [](int n) { return n == 64 || n == 128; };
    const auto pairs = [](const auto& g) {  // read two numbers at once
      return reinterpret_cast<std::uintptr_t>(g.data) % 8 == 0 && g.strides[0] % 2 == 0 && g.strides[1] % 2 == 0 && g.strides[2] % 2 == 0 &&
             g.strides[3] == 1;
    };
    copies = e.readers != e.states || !std::is_same_v<state_type, float>;
    fit = (f.length == 0 || f.length == sweep::chunk) && whole(e.n) && whole(e.d) && e.time > 0 && e.readers > 0 && e.first_read == 0 &&
          pairs(x.log_decay) && hopper::copyable(x.q) && hopper::copyable(x.k) && hopper::copyable(x.v) &&
          hopper::piece_count<sweep::chunk>(offsets, e.time) * e.batch * e.readers * 2 < (idx(1) << 31) && hopper::available();
  }
  bool fits() const { return fit; }
  std::string name() const { return "channel, sm_90a, chunks of 64"; }
  template <class Y, class Carry>
  bool takes(const Y& y, const Carry& c) const {
    return (!y.data || hopper::copyable(y)) && c.captures == 0 && hopper::state_copy::serves(c.initial, e, copies) &&
           hopper::state_copy::serves(c.final, e, copies);
  }
  struct pieces {
    rows_type rows;
    hopper::state_copy initial, final;
    unsigned char* made;
    pieces(generic::memory& a, const channel_plan& p)
        : rows(a, p.e),
          initial(a, p.e, p.copies),
          final(a, p.e, p.copies),
          made(a.template take<unsigned char>(channel_bytes({int(p.e.batch), p.e.time, p.e.readers, p.offsets}, p.e.n))) {}
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
    w.rows.make(stream, x, e);
    sweep_inputs in;
    in.q = w.rows.query(x), in.k = w.rows.key(x), in.v = hopper::raw(x.v);
    in.q_group = e.readers / e.queries, in.k_group = e.readers / e.keys, in.v_group = e.readers / e.states;
    in.scale = numbers::constant_read<M>(e);
    in.state = w.initial.in(stream, c.initial, e, false);
    channel_inputs gates{hopper::raw(x.log_decay), int(e.readers / x.log_decay.extents[2]), writes_complement<M>, w.made};
    if constexpr (!writes_complement<M>) in.write_scale = numbers::constant_scale<M>(e);
    const sweep_shape shape{int(e.batch), e.time, e.readers, x.cu_seqlens};
    with_sizes([&]<int n, int d>() { channel_forward<n, d>(shape, in, gates, hopper::raw(y), w.final.place(c.final), stream); });
    w.final.out(stream, c.final, e, false);
    generic::count_tokens(stream, x, e, c);
  }

 private:
  template <class F>
  void with_sizes(F f) const {
    if (e.n == 128) e.d == 128 ? f.template operator()<128, 128>() : f.template operator()<128, 64>();
    else e.d == 128 ? f.template operator()<64, 128>() : f.template operator()<64, 64>();
  }
};

}  // namespace coefdyn::cuda
