// SPDX-License-Identifier: MIT
#pragma once

#include <coefdyn/core/floating.hpp>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

/// Instruction sets, and the vectors that kernels for them are written in.
///
/// A kernel is an always-inlined template over a shape (below). Only the shape's `enter`, and `run_on` for plain loops, carry
/// target attributes, so one program holds every instruction set and needs no compiler flag.
namespace coefdyn::cpu {

/// An instruction set that the CPU kernels are written for.
enum class target { portable, neon, avx2, avx512, avx512_bf16 };

inline constexpr int target_count = 5;
constexpr const char* name_of(target t) {
  constexpr const char* names[target_count] = {"portable", "neon", "avx2", "avx512", "avx512_bf16"};
  return names[static_cast<int>(t)];
}

/// A number of elements as the size of an array.
constexpr std::size_t array_size(int count) { return static_cast<std::size_t>(count); }

/// Whether the running machine executes the target.
inline bool has_target(target t) {
#if defined(__x86_64__) && defined(__GNUC__)
  if (t == target::avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (t == target::avx512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
  if (t == target::avx512_bf16) return has_target(target::avx512) && __builtin_cpu_supports("avx512bf16");
#elif defined(__aarch64__) && defined(__GNUC__)
  if (t == target::neon) return true;
#endif
  return t == target::portable;
}

/// The fastest target of the running machine, asked for once.
inline target best_target() {
  static const target best = has_target(target::avx512) ? target::avx512
                             : has_target(target::avx2) ? target::avx2
                             : has_target(target::neon) ? target::neon
                                                        : target::portable;
  return best;
}

#if defined(__GNUC__)

/// Operations on one vector of `width` reals that the compiler's vectors lack beside + - * < ?:. Vectors go by
/// reference: passed by value they would be part of the calling convention, which differs between targets.
template <class R, int Bytes>
struct pack {
  template <class Lane>
  struct vector_of {
    typedef Lane type __attribute__((vector_size(Bytes)));
  };
  using lane_bits = std::conditional_t<sizeof(R) == 4, std::int32_t, std::int64_t>;
  using type = typename vector_of<R>::type;
  using bits = typename vector_of<lane_bits>::type;
  static constexpr int width = Bytes / static_cast<int>(sizeof(R));
  using lanes = std::make_integer_sequence<int, width>;

  [[gnu::always_inline]] static inline void load(type& v, const R* p) { __builtin_memcpy(&v, p, Bytes); }
  [[gnu::always_inline]] static inline void store(const type& v, R* p) { __builtin_memcpy(p, &v, Bytes); }

  /// The first `count` lanes, all of them from `width` on; a load sets the others to zero.
  [[gnu::always_inline]] static inline void load(type& v, const R* p, int count) {
    if (count >= width) return load(v, p);
    alignas(Bytes) R lane[array_size(width)] = {};
    for (int i = 0; i < count; hide(++i)) lane[i] = p[i];
    load(v, lane);
  }
  [[gnu::always_inline]] static inline void store(const type& v, R* p, int count) {
    if (count >= width) return store(v, p);
    alignas(Bytes) R lane[array_size(width)];
    store(v, lane);
    for (int i = 0; i < count; hide(++i)) p[i] = lane[i];
  }

  /// The first `count` lanes of v become those of first.
  [[gnu::always_inline]] static inline void replace_first(type& v, int count, const type& first) {
    replace_first(v, count, first, lanes{});
  }

  /// out[i] = the lane Map::at(i) of a followed by b.
  template <class Map>
  [[gnu::always_inline]] static inline void shuffle(type& out, const type& a, const type& b) {
    shuffle<Map>(out, a, b, lanes{});
  }

  /// Sum over the lanes in a fixed tree: lane i with lane i + width / 2, and so on.
  [[gnu::always_inline]] static inline void sum(R& out, const type& v) {
    type s = v;
    halve<width / 2>(s);
    out = s[0];
  }

  /// out[j] = sum of v[j], j < Count (a power of two): the same tree for several at once. Overwrites v.
  template <int Count>
  [[gnu::always_inline]] static inline void sums(R* out, type* v) {
    fold<Count, width>(v);
    if constexpr (Count < width) __builtin_memcpy(out, &v[0], Count * sizeof(R));
    else store_all(out, v, std::make_integer_sequence<int, Count / width>{});
  }

  /// The largest lane, of lanes that are numbers.
  [[gnu::always_inline]] static inline void largest(R& out, const type& v) {
    type most = v;
    halve_largest<width / 2>(most);
    out = most[0];
  }

  /// sum += a b with one rounding. Under some tunings g++ splits the multiply-add of a lone chain, but not of several
  /// at once, so the same entry would get other bits in another loop; it does not see the chain behind opaque.
  template <class A>
  [[gnu::always_inline]] static inline void multiply_add(type& sum, const A& a, const type& b) {
    opaque(sum);
    sum += a * b;
  }

  /// Keeps g++ from reordering a sum around v, as -ffast-math would in (x + big) - big; clang is told by a pragma.
  [[gnu::always_inline]] static inline void opaque([[maybe_unused]] type& v) {
#if !defined(__clang__) && defined(__x86_64__)
    asm("" : "+v"(v));
#elif !defined(__clang__) && defined(__aarch64__)
    asm("" : "+w"(v));
#elif defined(COEFDYN_REORDERS_SUMS)
    asm("" : "+m"(v));
#endif
  }
  /// The same where the compiler says that it reorders sums; nothing elsewhere.
  [[gnu::always_inline]] static inline void in_order([[maybe_unused]] type& v) {
#if defined(COEFDYN_REORDERS_SUMS)
    opaque(v);
#endif
  }

 private:
  /// Keeps a short loop over lanes from becoming a call of memcpy.
  [[gnu::always_inline]] static inline void hide(int& i) { asm("" : "+r"(i)); }

  template <int... I>
  [[gnu::always_inline]] static inline void replace_first(type& v, int count, const type& first, std::integer_sequence<int, I...>) {
    v = bits{I...} < static_cast<lane_bits>(count) ? first : v;
  }

  template <int Distance>
  struct swapped {
    static constexpr int at(int i) { return i ^ Distance; }
  };
  template <int Distance>
  [[gnu::always_inline]] static inline void halve(type& v) {
    if constexpr (Distance > 0) {
      type other;
      shuffle<swapped<Distance>>(other, v, v);
      v += other;
      halve<Distance / 2>(v);
    }
  }
  /// Each segment of a, then each of b: its lower lanes, or its upper ones.
  template <int Segment, bool Upper>
  struct half_segments {
    static constexpr int at(int i) { return i / (Segment / 2) * Segment + i % (Segment / 2) + (Upper ? Segment / 2 : 0); }
  };
  /// Vectors of segments, one a sum, become half as many of twice the segments: upper lanes on lower lanes.
  template <int Vectors, int Segment>
  [[gnu::always_inline]] static inline void fold(type* v) {
    if constexpr (Segment > 1) {
      fold_pairs<Segment>(v, std::make_integer_sequence<int, (Vectors + 1) / 2>{}, Vectors > 1);
      fold<(Vectors + 1) / 2, Segment / 2>(v);
    }
  }
  template <int... J>
  [[gnu::always_inline]] static inline void store_all(R* out, const type* v, std::integer_sequence<int, J...>) {
    (store(v[J], out + J * width), ...);
  }
  template <int Segment, int... J>
  [[gnu::always_inline]] static inline void fold_pairs(type* v, std::integer_sequence<int, J...>, int second) {
    type lower, upper;
    ((shuffle<half_segments<Segment, false>>(lower, v[2 * J], v[2 * J + second]),
      shuffle<half_segments<Segment, true>>(upper, v[2 * J], v[2 * J + second]), v[J] = lower + upper),
     ...);
  }
  template <int Distance>
  [[gnu::always_inline]] static inline void halve_largest(type& v) {
    if constexpr (Distance > 0) {
      type other;
      shuffle<swapped<Distance>>(other, v, v);
      v = v < other ? other : v;
      halve_largest<Distance / 2>(v);
    }
  }
  template <class Map, int... I>
  [[gnu::always_inline]] static inline void shuffle(type& out, const type& a, const type& b, std::integer_sequence<int, I...>) {
#if defined(__clang__)
    out = __builtin_shufflevector(a, b, Map::at(I)...);
#else
    out = __builtin_shuffle(a, b, bits{Map::at(I)...});
#endif
  }
};

/// A shape: the vector of a target, and the tile of a product that its registers hold (rows x vectors accumulators).
#if defined(__x86_64__)
template <class R>
struct avx512_shape {
  using real = R;
  static constexpr target name = target::avx512;
  static constexpr int bytes = 64, rows = 8, vectors = 2;
  template <class Kernel, class... Args>
  [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma"), gnu::noinline]] static void enter(Args... args) {
    Kernel::run(args...);
  }
};
template <class R>
struct avx2_shape {
  using real = R;
  static constexpr target name = target::avx2;
  static constexpr int bytes = 32, rows = 6, vectors = 2;
  template <class Kernel, class... Args>
  [[gnu::target("avx2,fma"), gnu::noinline]] static void enter(Args... args) {
    Kernel::run(args...);
  }
};
#endif

/// 128-bit vectors, which every 64-bit ARM has; on other machines the compiler's own flags decide what they become.
template <class R>
struct neon_shape {
  using real = R;
  static constexpr target name = target::neon;
  static constexpr int bytes = 16, rows = 6, vectors = 2;
  template <class Kernel, class... Args>
  [[gnu::noinline]] static void enter(Args... args) {
    Kernel::run(args...);
  }
};

#endif  // __GNUC__

namespace detail {
#if defined(__x86_64__) && defined(__GNUC__)
template <class F>
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma"), gnu::flatten, gnu::noinline]] void run_with_avx512(const F& f) {
  f();
}
template <class F>
[[gnu::target("avx2,fma"), gnu::flatten, gnu::noinline]] void run_with_avx2(const F& f) {
  f();
}
#endif
}  // namespace detail

/// Runs f() with a target's instructions: for plain loops, of which the compiler makes vectors. All that f calls and that can be
/// is compiled into it once more for each target, where a product and a sum may become one operation.
template <class F>
void run_on([[maybe_unused]] target t, const F& f) {
#if defined(__x86_64__) && defined(__GNUC__)
  if (t == target::avx512 || t == target::avx512_bf16) return detail::run_with_avx512(f);
  if (t == target::avx2) return detail::run_with_avx2(f);
#endif
  f();
}

}  // namespace coefdyn::cpu
