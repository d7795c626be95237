// SPDX-License-Identifier: MIT
#pragma once
#include "../../core/form.hpp"
#include "../../core/random.hpp"
#include "head.hpp"

namespace coefdyn::cpu {

/// What form::weight_dropout makes of one reader's reads of a tile of queries.
template <class M, class R>
struct weight_draws {
  form::weight_dropout drop;
  std::uint64_t first = 0, each = 0;  // the word of the tile's first read and the sequence's first row; words of a read
  std::uint64_t least = 0;            // of the high 53 bits of a word that keeps its weight: p as a unit number
  R scale = R(1);                     // of what is kept

  COEFDYN_HD bool given() const { return drop.p > 0; }
  /// Reader r of a head, from token `at` on.
  COEFDYN_HD void begin(const extents& e, const head_place& head, int r, idx at) {
    each = std::uint64_t(e.time) * traits<M>::micro;
    const std::uint64_t read =
        std::uint64_t(((drop.first_row + head.s.batch) * e.readers + head.first_reader + r) * e.time + head.s.begin + at);
    first = read * each + std::uint64_t(head.s.begin) * traits<M>::micro;
    const double bound = drop.p * 0x1p53;
    least = std::uint64_t(bound), least += std::uint64_t(double(least) < bound);
    scale = R(1 / (1 - drop.p));
  }
  /// The word of the weight that token i of the tile gives to row j of the sequence, and what the weight is multiplied by.
  COEFDYN_HD std::uint64_t word(int i, idx j) const { return first + std::uint64_t(i) * each + std::uint64_t(j); }
  COEFDYN_HD R factor_at(const random_stream& stream, std::uint64_t word) const {
    return scale * R(int(stream.word_at(word) >> 11 >= least));  // a product, which becomes vectors
  }
};

}  // namespace coefdyn::cpu
