// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/coefdyn.hpp>
#include <random>
#include <thread>
#include <vector>

// A device that the library has never seen: the host by a thread of its own, in reverse order of heads, with memory that it counts.

namespace elsewhere {

using namespace coefdyn;

struct backwards {  // an executor: the last item first
  int workers() const { return 1; }
  template <class F>
  void operator()(idx count, F f) const {
    for (idx i = count; i-- > 0;) f(i, 0);
  }
};

struct thread_apart {
  static constexpr bool is_device = true;
  int* launches;
};
/// A GPU by its type: its memory is not the host's, and the host does not reach it.
struct card : thread_apart {};
struct card_memory : memory::host {
  static constexpr bool on_host = false, host_reaches = false;
};
template <class Form, class Pass>
auto chosen(const thread_apart&, Form f, const Pass& pass) {
  return chosen(device::cpu{backwards{}}, f, pass);
}
template <class Form, class Pass>
std::size_t bytes(const thread_apart&, Form f, const Pass& pass) {
  return bytes(device::cpu{backwards{}}, f, pass);
}
template <class Form, class Pass>
void launch(const thread_apart& on, Form f, const Pass& pass, workspace ws) {
  std::thread([&] { launch(device::cpu{backwards{}}, f, pass, ws); }).join();
  ++*on.launches;
}

}  // namespace elsewhere

template <>
struct coefdyn::memory_of_device<elsewhere::card> {
  using type = elsewhere::card_memory;
};

namespace {

using namespace coefdyn;
using M = mixers::gated_deltanet;
constexpr idx B = 2, T = 37, H = 3, n = 16, d = 8;

std::vector<float> random_numbers(idx count, float low, float high) {
  std::mt19937 random(std::random_device{}());
  std::uniform_real_distribution<float> flat(low, high);
  std::vector<float> x(static_cast<std::size_t>(count));
  for (float& e : x) e = flat(random);
  return x;
}
struct problem {
  std::vector<float> q = random_numbers(B * T * H * n, -1, 1), k = random_numbers(B * T * H * n, -.25f, .25f),
                     v = random_numbers(B * T * H * d, -1, 1), log_decay = random_numbers(B * T * H, -1, 0),
                     beta = random_numbers(B * T * H, 0, 1);
  tokens<M> x;
  problem() {
    x.q = view(q, B, T, H, n), x.k = view(k, B, T, H, n), x.v = view(v, B, T, H, d);
    x.log_decay = view(log_decay, B, T, H), x.beta = view(beta, B, T, H);
  }
};

struct results {
  std::vector<float> y = std::vector<float>(B * T * H * d), dq = std::vector<float>(B * T * H * n), dv = y;
};
template <class Device, class Form>
results results_on(const Device& on, Form f, const problem& p) {
  results r;
  run(on, f, p.x, view(r.y, B, T, H, d));
  gradients<M> g;
  g.q = view(r.dq, B, T, H, n), g.v = view(r.dv, B, T, H, d);
  std::vector<std::byte> memory(backward_workspace_bytes(on, f, p.x));
  backward(on, f, p.x, view<const float, 4>(view(p.v, B, T, H, d)), g, {}, {}, memory);
  return r;
}

}  // namespace

TEST_CASE_TEMPLATE("a third device runs every form forward and backward", Form, form::automatic, form::definition, form::parallel,
                   form::recurrent, form::chunkwise, form::step) {
  const problem p;
  int launches = 0;
  const results here = results_on(device::cpu{}, Form{}, p), there = results_on(elsewhere::thread_apart{&launches}, Form{}, p);
  CHECK(launches == 2);
  CHECK(here.y == there.y);
  CHECK(here.dq == there.dq);
  CHECK(here.dv == there.dv);
}
TEST_CASE("a third device has the library's checks, and its own bytes in their sentence") {
  problem p;
  int launches = 0;
  const elsewhere::thread_apart on{&launches};
  std::vector<float> y(B * T * H * d);
  std::vector<std::byte> memory(workspace_bytes(on, form::chunkwise{}, p.x) - 1);
  CHECK_THROWS_WITH_AS(run(on, form::chunkwise{}, p.x, view(y, B, T, H, d), {}, memory),
                       doctest::Contains((std::to_string(memory.size() + 1) + " bytes (workspace_bytes)").c_str()), invalid_input);
  p.x.beta = {};
  CHECK_THROWS_WITH_AS(run(on, form::chunkwise{}, p.x, view(y, B, T, H, d)), doctest::Contains("beta"), invalid_input);
  CHECK(launches == 0);
}
TEST_CASE("a state that the call's device does not reach is refused by its type, and nothing is written") {
  const problem p;
  int launches = 0;
  const elsewhere::card card{{&launches}};
  std::vector<float> y(B * T * H * d, -1);
  const view out(y, B, T, H, d);
  state<M> here(B, H, n, d);
  state<M, float, elsewhere::card_memory> there(B, H, n, d);
  const mutable_state<M, float> unsaid{view(here.S.data(), B, H, n, d), {}, {}, {}};
  const char *on_host = "given a state on the host", *on_card = "given a state in a device's memory";
  CHECK_THROWS_WITH_AS(run(card, form::recurrent{}, p.x, out, {here, {}}), doctest::Contains(on_host), invalid_input);
  CHECK_THROWS_WITH_AS(run(card, form::recurrent{}, p.x, out, {{}, here}), doctest::Contains("final state"), invalid_input);
  CHECK_THROWS_WITH_AS(run(device::cpu{}, form::recurrent{}, p.x, out, {there, {}}), doctest::Contains(on_card), invalid_input);
  const idx position = T;
  CHECK_THROWS_WITH_AS(run(card, form::recurrent{}, p.x, out, {{}, {}, std::span(&position, 1), here}), doctest::Contains("captured state"),
                       invalid_input);
  gradients<M> g;
  const view<const float, 4> dy(view(p.v, B, T, H, d));
  CHECK_THROWS_WITH_AS(backward(card, form::recurrent{}, p.x, dy, g, {here}), doctest::Contains("initial state"), invalid_input);
  CHECK_THROWS_WITH_AS(backward(card, form::recurrent{}, p.x, dy, g, {}, {here}), doctest::Contains("gradient of the final state"),
                       invalid_input);
  CHECK_THROWS_WITH_AS(backward(card, form::recurrent{}, p.x, dy, g, {}, {{}, here}), doctest::Contains("gradient of the initial state"),
                       invalid_input);
  CHECK(launches == 0);
  CHECK(y == std::vector<float>(y.size(), -1));
  run(card, form::recurrent{}, p.x, out, {there, there});
  run(card, form::recurrent{}, p.x, out, {unsaid, unsaid});  // the caller's word
  run(device::cpu{}, form::recurrent{}, p.x, out, {here, here});
  CHECK(launches == 2);
}
