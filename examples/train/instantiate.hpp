// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/nn/layer.hpp>
#include <coefdyn/spectrum/coefficients.hpp>
#include <coefdyn/spectrum/eigenvalues.hpp>
#include <coefdyn/train/checkpoint.hpp>

#include "unit.hpp"

/// What a unit is made of: a model of a layer under the command's interface.
namespace train_command {

/// The mixer that Layer calls, with the grouping of its heads and its field.
template <class Layer>
struct streams_of {
  using type = coefdyn::tokens<typename Layer::mixer_type, float, typename Layer::heads_type>;
};
template <class Layer>
  requires(!requires { typename Layer::heads_type; })  // nn::lru, nn::s4, nn::s4d
struct streams_of<Layer> {
  using type = coefdyn::tokens<typename Layer::mixer_type, float, coefdyn::heads::grouped_queries, coefdyn::field::complex>;
};
template <class X>
layer_spectrum spectrum_of(const X& x) {
  const coefdyn::extents e = coefdyn::check(x);
  layer_spectrum out;
  out.heads = e.readers;
  const bool apart = e.readers <= layer_spectrum::most_heads;
  out.of.assign(static_cast<std::size_t>(e.sequences),
                std::vector<spectrum::spectrum_histogram>(static_cast<std::size_t>(apart ? e.readers : 1)));
  const auto report =
      spectrum::eigenvalues(x,
                            [&](const spectrum::token_spectrum& s) {
                              auto& h = out.of[static_cast<std::size_t>(s.sequence)][static_cast<std::size_t>(apart ? s.reader : 0)];
                              if (!s.has_ratio) h.exclude();
                              for (const auto& z : s.values) h.add(z);
                            },
                            {.conditions = false});
  out.is_degree_one_part = report.is_degree_one_part;
  return out;
}
template <class X>
double near_zero_share_of(const X& x) {
  spectrum::coefficients<X> alpha(x);
  const coefdyn::extents& e = alpha.size();
  double sum = 0;
  for (idx s = 0; s < e.sequences; ++s)
    for (int h = 0; h < e.readers; ++h) sum += alpha.near_zero_share(s, h);
  return sum / double(e.sequences * e.readers);  // all of one length
}

/// A layer as it is, any other type as the mixer of one.
template <class T>
struct layer_from {
  using type = nn::layer<T>;
};
template <class T>
  requires std::is_constructible_v<T, const nn::scope&, const nn::sizes&>
struct layer_from<T> {
  using type = T;
};

/// `On`: the device that trains; spectra are the CPU's.
template <class Model, class On>
class training_of final : public training {
 public:
  using streams = typename streams_of<typename Model::layer_type>::type;

  training_of(const nn::model_sizes& z, const train::settings& s) : trainer_(z, s) {}
  idx parameters() const override { return trainer_.w.parameters()->count(); }
  std::size_t step_bytes() const override { return trainer_.step_bytes(); }
  train::outcome fit(const task_of_a_run& task, const std::string& checkpoint, long every, const notes& beside,
                     const std::function<void(const train::progress&)>& report) override {
    const auto run = [&](const auto& t) { return fit_with_checkpoints(trainer_, t, {checkpoint, every, beside}, report); };
    return task.by_token ? run(*task.by_token) : run(*task.by_sequence);
  }
  notes load(const std::string& checkpoint) override { return load_checkpoint(checkpoint, trainer_); }
  std::vector<layer_spectrum> spectra(const tasks::batch& b) override {
    std::vector<layer_spectrum> out;
    watch(b, [&](const streams& x) { out.push_back(spectrum_of(x)); });
    return out;
  }
  std::vector<double> near_zero_shares(const tasks::batch& b) override {
    std::vector<double> out;
    watch(b, [&](const streams& x) { out.push_back(near_zero_share_of(x)); });
    return out;
  }

 private:
  /// see(x) for every layer's streams on a batch.
  void watch(const tasks::batch& b, const std::function<void(const streams&)>& see) {
    const nn::weights<float>& w = nn::on_host(trainer_.w);
    nn::tape<float> t(w, nullptr, trainer_.s.threads);
    t.watch<streams>(see);
    t.begin();
    trainer_.model(t, nn::token_ids{b.inputs.data(), b.rows, b.length});
  }
  train::trainer<Model, float, On> trainer_;
};
template <class Model, class On = coefdyn::device::cpu<coefdyn::openmp>>
const unit& unit_of() {
  static const unit u{coefdyn::name_of<typename Model::layer_type::mixer_type>(),
                      [](const nn::model_sizes& z, const train::settings& s) -> std::unique_ptr<training> {
                        return std::make_unique<training_of<Model, On>>(z, s);
                      }};
  return u;
}

}  // namespace train_command
