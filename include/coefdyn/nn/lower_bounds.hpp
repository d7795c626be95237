// SPDX-License-Identifier: MIT
#pragma once
#include "source.hpp"

namespace coefdyn::nn {

namespace detail {
/// bound[c] = sum over 1 <= j <= layer of softmax_j(P)[c], the softmax over the rows of P (layers, columns).
template <class R>
struct bound_of_layer {
  const R* P;
  idx layers, columns, layer;
  value<R> y;
  COEFDYN_HD void operator()(idx, idx begin, idx end) const {
    for (idx c = begin; c < end; ++c) {
      R sum = R(0);
      each_share(c, [&](idx j, R share) { sum += j > 0 && j <= layer ? share : R(0); });
      y.data[c] = sum;
    }
  }
  /// f(j, softmax_j) of a column.
  template <class F>
  COEFDYN_HD void each_share(idx c, F f) const {
    R top = P[c], all = R(0);
    for (idx j = 1; j < layers; ++j) top = math::max(top, P[j * columns + c]);
    for (idx j = 0; j < layers; ++j) all += math::exp(P[j * columns + c] - top);
    for (idx j = 0; j < layers; ++j) f(j, math::exp(P[j * columns + c] - top) / all);
  }
};
/// dP_j += softmax_j ((1 <= j <= layer) - bound) dbound.
template <class R>
struct bound_of_layer_back {
  bound_of_layer<R> of;
  R* to;
  COEFDYN_HD void operator()(idx, idx begin, idx end) const {
    for (idx c = begin; c < end; ++c)
      of.each_share(
          c, [&](idx j, R share) { to[j * of.columns + c] += share * (R(j > 0 && j <= of.layer) - of.y.data[c]) * of.y.gradient[c]; });
  }
};
struct no_bound {
  COEFDYN_HD double operator()(idx) const { return 0; }
};
}  // namespace detail

/// Lower bounds that a model's layers share: Name [layers, columns] at the top of the model, from 0, without decay. Layer l takes row l of
/// cumsum(softmax(Name)) - its first row, so that bounds rise from 0 in layer 0, which has none, to less than 1 in the last.
///
/// source  Qin et al. (HGRN), arXiv:2311.04823; the name is flash-linear-attention's
template <label Name>
struct rising_bound {
  parameter all;
  int layer;
  rising_bound(const scope& s, const sizes& z, const stream_shape& want)
      : all(s.whole().matrix(std::string(Name.text()), z.layers, want.columns, start::constant(0), false)), layer(z.layer) {
    if (z.layer < 0 || z.layer >= z.layers) throw invalid_input("layer", "0 .. " + std::to_string(z.layers - 1), std::to_string(z.layer));
  }
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    if (layer == 0) return constants(c.t, all.columns, detail::no_bound{});
    value<R> y = c.t.make(1, 1, all.columns);
    y.stride = 0;
    const detail::bound_of_layer<R> one{c.t.weights(all), all.rows, all.columns, layer, y};
    c.t.elements(1, all.columns, one);
    c.t.record(
        [=, all = all](tape<R, On>& back) { back.elements(1, all.columns, detail::bound_of_layer_back<R>{one, back.gradients(all)}); });
    return y;
  }
};

}  // namespace coefdyn::nn
