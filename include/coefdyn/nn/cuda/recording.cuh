// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <utility>

#include "../../core/errors.hpp"
#include "step_memory.cuh"

/// A step of a GPU that is recorded once, as a CUDA graph, and run again with other numbers of the host.
namespace coefdyn::nn::gpu {

/// What a step takes from the host, in one block of device memory. A step that runs at once copies piece by piece; while one is recorded,
/// pieces are only given their places, and each run fills them all, and one copy takes them. Copies are from pinned memory, so that the
/// host waits for none of them: of two blocks, one is filled while what is queued may still read the other.
class step_inputs {
 public:
  /// A piece of a recorded step: its place in the block, and what fills it.
  struct piece {
    std::size_t at;
    std::function<void(std::byte*)> fill;
  };
  explicit step_inputs(const device::cuda& on) : space_{on.stream}, there_(0, space_) {}
  step_inputs(const step_inputs&) = delete;
  step_inputs& operator=(const step_inputs&) = delete;
  ~step_inputs() {
    if (queued_) cudaStreamSynchronize(space_.stream);
    for (staging& s : staging_) {
      if (s.copied) cudaEventSynchronize(s.copied), cudaEventDestroy(s.copied);
      cudaFreeHost(s.data);
    }
  }
  template <class T, class F>
  const T* take(idx count, const F& fill) {
    static_assert(std::is_trivially_copyable_v<T>);
    const std::size_t bytes = sizeof(T) * std::size_t(count), at = used_;
    used_ += (bytes + line - 1) / line * line, most_ = std::max(most_, used_);
    if (recorded_) {
      if (used_ > there_.size()) throw std::logic_error("coefdyn: a recorded step takes more from the host than the step before it.");
      recorded_->push_back({at, [fill](std::byte* to) { fill(reinterpret_cast<T*>(to)); }});
      return reinterpret_cast<const T*>(there_.data() + at);
    }
    std::byte* to = there_.data() + at;
    if (used_ > there_.size()) to = further_.emplace_back(bytes, space_).data();  // until `reset` finds room for all
    std::byte* from = static_cast<std::byte*>(staging_[next_].data) + at;
    if (used_ > staging_[next_].size) {  // likewise; of memory that is not pinned, which is read before the copy returns
      if (host_.size() < bytes) host_.resize(bytes);
      from = host_.data();
    }
    fill(reinterpret_cast<T*>(from));
    copy(to, from, bytes), queued_ = true;
    return reinterpret_cast<const T*>(to);
  }
  template <class T>
  const T* here(const T* host, idx count) {
    return take<T>(count, [=](T* to) { std::copy_n(host, count, to); });
  }
  void reset() {
    if (!further_.empty()) {
      there_ = buffer<std::byte, memory::cuda>(used_, space_), further_.clear();
      ++moves_;
    }
    if (!recorded_) free_block(there_.size());
    used_ = most_ = 0;
  }
  std::size_t most() const { return most_; }
  long moves() const { return moves_; }

  /// From now on pieces go to a list, from the first place on; null ends it.
  void record(std::vector<piece>* to) { recorded_ = to, used_ = 0; }
  /// Fills the pieces and queues their copy. What a function throws leaves nothing queued.
  void bring(const std::vector<piece>& pieces, std::size_t bytes) {
    const staging& s = free_block(bytes);
    for (const piece& p : pieces) p.fill(static_cast<std::byte*>(s.data) + p.at);
    copy(there_.data(), s.data, bytes), queued_ = true;
  }

