// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <string>
#include <type_traits>
#include <vector>

#include "sizes.hpp"
#include "weights.hpp"

/// Published layouts that are not those of this library's parameters, as maps of names: which rows of a published tensor are which rows of
/// a parameter. Layers whose published names and layouts are their own (Mamba-2's in_proj, Llama's projections) need none.
namespace coefdyn::nn {

/// Rows first .. first + count - 1 of a published tensor are rows own_first .. of a parameter; a vector has a row a number.
struct same_rows {
  std::string published, own;
  idx first = 0, own_first = 0, count = 0;  // 0: all rows of both
  double added = 0;                         // to the published numbers: 1 where a norm is published as weight - 1
};

/// Qwen3-Next's linear attention as nn::gated_deltanet. in_proj_qkvz holds for each key head its q, its k, and the v and z of its value
/// heads, in_proj_ba their b and a; one conv1d passes over all q, all k, all v.
///
/// shape   in_proj_qkvz.weight [key_heads (2 n) + 2 heads d, D], in_proj_ba.weight [2 heads, D], conv1d.weight [2 key_heads n + heads d, 1,
/// W],
///         dt_bias and A_log [heads], norm.weight [d], out_proj.weight [D, heads d]
/// error   invalid_input for sizes that don't divide
/// source  Hugging Face transformers 5.24, Qwen3NextGatedDeltaNet
inline std::vector<same_rows> qwen3_next_rows(const sizes& asked) {
  const sizes z = asked.complete();
  const idx groups = z.key_heads, n = z.n, each = z.heads / z.key_heads, v = each * z.d, group = 2 * n + 2 * v;
  std::vector<same_rows> out;
  for (idx g = 0; g < groups; ++g) {
    const idx at = g * group, ba = 2 * g * each;
    out.push_back({"in_proj_qkvz.weight", "q_proj.weight", at, g * n, n});
    out.push_back({"in_proj_qkvz.weight", "k_proj.weight", at + n, g * n, n});
    out.push_back({"in_proj_qkvz.weight", "v_proj.weight", at + 2 * n, g * v, v});
    out.push_back({"in_proj_qkvz.weight", "g_proj.weight", at + 2 * n + v, g * v, v});
    out.push_back({"in_proj_ba.weight", "b_proj.weight", ba, g * each, each});
    out.push_back({"in_proj_ba.weight", "a_proj.weight", ba + each, g * each, each});
  }
  out.push_back({"conv1d.weight", "q_conv1d.weight", 0, 0, groups * n});
  out.push_back({"conv1d.weight", "k_conv1d.weight", groups * n, 0, groups * n});
  out.push_back({"conv1d.weight", "v_conv1d.weight", 2 * groups * n, 0, groups * v});
  out.push_back({"dt_bias", "dt_bias", 0, 0, z.heads});
  out.push_back({"A_log", "A_log", 0, 0, z.heads});
  out.push_back({"norm.weight", "o_norm.weight", 0, 0, z.d});
  out.push_back({"out_proj.weight", "o_proj.weight", 0, 0, z.width});
  return out;
}

namespace detail {
/// f(numbers of a parameter, those of the published tensor that are the same, what is added to them) for every entry of the map.
template <class W, class Find, class F>
void each_same_rows(W& w, const std::string& path, const std::vector<same_rows>& map, Find find, F f) {
  for (const same_rows& m : map) {
    const parameter_entry* e = w.parameters()->find(path + m.own);
    if (!e) throw invalid_input(path + m.own, "a parameter of this model", "no such name");
    const idx own_rows = e->shape[0], row = e->place.size() / own_rows, count = m.count > 0 ? m.count : own_rows;
    const auto published = find(m.published);
    if (m.own_first + count > own_rows || (m.first + count) * row > idx(published.size()))
      throw invalid_input(m.published, std::to_string(m.first + count) + " rows of " + std::to_string(row) + " numbers at least",
                          std::to_string(published.size()) + " numbers");
    if (m.count == 0 && idx(published.size()) != own_rows * row)
      throw invalid_input(m.published, std::to_string(own_rows * row) + " numbers", std::to_string(published.size()));
    f(w(path + m.own).subspan(std::size_t(m.own_first * row), std::size_t(count * row)),
      published.subspan(std::size_t(m.first * row), std::size_t(count * row)), m.added);
  }
}
}  // namespace detail

/// Fills parameters under `path` ("layers.0.attn.", or none of a whole model) from published tensors: find(name) is the span of numbers of
/// one, row-major.
///
/// error   invalid_input for a parameter that the model lacks, and for a published tensor that is too short, of what is then filled in part
template <class R, class Find>
void load_published(weights<R>& w, const std::string& path, const std::vector<same_rows>& map, Find find) {
  detail::each_same_rows(w, path, map, find, [](auto own, auto published, double added) {
    for (std::size_t i = 0; i < own.size(); ++i) own[i] = static_cast<R>(added == 0 ? published[i] : published[i] + added);
  });
}
/// The other way: fills the published tensors, which find(name) gives to write to.
///
/// error   as load_published
template <class R, class Find>
void store_published(const weights<R>& w, const std::string& path, const std::vector<same_rows>& map, Find find) {
  detail::each_same_rows(w, path, map, find, [](auto own, auto published, double added) {
    for (std::size_t i = 0; i < own.size(); ++i)
      published[i] = static_cast<std::remove_cvref_t<decltype(published[i])>>(added == 0 ? own[i] : own[i] - added);
  });
}

}  // namespace coefdyn::nn
