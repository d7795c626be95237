// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/attention.hpp>
#include <coefdyn/nn/layers/complex_state_space.hpp>
#include <coefdyn/nn/layers/delta_rule.hpp>
#include <coefdyn/nn/models/autoencoder.hpp>
#include <coefdyn/nn/models/language_model.hpp>
#include <coefdyn/tasks/compression.hpp>
#include <coefdyn/tasks/memorization.hpp>
#include <coefdyn/tasks/selective_copying.hpp>

#include "lines.hpp"

namespace check_tasks {
namespace {

using gated_delta = nn::language_model<nn::gated_deltanet>;
using set = nn::language_model<nn::paper_attention<mixers::softmax_attention>>;
using filter = nn::language_model<nn::lru>;
using filter_encoder = nn::autoencoder<nn::lru>;
using set_encoder = nn::autoencoder<nn::paper_attention<mixers::softmax_attention>>;

/// A line of a model on a task.
template <class Model, class T, class Options>
line of(const Options& options, const plan& p, const std::string& layer, const std::string& why, expected e, double threshold,
        const nn::model_sizes& z = {}) {
  return {T::name,   layer,
          why,       e,
          threshold, [=](const line& l, const changes& c, const report& tell) {
            return trained<Model>(T(options), z, p, l, c, tell); }};
}
const char* const sees_a_set = "without positions one layer sees the set of what came before, not its order";

}  // namespace

std::vector<line> lines_of_order() {
  using namespace tasks;
  std::vector<line> all;
  const plan p{.width = 32, .rate = 5e-3, .steps = 2000}, one{.layers = 1, .width = 32, .rate = 5e-3, .steps = 2000};
  const std::string delta = "Gated DeltaNet, 2 layers", attention = "softmax attention without positions, 1 layer";

  const selective_copying_options copying{.length = 48, .tokens = 8, .train = 6400, .test = 256};
  all.push_back(of<gated_delta, selective_copying>(copying, p, delta, "its gates pass blanks by and write the tokens one after another",
                                                   expected::at_least, 0.95));
  nn::model_sizes z;
  z.layer.n = 32;
  all.push_back(of<filter, selective_copying>(copying, one, "LRU, 1 layer", "a filter that no token changes cannot pass blanks by",
                                              expected::below, 0.7, z));

  const compression_options short_text{.length = 12, .train = 12800, .test = 256};
  const plan wide{.layers = 1, .width = 128, .rate = 2e-3, .steps = 3000, .embedding_deviation = 0.5};
  z.layer.n = 128;
  all.push_back(of<filter_encoder, compression>(short_text, wide, "LRU, 1 layer", "its 128 phases tell twelve places apart",
                                                expected::at_least, 0.9, z));
  all.push_back(of<set_encoder, compression>(short_text, wide, attention, sees_a_set, expected::below, 0.6));

  const memorization_options map{.vocabulary = 64, .length = 16, .train = 3200, .test = 256};
  all.push_back(
      of<gated_delta, memorization>(map, p, delta, "its convolution shows the key where the value is asked for", expected::at_least, 0.95));
  all.push_back(of<set, memorization>(map, one, attention, sees_a_set, expected::below, 0.6));
  return all;
}

}  // namespace check_tasks
