// SPDX-License-Identifier: MIT
#pragma once
#include "engine/chunkwise.cuh"
#include "engine/definition.cuh"
#include "engine/parallel.cuh"
#include "hopper/flash_plan.cuh"
#include "hopper/sweep_plan.cuh"
#include "memory.cuh"
#include "small/scan.cuh"

/// Which kernels run a form, with what workspace: a plan made for the mixer where there is one and it fits the sizes, the inputs
/// and the device, else the generic engine's. Tables that a call has on the host (offsets of packed sequences, positions of
/// captured states) reach the device as arguments of a small kernel.
namespace coefdyn::cuda {

/// What a forward call leaves for the backward call beside its y, which has to stay as it is: the states that enter segments, or
/// the sums of rows. `run` fills it where it is given; `backward` makes again what it does not find.
struct kept_forward {
  workspace memory;  // kept_bytes(device, form, x) of device memory
  tensor y;          // set by run
  bool filled = false;
};

/// Memory that lives on a stream.
struct stream_memory {
  cudaStream_t stream;
  std::byte* data = nullptr;
  stream_memory(cudaStream_t s, std::size_t bytes) : stream(s) {
    checked(cudaMallocAsync(reinterpret_cast<void**>(&data), bytes ? bytes : 16, stream), "cudaMallocAsync");
  }
  ~stream_memory() { cudaFreeAsync(data, stream); }
  stream_memory(const stream_memory&) = delete;
};

/// Calls f with the form that runs: automatic, step, and what a size or a map without structure rules out, by (mixer, n, d, T).
template <class M, class Form, class F>
decltype(auto) with_form(Form form_, const extents& e, idx longest, F f) {
  using T = traits<M>;
  constexpr bool chunks = T::linear && T::structured;
  const bool wide = e.n > generic::widest_chunkwise || e.d > generic::widest_chunkwise;
  if constexpr (std::is_same_v<Form, form::automatic>) {
    if constexpr (chunks) {
      if (longest >= generic::shortest_chunkwise && !wide) return f(form::chunkwise{});
    }
    if constexpr (T::linear) return f(form::step{});
    else if constexpr (T::structured) return f(form::parallel{});
    else return f(form::definition{});
  } else if constexpr (std::is_same_v<Form, form::step>) {
    if constexpr (T::linear) return f(form::step{});
    else if constexpr (T::structured) return f(form::parallel{});
    else return f(form::definition{});
  } else if constexpr (std::is_same_v<Form, form::chunkwise>) {
    if constexpr (chunks) {
      if (!wide) return f(form_);
    }
    return f(form::recurrent{});
  } else {
    return f(form_);
  }
}

namespace generic {

struct table_piece {
  static constexpr int size = 448;
  idx value[size];
};
static __global__ void put_table(const __grid_constant__ table_piece piece, idx* out, int count) {
  if (int(threadIdx.x) < count) out[threadIdx.x] = piece.value[threadIdx.x];
}
template <class At>
void upload(cudaStream_t stream, idx* out, idx count, At at) {
  for (idx first = 0; first < count; first += table_piece::size) {
    table_piece piece;
    const int some = int(count - first < table_piece::size ? count - first : table_piece::size);
    for (int i = 0; i < table_piece::size; ++i) piece.value[i] = i < some ? at(first + i) : 0;
    launch(stream, put_table, "put_table", 1, table_piece::size, 0, piece, out + first, some);
  }
}
/// Final states that lie where the initial ones do, which other blocks may still read: what a block does not own alone (z and m;
/// all of it in the parallel form) leaves through the workspace.
template <class M, class Types, bool whole>
struct detour {
  using E = typename mutable_state<M, Types>::element_type;
  using R = typename mutable_state<M, Types>::real_type;
  mutable_state<M, Types> staged, wanted;
  detour(memory& a, const extents& e) {
    if constexpr (traits<M>::linear) {
      const idx N = e.sequences, H = e.states, n = e.n, d = e.d;
      if (whole) staged.S = view<E, 4>(a.take<E>(N * H * n * d), N, H, n, d);
      if (traits<M>::needs_sum) staged.z = view<E, 3>(a.take<E>(N * H * n), N, H, n);
      if (traits<M>::stabilised) staged.m = view<R, 2>(a.take<R>(N * H), N, H);
    }
  }
  void turn(carry_view<M, Types>& c) {
    const auto one = [](auto& out, const auto& in, const auto& there, auto& home) {
      if (out.data && there.data && out.data == in.data) home = out, out = there;
    };
    one(c.final.S, c.initial.S, staged.S, wanted.S), one(c.final.z, c.initial.z, staged.z, wanted.z);
    one(c.final.m, c.initial.m, staged.m, wanted.m);
  }
  void finish(cudaStream_t stream) const {
    const auto one = [&](const auto& from, const auto& to) {
      if (to.data) copy(stream, from, to);
    };
    one(staged.S, wanted.S), one(staged.z, wanted.z), one(staged.m, wanted.m);
  }
};

template <class M, class R, class X, class Form>
struct forward_plan;
template <class M, class R, class X>
struct forward_plan<M, R, X, form::definition> : definition_plan<M, R, X> {
  forward_plan(form::definition, const extents& e, idx longest) : definition_plan<M, R, X>(e, longest) {}
};
template <class M, class R, class X>
struct forward_plan<M, R, X, form::recurrent> : recurrent_plan<M, R, X> {
  forward_plan(form::recurrent, const extents& e, idx longest) : recurrent_plan<M, R, X>(e, longest) {}
};

template <class M, class R, class X>
struct forward_plan<M, R, X, form::step> : recurrent_plan<M, R, X> {
  forward_plan(form::step, const extents& e, idx longest) : recurrent_plan<M, R, X>(e, longest) {}
};

template <class M, class R, class X>
struct forward_plan<M, R, X, form::chunkwise> : chunkwise_plan<M, R, X> {
  forward_plan(form::chunkwise f, const extents& e, idx longest) : chunkwise_plan<M, R, X>(f.length, e, longest) {}
};

template <class M, class R, class X>
struct forward_plan<M, R, X, form::parallel> : parallel_plan<M, R, X> {
  forward_plan(form::parallel, const extents& e, idx longest) : parallel_plan<M, R, X>(e, longest) {}
};

template <class M, class Types>
carry_view<M, Types> view_of(const carried<M, Types>& c) {
  return {c.initial, c.final, c.captured, nullptr, int(c.positions.size())};
}
/// The call with its tables on the device; over no memory they are counted only.
template <class M, class X, class Types>
void place_tables(const device::cuda& on, X& x, const carried<M, Types>& c, carry_view<M, Types>& out, memory& a) {
  idx* const offsets = x.cu_seqlens && on.trusted <= 0 ? a.take<idx>(x.cu_seqlens.count) : nullptr;
  idx* const positions = a.take<idx>(out.captures);
  if (!a.slow) return;
  if (offsets) {
    const sequence_offsets host = x.cu_seqlens;
    upload(on.stream, offsets, host.count, [&](idx i) { return host[i]; });
    x.cu_seqlens.narrow = nullptr, x.cu_seqlens.wide = offsets;
  }
  upload(on.stream, positions, out.captures, [&](idx i) { return c.positions[std::size_t(i)]; });
  out.positions = positions;
}

template <class M, class R, class Form>
std::string kernel_name(Form f, const extents& e) {
  if constexpr (std::is_same_v<Form, form::definition>) return "definition, generic";
  else if constexpr (std::is_same_v<Form, form::chunkwise>)
    return "chunkwise, generic, chunks of " + std::to_string(f.length > 0 ? f.length : tuning_for<M, R>(e.n, e.d).chunk);
  else if constexpr (std::is_same_v<Form, form::parallel>)
    return "parallel, generic, tiles of " + std::to_string(tuning_for<M, R>(e.n, e.d).chunk);
  else return "recurrent, generic";
}

}  // namespace generic

/// A plan of the generic engine's shape in front of another, as those of Hopper are.
template <class M, class R, class X, class Plan>
struct ahead {
  static constexpr bool exists = Plan::exists, gives_gradients = false;
  const extents& e;
  idx longest;
  template <class Form>
  ahead(Form, const X&, const extents& e_, idx longest_) : e(e_), longest(longest_) {}
  bool fits() const { return longest > 0 && Plan::fits(e, longest); }
  template <class Y, class Carry>
  bool takes(const Y&, const Carry&) const {
    return true;
  }
  idx bytes() const { return Plan(e, longest).bytes(); }
  idx kept_bytes() const { return 0; }
  template <class Y, class Carry>
  void run(cudaStream_t stream, const X& x, const Y& y, const Carry& c, std::byte* ws, std::byte*) const {
    Plan(e, longest).run(stream, x, e, longest, y, c, ws);
  }
  std::string name() const { return Plan::name; }
};
/// The plans that are tried for a form before the generic engine's, in order.
template <class M, class R, class X, class Form>
struct fast_plans {
  using type = list<>;
};
template <class M, class R, class X>
struct fast_plans<M, R, X, form::chunkwise> {
  using type = list<sweep_plan<M, R, X>, ahead<M, R, X, generic::scan_plan<M, R, X>>>;
};
template <class M, class R, class X>
struct fast_plans<M, R, X, form::parallel> {
  using type = list<flash_plan<M, R, X>>;
};
template <class M, class R, class X>
struct fast_plans<M, R, X, form::step> {
  using type = list<ahead<M, R, X, generic::scan_plan<M, R, X>>, ahead<M, R, X, generic::step_plan<M, R, X>>>;
};
/// f(the first plan that exists, fits and is accepted by `takes`), else g().
template <bool Gradients, class Form, class X, class Takes, class F, class G>
decltype(auto) first_plan(list<>, Form, const X&, const extents&, idx, const Takes&, const F&, const G& g) {
  return g();
}
template <bool Gradients, class Plan, class... Rest, class Form, class X, class Takes, class F, class G>
decltype(auto) first_plan(list<Plan, Rest...>, Form form_, const X& x, const extents& e, idx longest, const Takes& takes, const F& f,
                          const G& g) {
  if constexpr (Plan::exists && (!Gradients || Plan::gives_gradients)) {
    const Plan plan(form_, x, e, longest);
    if (plan.fits() && takes(plan)) return f(plan);
  }
  return first_plan<Gradients>(list<Rest...>{}, form_, x, e, longest, takes, f, g);
}

/// One forward call: which plan serves it, its bytes, its launches.
template <class M, class R, class X, class Form, class Y>
struct forward_call {
  using Types = typename X::types_type;
  using Detour = generic::detour<M, Types, std::is_same_v<Form, form::parallel>>;
  const device::cuda& on;
  Form form_;
  const X& x;
  const extents& e;
  idx longest;
  const Y& y;  // without data: one that the copy engine takes
  const carried<M, Types>& c;

