// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/arena.hpp"
#include "../core/buffer.hpp"
#include "../core/channels.hpp"
#include "../cpu/device.hpp"
#include "../cpu/products/simd.hpp"

/// Of a lambda: it becomes part of the loop that calls it, since a call would keep the loop scalar.
#if defined(__GNUC__) && !defined(__CUDACC__)
#define COEFDYN_IN_LOOP __attribute__((always_inline))
#else
#define COEFDYN_IN_LOOP
#endif

/// What a device does for a tape and an optimiser: its loops, and the memory of a step.
///
/// An operation is one text for all devices: a struct of pointers and numbers whose operator(), host and device code, does a piece of the
/// work. Loops say which pieces there are and who does them. Those of a GPU are in nn/cuda/loops.cuh.
namespace coefdyn::nn {

/// Those who work on one group of numbers together; on the CPU one alone. Numbers first(), first() + step(), .. are its own.
struct alone {
  COEFDYN_HD static constexpr idx first() { return 0; }
  COEFDYN_HD static constexpr idx step() { return 1; }
  /// Of what each of them has; all get it.
  template <class X>
  COEFDYN_HD constexpr X sum(X x) const {
    return x;
  }
  template <class X>
  COEFDYN_HD constexpr X max(X x) const {
    return x;
  }
  /// What one wrote before, all see after.
  COEFDYN_HD constexpr void meet() const {}
};

/// The sum of f(c) over c < n by all of a team, in an order that the team alone decides.
template <class Team, class F>
COEFDYN_HD auto sum_in(Team team, idx n, F f) {
  using X = decltype(f(n));
  if constexpr (std::is_same_v<Team, alone>) {
    return sum_over<X>(int(n), [&](int c) { return f(idx(c)); });
  } else {
    X sum = X(0);
    for (idx c = team.first(); c < n; c += team.step()) sum += f(c);
    return team.sum(sum);
  }
}
/// f(count, c) for blocks of columns c .. c + count - 1 from first to last; count is a constant, so that compilers make vectors of loops up
/// to it.
template <class F>
[[gnu::always_inline]] COEFDYN_HD inline void in_blocks(idx first, idx last, F f) {
  constexpr int block = 16;
  idx c = first;
  for (; c + block <= last; c += block) f(std::integral_constant<int, block>{}, c);
  for (; c < last; ++c) f(std::integral_constant<int, 1>{}, c);
}
/// to[c] = f(c) over first <= c < last; f may read to[c].
template <class To, class F>
[[gnu::always_inline]] COEFDYN_HD inline void between(idx first, idx last, To&& to, F f) {
  in_blocks(first, last, [&](auto count, idx c) COEFDYN_IN_LOOP {
    std::remove_cvref_t<decltype(to[c])> part[count];
    for (int j = 0; j < count; ++j) part[j] = f(c + j);
    for (int j = 0; j < count; ++j) to[c + j] = part[j];
  });
}
/// to[c] = f(c) over c < n by all of a team; f may read to[c].
template <class Team, class R, class F>
COEFDYN_HD void by_channel_in(Team team, idx n, R* to, F f) {
  if constexpr (std::is_same_v<Team, alone>) between(idx(0), n, to, f);
  else
    for (idx c = team.first(); c < n; c += team.step()) to[c] = f(c);
}
/// Memory that is taken piece by piece and given back at once; it grows while a first step runs, and not again for the same sizes.
class step_memory {
 public:
  void* take(std::size_t bytes) {
    bytes = (bytes + line - 1) / line * line;
    while (at_ < blocks_.size() && used_ + bytes > blocks_[at_].size()) ends_[at_++] = std::exchange(used_, 0);
    if (at_ == blocks_.size()) blocks_.emplace_back(bytes > least ? bytes : least), ends_.push_back(0);
    std::byte* const p = blocks_[at_].data() + used_;
    used_ += bytes;
    taken_ += bytes;
    most_ = std::max(most_, taken_);
    return p;
  }
  void* take_zeros(std::size_t bytes) { return std::memset(take(bytes), 0, bytes); }
  /// Memory of one operation; what was there before is lost.
  std::byte* scratch(std::size_t bytes) {
    if (scratch_.size() < bytes) scratch_ = buffer<std::byte>(bytes);
    return scratch_.data();
  }
  void reset() { at_ = used_ = taken_ = most_ = 0; }
  /// Where the next piece comes from; all that was taken since is given back by going there.
  struct place {
    std::size_t at, used, taken;
  };
  place here() const { return {at_, used_, taken_}; }
  void go_back(const place& p) { at_ = p.at, used_ = p.used, taken_ = p.taken; }
  /// f(at, bytes) for all that was taken since that place.
  template <class F>
  void since(const place& p, F f) {
    for (std::size_t b = p.at; b <= at_ && b < blocks_.size(); ++b) {
      const std::size_t first = b == p.at ? p.used : 0, end = b == at_ ? used_ : ends_[b];
      if (first < end) f(blocks_[b].data() + first, end - first);
    }
  }
  /// The most bytes that were out at once since the last reset.
  std::size_t most() const { return most_; }

