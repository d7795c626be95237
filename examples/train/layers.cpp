// SPDX-License-Identifier: MIT
#include "layers.hpp"

#include <algorithm>
#include <stdexcept>

namespace train_command {
namespace {
using coefdyn::nn::sizes;

void half_keys(sizes& z) { z.n = int(z.width / 2 / z.heads); }
void double_values(sizes& z) { z.d = int(2 * z.width / z.heads); }
void one_key_head(sizes& z) { z.key_heads = 1; }
void mamba(sizes& z) { one_key_head(z), double_values(z); }
void two_writes(sizes& z) { z.strongest = 2; }
void path(sizes& z) { z.rank = 32, z.convolution = 3; }
void modes(sizes& z) { z.n = int(z.width); }
void few_modes(sizes& z) { z.n = 16; }

const char *const attention = "nn/layers/attention.hpp", *const gated = "nn/layers/gated_linear.hpp",
                  *const delta = "nn/layers/delta_rule.hpp", *const ssm = "nn/layers/state_space.hpp", *const rwkv = "nn/layers/rwkv.hpp",
                  *const complex_ssm = "nn/layers/complex_state_space.hpp", *const coefficient = "nn/layers/coefficient.hpp";
}  // namespace

const std::vector<known_layer>& known_layers() {
  static const std::vector<known_layer> all{
      {"attention", "nn::attention<>", attention, "softmax with RoPE"},
      {"attention_plain", "nn::attention<mixers::softmax_attention>", attention, "softmax without positions: --positions 1 adds them"},
      {"linear_attention", "nn::linear_attention<>", attention, "elu + 1"},
      {"paper_softmax", "nn::paper_attention<>", attention, "as in arXiv:2510.09379"},
      {"paper_softmax_conv", "nn::paper_attention<mixers::softmax_attention, nn::convolution::yes>", attention, "and its convolution"},
      {"paper_linear", "nn::paper_attention<mixers::linear_attention_elu1>", attention, ""},
      {"paper_linear_conv", "nn::paper_attention<mixers::linear_attention_elu1, nn::convolution::yes>", attention, ""},
      {"paper_norm", "nn::paper_attention<mixers::norm_attention_softplus>", attention, "softplus norm"},
      {"paper_norm_conv", "nn::paper_attention<mixers::norm_attention_softplus, nn::convolution::yes>", attention, ""},
      {"retention", "nn::retention", gated, "RetNet", double_values},
      {"gla", "nn::gla", gated, "gated linear attention", half_keys},
      {"simple_gla", "nn::simple_gla", gated, "a decay per head"},
      {"hgrn2", "nn::hgrn2", gated, ""},
      {"hgrn2_lower_bound", "nn::hgrn2_lower_bound", gated, "a bound of each layer's own"},
      {"hgrn2_rising_bound", "nn::hgrn2_rising_bound", gated, "bounds of the model that rise from layer to layer, as published"},
      {"mlstm", "nn::mlstm", gated, "xLSTM", half_keys},
      {"mamba2", "nn::mamba2", ssm, "", mamba},
      {"paper_ssd", "nn::paper_ssd<>", ssm, "Mamba-2 as in arXiv:2510.09379", one_key_head},
      {"paper_ssd_lti", "nn::paper_ssd_lti<>", ssm, "the same, time-invariant", one_key_head},
      {"deltanet", "nn::deltanet", delta, ""},
      {"deltanet_gated", "nn::deltanet_gated", delta, "with an output gate"},
      {"gated_deltanet", "nn::gated_deltanet", delta, ""},
      {"kda", "nn::kda", delta, "Kimi Delta Attention"},
      {"gated_deltaproduct", "nn::gated_deltaproduct<2>", delta, "two writes a token", two_writes},
      {"path_attention", "nn::path_attention", delta, "PaTH", path},
      {"rwkv6", "nn::rwkv6", rwkv, "", half_keys},
      {"rwkv7", "nn::rwkv7", rwkv, ""},
      {"lru", "nn::lru", complex_ssm, "n modes, by default as many as channels", modes, false},
      {"s4", "nn::s4", complex_ssm, "n modes a channel, by default 16", few_modes, false, true},
      {"s4d", "nn::s4d", complex_ssm, "the same, diagonal", few_modes, false, true},
      {"coefficient_scalar_gla", "nn::coefficient_gla<evolution::scalar>", coefficient, "one A_t after another, arXiv:2510.09389"},
      {"coefficient_diagonal_gla", "nn::coefficient_gla<evolution::diagonal>", coefficient, ""},
      {"coefficient_scalar_mamba2", "nn::coefficient_mamba2<evolution::scalar>", coefficient, ""},
      {"coefficient_diagonal_mamba2", "nn::coefficient_mamba2<evolution::diagonal>", coefficient, ""},
      {"coefficient_householder", "nn::coefficient_householder<>", coefficient, ""},
      {"coefficient_householder_one", "nn::coefficient_householder<nn::strength_is::one>", coefficient, ""},
      {"coefficient_householder_z", "nn::coefficient_householder_z<>", coefficient, ""},
      {"coefficient_householder_z_one", "nn::coefficient_householder_z<nn::strength_is::one>", coefficient, ""},
  };
  return all;
}

namespace {
/// Letters to change, insert or leave out, and neighbours to exchange, between two words.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i)
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d.back().back();
}
}  // namespace

std::string nearest(const std::string& word, const std::vector<std::string>& words) {
  const auto best =
      std::min_element(words.begin(), words.end(), [&](const auto& a, const auto& b) { return distance(word, a) < distance(word, b); });
  return best == words.end() || distance(word, *best) > std::max<std::size_t>(1, best->size() / 2) ? "" : *best;
}

known_layer layer_of(const std::string& text, bool with_header) {
  std::vector<std::string> names;
  for (const known_layer& l : known_layers()) {
    if (l.name == text) return l;
    names.push_back(l.name);
  }
  if (with_header || text.find('<') != std::string::npos || text.find("::") != std::string::npos)
    return {text, text, "nn/layers/all.hpp", "a type given as text"};
  const std::string near = nearest(text, names);
  throw std::invalid_argument("no layer is called " + text + (near.empty() ? "" : "; did you mean " + near + "?") +
                              (near.empty() ? "; `./run train --help` lists them." : ""));
}

}  // namespace train_command
