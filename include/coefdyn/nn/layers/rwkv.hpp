// SPDX-License-Identifier: MIT
#pragma once
#include "../../mixers/rwkv.hpp"
#include "../../parameterisation/exp_exp.hpp"
#include "../../parameterisation/rwkv7.hpp"
#include "../layer.hpp"

/// RWKV's layers. Names are flash-linear-attention's. Every stream sees its own blend of the token and the one before.
namespace coefdyn::nn {

namespace detail {
/// u_{t-1} - u_t, once a layer.
struct before_minus_now {
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    return token_shift(c.t, c.u);
  }
};
struct blend {
  template <class X>
  COEFDYN_HD X operator()(X u, X delta, X mu) const {
    return u + delta * mu;
  }
};
/// Laws of the low-rank projections: both as usual, or RWKV-7's: the first 0, the second orthogonal.
enum class lora_start { usual, orthogonal };
/// name.lora.0.weight, f, name.lora.2.weight and bias.
template <label Name, bias Bias, middle Middle, class F, class From, class BiasStart = starts::zero, lora_start Start = lora_start::usual>
struct lora {
  From from;
  projection_parameters down, up;
  lora(const scope& s, const sizes& z, const stream_shape& want) : from(s, z, {z.width, 1, 1}) {
    const idx r = middle_width(Middle, z);
    constexpr bool usual = Start == lora_start::usual;
    const double gain = 0.1 * (r > want.columns ? std::sqrt(double(r) / double(want.columns)) : 1.0);
    down.weight = s.matrix(Name + ".lora.0.weight", r, z.width, usual ? start::fan_in(z.width) : start::constant(0));
    up.weight = s.matrix(Name + ".lora.2.weight", want.columns, r, usual ? start::fan_in(r) : start::orthogonal(want.columns, gain));
    if (Bias == bias::yes) up.bias = s.vector(Name + ".lora.2.bias", want.columns, BiasStart::of(z));
  }
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    const value<R> narrow = down(c.t, c(from));
    if constexpr (std::is_same_v<F, unchanged>) return up(c.t, narrow);
    else return up(c.t, map(c.t, F{}, narrow));
  }
};
}  // namespace detail

// ---- RWKV-6 ----------------------------------------------------------------------------------------------------------------
namespace detail {
/// tanh of a small projection of one blend: five parts of `rank` numbers, from which the five blends are made.
struct rwkv6_mix {
  parameter mu;
  projection_parameters p;
  rwkv6_mix(const scope& s, const sizes& z, const stream_shape&)
      : mu(s.vector("x_proj.0.mu", z.width, start::constant(0))), p(s, "x_proj.0.linear", z.width, 5 * idx(z.rank), false) {}
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    return map(c.t, tanh{}, p(c.t, map(c.t, blend{}, c.u, c(before_minus_now{}), c.t.shared(mu))));
  }
};
/// u + delta mu_I, mu_I = x_bias[I] + (columns I rank .. of x_proj.2) part I of the mix; I in the order r, w, k, v, g.
template <int I>
struct rwkv6_blend {
  rwkv6_mix mix;
  parameter weight, x_bias;
  rwkv6_blend(const scope& s, const sizes& z, const stream_shape& want)
      : mix(s, z, want),
        weight(s.matrix("x_proj.2.weight", z.width, 5 * idx(z.rank), start::fan_in(5 * idx(z.rank)))),
        x_bias(s.matrix("x_bias", 5, z.width, start::constant(0), false)) {}
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    const idx r = c.size.rank;
    const value<R> mu = linear(c.t, c(mix).part(I * r, r), weight.column_block(I * r, r), x_bias.row_block(I, 1));
    return map(c.t, blend{}, c.u, c(before_minus_now{}), mu);
  }
};
/// RWKV-6's bonus [H, n].
struct rwkv6_bonus {
  parameter p;
  rwkv6_bonus(const scope& s, const sizes& z, const stream_shape&) : p(s.matrix("bonus", z.heads, z.n, start::constant(0), false)) {}
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    return c.t.shared(p);
  }
};
template <label Name, int I>
struct rwkv6_projection : projection<Name, bias::no, rwkv6_blend<I>> {  // a type: nvcc 13.0 loses names that an alias passes on
  using projection<Name, bias::no, rwkv6_blend<I>>::projection;
};
}  // namespace detail

