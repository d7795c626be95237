// SPDX-License-Identifier: MIT
#pragma once
#include "../../core/mixer.hpp"

/// The skeletons (cpu/skeletons) by a mixer's name: mixers with one value of core/skeleton.hpp have one type each of these.
namespace coefdyn::cpu {

namespace skeletons {
template <skeleton Kind, class R>
struct operands;
template <skeleton Kind, class R>
struct chunk;
template <skeleton Kind, class R>
struct tile_summary;
template <skeleton Kind, class R>
struct tile;
template <skeleton Kind, class R>
struct tile_summary_gradient;
template <skeleton Kind, class R>
struct tile_backward;
template <skeleton Kind, class R>
struct state_rows;
}  // namespace skeletons

template <class M, class R>
using operands = skeletons::operands<skeleton_of<M>, R>;
template <class M, class R>
using chunk = skeletons::chunk<skeleton_of<M>, R>;
template <class M, class R>
using tile_summary = skeletons::tile_summary<skeleton_of<M>, R>;
template <class M, class R>
using tile = skeletons::tile<skeleton_of<M>, R>;
template <class M, class R>
using tile_summary_gradient = skeletons::tile_summary_gradient<skeleton_of<M>, R>;
template <class M, class R>
using tile_backward = skeletons::tile_backward<skeleton_of<M>, R>;
template <class M, class R>
using state_rows = skeletons::state_rows<skeleton_of<M>, R>;

}  // namespace coefdyn::cpu
