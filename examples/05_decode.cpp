// SPDX-License-Identifier: MIT
// Decoding: a prompt at once, then token by token, and some tokens taken back. With a linear phi a state of n x d is carried;
// otherwise the keys and values themselves are the cache.
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "coefdyn/cpu/run.hpp"
#include "coefdyn/decode/cache.hpp"
#include "coefdyn/decode/history.hpp"
#include "coefdyn/mixers/attention.hpp"
#include "coefdyn/mixers/mlstm.hpp"

using namespace coefdyn;

constexpr idx prompt = 48, length = 64;
constexpr int heads_count = 2, width_of_head = 16;

/// A stream (1, length, heads, inner) of normal numbers.
struct numbers {
  int inner;
  std::vector<float> values;
  numbers(std::mt19937& random, int inner_) : inner(inner_), values(static_cast<std::size_t>(length * heads_count * inner_)) {
    std::normal_distribution<float> normal;
    for (float& e : values) e = normal(random);
  }
  /// Tokens [first, first + count).
  view<const float, 4> vectors(idx first, idx count) const {
    return view(values.data() + first * heads_count * inner, 1, count, heads_count, inner);
  }
  view<const float, 3> gates(idx first, idx count) const { return view(values.data() + first * heads_count, 1, count, heads_count); }
};
struct input {
  numbers q, k, v, input_gate, log_decay;
  explicit input(std::mt19937 random)
      : q(random, width_of_head), k(random, width_of_head), v(random, width_of_head), input_gate(random, 1), log_decay(random, 1) {
    for (float& e : log_decay.values) e = -std::abs(e);
  }
};
/// Where y of tokens from `first` on is written.
view<float, 4> output(std::vector<float>& y, idx first, idx count) {
  return view(y.data() + first * heads_count * width_of_head, 1, count, heads_count, width_of_head);
}

float largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  float m = 0;
  for (std::size_t i = 0; i < a.size(); ++i) m = std::fmax(m, std::abs(a[i] - b[i]));
  return m;
}

float decode_with_state(const input& in) {
  using M = mixers::mlstm;
  const auto at = [&](idx first, idx count) {
    tokens<M> x;
    x.q = in.q.vectors(first, count);
    x.k = in.k.vectors(first, count);
    x.v = in.v.vectors(first, count);
    x.log_decay = in.log_decay.gates(first, count);
    x.input_gate = in.input_gate.gates(first, count);
    return x;
  };
  std::vector<float> whole(in.v.values.size()), y(whole);
  run(device::cpu{}, form::definition{}, at(0, length), output(whole, 0, length));

  state<M> s(1, heads_count, width_of_head, width_of_head);  // S, the normalizer z, the running maximum m
  run(device::cpu{}, form::chunkwise{}, at(0, prompt), output(y, 0, prompt), carry<M>{.final = s});
  history<M> past(4);  // states before the last four steps
  bool drafted = false;
  for (idx t = prompt; t < length; ++t) {
    past.keep(s);
    run(device::cpu{}, form::step{}, at(t, 1), output(y, t, 1), carry<M>{.initial = s, .final = s});
    if (t == prompt + 7 && !drafted) {  // three tokens were a draft that is not accepted
      past.roll_back(3, s);
      t -= 3;
      drafted = true;
    }
  }
  return largest_difference(whole, y);
}

float decode_with_cache(const input& in) {
  using M = mixers::softmax_attention;
  const auto at = [&](idx first, idx count) {
    tokens<M> x;
    x.q = in.q.vectors(first, count);
    x.k = in.k.vectors(first, count);
    x.v = in.v.vectors(first, count);
    return x;
  };
  std::vector<float> whole(in.v.values.size()), y(whole);
  run(device::cpu{}, form::definition{}, at(0, length), output(whole, 0, length));

  cache<M> past(1, heads_count, heads_count, width_of_head, width_of_head, length);
  run(device::cpu{}, form::parallel{}, past.extend(at(0, prompt)), output(y, 0, prompt));
  bool drafted = false;
  for (idx t = prompt; t < length; ++t) {
    run(device::cpu{}, form::step{}, past.extend(at(t, 1)), output(y, t, 1));
    if (t == prompt + 7 && !drafted) {
      past.truncate(past.length() - 3);
      t -= 3;
      drafted = true;
    }
  }
  return largest_difference(whole, y);
}

int main() {
  const input in(std::mt19937{5});
  const float state_error = decode_with_state(in), cache_error = decode_with_cache(in);
  std::printf("%d tokens at once, then %d one by one, three of them taken back once, against the whole sequence by definition:\n",
              int(prompt), int(length - prompt));
  std::printf("  mLSTM, carried state:     %.1e\n  softmax, key/value cache: %.1e\n", double(state_error), double(cache_error));
  return state_error < 1e-4f && cache_error < 1e-5f ? 0 : 1;
}
