// SPDX-License-Identifier: MIT
#pragma once
#include <optional>

#include "hopper.cuh"
#include "segments.cuh"
#include "sum.cuh"

/// The scalar family (A_t = I, gamma_h I or lambda_t I under a linear readout) by the Hopper sweeps: numbers and rows of features made
/// ahead, sums of rows too, then one pass over time, or for long sequences segment summaries, a scan and a pass for each segment;
/// backward likewise.
namespace coefdyn::cuda {

template <class M, class R, class X>
struct sweep_plan {
  static constexpr bool gives_gradients = true, exists = has_sweep<M> && has_rows_of_bf16<R, X>;
  static constexpr bool turns = numbers::kinds<M>::turn, normalises = traits<M>::needs_sum;
  using rows_type = hopper::prepared_rows<M>;
  using state_type = typename X::types_type::state;

  X given;  // its offsets may lie on the host: for counts alone
  extents e;
  idx unit = 0;                      // tokens of a segment; 0: the sequence stays whole
  idx longest = 0;                   // tokens of the longest sequence
  float origin = 0;                  // taken from k's rows where sums need it (sum.cuh)
  bool fit = false, copies = false;  // copies: of states

  sweep_plan(form::chunkwise f, const X& x, const extents& e_, idx longest_) : given(x), e(e_), longest(x.cu_seqlens ? longest_ : e_.time) {
    const auto whole = [](int n) { return n == 64 || n == 128; };
    unit = segment_length(longest);
    if constexpr (normalises && rows_type::maps) origin = features::origin<typename M::feature_map>(e.n);
    copies = e.readers != e.states || !std::is_same_v<state_type, float>;
    fit = (f.length == 0 || f.length == sweep::chunk) && whole(e.n) && whole(e.d) && e.time > 0 && e.readers > 0 && e.first_read == 0 &&
          hopper::copyable(x.q) && hopper::copyable(x.k) && hopper::copyable(x.v) &&
          sweep::unit_count(sweep::make_sizes(shape(x), 128, normalises ? sums::unit_length(longest) : unit)) * e.readers * 4 <
              (idx(1) << 31) &&
          hopper::available();
  }
  bool fits() const { return fit; }
  std::string name() const { return "sweep, sm_90a, chunks of 64" + (unit ? ", segments of " + std::to_string(unit) : std::string()); }

  // ---- forward ---------------------------------------------------------------------------------------------------------------
  template <class Y, class Carry>
  bool takes(const Y& y, const Carry& c) const {
    if (turns && c.final.S.data) return false;  // it would have to be turned back
    return (!y.data || hopper::copyable(y)) && c.captures == 0 && hopper::state_copy::serves(c.initial, e, copies) &&
           hopper::state_copy::serves(c.final, e, copies);
  }
  struct forward_pieces {
    numbers::arrays numbers;
    rows_type rows;
    hopper::state_copy initial, final;
    std::byte* segments = nullptr;
    std::optional<sums::row_sums<M>> sums;
    forward_pieces(generic::memory& a, const sweep_plan& p, bool segments_too)
        : numbers(numbers::take<M>(a, p.e)), rows(a, p.e), initial(a, p.e, p.copies), final(a, p.e, p.copies) {
      if (segments_too) segments = a.template take<std::byte>(p.kept_bytes());
      if constexpr (normalises) sums.emplace(a, p.e, p.shape(p.given), p.longest);
    }
  };
  /// Bytes of what a forward call can keep for the backward call: the states that enter the segments.
  idx kept_bytes() const {
    idx bytes = 0;
    if (unit) with_sizes([&]<int n, int d>() { bytes = segments_forward_workspace<n, d>(shape(given), unit); });
    return bytes;
  }
  idx bytes() const {
    generic::memory a;
    forward_pieces(a, *this, true);
    return a.slow_used;
  }
  /// `kept`: kept_bytes(), or null.
  template <class Y, class Carry>
  void run(cudaStream_t stream, const X& x, const Y& y, const Carry& c, std::byte* ws, std::byte* kept) const {
    generic::memory a{nullptr, ws};
    const forward_pieces w(a, *this, true);
    numbers::make<M>(stream, x, e, generic::positions_of(c.initial), w.numbers);
    w.rows.make(stream, x, e);
    if constexpr (normalises) w.sums->make(stream, shape(x), sum_inputs(x, w, w.rows.key(x), 0), c.initial, c.final);
    const sweep_inputs in = inputs(x, w, w.initial.in(stream, c.initial, e, false));
    with_sizes([&]<int n, int d>() {
      if (unit) segments_forward<n, d>(shape(x), in, hopper::raw(y), w.final.place(c.final), unit, kept ? kept : w.segments, stream);
      else sweep_forward<n, d>(shape(x), in, hopper::raw(y), w.final.place(c.final), stream);
    });
    w.final.out(stream, c.final, e, false);
    generic::count_tokens(stream, x, e, c);
  }

