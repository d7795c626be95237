// SPDX-License-Identifier: MIT
#pragma once
#include <signal.h>

#include <atomic>

namespace coefdyn::train {

namespace detail {
inline std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // or a handler of signals could not touch it
}  // namespace detail

/// While it lives, Ctrl-C (SIGINT) and SIGTERM ask the program to stop, which it does where it looks; the second of a kind ends it at once.
/// One at a time.
class interrupt {
 public:
  interrupt() {
    detail::interrupted = false;
    struct sigaction ask{};
    ask.sa_handler = [](int) { detail::interrupted = true; };
    ask.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
    sigemptyset(&ask.sa_mask);
    sigaction(SIGINT, &ask, &before_[0]), sigaction(SIGTERM, &ask, &before_[1]);
  }
  interrupt(const interrupt&) = delete;
  interrupt& operator=(const interrupt&) = delete;
  ~interrupt() { sigaction(SIGINT, &before_[0], nullptr), sigaction(SIGTERM, &before_[1], nullptr); }
  bool asked() const { return detail::interrupted; }

 private:
  struct sigaction before_[2];
};

}  // namespace coefdyn::train
