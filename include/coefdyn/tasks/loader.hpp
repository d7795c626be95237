// SPDX-License-Identifier: MIT
#pragma once
#include <concepts>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "batch.hpp"

namespace coefdyn::tasks {

/// Batches made by threads ahead of who takes them. They come in the order asked for and are the same for any number of workers.
///
/// ```cpp
/// template <tasks::task T>
/// idx tokens_of_an_epoch(const T& task) {
///   tasks::loader<T> load(task, tasks::split::train, tasks::epoch_batches(1, 0, task.size(tasks::split::train), 32), 2);
///   idx tokens = 0;
///   while (const std::optional<tasks::batch> b = load.next()) tokens += b->rows * b->length;
///   return tokens;
/// }
/// template <tasks::task T>  // of one target a token
/// tasks::packed_batch first_rows(const T& text) {
///   tasks::loader<T, tasks::packed> load(text, tasks::split::train, {{0, 1, 2, 3}}, 2, 4, {.length = 512});
///   return *load.next();
/// }
/// ```
///
/// The task has to outlive the loader; `make` is called by several threads at once.
///
/// error   invalid_input for numbers of workers or batches ahead below 1; next: what the making of that batch threw
template <task T, class Layout = padded>
  requires std::invocable<Layout, const T&, split, std::span<const idx>>
class loader {
 public:
  using batch_type = std::invoke_result_t<Layout, const T&, split, std::span<const idx>>;
  loader(const T& t, split s, std::vector<std::vector<idx>> batches, int workers = 1, idx ahead = 4, const Layout& layout = {})
      : task_(t), split_(s), batches_(std::move(batches)), ahead_(static_cast<std::size_t>(ahead)), layout_(layout) {
    detail::expect(workers >= 1, "loader", "workers", "at least 1", workers);
    detail::expect(ahead >= 1, "loader", "ahead", "at least 1", ahead);
    ready_.resize(ahead_);
    for (int i = 0; i < workers; ++i) workers_.emplace_back([this](std::stop_token stop) { work(stop); });
  }
  /// The next batch, or none at the end.
  std::optional<batch_type> next() {
    batch_type b;
    if (!next(b)) return std::nullopt;
    return b;
  }
  /// The same in the place of one that is done with, whose memory is used again; false at the end.
  bool next(batch_type& b) {
    std::unique_lock lock(mutex_);
    if (taken_ == batches_.size()) return false;
    made& m = ready_[taken_ % ahead_];
    changed_.wait(lock, [&] { return m.is; });
    std::swap(b, m.content);
    const std::exception_ptr error = std::exchange(m.error, nullptr);
    m.is = false, ++taken_;
    lock.unlock();
    changed_.notify_all();
    if (error) std::rethrow_exception(error);
    return true;
  }

 private:
  /// A place for every batch that is begun and not taken; of batch k the place k modulo their number.
  struct made {
    batch_type content = {};
    std::exception_ptr error = {};
    bool is = false;
  };
  void work(const std::stop_token& stop) {
    std::vector<sample> samples;
    for (;;) {
      std::unique_lock lock(mutex_);
      const bool go = changed_.wait(lock, stop, [&] { return begun_ == batches_.size() || begun_ < taken_ + ahead_; });
      if (!go || stop.stop_requested() || begun_ == batches_.size()) return;
      const std::size_t mine = begun_++;
      lock.unlock();
      made& m = ready_[mine % ahead_];  // nobody else's until it is said to be made
      make(batches_[mine], m, samples);
      lock.lock();
      m.is = true;
      lock.unlock();
      changed_.notify_all();
    }
  }
  void make(const std::vector<idx>& indices, made& m, std::vector<sample>& samples) const {
#if defined(__cpp_exceptions)
    try {
      fill(indices, m.content, samples);
    } catch (...) {
      m.error = std::current_exception();
    }
#else
    fill(indices, m.content, samples);
#endif
  }
  void fill(const std::vector<idx>& indices, batch_type& b, std::vector<sample>& samples) const {
    if constexpr (std::invocable<Layout, const T&, split, std::span<const idx>, batch_type&, std::vector<sample>&>)
      layout_(task_, split_, indices, b, samples);
    else b = layout_(task_, split_, indices);
  }
  const T& task_;
  const split split_;
  const std::vector<std::vector<idx>> batches_;
  const std::size_t ahead_;
  const Layout layout_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::size_t begun_ = 0, taken_ = 0;  // batches
  std::vector<made> ready_;
  std::vector<std::jthread> workers_;  // last: they end before what they use
};

}  // namespace coefdyn::tasks
