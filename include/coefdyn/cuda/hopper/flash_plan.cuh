// SPDX-License-Identifier: MIT
#pragma once
#include "flash.cuh"
#include "hopper.cuh"
#include "rough.cuh"

/// The parallel form of any readout map under A_t = I, gamma_h I or lambda_t I by the Hopper kernels of flash.cuh.
namespace coefdyn::cuda {

/// A readout map as the score tile calls it.
template <class M>
struct tile_map {
  using Phi = typename M::readout;
  static constexpr bool needs_max = traits<M>::needs_max && traits<M>::needs_sum;
  __device__ static float apply(float s) { return Phi::apply(rough(s)).x; }
  __device__ static float derivative(float s) { return slope<Phi>(rough(s)).x; }
};

template <class M, class R, class X>
struct flash_plan {
  static constexpr bool sums = traits<M>::needs_sum, decays = numbers::kinds<M>::decay;
  static constexpr bool gives_gradients = true, exists = has_flash<M> && has_rows_of_bf16<R, X>;
  static constexpr normaliser norm = sums ? normaliser::sum : normaliser::constant;
  using phi = tile_map<M>;

  X given;  // its offsets may lie on the host: for counts alone
  extents e;
  bool fit = false;

  flash_plan(form::parallel f, const X& x, const extents& e_, idx) : given(x), e(e_) {
    fit = f.drop.p == 0 && e.n == e.d && (e.n == 64 || e.n == 128) && e.time > 0 && e.readers > 0 && e.readers < (1 << 15) &&
          e.sequences > 0 && e.first_read == 0 && hopper::copyable(x.q) && hopper::copyable(x.k) && hopper::copyable(x.v) &&
          flash::tile_count(shape(x)) * e.batch * e.readers < (idx(1) << 31) && numbers::constant_scale<M>(e) > 0 && hopper::available();
  }
  bool fits() const { return fit; }
  std::string name() const { return "parallel, sm_90a, tiles of 128"; }

  // ---- forward ---------------------------------------------------------------------------------------------------------------
  template <class Y, class Carry>
  bool takes(const Y& y, const Carry& c) const {
    return (!y.data || hopper::copyable(y)) && !c.initial.S.data && !c.final.S.data && c.captures == 0;
  }
  struct forward_pieces {
    numbers::arrays numbers;
    hopper::prepared_rows<M> rows;
    float* decay = nullptr;  // sums of gates in tiles
    forward_pieces(generic::memory& a, const flash_plan& p) : numbers(numbers::take<M>(a, p.e)), rows(a, p.e) {
      if (decays) decay = a.template take<float>(flash_decay_workspace(p.shape(p.given)) / 4);
    }
  };
  /// Bytes of what a forward call can keep for the backward call: the rows' sums (B, P, T).
  idx kept_bytes() const { return sums ? e.batch * e.readers * e.time * idx(sizeof(float)) : 0; }
  idx bytes() const {
    generic::memory a;
    forward_pieces(a, *this);
    return a.slow_used;
  }
  template <class Y, class Carry>
  void run(cudaStream_t stream, const X& x, const Y& y, const Carry&, std::byte* ws, std::byte* kept) const {
    generic::memory a{nullptr, ws};
    forward(stream, shape(x), inputs(stream, x, forward_pieces(a, *this)), hopper::raw(y), reinterpret_cast<float*>(kept));
  }

  // ---- backward --------------------------------------------------------------------------------------------------------------
  template <class Call>
  bool takes_gradients(const Call& call, bool repeats) const {
    const auto& g = call.g;
    if (numbers::constant_wanted<X>(g) || (numbers::kinds<M>::turn && g.accumulate)) return false;
    return !repeats && hopper::serves_row_gradients(call, e) && !call.initial.S.data && !call.final_gradient.S.data &&
           !call.initial_gradient.S.data;
  }
  struct backward_pieces {
    forward_pieces forward;
    bf16* y = nullptr;
    float *sums = nullptr, *rest = nullptr;
    numbers::arrays gradients;
    hopper::row_gradient q, k, v;
    backward_pieces(generic::memory& a, const flash_plan& p, bool kept)
        : forward(a, p),
          gradients(numbers::take<M>(a, p.e)),
          q(a, p.e, p.e.queries, p.e.n),
          k(a, p.e, p.e.keys, p.e.n),
          v(a, p.e, p.e.states, p.e.n) {
      const extents& e = p.e;
      if (sums_needed && !kept)
        y = a.template take<bf16>(e.batch * e.time * e.readers * e.d), sums = a.template take<float>(p.kept_bytes() / 4);
      rest = a.template take<float>(flash_backward_workspace(p.shape(p.given)) / 4);
    }
    static constexpr bool sums_needed = flash_plan::sums;
  };
  idx backward_bytes(bool kept) const {
    generic::memory a;
    const backward_pieces w(a, *this, kept);
    return a.slow_used;
  }
  /// `kept` and `kept_y`: of the forward call, or null to make them again.
  template <class Call>
  void run_backward(cudaStream_t stream, const X& x, const Call& call, std::byte* ws, const std::byte* kept, tensor kept_y) const {
    generic::memory a{nullptr, ws};
    const backward_pieces w(a, *this, kept != nullptr);
    const flash_inputs in = inputs(stream, x, w.forward);
    flash_gradients g;
    g.y = kept ? kept_y : hopper::dense(w.y, e, e.d), g.row_sum = kept ? reinterpret_cast<const float*>(kept) : w.sums;
    if (sums && !kept) forward(stream, shape(x), in, g.y, w.sums);
    g.dy = hopper::raw(call.dy);
    g.dq = w.q.place(call.g.q, e), g.dk = w.k.place(call.g.k, e), g.dv = w.v.place(call.g.v, e);
    if (decays) g.d_log_decay = hopper::dense(w.gradients.log_decay, e, 1);
    with_size([&]<int n>() { flash_backward<n, phi, norm, decays>(shape(x), in, g, w.rest, stream); });
    w.v.out(stream, call.g.v, e, call.g.accumulate);
    hopper::prepared_rows<M>::give_back(stream, x, e, w.q, w.k, call.g);
    if (decays && numbers::wanted<X>(call.g)) numbers::raise<M>(stream, x, e, {}, w.gradients, call.g);
  }

 private:
  flash_shape shape(const X& x) const { return {int(e.batch), e.time, e.readers, e.n, x.cu_seqlens}; }
  flash_inputs inputs(cudaStream_t stream, const X& x, const forward_pieces& w) const {
    w.rows.make(stream, x, e);
    flash_inputs in{w.rows.query(x), w.rows.key(x), hopper::raw(x.v)};
    in.q_group = e.readers / e.queries, in.k_group = e.readers / e.keys, in.v_group = e.readers / e.states;
    in.scale = numbers::constant_scale<M>(e), in.constant = numbers::constant_read<M>(e);
    if (decays) {
      numbers::make<M>(stream, x, e, {}, w.numbers);
      flash_decay(shape(x), hopper::dense(w.numbers.log_decay, e, 1), w.decay, stream);
      in.decay = w.decay;
    }
    return in;
  }
  void forward(cudaStream_t stream, const flash_shape& s, const flash_inputs& in, tensor y, float* row_sum) const {
    with_size([&]<int n>() { flash_forward<n, phi, norm, decays>(s, in, y, row_sum, stream); });
  }
  template <class F>
  void with_size(F f) const {
    e.n == 128 ? f.template operator()<128>() : f.template operator()<64>();
  }
};

}  // namespace coefdyn::cuda
