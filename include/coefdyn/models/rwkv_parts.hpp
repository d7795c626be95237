// SPDX-License-Identifier: MIT
#pragma once
#include "body.hpp"
#include "operations.hpp"
#include "running.hpp"

/// What the RWKV models share: blends of a token with the one before, and the channel mix.
namespace coefdyn::models::detail {

/// u + (before - u) (1 - mu): mu is the share of the token itself.
struct own_share {
  template <class X>
  COEFDYN_HD X operator()(X u, X before_minus_now, X mu) const {
    return u + before_minus_now * (X(1) - mu);
  }
};
/// u + (before - u) mu: mu is the share of the token before.
struct share_before {
  template <class X>
  COEFDYN_HD X operator()(X u, X before_minus_now, X mu) const {
    return u + before_minus_now * mu;
  }
};
struct relu_square {
  template <class X>
  [[gnu::always_inline]] COEFDYN_HD X operator()(X x) const {
    const X r = math::select(x > X(0), x, X(0));
    return r * r;
  }
};
struct sigmoid_times {
  template <class X>
  [[gnu::always_inline]] COEFDYN_HD X operator()(X r, X y) const {
    return math::sigmoid(r) * y;
  }
};
/// The names of a channel mix's blends.
struct channel_mix_names {
  const char *key, *receptance;  // none: no gate (RWKV-7)
};
/// sigmoid(R r) (V relu(K k)^2), k and r blends of the token with the one before; without the gate in RWKV-7.
template <class Blend>
class channel_mix {
 public:
  channel_mix(const nn::scope& s, idx width, idx hidden, const channel_mix_names& names)
      : mu_key_(s.vector(names.key, width, nn::start::constant(0))),
        key_(s.matrix("key.weight", hidden, width, nn::start::constant(0))),
        value_(s.matrix("value.weight", width, hidden, nn::start::constant(0))) {
    if (!names.receptance) return;
    mu_receptance_ = s.vector(names.receptance, width, nn::start::constant(0));
    receptance_ = s.matrix("receptance.weight", width, width, nn::start::constant(0));
  }
  template <class R, class On>
  nn::value<R> operator()(nn::tape<R, On>& t, const nn::value<R>& u) const {
    const nn::value<R> shift = nn::token_shift(t, u);
    const nn::value<R> k = nn::linear(t, nn::map(t, Blend{}, u, shift, t.shared(mu_key_)), key_);
    const nn::value<R> y = nn::linear(t, nn::map(t, relu_square{}, k), value_);
    if (!receptance_) return y;
    return nn::map(t, sigmoid_times{}, nn::linear(t, nn::map(t, Blend{}, u, shift, t.shared(mu_receptance_)), receptance_), y);
  }

 private:
  nn::parameter mu_key_, mu_receptance_, key_, value_, receptance_;
};
/// A published vector of any number of axes of extent 1 as a parameter.
inline void say_vector(tensor_map& map, const files::named_tensors& from, const std::string& tensor, const std::string& own, idx size,
                       std::function<double(double)> f = {}) {
  std::vector<idx> shape{size};
  if (from.has(tensor) && from.at(tensor).shape == std::vector<idx>{1, 1, size}) shape = {1, 1, size};
  map.whole(tensor, own, std::move(shape), std::move(f));
}

/// Sizes of a model by its authors' names, which its tensors show.
struct rwkv_shapes {
  idx vocabulary = 0, width = 0, hidden = 0, layers = 0;
  rwkv_shapes(const files::named_tensors& from, const std::string& of_each_block) {
    const auto two = [&](const std::string& name) -> const std::vector<idx>& {
      const std::vector<idx>& shape = from.at(name).shape;
      if (shape.size() != 2 || shape[0] < 1 || shape[1] < 1 || shape[0] > (1 << 24) || shape[1] > (1 << 24))
        files::detail::refuse(from.path, "tensor '" + name + "': expected a matrix, given shape " + text_of(shape));
      return shape;
    };
    vocabulary = two("emb.weight")[0], width = two("emb.weight")[1], hidden = two("blocks.0.ffn.key.weight")[0];
    while (from.has("blocks." + std::to_string(layers) + ".att." + of_each_block)) ++layers;
  }
};

}  // namespace coefdyn::models::detail
