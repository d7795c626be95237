// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>
#include <numbers>

#include "../mixers/attention.hpp"
#include "../nn/linear.hpp"
#include "../nn/map.hpp"
#include "../nn/mix.hpp"
#include "../nn/normalise.hpp"
#include "checkpoint.hpp"
#include "operations.hpp"

/// Softmax attention of published models: RoPE of some channels, scaled as config.json says, grouped keys, biases, norms of q and k, a
/// gate, a window.
namespace coefdyn::models {

/// Which norm q and k pass before they are turned: none, one of each head, one over all heads.
enum class norm_of_keys { none, head, all };

/// Sizes of an attention. `angles` are radians a token of the pairs that turn: pairs (m, m + angles) of a head's first channels, or
/// (2m, 2m + 1) where `adjacent`. The parameters keep channels in another order, with pairs (m, m + n/2): `place` says where.
struct attention_sizes {
  idx width = 0;
  int heads = 1, key_heads = 1, n = 0;
  bool bias = false, output_bias = false;
  norm_of_keys norm = norm_of_keys::none;
  double eps = 1e-6;
  bool gated = false;  // y sigmoid(g): q_proj has for each head its queries, then its gate
  std::vector<double> angles;
  bool adjacent = false;
  double magnitude = 1;  // of turned q and of turned k: YaRN's
  idx window = 0;        // tokens that one sees, itself among them; 0: all before it

  /// The parameter's channel of published channel c of a head.
  idx place(idx c) const {
    const idx turns = idx(angles.size()), half = n / 2;
    if (c >= 2 * turns) return c - 2 * turns < half - turns ? c - turns : c;
    if (adjacent) return c / 2 + (c % 2 ? half : 0);
    return c < turns ? c : c - turns + half;
  }
};

/// RoPE's angles of `turning` channels of a head, by rope_parameters (or rope_theta and rope_scaling) of config.json: default, linear,
/// llama3 and yarn.
///
/// source  Su et al., arXiv:2104.09864; Peng et al. (YaRN), arXiv:2309.00071; Hugging Face transformers, modeling_rope_utils
struct rope {
  std::vector<double> angles;
  double magnitude = 1;
  double share = 1;  // of a head's channels that turn: partial_rotary_factor

  static rope read(config& c, int n, double usual_theta = 1e4, double usual_share = 1) {
    config p = c.part("rope_parameters"), old = c.part("rope_scaling");
    const double theta = p.number_or("rope_theta", c.number_or("rope_theta", usual_theta));
    if (!(theta > 0)) p.wrong("rope_theta", "a number above 0");
    rope out;
    out.share = p.number_or("partial_rotary_factor", c.number_or("partial_rotary_factor", usual_share));
    if (!(out.share > 0 && out.share <= 1)) c.wrong("partial_rotary_factor", "a share above 0 and up to 1");
    const idx turning = idx(out.share * n);
    if (turning % 2) c.wrong("partial_rotary_factor", "a share of the head's " + std::to_string(n) + " channels that is even");
    for (idx m = 0; m < turning / 2; ++m) out.angles.push_back(std::pow(theta, -2.0 * double(m) / double(turning)));
    config& how = old.has("rope_type") || old.has("type") ? old : p;
    const idx context = c.whole_or("max_position_embeddings", 2048, 1, idx(1) << 40);
    out.scale(how, theta, turning, context);
    p.finish("RoPE"), old.finish("RoPE");
    return out;
  }