  // ---- backward --------------------------------------------------------------------------------------------------------------
  template <class Call>
  bool takes_gradients(const Call& call, bool repeats) const {
    const auto& g = call.g;
    if (numbers::constant_wanted<X>(g) || (rows_type::made && g.accumulate) || (turns && call.final_gradient.S.data)) return false;
    // mapped rows that no sum normalises leave a log decay's gradient too small beside what it is the difference of (bf16 checkpoints)
    if (rows_type::maps && numbers::kinds<M>::decay && !traits<M>::needs_sum && numbers::wanted<X>(g)) return false;
    if (rows_type::maps && !(hopper::copyable(g.q) && hopper::copyable(g.k))) return false;  // written eight numbers at once
    return !repeats && hopper::serves_gradients(call, e, copies);
  }
  struct backward_pieces {
    forward_pieces forward;
    numbers::arrays gradients;
    hopper::state_copy initial;
    hopper::row_gradient q, k, v;
    std::byte* rest = nullptr;
    std::optional<sums::sum_gradients<M>> sums;
    view<bf16, 4> less;        // rows of k less `origin`
    float* centred = nullptr;  // their states
    backward_pieces(generic::memory& a, const sweep_plan& p)
        : forward(a, p, false),
          gradients(numbers::take<M>(a, p.e)),
          initial(a, p.e, p.copies),
          q(a, p.e, p.e.queries, p.e.n),
          k(a, p.e, p.e.keys, p.e.n),
          v(a, p.e, p.e.states, p.e.d) {
      p.with_sizes([&]<int n, int d>() {
        const sweep_shape s = p.shape(p.given);
        rest = a.template take<std::byte>(p.unit ? segments_backward_workspace<n, d>(s, p.unit) : sweep_backward_workspace<n, d>(s));
      });
      if constexpr (normalises) {
        sums.emplace(a, p.e, p.shape(p.given), p.longest);
        if (p.origin == 0.f) return;
        less = rows_type::take(a, p.e, p.e.keys);
        centred = a.template take<float>(p.state_owners() * p.e.n * p.e.d);
      }
    }
  };
  idx backward_bytes(bool) const {
    generic::memory a;
    const backward_pieces w(a, *this);
    return a.slow_used;
  }
  template <class Call>
  void run_backward(cudaStream_t stream, const X& x, const Call& call, std::byte* ws, const std::byte* kept, tensor) const {
    generic::memory a{nullptr, ws};
    const backward_pieces w(a, *this);
    const auto start = generic::positions_of(call.initial);
    numbers::make<M>(stream, x, e, start, w.forward.numbers);
    w.forward.rows.make(stream, x, e);
    tensor key = w.forward.rows.key(x);
    if constexpr (normalises) {
      if (origin != 0.f) features::apply<typename M::feature_map>(stream, x.k, w.less, origin), key = hopper::raw(w.less);
      w.forward.sums->make(stream, shape(x), sum_inputs(x, w.forward, key, origin), call.initial, decltype(call.initial_gradient){});
    }
    const sweep_inputs in = inputs(x, w.forward, w.forward.initial.in(stream, call.initial, e, false));
    sweep_gradients g;
    g.dy = hopper::raw(call.dy);
    g.dq = w.q.place(call.g.q, e), g.dk = w.k.place(call.g.k, e), g.dv = w.v.place(call.g.v, e);
    g.d_state_out = w.forward.final.in(stream, call.final_gradient, e, true);
    g.d_state = w.initial.place(call.initial_gradient);
    const bool numbers_too = numbers::kinds<M>::any && numbers::wanted<X>(call.g);
    if (numbers_too)
      g.d_log_decay = array(w.gradients.log_decay), g.d_scaling = array(w.gradients.scale), g.d_read_factor = array(w.gradients.read);
    if constexpr (normalises) g.d_read_factor = array(w.sums->d_factor);
    with_sizes([&]<int n, int d>() {
      constexpr bool probe = numbers::kinds<M>::any || normalises;
      if (unit) segments_backward<n, d, probe>(shape(x), in, g, unit, kept, w.rest, stream);
      else sweep_backward<n, d, probe>(shape(x), in, g, w.rest, stream);
      if (origin != 0.f) {
        const float* const states = unit ? segments_entered<n, d>(shape(x), unit, kept, w.rest) : in.state;
        if (states) launch(stream, sums::centre_kernel, "centre_kernel", state_owners(), d, 0, states, w.centred, n, d);
        sweep_inputs rest = in;
        rest.k = key;
        sweep::query_gradient<n, d>(shape(x), rest, g.dy, g.dq, unit, states ? w.centred : nullptr, stream);
      }
    });
    if constexpr (normalises)
      w.sums->add(stream, shape(x), sum_inputs(x, w.forward, key, origin), *w.forward.sums, call, g.dq, g.dk,
                  numbers_too ? w.gradients : numbers::arrays{});
    w.initial.out(stream, call.initial_gradient, e, true);
    w.v.out(stream, call.g.v, e, call.g.accumulate);
    rows_type::give_back(stream, x, e, w.q, w.k, call.g);
    if (numbers_too) numbers::raise<M>(stream, x, e, start, w.gradients, call.g);
  }

