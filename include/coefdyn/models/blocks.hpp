// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "attention.hpp"
#include "body.hpp"
#include "running.hpp"

/// Bodies of layers of one shape: those of one mixer each, and those of two kinds of mixers in turns.
namespace coefdyn::models::detail {

/// x += mixer(rms x): Mamba's layers. Mixer(scope, sizes) has the type of its mixer as `mixer`.
template <class Mixer, class Sizes>
class body_of_mixers : public outer_body {
 public:
  using mixers = list<mixer_use<typename Mixer::mixer, heads::grouped_values>>;
  body_of_mixers(outer_names names, idx vocabulary, const Sizes& z, idx layers) : outer_body(names, vocabulary, z.width), eps_(names.eps) {
    for (idx i = 0; i < layers; ++i) blocks_.emplace_back(root().part("backbone.layers." + std::to_string(i)), z);
  }
  static int mixer_of(idx) { return 0; }
  template <class R, class On>
  nn::value<R> hidden(nn::tape<R, On>& t, const nn::token_ids& ids) const {
    nn::value<R> x = embedded(t, ids);
    for (const block& b : blocks_) x = nn::add(t, x, b.mixer(t, b.norm.rms(t, x, eps_)));
    return closed(t, x);
  }

 private:
  struct block {
    nn::norm_parameters norm;
    Mixer mixer;
    block(const nn::scope& s, const Sizes& z) : norm(s, "norm", z.width, false), mixer(s.part("mixer"), z) {}
  };
  double eps_;
  std::vector<block> blocks_;
};

/// A layer with softmax attention or, in its place, `Linear`; two norms, and what feeds forward.
template <class Linear, class Feed>
struct mixed_block {
  nn::norm_parameters before, between;
  std::vector<Linear> linear;  // one of these two
  std::vector<softmax_attention> attention;
  Feed feed;
  /// One without its mixer, and with norms of those names.
  mixed_block(const nn::scope& s, idx width, const std::string& first, const std::string& second, Feed f)
      : before(s, first, width, false), between(s, second, width, false), feed(std::move(f)) {}
};
/// A body of such layers: Block(scope, sizes, number) derives from mixed_block, and Sizes has `attention` and `is_attention` of each layer.
template <class Block, class Sizes>
class mixed_body : public outer_body {
 public:
  mixed_body(outer_names names, idx vocabulary, const Sizes& z) : outer_body(names, vocabulary, z.attention.width), z_(z), eps_(names.eps) {
    for (std::size_t i = 0; i < z.is_attention.size(); ++i) blocks_.emplace_back(root().part(name_of(i)), z, i);
  }
  int mixer_of(idx layer) const { return z_.is_attention[std::size_t(layer)]; }

 protected:
  static std::string name_of(std::size_t layer) { return "model.layers." + std::to_string(layer); }
  /// x += mixed(block, rms x); x += feed(rms x).
  template <class R, class On, class F>
  nn::value<R> pre_normed(nn::tape<R, On>& t, const nn::token_ids& ids, F mixed) const {
    nn::value<R> x = embedded(t, ids);
    for (const Block& b : blocks_) {
      x = nn::add(t, x, mixed(b, b.before.rms(t, x, eps_)));
      x = nn::add(t, x, b.feed(t, b.between.rms(t, x, eps_)));
    }
    return closed(t, x);
  }
  /// f(block, the beginning of its names).
  template <class F>
  void for_blocks(F f) const {
    for (std::size_t i = 0; i < blocks_.size(); ++i) f(blocks_[i], name_of(i) + ".");
  }
  Sizes z_;
  double eps_;
  std::vector<Block> blocks_;
};

}  // namespace coefdyn::models::detail