 private:
  void scale(config& how, double theta, idx turning, idx context) {
    const std::string type = how.text_or("rope_type", how.text_or("type", "default"));
    how.ignore({"type", "rope_theta", "partial_rotary_factor"});
    if (type == "default") return;
    if (type != "linear" && type != "llama3" && type != "yarn") how.unsupported("rope_type", "default, linear, llama3 or yarn");
    const double factor = how.number("factor");
    if (!(factor >= 1)) how.wrong("factor", "a number of at least 1");
    if (type == "linear")
      for (double& a : angles) a /= factor;
    else if (type == "llama3") llama3(how, factor);
    else yarn(how, factor, theta, double(turning), double(context));
  }
  void llama3(config& how, double factor) {
    const double low = how.number("low_freq_factor"), high = how.number("high_freq_factor"),
                 context = double(how.whole("original_max_position_embeddings", 1, idx(1) << 40));
    if (!(high > low)) how.wrong("high_freq_factor", "a number above low_freq_factor");
    for (double& a : angles) {
      const double turns = context * a / (2 * std::numbers::pi), smooth = std::clamp((turns - low) / (high - low), 0.0, 1.0);
      a = (1 - smooth) * a / factor + smooth * a;
    }
  }
  void yarn(config& how, double factor, double theta, double turning, double context) {
    const double original = double(how.whole_or("original_max_position_embeddings", idx(context), 1, idx(1) << 40));
    const double fast = how.number_or("beta_fast", 32), slow = how.number_or("beta_slow", 1);
    const auto scale_of = [&](double m) { return factor <= 1 ? 1.0 : 0.1 * m * std::log(factor) + 1.0; };
    const double all = how.number_or("mscale_all_dim", 0), one = how.number_or("mscale", 0);
    magnitude = how.number_or("attention_factor", one != 0 && all != 0 ? scale_of(one) / scale_of(all) : scale_of(1));
    const auto channel = [&](double turns) {
      return turning * std::log(original / (turns * 2 * std::numbers::pi)) / (2 * std::log(theta));
    };
    const bool whole = how.flag_or("truncate", true);
    double low = channel(fast), high = channel(slow);
    if (whole) low = std::floor(low), high = std::ceil(high);
    low = std::max(low, 0.0), high = std::min(high, turning - 1);
    if (low == high) high += 0.001;
    for (std::size_t m = 0; m < angles.size(); ++m) {
      const double slowed = std::clamp((double(m) - low) / (high - low), 0.0, 1.0);
      angles[m] = angles[m] / factor * slowed + angles[m] * (1 - slowed);
    }
  }
};

namespace detail {
struct angle_of_pair {
  const double* angles;
  idx count;
  COEFDYN_HD double operator()(idx m) const { return m < count ? angles[m] : 0; }
};
}  // namespace detail

namespace detail {
/// Attention's sizes under the names of transformers.
inline attention_sizes attention_sizes_of(config& c, idx width) {
  attention_sizes z;
  z.width = width;
  z.heads = int(c.whole("num_attention_heads", 1, 1 << 16));
  z.key_heads = int(c.whole_or("num_key_value_heads", z.heads, 1, 1 << 16));
  if (z.heads % z.key_heads) c.wrong("num_key_value_heads", "a divisor of the " + std::to_string(z.heads) + " attention heads");
  if (!c.has("head_dim") && width % z.heads) c.wrong("hidden_size", "a multiple of the " + std::to_string(z.heads) + " attention heads");
  z.n = int(c.whole_or("head_dim", width / z.heads, 1, 1 << 16));
  if (z.n % 2) c.wrong("head_dim", "an even number, for RoPE's pairs");
  return z;
}
}  // namespace detail

/// The names of an attention's projections in a checkpoint.
struct attention_names {
  std::string q = "q_proj", k = "k_proj", v = "v_proj", o = "o_proj";
};
/// q_proj, k_proj, v_proj, o_proj, and q_norm, k_norm.
class softmax_attention {
 public:
  using mixer = mixers::softmax_rope_half;
  softmax_attention(const nn::scope& s, attention_sizes z) : z_(std::move(z)) {
    const idx n = z_.n, q = z_.heads * n, k = z_.key_heads * n;
    q_ = nn::projection_parameters(s, "q_proj", z_.width, q, z_.bias);
    if (z_.gated) gate_ = nn::projection_parameters(s, "gate", z_.width, q, z_.bias);
    k_ = nn::projection_parameters(s, "k_proj", z_.width, k, z_.bias);
    v_ = nn::projection_parameters(s, "v_proj", z_.width, k, z_.bias);
    o_ = nn::projection_parameters(s, "o_proj", q, z_.width, z_.output_bias);
    const auto ones = nn::start::constant(1);
    if (z_.norm != norm_of_keys::none) {
      q_norm_ = s.vector("q_norm.weight", z_.norm == norm_of_keys::head ? n : q, ones);
      k_norm_ = s.vector("k_norm.weight", z_.norm == norm_of_keys::head ? n : k, ones);
    }
  }
  template <class R, class On>
  nn::value<R> operator()(nn::tape<R, On>& t, const nn::value<R>& u) const {
    const nn::value<R> q = turned(t, normed(t, q_(t, u), q_norm_)), k = turned(t, normed(t, k_(t, u), k_norm_));
    extents e;
    e.batch = e.sequences = u.batch, e.time = u.time, e.readers = e.queries = z_.heads, e.keys = e.states = z_.key_heads;
    e.n = e.d = z_.n;
    const nn::value<R> theta =
        nn::constants(t, z_.n / 2, detail::angle_of_pair{t.here(z_.angles.data(), idx(z_.angles.size())), idx(z_.angles.size())});
    nn::mixed_streams<mixer, R> streams;
    streams.of = {q, k, v_(t, u), theta};
    nn::value<R> y = mixed(t, streams, e);
    if (z_.gated) y = nn::map(t, detail::times_sigmoid{}, y, gate_(t, u));
    return o_(t, y);
  }
  /// Says how the parameters, which are named under `own`, are made of the tensors under `from`; `added` is to the norms' weights.
  void say(tensor_map& map, const std::string& from, const std::string& own, double added = 0, const attention_names& names = {}) const {
    say_projection(map, from + names.q, own + "q_proj", z_.heads, z_.gated ? own + "gate" : "");
    say_projection(map, from + names.k, own + "k_proj", z_.key_heads, "");
    if (z_.norm != norm_of_keys::none) {
      say_norm(map, from + "q_norm.weight", own + "q_norm.weight", z_.heads, added);
      say_norm(map, from + "k_norm.weight", own + "k_norm.weight", z_.key_heads, added);
    }
    map.whole(from + names.v + ".weight", own + "v_proj.weight", {idx(z_.key_heads) * z_.n, z_.width});
    map.whole(from + names.o + ".weight", own + "o_proj.weight", {z_.width, idx(z_.heads) * z_.n});
    if (z_.bias) map.whole(from + names.v + ".bias", own + "v_proj.bias", {idx(z_.key_heads) * z_.n});
    if (z_.output_bias) map.whole(from + names.o + ".bias", own + "o_proj.bias", {z_.width});
  }

