// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/nn/batch_norm.hpp>
#include <coefdyn/nn/mlp.hpp>
#include <coefdyn/nn/models/model.hpp>
#include <coefdyn/nn/pool.hpp>

/// Models of pieces alone, for tests of devices: every operation but the mixers, at odd widths.
namespace pieces {
using namespace coefdyn;

struct numbered_model {
  std::shared_ptr<nn::parameter_list> list = std::make_shared<nn::parameter_list>();
  const std::shared_ptr<nn::parameter_list>& parameters() const { return list; }
  nn::scope root() const { return nn::scope(*list); }
};
struct slope_of_head {
  template <class X>
  COEFDYN_HD X operator()(X x, X by_head, X by_channel) const {
    return x * math::sigmoid(by_head) + math::tanh(by_channel);
  }
};
struct half_angle {
  COEFDYN_HD double operator()(idx c) const { return 1.0 / double(c + 2); }
};

/// What a layer is made of, with odd widths: D channels in H heads.
struct pieces_of_a_layer : numbered_model {
  static constexpr idx D = 42, heads = 3, head = 14;
  nn::parameter table, positions, scale;
  nn::norm_parameters rms, layer, heads_norm, layer_heads;
  nn::convolution_parameters convolution;
  nn::projection_parameters in, wide, gate, down, out;
  nn::swiglu feed_forward;
  pieces_of_a_layer()
      : table(root().matrix("table", 37, D, nn::start::normal(0.5))),
        positions(root().matrix("positions", 29, D, nn::start::normal(0.5))),
        scale(root().vector("scale", D, nn::start::normal(1))),
        rms(root(), "rms", D, false),
        layer(root(), "layer", D, true),
        heads_norm(root(), "heads", head, false),
        layer_heads(root(), "layer_heads", D, true),
        convolution(root(), "convolution", D, 4, true),
        in(root(), "in", D, D, true),
        wide(root(), "wide", D, 2 * D, false),
        gate(root(), "gate", D, heads, true),
        down(root(), "down", heads, D, false),
        out(root(), "out", D, 37, true),
        feed_forward(root(), D, 23, 2) {}
  template <class R, class On>
  nn::value<R> operator()(nn::tape<R, On>& t, const nn::token_ids& ids) const {
    const auto x = nn::embed(t, ids, table, positions);
    const auto u = rms.rms(t, x, 1e-5), both = wide(t, u);
    auto y = convolution(t, in(t, both.part(0, D)));
    y = nn::normalise<nn::norm::l2>(t, y, head, 1e-6);
    y = nn::map(t, slope_of_head{}, y, gate(t, u), t.shared(scale));
    y = nn::normalise<nn::norm::rms>(t, y, head, 1e-5, heads_norm.weight);
    y = nn::map(t, nn::times<nn::silu>{}, y, both.part(D, D));
    y = nn::add(t, y, nn::token_shift(t, u));
    y = nn::normalise<nn::norm::layer>(t, y, head, 1e-5, layer_heads.weight, layer_heads.bias);
    y = nn::add(t, y, down(t, nn::sum_groups(t, y, head)));
    y = nn::normalise<nn::norm::length>(t, y, head, 1e-12);
    y = nn::map(t, nn::product_of{}, y, nn::constants(t, D, half_angle{}));
    y = nn::add(t, x, nn::dropout(t, y, 0.25));
    y = nn::add(t, y, feed_forward(t, layer.layer(t, y, 1e-5)));
    return out(t, y);
  }
};
/// Of the spectra's models: batch norm, pools, dropout of whole channels, gelu, log softmax.
struct pieces_of_a_classifier : numbered_model {
  static constexpr idx D = 20;
  nn::parameter table;
  nn::batch_norm_parameters normalize;
  nn::mlp<nn::gelu> middle;
  nn::mlp<nn::gelu_tanh> head;
  pieces_of_a_classifier()
      : table(root().matrix("table", 11, D, nn::start::normal(1))),
        normalize(root(), "normalize", D),
        middle(root(), "a", "b", D, 33, D),
        head(root(), "encoder", "decoder", D, 17, 11) {}
  template <class R, class On>
  nn::value<R> operator()(nn::tape<R, On>& t, const nn::token_ids& ids) const {
    auto x = nn::last_with_positions(t, nn::embed(t, ids, table));
    x = nn::add(t, x, nn::embed(t, ids, table));
    x = nn::batch_norm(t, x, 1e-5, normalize);
    x = nn::add(t, x, nn::dropout(t, middle(t, x, 0.125), 0.5, nn::shared_draws::over_time));
    return nn::log_softmax(t, head(t, nn::mean_over_time(t, x)));
  }
};

}  // namespace pieces
