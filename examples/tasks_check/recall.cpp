// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/attention.hpp>
#include <coefdyn/nn/models/language_model.hpp>
#include <coefdyn/tasks/fuzzy_in_context_recall.hpp>
#include <coefdyn/tasks/in_context_recall.hpp>
#include <coefdyn/tasks/mqar.hpp>
#include <coefdyn/tasks/noisy_in_context_recall.hpp>

#include "lines.hpp"

namespace check_tasks {
namespace {

using convolved = nn::language_model<nn::paper_attention<mixers::softmax_rope_half, nn::convolution::yes>>;
using plain = nn::language_model<nn::paper_attention<mixers::softmax_rope_half>>;

/// Both lines of a task of recall.
template <class T, class Options>
void add(std::vector<line>& to, const Options& options, const plan& p, double solved, double bound) {
  to.push_back({T::name, "softmax attention with RoPE and a convolution of 4, 2 layers",
                "the convolution puts a key and its value into one token, attention finds it", expected::at_least, solved,
                [=](const line& l, const changes& c, const report& tell) { return trained<convolved>(T(options), {}, p, l, c, tell); }});
  plan one = p;
  one.layers = 1;
  to.push_back({T::name, "the same without the convolution, 1 layer",
                "a token's key and value are functions of that token alone: what stood before it is not in them", expected::below, bound,
                [=](const line& l, const changes& c, const report& tell) { return trained<plain>(T(options), {}, one, l, c, tell); }});
}

}  // namespace

std::vector<line> lines_of_recall() {
  using namespace tasks;
  std::vector<line> all;
  const plan p{.width = 32, .rate = 5e-3, .steps = 1500};
  add<in_context_recall>(all, in_context_recall_options{.length = 32, .train = 3200, .test = 256}, p, 0.95, 0.6);
  add<noisy_in_context_recall>(all, noisy_in_context_recall_options{.length = 32, .train = 3200, .test = 256}, p, 0.95, 0.6);
  plan f = p;
  f.steps = 4000;
  add<fuzzy_in_context_recall>(
      all, fuzzy_in_context_recall_options{.length = 48, .key_size = 2, .value_size = 2, .train = 12800, .test = 256}, f, 0.9, 0.6);
  add<mqar>(all, mqar_options{.vocabulary = 64, .length = 32, .pairs = 4, .train = 12800, .test = 256}, p, 0.95, 0.6);
  return all;
}

}  // namespace check_tasks