 private:
  template <class R, class On>
  nn::value<R> mixed(nn::tape<R, On>& t, const nn::mixed_streams<mixer, R>& streams, const extents& e) const {
    if (z_.window == 0) return nn::mix<mixer>(t, streams, e);
    if constexpr (nn::tape<R, On>::is_host) return mix_windows<mixer, heads::grouped_queries>(t, streams, e, z_.window);
    else throw invalid_input("attention in a window", "the host", "another device");
  }
  void say_projection(tensor_map& map, const std::string& from, const std::string& own, idx heads, const std::string& gate) const {
    const idx n = z_.n, each = gate.empty() ? n : 2 * n;
    for (const bool bias : {false, true}) {
      if (bias && !z_.bias) continue;
      const std::string end = bias ? ".bias" : ".weight";
      map.tensor(from + end, bias ? std::vector<idx>{heads * each} : std::vector<idx>{heads * each, z_.width});
      for (idx h = 0; h < heads; ++h) {
        for (idx c = 0; c < n; ++c) map.rows(from + end, own + end, h * each + c, h * n + z_.place(c), 1);
        if (!gate.empty()) map.rows(from + end, gate + end, h * each + n, h * n, n);
      }
    }
  }
  void say_norm(tensor_map& map, const std::string& from, const std::string& own, idx heads, double added) const {
    const idx count = z_.norm == norm_of_keys::head ? 1 : heads;
    map.tensor(from, {count * z_.n});
    for (idx h = 0; h < count; ++h)
      for (idx c = 0; c < z_.n; ++c) map.rows(from, own, h * z_.n + c, h * z_.n + z_.place(c), 1, added);
  }
  template <class R, class On>
  nn::value<R> normed(nn::tape<R, On>& t, const nn::value<R>& x, const nn::parameter& weight) const {
    return weight ? nn::normalise<nn::norm::rms>(t, x, weight.size(), z_.eps, weight) : x;
  }
  template <class R, class On>
  nn::value<R> turned(nn::tape<R, On>& t, const nn::value<R>& x) const {
    return z_.magnitude == 1 ? x : nn::map(t, detail::scaled_by{z_.magnitude}, x);
  }
  attention_sizes z_;
  nn::projection_parameters q_, k_, v_, o_, gate_;
  nn::parameter q_norm_, k_norm_;
};

}  // namespace coefdyn::models
