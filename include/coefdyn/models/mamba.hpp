// SPDX-License-Identifier: MIT
#pragma once
#include "../mixers/state_space.hpp"
#include "mamba2.hpp"

namespace coefdyn::models {

namespace detail {
struct mamba_sizes {
  idx width = 0, inner = 0;
  int n = 0, rank = 0, convolution = 4;
  bool bias = false, convolution_bias = true;
};
/// softplus(raw + bias).
struct softplus_with {
  template <class X>
  COEFDYN_HD X operator()(X raw, X bias) const {
    return math::softplus(raw + bias);
  }
};
/// log lambda of channel c and state s: -exp(A_log[c, s]) Delta[c].
template <class R>
struct decays_of_steps {
  nn::value<R> step, decay;
  const R* A_log;
  int n;
  COEFDYN_HD void operator()(idx i, idx first, idx last) const {
    for (idx c = first; c < last; ++c) decay.data[i * decay.stride + c] = -math::exp(A_log[c]) * step.data[i * step.stride + c / n];
  }
};
/// The selective scan: each channel is a head of one value whose n states decay by rates of their own; B and C are all heads' k and q.
class mamba_mixer {
 public:
  using mixer = coefdyn::mixers::s6;
  mamba_mixer(const nn::scope& s, const mamba_sizes& z)
      : z_(z),
        in_(s, "in_proj", z.width, 2 * z.inner, z.bias),
        x_(s, "x_proj", z.inner, z.rank + 2 * idx(z.n), false),
        step_(s.matrix("dt_proj.weight", z.inner, z.rank, nn::start::constant(0))),
        step_bias_(s.vector("dt_proj.bias", z.inner, nn::start::constant(0))),
        out_(s, "out_proj", z.inner, z.width, z.bias),
        convolution_(s, "conv1d", z.inner, z.convolution, z.convolution_bias),
        A_log_(s.matrix("A_log", z.inner, z.n, nn::start::constant(0))),
        D_(s.vector("D", z.inner, nn::start::constant(1))) {}
  template <class R, class On>
  nn::value<R> operator()(nn::tape<R, On>& t, const nn::value<R>& u) const {
    expect_forward(t);
    const nn::value<R> all = in_(t, u), v = convolution_(t, all.part(0, z_.inner)), mixed_in = x_(t, v);
    const nn::value<R> step = nn::map(t, softplus_with{}, nn::linear(t, mixed_in.part(0, z_.rank), step_), t.shared(step_bias_));
    const nn::value<R> decay = t.make(u.batch, u.time, z_.inner * z_.n);
    t.elements(decay.rows(), decay.columns, decays_of_steps<R>{step, decay, t.weights(A_log_), z_.n});
    extents e;
    e.batch = e.sequences = u.batch, e.time = u.time, e.readers = e.states = int(z_.inner), e.queries = e.keys = 1, e.n = z_.n, e.d = 1;
    const nn::value<R> y =
        mixed<mixer, heads::grouped_values>(t, e, mixed_in.part(z_.rank + z_.n, z_.n), mixed_in.part(z_.rank, z_.n), v, decay, step);
    return out_(t, nn::map(t, nn::times<nn::silu>{}, nn::map(t, sum_with_values{}, y, v, t.shared(D_)), all.part(z_.inner, z_.inner)));
  }

 private:
  mamba_sizes z_;
  nn::projection_parameters in_, x_;
  nn::parameter step_, step_bias_;
  nn::projection_parameters out_;
  nn::convolution_parameters convolution_;
  nn::parameter A_log_, D_;
};
}  // namespace detail

/// Mamba: model_type "mamba".
///
/// error   files::file_error for a setting, a tensor or a shape that is not this architecture's
/// source  Gu and Dao, arXiv:2312.00752; Hugging Face transformers 5.17, MambaForCausalLM
inline std::unique_ptr<language_model> mamba(checkpoint from, int threads) {
  config& c = from.settings;
  detail::mamba_sizes z;
  z.width = c.whole("hidden_size");
  const double inner = c.number_or("expand", 2) * double(z.width);
  if (!(inner >= 1 && inner < 1e9)) c.wrong("expand", "a number above 0");
  z.inner = idx(inner);
  c.only("intermediate_size", z.inner, "it is expand times hidden_size");
  c.ignore(
      {"d_inner", "d_model", "n_layer", "ssm_cfg", "rms_norm", "fused_add_norm", "pad_vocab_size_multiple"});  // written twice by mamba_ssm
  z.n = int(c.whole_or("state_size", 16, 1, 1 << 16)), z.convolution = int(c.whole_or("conv_kernel", 4, 1, 1 << 10));
  const bool automatic = !c.has("time_step_rank") || c["time_step_rank"].json() == "auto";
  z.rank = int(automatic ? (z.width + 15) / 16 : c.whole("time_step_rank", 1, 1 << 20));
  z.bias = c.flag_or("use_bias", false), z.convolution_bias = c.flag_or("use_conv_bias", true);
  outer_names names;
  names.embeddings = "backbone.embeddings.weight", names.norm = "backbone.norm_f";
  names.tied = c.flag_or("tie_word_embeddings", true);
  names.eps = c.number_or("layer_norm_epsilon", 1e-5);
  c.only("hidden_act", "silu");
  c.ignore({"time_step_scale", "time_step_min", "time_step_max", "time_step_init_scheme", "time_step_floor", "rescale_prenorm_residual",
            "residual_in_fp32", "use_mambapy", "use_associative_scan"});
  const idx layers = c.whole("num_hidden_layers", 1, 4096), vocabulary = c.whole("vocab_size");
  c.finish("mamba");
  detail::body_of_mixers<detail::mamba_mixer, detail::mamba_sizes> body(names, vocabulary, z, layers);
  tensor_map map(from.tensors, *body.parameters());
  body.say_outer(map);
  return filled({"mamba", vocabulary, z.width, layers}, std::move(body), map, threads);
}

}  // namespace coefdyn::models
