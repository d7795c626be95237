// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>
#include <coefdyn/core/streams.hpp>
#include <coefdyn/cpu/run.hpp>
#include <coefdyn/decode/cache.hpp>
#include <coefdyn/decode/history.hpp>
#include <cstring>
#include <random>
#include <type_traits>
#include <vector>

/// One law for every device: a prompt at once and then token by token, some of them taken back once, is the whole sequence by definition.
/// What a generation keeps has the same types everywhere, but for the space that the device reads.
namespace coefdyn::decoding {

/// What came out; relative errors are root mean squares.
struct outcome {
  double y = 0, state = 0;
  bool same_again = true;  // the tokens that were taken back: the same bits the second time
  bool counted = true;     // positions, or the length of the cache
};

constexpr idx prompt = 29, length = 41, taken_back = 3, turning_point = 36;

inline extents sizes() {
  extents e;
  e.batch = e.sequences = 2, e.time = length;
  e.queries = e.readers = 4, e.keys = e.states = 2, e.n = 20, e.d = 12;
  return e;
}
template <class Tag>
float draw(std::mt19937& random) {
  const float x = std::normal_distribution<float>()(random);
  if (std::is_same_v<Tag, stream::log_decay>) return -0.3f * std::abs(x);
  if (std::is_same_v<Tag, stream::beta> || std::is_same_v<Tag, stream::delta>) return std::uniform_real_distribution<float>()(random);
  if (std::is_same_v<Tag, stream::v> || std::is_same_v<Tag, stream::q>) return x;
  return 0.2f * x;
}
inline double relative(const float* got, const float* want, std::size_t count) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < count; ++i) difference += std::pow(double(got[i]) - double(want[i]), 2), size += std::pow(double(want[i]), 2);
  return std::sqrt(difference / size);
}

/// A sequence of a mixer on the host and in a device's memory, and its whole output by definition.
template <class M, class Device>
struct sequence_on {
  using space = memory_of<Device>;
  Device on;
  space where;
  extents e = sizes();
  stream_buffers<M> numbers{e};
  stream_buffers<M, float, field::real, space> there{e, where};
  std::vector<float> whole;
  tokens<M> x;
  buffer<float, space> y;

  sequence_on(const Device& on_, const space& where_, std::uint32_t seed) : on(on_), where(where_), y(per_token() * length, where_) {
    std::mt19937 random(seed);
    for_each_need(needs_of<M>{}, [&]<class N>(N) {
      for (float& v : numbers.template of<N>()) v = draw<typename N::tag>(random);
      if constexpr (std::is_same_v<space, memory::host>) there.template of<N>() = numbers.template of<N>();
      else there.template of<N>() = buffer<float, space>(numbers.template of<N>(), where);
    });
    tokens<M> all;
    numbers.bind(all), there.bind(x);
    whole.resize(y.size());
    run(device::cpu{serial{}}, form::definition{}, all, view(whole, e.batch, length, e.queries, e.d));
  }
  std::size_t per_token() const { return static_cast<std::size_t>(e.batch * e.queries * e.d); }
  /// Tokens from .. to, in the device's memory.
  tokens<M> between(idx from, idx to) const {
    tokens<M> part = x;
    for_each_need(needs_of<M>{}, [&]<class N>(N) {
      if constexpr (N::timed) {
        const idx rows = N::time == ticks::write ? traits<M>::writes : 1;
        auto v = x.template of<N>();
        v.data += from * rows * v.strides[1], v.extents[1] = (to - from) * rows;
        part.template set<N>(v);
      }
    });
    return part;
  }
  view<float, 4> output(idx from, idx to) {
    const idx row = idx(e.queries) * e.d;
    return {y.data() + from * row, {e.batch, to - from, e.queries, e.d}, {length * row, row, e.d, 1}};
  }
  buffer<float> on_host() const { return buffer<float>(y); }
};

/// The tokens behind the prompt one by one: `step(t)`; the last few before the turning point are taken back by `back()` and made again.
template <class Sequence, class Step, class Back>
outcome generate(Sequence& s, Step step, Back back) {
  outcome out;
  for (idx t = prompt; t < turning_point; ++t) step(t);
  const buffer<float> first = s.on_host();
  back();
  for (idx t = turning_point - taken_back; t < turning_point; ++t) step(t);
  out.same_again = first == s.on_host();
  for (idx t = turning_point; t < length; ++t) step(t);
  const buffer<float> y = s.on_host();
  out.y = relative(y.data(), s.whole.data(), y.size());
  return out;
}
/// Carries a state, with a history of it.
template <class M, class Device>
outcome with_state(const Device& on, const memory_of<Device>& where, std::uint32_t seed) {
  sequence_on<M, Device> s(on, where, seed);
  state<M, float, memory_of<Device>> now(s.e, where);
  history<M, float, memory_of<Device>> past(int(taken_back) + 1);
  run(on, form::chunkwise{}, s.between(0, prompt), s.output(0, prompt), carry<M>{.final = now});
  outcome out = generate(
      s,
      [&](idx t) {
        past.keep(now);
        run(on, form::step{}, s.between(t, t + 1), s.output(t, t + 1), carry<M>{.initial = now, .final = now});
      },
      [&] { past.roll_back(int(taken_back), now); });
  const state<M> got(now);
  for (idx i = 0; i < s.e.sequences; ++i) out.counted = out.counted && got.position[std::size_t(i)] == length;
  state<M> want(s.e);
  tokens<M> all;
  s.numbers.bind(all);
  run(device::cpu{serial{}}, form::definition{}, all, view(s.whole, s.e.batch, length, s.e.queries, s.e.d), carry<M>{.final = want});
  std::vector<float> a, b;
  for (idx i = 0; i < s.e.sequences; ++i)
    for (int h = 0; h < s.e.states; ++h)
      for (int c = 0; c < s.e.n; ++c)
        for (int v = 0; v < s.e.d; ++v) a.push_back(got.unscaled(i, h, c, v)), b.push_back(want.unscaled(i, h, c, v));
  out.state = relative(a.data(), b.data(), a.size());
  return out;
}
/// Keeps the tokens themselves in a cache.
template <class M, class Device>
outcome with_cache(const Device& on, const memory_of<Device>& where, std::uint32_t seed) {
  sequence_on<M, Device> s(on, where, seed);
  cache<M, float, heads::grouped_queries, field::real, memory_of<Device>> past(s.e.batch, s.e.states, s.e.keys, s.e.n, s.e.d, length,
                                                                               where);
  run(on, form::parallel{}, past.extend(s.between(0, prompt)), s.output(0, prompt));
  outcome out = generate(
      s, [&](idx t) { run(on, form::step{}, past.extend(s.between(t, t + 1)), s.output(t, t + 1)); },
      [&] { past.truncate(past.length() - taken_back); });
  out.counted = past.length() == length;
  return out;
}

}  // namespace coefdyn::decoding
