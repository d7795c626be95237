// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/attention.hpp>
#include <coefdyn/nn/models/paper_models.hpp>
#include <coefdyn/tasks/data/cifar10.hpp>
#include <coefdyn/tasks/listops.hpp>

#include "lines.hpp"

namespace check_tasks {
namespace {

using convolved = nn::paper_transformer<nn::paper_attention<mixers::softmax_attention, nn::convolution::yes>>;
using set = nn::paper_transformer<nn::paper_attention<mixers::softmax_attention>>;

nn::model_sizes classifier() {
  nn::model_sizes z;
  z.outputs = 10, z.head = 64, z.pooled = true;
  return z;
}
tasks::cifar10 pictures(const changes& c) { return tasks::cifar10({.folder = c.data, .pooled = 4}); }

}  // namespace

std::vector<line> lines_of_classes() {
  using namespace tasks;
  std::vector<line> all;
  const std::string able = "softmax attention with positions and a convolution of 4, 2 layers",
                    unable = "softmax attention without positions, 1 layer";
  const plan p{.heads = 4, .positions = 64, .rate = 3e-3, .steps = 12000, .evaluate_every = 500, .embedding_deviation = 0.5};
  plan one = p;
  one.layers = 1, one.positions = 0, one.steps = 6000;

  const listops_options small{
      .min_length = 10, .max_length = 60, .max_depth = 5, .max_arguments = 5, .operators = 0.35, .train = 48000, .test = 1000};
  all.push_back({listops::name, able, "it sees which bracket closes which", expected::at_least, 0.45,
                 [=](const line& l, const changes& c, const report& tell) {
                   return trained<convolved>(listops(small), classifier(), p, l, c, tell);
                 }});
  all.push_back(
      {listops::name, unable, "it sees how often a token came before, not within which brackets", expected::below, 0.42,
       [=](const line& l, const changes& c, const report& tell) { return trained<set>(listops(small), classifier(), one, l, c, tell); }});
  all.push_back(
      {cifar10::name, able, "it sees where a pixel lies", expected::at_least, 0.35,
       [=](const line& l, const changes& c, const report& tell) { return trained<convolved>(pictures(c), classifier(), p, l, c, tell); }});
  all.push_back(
      {cifar10::name, unable, "it sees how many pixels are dark, not where they lie", expected::below, 0.32,
       [=](const line& l, const changes& c, const report& tell) { return trained<set>(pictures(c), classifier(), one, l, c, tell); }});
  return all;
}

}  // namespace check_tasks
