// SPDX-License-Identifier: MIT
#pragma once
#include <cstdio>

#include "../mixers/state_space.hpp"
#include "../nn/convolution.hpp"
#include "blocks.hpp"

namespace coefdyn::models {

namespace detail {
/// Delta = softplus(raw + bias) within limits.
struct limited_step {
  double least, most;
  template <class X>
  COEFDYN_HD X operator()(X raw, X bias) const {
    return math::min(math::max(math::softplus(raw + bias), X(least)), X(most));
  }
};
/// -exp(A_log) Delta.
struct decay_of_step {
  template <class X>
  COEFDYN_HD X operator()(X step, X A_log) const {
    return -math::exp(A_log) * step;
  }
};
struct sum_with_values {
  template <class X>
  COEFDYN_HD X operator()(X y, X v, X D) const {
    return y + D * v;
  }
};
struct mamba2_sizes {
  idx width = 0;
  int heads = 0, groups = 1, n = 0, d = 0, convolution = 4;
  bool bias = false, convolution_bias = true, one_norm = false;
  double eps = 1e-5, least = 0, most = 0;
  idx inner() const { return idx(heads) * d; }
  idx mixed() const { return inner() + 2 * idx(groups) * n; }
};
/// in_proj to z, x, B, C, dt; a convolution over x, B, C; the mixer; + D x; times silu(z), then an rms norm of each group's channels, or of
/// all; out_proj.
class mamba2_mixer {
 public:
  using mixer = coefdyn::mixers::mamba2;
  mamba2_mixer(const nn::scope& s, const mamba2_sizes& z)
      : z_(z),
        in_(s, "in_proj", z.width, z.inner() + z.mixed() + z.heads, z.bias),
        out_(s, "out_proj", z.inner(), z.width, z.bias),
        convolution_(s, "conv1d", z.mixed(), z.convolution, z.convolution_bias),
        dt_bias_(s.vector("dt_bias", z.heads, nn::start::constant(0))),
        A_log_(s.vector("A_log", z.heads, nn::start::constant(0))),
        D_(s.vector("D", z.heads, nn::start::constant(1))),
        norm_(s.vector("norm.weight", z.inner(), nn::start::constant(1))) {}
  template <class R, class On>
  nn::value<R> operator()(nn::tape<R, On>& t, const nn::value<R>& u) const {
    const idx inner = z_.inner(), keys = idx(z_.groups) * z_.n;
    const nn::value<R> all = in_(t, u), x = convolution_(t, all.part(inner, z_.mixed()));
    const nn::value<R> step = nn::map(t, limited_step{z_.least, z_.most}, all.part(inner + z_.mixed(), z_.heads), t.shared(dt_bias_));
    const nn::value<R> decay = nn::map(t, decay_of_step{}, step, t.shared(A_log_)), v = x.part(0, inner);
    extents e;
    e.batch = e.sequences = u.batch, e.time = u.time, e.readers = e.states = z_.heads, e.queries = e.keys = z_.groups;
    e.n = z_.n, e.d = z_.d;
    nn::value<R> y = mixed<mixer, heads::grouped_values>(t, e, x.part(inner + keys, keys), x.part(inner, keys), v, decay, step);
    y = nn::map(t, sum_with_values{}, y, v, t.shared(D_));
    y = nn::map(t, nn::times<nn::silu>{}, y, all.part(0, inner));
    return out_(t, nn::normalise<nn::norm::rms>(t, y, z_.one_norm ? inner : inner / z_.groups, z_.eps, norm_));
  }

 private:
  mamba2_sizes z_;
  nn::projection_parameters in_, out_;
  nn::convolution_parameters convolution_;
  nn::parameter dt_bias_, A_log_, D_, norm_;
};
/// The two numbers of time_step_limit; an infinite one may be written as a word or in an object.
inline void read_limits(config& c, mamba2_sizes& z) {
  z.most = double(std::numeric_limits<float>::max());
  const files::json_tree limits = c["time_step_limit"];
  if (limits.is_absent()) return;
  if (!limits.is_list() || limits.elements().size() != 2) limits.wrong("a list of two numbers");
  const files::json_tree most = limits.elements()[1];
  z.least = limits.elements()[0].number();
  const bool infinite = most.json() == "Infinity" || most.json() == nlohmann::json{{"__float__", "Infinity"}};
  if (!infinite) z.most = std::min(most.number(), z.most);
  if (!(z.least >= 0 && z.least <= z.most)) c.wrong("time_step_limit", "two numbers from 0, the second not below the first");
}
/// Whether transformers of this version takes one norm over all channels where there are several groups.
inline bool has_one_norm(config& c) {
  const std::string version = c.text_or("transformers_version", "");
  int major = 0, minor = 0;
  return std::sscanf(version.c_str(), "%d.%d", &major, &minor) == 2 && (major < 5 || (major == 5 && minor <= 17));
}
}  // namespace detail

/// Mamba-2: model_type "mamba2". Its norm is of each group's channels, as in mamba_ssm; of all channels where transformers_version is 5.17
/// or before, which computed so.
///
/// error   files::file_error for a setting, a tensor or a shape that is not this architecture's
/// source  Dao and Gu, arXiv:2405.21060; Hugging Face transformers 5.17, Mamba2ForCausalLM
template <class On = forward_device>
std::unique_ptr<language_model> mamba2(checkpoint from, int threads) {
  config& c = from.settings;
  detail::mamba2_sizes z;
  z.width = c.whole("hidden_size");
  z.heads = int(c.whole("num_heads", 1, 1 << 16)), z.d = int(c.whole("head_dim", 1, 1 << 16));
  z.groups = int(c.whole_or("n_groups", 8, 1, 1 << 16)), z.n = int(c.whole("state_size", 1, 1 << 16));
  if (z.heads % z.groups) c.wrong("n_groups", "a divisor of the " + std::to_string(z.heads) + " heads");
  const double expand = c.number_or("expand", 2);
  if (idx(expand * double(z.width)) != z.inner())
    c.wrong("expand", "num_heads head_dim / hidden_size = " + std::to_string(z.inner()) + " / " + std::to_string(z.width));
  z.convolution = int(c.whole_or("conv_kernel", 4, 1, 1 << 10));
  z.bias = c.flag_or("use_bias", false), z.convolution_bias = c.flag_or("use_conv_bias", true);
  detail::read_limits(c, z);
  z.one_norm = detail::has_one_norm(c);
  outer_names names;
  names.embeddings = "backbone.embeddings.weight", names.norm = "backbone.norm_f";
  names.tied = c.flag_or("tie_word_embeddings", false);
  names.eps = z.eps = c.number_or("layer_norm_epsilon", 1e-5);
  c.only("hidden_act", "silu"), c.only("rms_norm", true);
  c.ignore({"chunk_size", "time_step_rank", "time_step_min", "time_step_max", "time_step_floor", "rescale_prenorm_residual",
            "residual_in_fp32"});
  const idx layers = c.whole("num_hidden_layers", 1, 4096), vocabulary = c.whole("vocab_size");
  c.finish("mamba2");
  detail::body_of_mixers<detail::mamba2_mixer, detail::mamba2_sizes> body(names, vocabulary, z, layers);
  tensor_map map(from.tensors, *body.parameters());
  body.say_outer(map);
  return filled<On>({"mamba2", vocabulary, z.width, layers}, std::move(body), map, threads);
}

}  // namespace coefdyn::models