 private:
  static constexpr std::size_t line = 256;
  struct staging {
    void* data = nullptr;
    std::size_t size = 0;
    cudaEvent_t copied = nullptr;
  };
  /// A block with room for `bytes` that nothing queued reads: the one at hand, or where copies of it were queued, of a step that ran at
  /// once or of a recorded one, the other once its own are done.
  const staging& free_block(std::size_t bytes) {
    if (std::exchange(queued_, false)) {
      staging& left = staging_[next_];
      if (!left.copied) coefdyn::cuda::checked(cudaEventCreateWithFlags(&left.copied, cudaEventDisableTiming), "cudaEventCreateWithFlags");
      coefdyn::cuda::checked(cudaEventRecord(left.copied, space_.stream), "cudaEventRecord");
      next_ ^= 1;
      if (staging_[next_].copied) coefdyn::cuda::checked(cudaEventSynchronize(staging_[next_].copied), "cudaEventSynchronize");
    }
    staging& s = staging_[next_];
    if (s.size < bytes) {
      const std::size_t size = std::max(bytes, there_.size());
      cudaFreeHost(std::exchange(s.data, nullptr)), s.size = 0;
      coefdyn::cuda::checked(cudaMallocHost(&s.data, size), "cudaMallocHost");
      s.size = size;
    }
    return s;
  }
  void copy(void* to, const void* host, std::size_t bytes) const {
    coefdyn::cuda::checked(cudaMemcpyAsync(to, host, bytes, cudaMemcpyHostToDevice, space_.stream), "cudaMemcpyAsync");
  }
  memory::cuda space_;
  buffer<std::byte, memory::cuda> there_;
  std::vector<buffer<std::byte, memory::cuda>> further_;
  std::vector<std::byte> host_;
  staging staging_[2];
  int next_ = 0;
  bool queued_ = false;  // copies of the block at hand
  std::vector<piece>* recorded_ = nullptr;
  std::size_t used_ = 0, most_ = 0;
  long moves_ = 0;
};

/// A step as a CUDA graph, with the pieces that it takes from the host. The stream may be any but the default one, which nothing captures.
///
/// error   invalid_input for the default stream; cuda_error
class recording {
 public:
  recording(const device::cuda& on, step_inputs& inputs, step_memory& memory) : stream_(on.stream), inputs_(&inputs), memory_(&memory) {
    if (!stream_) COEFDYN_THROW invalid_input("stream of a recorded step", "one of its own", "the default stream");
    moves_ = inputs.moves() + memory.moves();
    coefdyn::cuda::checked(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    inputs.record(&pieces_);
  }
  recording(recording&& o) noexcept
      : stream_(o.stream_),
        inputs_(std::exchange(o.inputs_, nullptr)),
        memory_(o.memory_),
        pieces_(std::move(o.pieces_)),
        bytes_(o.bytes_),
        moves_(o.moves_),
        graph_(std::exchange(o.graph_, nullptr)) {
    if (inputs_) inputs_->record(&pieces_);
  }
  recording& operator=(recording&& o) noexcept = delete;
  ~recording() {
    if (inputs_) {  // left by an exception
      cudaGraph_t unfinished = nullptr;
      inputs_->record(nullptr);
      cudaStreamEndCapture(stream_, &unfinished);
      if (unfinished) cudaGraphDestroy(unfinished);
    }
    if (graph_) cudaGraphExecDestroy(graph_);
  }
  void finish() {
    memory_->give_back();  // leaves zeros where the next step expects them
    inputs_->record(nullptr);
    bytes_ = std::exchange(inputs_, nullptr)->most();
    cudaGraph_t graph = nullptr;
    coefdyn::cuda::checked(cudaStreamEndCapture(stream_, &graph), "cudaStreamEndCapture");
    const cudaError_t code = cudaGraphInstantiate(&graph_, graph, 0);
    cudaGraphDestroy(graph);
    coefdyn::cuda::checked(code, "cudaGraphInstantiate");
  }
  bool runs(const step_inputs& inputs, const step_memory& memory) const { return moves_ == inputs.moves() + memory.moves(); }
  void run(step_inputs& inputs) {
    inputs.bring(pieces_, bytes_);
    coefdyn::cuda::checked(cudaGraphLaunch(graph_, stream_), "cudaGraphLaunch");
  }

 private:
  cudaStream_t stream_;
  step_inputs* inputs_;  // while it is recorded
  step_memory* memory_;
  std::vector<step_inputs::piece> pieces_;
  std::size_t bytes_ = 0;
  long moves_ = 0;
  cudaGraphExec_t graph_ = nullptr;
};

}  // namespace coefdyn::nn::gpu
