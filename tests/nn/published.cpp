// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/nn/layers/delta_rule.hpp>
#include <coefdyn/nn/published.hpp>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

using namespace coefdyn;

namespace {
using tensors = std::map<std::string, std::vector<double>>;

nn::sizes odd_sizes() {
  nn::sizes z;
  z.width = 10, z.heads = 6, z.key_heads = 2, z.n = 3, z.d = 5, z.convolution = 4;
  return z;
}
/// Published tensors of those sizes; every number is another.
tensors published() {
  const std::size_t qkvz = 2 * (2 * 3 + 2 * 3 * 5), convolved = 2 * 2 * 3 + 6 * 5;
  tensors t{{"in_proj_qkvz.weight", std::vector<double>(qkvz * 10)},
            {"in_proj_ba.weight", std::vector<double>(2 * 6 * 10)},
            {"conv1d.weight", std::vector<double>(convolved * 4)},
            {"dt_bias", std::vector<double>(6)},
            {"A_log", std::vector<double>(6)},
            {"norm.weight", std::vector<double>(5)},
            {"out_proj.weight", std::vector<double>(10 * 30)}};
  double next = 0;
  for (auto& [name, x] : t)
    for (double& v : x) v = ++next;
  return t;
}
struct model {
  std::shared_ptr<nn::parameter_list> list = std::make_shared<nn::parameter_list>();
  nn::gated_deltanet layer{nn::scope(*list).part("layers.1.attn"), odd_sizes()};
  nn::weights<double> w{list};
};
}  // namespace

TEST_CASE("Qwen3-Next's fused projections are the rows that its code splits them into") {
  const tensors from = published();
  model m;
  const auto find = [&](const std::string& name) { return std::span<const double>(from.at(name)); };
  nn::load_published(m.w, "layers.1.attn.", nn::qwen3_next_rows(odd_sizes()), find);
  const auto own = [&](const std::string& name) { return m.w("layers.1.attn." + name); };
  // view(.., key heads, 2 n + 2 (heads / key heads) d), split into n, n, r d, r d; and (.., key heads, 2 r) into r, r
  const auto& qkvz = from.at("in_proj_qkvz.weight");
  const auto& ba = from.at("in_proj_ba.weight");
  for (std::size_t c = 0; c < 10; ++c) {
    for (std::size_t i = 0; i < 6; ++i) {
      CHECK(own("q_proj.weight")[i * 10 + c] == qkvz[((i / 3) * 36 + i % 3) * 10 + c]);
      CHECK(own("k_proj.weight")[i * 10 + c] == qkvz[((i / 3) * 36 + 3 + i % 3) * 10 + c]);
      CHECK(own("b_proj.weight")[i * 10 + c] == ba[((i / 3) * 6 + i % 3) * 10 + c]);
      CHECK(own("a_proj.weight")[i * 10 + c] == ba[((i / 3) * 6 + 3 + i % 3) * 10 + c]);
    }
    for (std::size_t i = 0; i < 30; ++i) {
      CHECK(own("v_proj.weight")[i * 10 + c] == qkvz[((i / 15) * 36 + 6 + i % 15) * 10 + c]);
      CHECK(own("g_proj.weight")[i * 10 + c] == qkvz[((i / 15) * 36 + 21 + i % 15) * 10 + c]);
    }
  }
  const auto& mixed = from.at("conv1d.weight");
  for (std::size_t i = 0; i < 24; ++i) CHECK(own("q_conv1d.weight")[i] == mixed[i]);
  for (std::size_t i = 0; i < 24; ++i) CHECK(own("k_conv1d.weight")[i] == mixed[24 + i]);
  for (std::size_t i = 0; i < 120; ++i) CHECK(own("v_conv1d.weight")[i] == mixed[48 + i]);
  CHECK(own("A_log")[5] == from.at("A_log")[5]);
  CHECK(own("o_norm.weight")[4] == from.at("norm.weight")[4]);
  CHECK(own("o_proj.weight")[299] == from.at("out_proj.weight")[299]);
}

TEST_CASE("published tensors come back as they were, and every parameter is in the map") {
  const tensors from = published();
  model m;
  for (std::size_t i = 0; i < std::size_t(m.w.size()); ++i) m.w.data()[i] = -1;
  const auto map = nn::qwen3_next_rows(odd_sizes());
  nn::load_published(m.w, "layers.1.attn.", map, [&](const std::string& name) { return std::span<const double>(from.at(name)); });
  for (const auto& e : m.list->entries())
    for (const double v : m.w(e.name)) CHECK(v > 0);
  tensors back = published();
  for (auto& [name, x] : back) std::fill(x.begin(), x.end(), 0.0);
  nn::store_published(std::as_const(m.w), "layers.1.attn.", map, [&](const std::string& name) { return std::span<double>(back.at(name)); });
  CHECK(back == from);
}

TEST_CASE("a published tensor that is too short, or a model without the parameter, is refused") {
  model m;
  const std::vector<double> few(7);
  const auto find = [&](const std::string&) { return std::span<const double>(few); };
  CHECK_THROWS_WITH_AS(nn::load_published(m.w, "layers.1.attn.", nn::qwen3_next_rows(odd_sizes()), find),
                       doctest::Contains("in_proj_qkvz.weight"), invalid_input);
  CHECK_THROWS_WITH_AS(nn::load_published(m.w, "layers.0.attn.", nn::qwen3_next_rows(odd_sizes()), find),
                       doctest::Contains("layers.0.attn.q_proj.weight"), invalid_input);
}