 private:
  sweep_shape shape(const X& x) const { return {int(e.batch), e.time, e.readers, x.cu_seqlens}; }
  sweep_inputs inputs(const X& x, const forward_pieces& w, const float* state) const {
    const numbers::arrays& a = w.numbers;
    sweep_inputs in;
    in.q = w.rows.query(x), in.k = w.rows.key(x), in.v = hopper::raw(x.v);
    in.q_group = e.readers / e.queries, in.k_group = e.readers / e.keys, in.v_group = e.readers / e.states;
    in.log_decay = array(a.log_decay), in.scaling = array(a.scale), in.read_factor = array(w.sums ? w.sums->factor : a.read);
    in.write_scale = numbers::constant_scale<M>(e), in.scale = numbers::constant_read<M>(e);
    in.state = state;
    return in;
  }
  sums::inputs sum_inputs(const X& x, const forward_pieces& w, tensor key, float less) const {
    return {sweep::make_sizes(shape(x), e.n, sums::unit_length(longest)),
            w.rows.query(x),
            key,
            e.readers / e.queries,
            e.readers / e.keys,
            less,
            w.numbers.log_decay,
            w.numbers.scale,
            numbers::constant_scale<M>(e)};
  }
  tensor array(const float* p) const { return p ? hopper::dense(p, e, 1) : tensor{}; }
  /// States that enter sweeps: of segments, or of sequences.
  idx state_owners() const { return (unit ? sweep::unit_count(sweep::make_sizes(shape(given), 64, unit)) : e.sequences) * e.readers; }
  template <class F>
  void with_sizes(F f) const {
    if (e.n == 128) e.d == 128 ? f.template operator()<128, 128>() : f.template operator()<128, 64>();
    else e.d == 128 ? f.template operator()<64, 128>() : f.template operator()<64, 64>();
  }
};

}  // namespace coefdyn::cuda