/// Peng et al., arXiv:2404.05892: log_decay = -exp(w). Published with n = width / (2 heads); rank is that of the blends, decay_rank of w.
using rwkv6 =
    layer<mixers::rwkv6, give<stream::q, detail::rwkv6_projection<"r_proj.linear", 0>>,
          give<stream::k, detail::rwkv6_projection<"k_proj.linear", 2>>, give<stream::v, detail::rwkv6_projection<"v_proj.linear", 3>>,
          give<stream::log_decay, mapped<range::decay_by<parameterisation::exp_exp>,
                                         detail::lora<"w_proj.linear", bias::yes, middle::decay, tanh, detail::rwkv6_blend<1>>>>,
          give<stream::u, detail::rwkv6_bonus>,
          after<normed<"g_norm", norm::layer, over::head, over::all, bias::yes>, gated<silu, detail::rwkv6_projection<"g_proj.linear", 4>>,
                projected<"o_proj">>>;

// ---- RWKV-7 ----------------------------------------------------------------------------------------------------------------
namespace detail {
/// Channel i of a vector of `width` in layer l of L starts at f(i, width, l, L).
template <class F>
law by_channel(const sizes& z, F f) {
  return [z, f](random_stream&, std::span<double> x) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = f(double(i), double(x.size()), z);
  };
}
/// How far channel i lies from its head's middle, -1 .. 1, squared with its sign.
inline double in_head(double i, const sizes& z) {
  const double half = (z.n - 1) / 2.0, at = half > 0 ? (std::fmod(i, z.n) - half) / half : 0;
  return at * std::abs(at);
}
inline double linear_in(double i, double width) { return width > 1 ? i / (width - 1) - 0.5 : 0; }
/// u + delta mu: name [1, 1, D]; starts at 1 - (i/D)^(Tenths/10 (1 - l/L)).
template <label Name, int Tenths>
struct rwkv7_blend {
  parameter mu;
  rwkv7_blend(const scope& s, const sizes& z, const stream_shape&)
      : mu(s.tensor(
            std::string(Name.text()), {1, 1, z.width},
            by_channel(z, [](double i, double width,
                             const sizes& at) { return 1 - std::pow(i / width, Tenths / 10.0 * (1 - double(at.layer) / at.layers)); }),
            false)) {}
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    return map(c.t, blend{}, c.u, c(before_minus_now{}), c.t.shared(mu));
  }
};
/// Orthogonal, times Percent / 100.
template <int Percent>
struct orthogonal_start {
  static law of(const sizes& z) {
    return [z](random_stream& r, std::span<double> x) { start::orthogonal(idx(x.size()) / z.width, Percent / 100.0)(r, x); };
  }
};
template <label Name, bias Bias, middle Middle, class F, class From, class BiasStart = starts::zero>
struct rwkv7_lora : lora<Name, Bias, Middle, F, From, BiasStart, lora_start::orthogonal> {
  using lora<Name, Bias, Middle, F, From, BiasStart, lora_start::orthogonal>::lora;
};
using rwkv7_k = projection<"k_proj", bias::no, rwkv7_blend<"x_k", 7>, orthogonal_start<10>>;
struct rate_start {
  static law of(const sizes& z) {
    return by_channel(z, [](double i, double width, const sizes& at) { return -0.19 + 0.3 * in_head(i, at) + 0.4 * linear_in(i, width); });
  }
};
struct decay_start {
  static law of(const sizes& z) {
    return by_channel(z, [](double i, double width, const sizes& at) {
      const double depth = at.layers > 1 ? double(at.layer) / (at.layers - 1) : 0;
      return -6 + 6 * std::pow(width > 1 ? i / (width - 1) : 0, 1 + std::pow(depth, 0.3)) + 0.5 + 2.5 * in_head(i, at);
    });
  }
};
struct value_start {
  static law of(const sizes& z) {
    return by_channel(z, [](double i, double width, const sizes&) { return 0.73 - 0.4 * linear_in(i, width); });
  }
};
struct removal_start {
  static law of(const sizes& z) {
    return by_channel(z, [](double i, double width, const sizes&) { return 0.71 - 0.1 * linear_in(i, width); });
  }
};
struct replacement_start {
  static law of(const sizes&) { return start::constant(1.02); }
};
/// In-context learning rate: sigmoid of a low-rank projection.
using rwkv7_rate = mapped<range::by<sigmoid>, rwkv7_lora<"a_lora", bias::yes, middle::rate, unchanged, rwkv7_blend<"x_a", 9>, rate_start>>;
/// The removal key: (k k_k), each head divided by its length.
struct rwkv7_removal {
  rwkv7_k k;
  number<"k_k", per::channel, removal_start> k_k;
  rwkv7_removal(const scope& s, const sizes& z, const stream_shape& want) : k(s, z, want), k_k(s, z, want) {}
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    return normalise<norm::length>(c.t, map(c.t, product_of{}, c(k), c(k_k)), c.size.n, 1e-12);
  }
};
struct replaced {
  explicit replaced(const sizes&) {}
  template <class X>
  COEFDYN_HD X operator()(X k, X rate, X k_a) const {
    return k * (X(1) + (rate - X(1)) * k_a);
  }
};
struct negative {
  template <class X>
  COEFDYN_HD X operator()(X x) const {
    return -x;
  }
};
struct towards {
  template <class X>
  COEFDYN_HD X operator()(X v, X first, X gate) const {
    return v + (first - v) * math::sigmoid(gate);
  }
};
/// The first layer's values as they are, later ones drawn towards them.
struct rwkv7_values {
  using blend_v = rwkv7_blend<"x_v", 7>;
  using gate = rwkv7_lora<"v_lora", bias::yes, middle::values, unchanged, blend_v, value_start>;
  projection<"v_proj", bias::no, blend_v, orthogonal_start<100>> own;
  std::vector<gate> later;  // none in the first layer
  rwkv7_values(const scope& s, const sizes& z, const stream_shape& want) : own(s, z, want) {
    if (z.layer > 0) later.emplace_back(s, z, want);
  }
  template <class R, class On>
  value<R> operator()(context<R, On>& c) const {
    const value<R> v = c(own);
    if (later.empty()) return c.across.first_values = v;
    if (!c.across.first_values.data)
      throw invalid_input("values of the first layer", "those of a layer 0 that ran before layer " + std::to_string(c.size.layer), "none");
    return map(c.t, towards{}, v, c.across.first_values, c(later.front()));
  }
};
using rwkv7_r = projection<"r_proj", bias::no, rwkv7_blend<"x_r", 2>, orthogonal_start<100>>;
using rwkv7_written = mapped<replaced, rwkv7_k, rwkv7_rate, number<"k_a", per::channel, replacement_start>>;
/// y + (sum_c r k r_k) v in each head: name [H, n].
struct rwkv7_bonus {
  rwkv7_r r;
  rwkv7_written k;
  parameter r_k;
  rwkv7_bonus(const scope& s, const sizes& z)
      : r(s, z, {idx(z.heads) * z.n, z.heads, 1}),
        k(s, z, {idx(z.heads) * z.n, z.heads, 1}),
        r_k(s.matrix("r_k", z.heads, z.n, start::constant(-0.04), false)) {}
  struct product {
    template <class X>
    COEFDYN_HD X operator()(X a, X b, X w) const {
      return a * b * w;
    }
  };
  struct add_product {
    template <class X>
    COEFDYN_HD X operator()(X y, X s, X v) const {
      return y + s * v;
    }
  };
  template <class R, class On>
  value<R> operator()(context<R, On>& c, const value<R>& y) const {
    const value<R> along = sum_groups(c.t, map(c.t, product{}, c(r), c(k), c.t.shared(r_k)), c.size.n);
    return map(c.t, add_product{}, y, along, c.values);
  }
};
/// Layer norm of each head with eps n 1e-5; its weight starts at ((l + 1) / L)^0.7.
struct rwkv7_norm {
  double eps;
  idx group;
  parameter weight, bias_;
  rwkv7_norm(const scope& s, const sizes& z)
      : eps((z.eps > 0 ? z.eps : 1e-5) * z.d),
        group(z.d),
        weight(s.vector("g_norm.weight", idx(z.heads) * z.d, start::constant(std::pow((z.layer + 1.0) / z.layers, 0.7)))),
        bias_(s.vector("g_norm.bias", idx(z.heads) * z.d, start::constant(0))) {}
  template <class R, class On>
  value<R> operator()(context<R, On>& c, const value<R>& y) const {
    return normalise<norm::layer>(c.t, y, group, eps, weight, bias_);
  }
};
}  // namespace detail

/// Peng et al., arXiv:2503.14456: a = kappa iclr and c = -kappa. decay_rank, rate_rank, value_rank and gate_rank are those of its low-rank
/// projections; layers after the first (sizes::layer) draw their values towards the first one's.
using rwkv7 =
    layer<mixers::rwkv7, give<stream::q, detail::rwkv7_r>, give<stream::k, detail::rwkv7_written>, give<stream::v, detail::rwkv7_values>,
          give<stream::log_decay,
               mapped<range::decay_by<parameterisation::rwkv7>,
                      detail::rwkv7_lora<"w_lora", bias::yes, middle::decay, tanh, detail::rwkv7_blend<"x_w", 9>, detail::decay_start>>>,
          give<stream::a, mapped<range::by<product_of>, detail::rwkv7_removal, detail::rwkv7_rate>>,
          give<stream::c, mapped<range::by<detail::negative>, detail::rwkv7_removal>>,
          after<detail::rwkv7_norm, detail::rwkv7_bonus,
                gated<unchanged, detail::rwkv7_lora<"g_lora", bias::no, middle::gate, sigmoid, detail::rwkv7_blend<"x_g", 2>>>,
                projected<"o_proj", bias::no, starts::zero>>>;

}  // namespace coefdyn::nn
