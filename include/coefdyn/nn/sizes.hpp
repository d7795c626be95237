// SPDX-License-Identifier: MIT
#pragma once
#include "../core/errors.hpp"
#include "../core/tokens.hpp"

namespace coefdyn::nn {

/// Sizes and numbers of a layer, all at run time. What is 0 follows from the others.
struct sizes {
  idx width = 0;        // of the model, D
  int heads = 1;        // that read
  int key_heads = 0;    // of k and v under grouped queries, of q and k under grouped values; 0: as many as read
  int n = 0, d = 0;     // channels of a key and of a value in one head; 0: width / heads
  int convolution = 4;  // tokens of a short convolution
  int rank = 16;        // of a low-rank projection
  int decay_rank = 0, rate_rank = 0, value_rank = 0, gate_rank = 0;  // of those of RWKV; 0: rank
  int layer = 0;                                                     // which of the model's layers this is
  int layers = 2;                                                    // of the model: output projections start smaller by sqrt(2 layers)
  double eps = 0;           // of the norms after a mixer; 0: as published, which a layer's type says
  double theta = 1e4;       // base of RoPE's angles
  double tau = 16;          // of gates sigmoid(x)^(1/tau)
  double cap = 15;          // of capped gates
  double strongest = 1;     // beta's largest value: 2 allows eigenvalues down to -1
  double drop_weights = 0;  // probability that a step of training drops a weight of a read, in layers with nn::drops_weights

  /// With every size said, or refused: heads have to divide what they share.
  sizes complete() const {
    sizes s = *this;
    if (s.width < 1) throw invalid_input("width", "at least 1", std::to_string(s.width));
    if (s.heads < 1) throw invalid_input("heads", "at least 1", std::to_string(s.heads));
    if (s.key_heads == 0) s.key_heads = s.heads;
    if (s.key_heads < 1 || s.heads % s.key_heads != 0)
      throw invalid_input("key_heads", "a divisor of the " + std::to_string(s.heads) + " heads", std::to_string(s.key_heads));
    if ((s.n == 0 || s.d == 0) && s.width % s.heads != 0)
      throw invalid_input("width", "a multiple of the " + std::to_string(s.heads) + " heads", std::to_string(s.width));
    if (s.n == 0) s.n = int(s.width / s.heads);
    if (s.d == 0) s.d = int(s.width / s.heads);
    for (int* r : {&s.decay_rank, &s.rate_rank, &s.value_rank, &s.gate_rank})
      if (*r == 0) *r = s.rank;
    const int numbers[] = {s.n, s.d, s.convolution, s.rank, s.layers};
    const char* const names[] = {"n", "d", "convolution", "rank", "layers"};
    for (int i = 0; i < 5; ++i)
      if (numbers[i] < 1) throw invalid_input(names[i], "at least 1", std::to_string(numbers[i]));
    if (!(s.drop_weights >= 0 && s.drop_weights < 1))
      throw invalid_input("drop_weights", "a probability from 0 to less than 1", std::to_string(s.drop_weights));
    return s;
  }
  /// What a call of B x T tokens looks like to the mixer.
  template <class Heads>
  extents call(idx batch, idx time) const {
    extents e;
    e.batch = e.sequences = batch, e.time = time;
    constexpr bool grouped_values = std::is_same_v<Heads, heads::grouped_values>;
    e.readers = heads, e.keys = key_heads;
    e.queries = grouped_values ? key_heads : heads;
    e.states = grouped_values ? heads : key_heads;
    e.n = n, e.d = d;
    return e;
  }
};

/// The sizes, or a refusal of dropped weights by a layer that has no parallel form for its reads.
inline const sizes& without_dropped_weights(const sizes& z) {
  if (z.drop_weights != 0)
    throw invalid_input("drop_weights", "0 in this layer: weights are dropped in form::parallel, in layers with nn::drops_weights",
                        std::to_string(z.drop_weights));
  return z;
}
/// f(name, size) for all of them that a model does not fill in itself (width, layer, layers), with the names of the members.
template <class Sizes, class F>
void each_layer_size(Sizes& z, F f) {
  f("heads", z.heads), f("key_heads", z.key_heads), f("n", z.n), f("d", z.d), f("convolution", z.convolution), f("rank", z.rank);
  f("decay_rank", z.decay_rank), f("rate_rank", z.rate_rank), f("value_rank", z.value_rank), f("gate_rank", z.gate_rank);
  f("eps", z.eps), f("theta", z.theta), f("tau", z.tau), f("cap", z.cap), f("strongest", z.strongest);
  f("drop_weights", z.drop_weights);
}

}  // namespace coefdyn::nn