  /// f(the plan that serves), or g(the generic engine's).
  template <class F, class G>
  decltype(auto) choose(F f, G g) const {
    return first_plan<false>(
        typename fast_plans<M, R, X, Form>::type{}, form_, x, e, longest,
        [&](const auto& plan) { return plan.takes(y, generic::view_of(c)); }, f,
        [&] { return g(generic::forward_plan<M, R, X, Form>(form_, e, longest)); });
  }
  idx bytes() const {
    generic::memory a;
    carry(a);
    return choose([&](const auto& plan) { return a.slow_used + plan.bytes(); },
                  [&](const auto& plan) {
                    Detour(a, e);
                    return a.slow_used + plan.bytes();
                  });
  }
  idx kept_bytes() const {
    return choose([](const auto& plan) { return plan.kept_bytes(); }, [](const auto&) { return idx(0); });
  }
  void run(std::byte* ws, kept_forward* kept) const {
    generic::memory a{nullptr, ws};
    X moved = x;
    generic::carry_view<M, Types> there = generic::view_of(c);
    generic::place_tables(on, moved, c, there, a);
    choose(
        [&](const auto& plan) {
          const bool keeps = kept && plan.kept_bytes() > 0;
          if (keeps && idx(kept->memory.size()) < plan.kept_bytes())
            COEFDYN_THROW invalid_input("kept", std::to_string(plan.kept_bytes()) + " bytes of device memory (kept_bytes)",
                                        std::to_string(kept->memory.size()));
          plan.run(on.stream, moved, y, there, ws + a.slow_used, keeps ? kept->memory.data() : nullptr);
          if (kept) kept->filled = keeps, kept->y = hopper::raw(y);
        },
        [&](const auto& plan) {
          Detour detour(a, e);
          detour.turn(there);
          generic::with_positions_apart(on.stream, moved, e, there,
                                        [&](const auto& own) { plan.run(on.stream, moved, e, longest, y, own, ws + a.slow_used); });
          detour.finish(on.stream);
          if (kept) kept->filled = false;
        });
  }
  std::string name() const {
    return choose([](const auto& plan) { return plan.name(); }, [&](const auto&) { return generic::kernel_name<M, R>(form_, e); });
  }

 private:
  void carry(generic::memory& a) const {
    X moved = x;
    generic::carry_view<M, Types> there = generic::view_of(c);
    generic::place_tables(on, moved, c, there, a);
  }
};

}  // namespace coefdyn::cuda
