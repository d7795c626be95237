// SPDX-License-Identifier: MIT
#pragma once
#include "../../cpu/stages/keyed.hpp"

/// The device's skeletons by a mixer's name, as cpu/stages/keyed.hpp: mixers with one value share them.
namespace coefdyn::cuda::generic {

namespace skeletons {
template <skeleton Kind, class R>
struct operands;
template <skeleton Kind, class R, int Passes>
struct chunk;
template <skeleton Kind, class R>
struct tile_summary;
template <skeleton Kind, class R, int Passes>
struct tile;
template <skeleton Kind, class R>
struct tile_summary_gradient;
template <skeleton Kind, class R, int Passes>
struct tile_backward;
}  // namespace skeletons

template <class M, class R>
using operands = skeletons::operands<skeleton_of<M>, R>;
template <class M, class R, int Passes>
using chunk = skeletons::chunk<skeleton_of<M>, R, Passes>;
template <class M, class R>
using tile_summary = skeletons::tile_summary<skeleton_of<M>, R>;
template <class M, class R, int Passes>
using tile = skeletons::tile<skeleton_of<M>, R, Passes>;
template <class M, class R>
using tile_summary_gradient = skeletons::tile_summary_gradient<skeleton_of<M>, R>;
template <class M, class R, int Passes>
using tile_backward = skeletons::tile_backward<skeleton_of<M>, R, Passes>;

}  // namespace coefdyn::cuda::generic
