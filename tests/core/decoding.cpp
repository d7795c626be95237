// SPDX-License-Identifier: MIT
// The law of support/decoding.hpp on the CPU; tests/cuda/decode.cu has it on a GPU.
#include "support/decoding.hpp"

#include <doctest/doctest.h>

#include <coefdyn/mixers/attention.hpp>
#include <coefdyn/mixers/delta_rule.hpp>
#include <coefdyn/mixers/gated_linear.hpp>
#include <coefdyn/mixers/mlstm.hpp>

using namespace coefdyn;

namespace {
void holds(const decoding::outcome& o) {
  CHECK(o.y <= 1e-5);
  CHECK(o.state <= 1e-5);
  CHECK(o.same_again);
  CHECK(o.counted);
}
}  // namespace

TEST_CASE("a prompt, steps and steps taken back are the whole sequence, with what a device keeps in its own memory") {
  const device::cpu on{serial{}};
  holds(decoding::with_state<mixers::gla>(on, memory::host{}, 1));
  holds(decoding::with_state<mixers::mlstm>(on, memory::host{}, 2));
  holds(decoding::with_state<mixers::gated_deltaproduct_2>(on, memory::host{}, 3));
  holds(decoding::with_cache<mixers::softmax_attention>(on, memory::host{}, 4));
  holds(decoding::with_cache<mixers::path_attention>(on, memory::host{}, 5));
}