 private:
  static constexpr std::size_t line = 64, least = std::size_t(1) << 20;
  std::vector<buffer<std::byte>> blocks_;
  std::vector<std::size_t> ends_;  // of what was taken of a block, once the next one is in use
  buffer<std::byte> scratch_;
  std::size_t at_ = 0, used_ = 0, taken_ = 0, most_ = 0;
};

/// What a step takes from the host, on a device that reads the host's memory: pieces that functions fill.
class step_inputs {
 public:
  /// `count` numbers that fill(T*) has written.
  template <class T, class F>
  const T* take(idx count, const F& fill) {
    T* const to = static_cast<T*>(memory_.take(sizeof(T) * static_cast<std::size_t>(count)));
    fill(to);
    return to;
  }
  /// The host's own numbers.
  template <class T>
  const T* here(const T* host, idx) {
    return host;
  }
  void reset() { memory_.reset(); }
  std::size_t most() const { return memory_.most(); }

 private:
  step_memory memory_;
};

/// The loops of a device, and the types of its memory.
template <class On>
struct loops {
  static_assert(sizeof(On) == 0, "coefdyn: layers on a GPU come with their header, nn/cuda/linear.cuh, in a file that nvcc compiles.");
};
template <class Executor>
struct loops<device::cpu<Executor>> {
  using step_memory_type = step_memory;
  using step_inputs_type = step_inputs;
  /// What its matrix products keep between calls.
  struct products {
    explicit products(const device::cpu<Executor>&) {}
  };
  /// The device's memory is the host's.
  static constexpr bool is_host = true;
  static constexpr idx rows_together = 64;

  device::cpu<Executor> on;

  /// Where its arrays lie.
  memory::host space() const { return {}; }
  /// f(item, worker) for all items, each of which owns what it writes; one alone starts no threads.
  template <class F>
  void each(idx count, F f) const {
    if (count == 1) f(idx(0), 0);
    else on.executor(count, f);
  }
  /// Zeros, written by all.
  void* clear(void* at, std::size_t bytes) const {
    constexpr std::size_t block = std::size_t(1) << 19;
    each(idx((bytes + block - 1) / block), [&](idx i, int) {
      const std::size_t begin = block * static_cast<std::size_t>(i);
      std::memset(static_cast<std::byte*>(at) + begin, 0, std::min(block, bytes - begin));
    });
    return at;
  }
  /// f(begin, end) for blocks of rows whose boundaries depend on nothing but their number.
  template <class F>
  void by_rows(idx rows, F f, idx together = rows_together) const {
    each((rows + together - 1) / together, [&](idx i, int) { f(i * together, std::min(rows, (i + 1) * together)); });
  }
  /// f(i, first, last) does columns first .. last - 1 of row i. `together`: rows of one thread, on the CPU.
  template <class F>
  void elements(idx rows, idx columns, F f, idx together = rows_together) const {
    const auto some = [&](idx begin, idx end) {
      cpu::run_on(cpu::best_target(), [&] {
        const F own = f;  // so that the compiler knows that nothing else writes it
        for (idx i = begin; i < end; ++i) own(i, idx(0), columns);
      });
    };
    by_rows(rows, some, together);
  }
  /// f(team, i, g) does group g of row i.
  template <class F>
  void groups(idx rows, idx count, F f, idx together = rows_together) const {
    const auto some = [&](idx begin, idx end) {
      cpu::run_on(cpu::best_target(), [&] {
        const F own = f;
        for (idx i = begin; i < end; ++i)
          for (idx g = 0; g < count; ++g) own(alone{}, i, g);
      });
    };
    by_rows(rows, some, together);
  }
  /// total[c] += the sum of what f(part, first, last, sum) adds to sum[first .. last - 1], part after part; `partial` has room for
  /// columns numbers of each part.
  template <class T, class F>
  void sums(idx parts, idx columns, T* partial, T* total, F f) const {
    std::memset(partial, 0, sizeof(T) * static_cast<std::size_t>(parts * columns));
    each(parts, [&](idx part, int) {
      cpu::run_on(cpu::best_target(), [&] {
        const F own = f;
        own(part, idx(0), columns, partial + part * columns);
      });
    });
    for (idx p = 0; p < parts; ++p)
      for (idx c = 0; c < columns; ++c) total[c] += partial[p * columns + c];
  }
  /// The host's numbers into the device's memory, in the order of the calls.
  template <class T>
  void bring(const T* host, idx count, T* to) const {
    std::copy_n(host, count, to);
  }
  /// The device's numbers in the host's memory, once all that was queued is done.
  template <class T>
  void read(const T* from, idx count, T* host) const {
    std::copy_n(from, count, host);
  }
};

}  // namespace coefdyn::nn
