// SPDX-License-Identifier: MIT
#pragma once
#include "model.hpp"

namespace coefdyn::nn::detail {

/// How MAD's models name a layer of a list and its norm.
struct mad_names {
  const char *list, *norm, *layer;
};
/// x += layer(norm x), x += swiglu(norm x), LayerNorm: two entries of MAD's list of layers, or one without an MLP.
/// source  Poli et al. (MAD), arXiv:2403.17844
template <class Layer>
struct mad_block {
  static constexpr double eps = 1e-5;
  norm_parameters layer_norm, feed_norm;
  Layer layer;
  std::vector<swiglu> feed_forward;  // one or none
  mad_block(const scope& s, const mad_names& names, const model_sizes& z, int i)
      : layer_norm(at(s, names, z, i, 0), names.norm, z.width, true), layer(at(s, names, z, i, 0).part(names.layer), z.layer_sizes(i)) {
    if (z.hidden < 1) return;
    feed_norm = norm_parameters(at(s, names, z, i, 1), names.norm, z.width, true);
    feed_forward.emplace_back(at(s, names, z, i, 1).part(names.layer), z.width, z.hidden, z.layers);
  }
  template <class R, class On>
  value<R> operator()(tape<R, On>& t, value<R> x, across_layers<R>& across) const {
    x = add(t, x, layer(t, layer_norm.layer(t, x, eps), across));
    return feed_forward.empty() ? x : add(t, x, feed_forward.front()(t, feed_norm.layer(t, x, eps)));
  }

 private:
  static scope at(const scope& s, const mad_names& names, const model_sizes& z, int i, int second) {
    return s.part(std::string(names.list) + "." + std::to_string(z.hidden > 0 ? 2 * i + second : i));
  }
};

}  // namespace coefdyn::nn::detail
