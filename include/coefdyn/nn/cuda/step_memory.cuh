// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

#include "../../cuda/memory.cuh"
#include "../loops.hpp"

/// The memory of a step on a GPU.
namespace coefdyn::nn::gpu {

/// Pieces of blocks of device memory, all given back at once. `Clean`: they are 0 when they are taken.
template <bool Clean>
class pool {
 public:
  std::byte* take(std::size_t count, cudaStream_t stream) {
    count = (count + line - 1) / line * line;
    while (at_ < blocks_.size() && used_[at_] + count > blocks_[at_].size()) ++at_;
    if (at_ == blocks_.size()) {
      blocks_.emplace_back(std::max(count, least), memory::cuda{stream}), used_.push_back(0);  // zeros
    }
    std::byte* const p = blocks_[at_].data() + used_[at_];
    used_[at_] += count, taken_ += count;
    most_ = std::max(most_, taken_);
    return p;
  }
  void reset() { give_back(), most_ = 0; }
  /// The same, but for `most`.
  void give_back() {
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      if (Clean && used_[i] > 0) blocks_[i].where().clear(blocks_[i].data(), used_[i]);
      used_[i] = 0;
    }
    at_ = taken_ = 0;
  }
  nn::step_memory::place here() const { return {at_, at_ < blocks_.size() ? used_[at_] : 0, taken_}; }
  void go_back(const nn::step_memory::place& p) {
    for (std::size_t i = p.at; i < blocks_.size(); ++i) {
      const std::size_t kept = i == p.at ? p.used : 0;
      if (Clean && used_[i] > kept) blocks_[i].where().clear(blocks_[i].data() + kept, used_[i] - kept);
      used_[i] = kept;
    }
    at_ = p.at, taken_ = p.taken;
  }
  std::size_t most() const { return most_; }

 private:
  static constexpr std::size_t line = 256, least = std::size_t(1) << 25;
  std::vector<buffer<std::byte, memory::cuda>> blocks_;
  std::vector<std::size_t> used_;
  std::size_t at_ = 0, taken_ = 0, most_ = 0;
};
/// step_memory of a GPU. All zeros of a step are written by one call for each block, when it begins.
class step_memory {
 public:
  explicit step_memory(const device::cuda& on) : stream_(on.stream), scratch_(0, memory::cuda{on.stream}) {}
  void* take(std::size_t count) { return plain_.take(count, stream_); }
  void* take_zeros(std::size_t count) { return zeros_.take(count, stream_); }
  std::byte* scratch(std::size_t count) {
    if (scratch_.size() < count) scratch_ = buffer<std::byte, memory::cuda>(count, memory::cuda{stream_}), ++moves_;
    return scratch_.data();
  }
  void reset() { plain_.reset(), zeros_.reset(); }
  void give_back() { plain_.give_back(), zeros_.give_back(); }
  /// How often memory that was handed out went elsewhere.
  long moves() const { return moves_; }
  /// As the host's.
  struct place {
    nn::step_memory::place plain, zeros;
  };
  place here() const { return {plain_.here(), zeros_.here()}; }
  void go_back(const place& p) { plain_.go_back(p.plain), zeros_.go_back(p.zeros); }
  std::size_t most() const { return plain_.most() + zeros_.most(); }

 private:
  cudaStream_t stream_;
  pool<false> plain_;
  pool<true> zeros_;
  buffer<std::byte, memory::cuda> scratch_;
  long moves_ = 0;
};

}  // namespace coefdyn::nn::gpu
