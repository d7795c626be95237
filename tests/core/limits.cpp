// SPDX-License-Identifier: MIT
// The first tensor that is wrong is named, options have their limits, and what a call writes has memory of its own.
#include <doctest/doctest.h>

#include <algorithm>
#include <coefdyn/cpu/backward.hpp>
#include <coefdyn/decode/cache.hpp>
#include <coefdyn/decode/history.hpp>
#include <coefdyn/mixers/attention.hpp>
#include <coefdyn/mixers/delta_rule.hpp>
#include <coefdyn/mixers/linear_attention.hpp>
#include <coefdyn/mixers/mlstm.hpp>
#include <cstring>

namespace {
using namespace coefdyn;
const device::cpu<serial> host{};
constexpr idx B = 2, T = 6;
constexpr int H = 2, n = 4, d = 3;

template <class M, class Heads = heads::grouped_queries>
struct call {
  std::vector<float> q, k, v, gates, betas, y, dy;
  tokens<M, float, Heads> x;
  carry<M> c;
  gradients<M, float, Heads> g;
  state_gradients<M> s;
  view<float, 4> out;
  view<const float, 4> upstream;

  call() : q(B * T * H * n), k(q), v(B * T * H * d), gates(B * T * H, -0.1f), betas(B * T * H, 0.5f), y(v.size()), dy(v.size(), 1.0f) {
    for (std::size_t i = 0; i < q.size(); ++i) q[i] = 0.1f * float(i % 7), k[i] = 0.1f * float(i % 5);
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = float(i % 3);
    x.q = view(q, B, T, H, n), x.k = view(k, B, T, H, n), x.v = view(v, B, T, H, d);
    if constexpr (requires { x.log_decay; }) x.log_decay = view(gates, B, T, H);
    if constexpr (requires { x.beta; }) x.beta = view(betas, B, T, H);
    if constexpr (requires { x.input_gate; }) x.input_gate = view(gates, B, T, H);
    out = view(y, B, T, H, d), upstream = view(dy, B, T, H, d);
  }
  call(const call&) = delete;
};
using delta = call<mixers::gated_deltanet>;
using attention = call<mixers::softmax_attention>;

template <class F>
std::string refusal(F f) {
  try {
    f();
  } catch (const invalid_input& e) {
    return e.what();
  }
  return "nothing refused";
}
template <class C, class Form>
std::string of_run(C& a, Form f) {
  return refusal([&] { run(host, f, a.x, a.out, a.c); });
}
template <class C, class Form>
std::string of_backward(C& a, Form f) {
  return refusal([&] { backward(host, f, a.x, a.upstream, a.g, a.c, a.s); });
}
bool begins(const std::string& text, const std::string& with) { return text.rfind(with, 0) == 0; }
}  // namespace

TEST_CASE("the first tensor that is wrong is named") {
  {
    delta a;
    a.x.q = {};
    CHECK(of_run(a, form::chunkwise{}) == "coefdyn: q: expected a tensor of shape (B, T, H, n), given none");
    CHECK(of_backward(a, form::chunkwise{}) == "coefdyn: q: expected a tensor of shape (B, T, H, n), given none");
  }
  {
    delta a;
    a.x = {};
    CHECK(of_run(a, form::recurrent{}) == "coefdyn: q: expected a tensor of shape (B, T, H, n), given none");
  }
  {
    delta a;
    a.x.k = {};
    CHECK(of_run(a, form::automatic{}) == "coefdyn: k: expected a tensor of shape (B, T, H, n), given none");
    a.x.k = view(a.k, B, T, H, n), a.x.v = {};
    CHECK(of_run(a, form::automatic{}) == "coefdyn: v: expected a tensor of shape (B, T, H, d), given none");
  }
  {
    delta a;  // keys without heads
    a.x.k = view(a.k, B, T, 1, n);
    CHECK(of_run(a, form::chunkwise{}) == "coefdyn: k: expected as many heads as v (2) under heads::grouped_queries, given 1");
    a.x.k = view(a.k, B, T, H, n), a.x.v = view(a.v, B, T, 1, d);
    CHECK(of_run(a, form::chunkwise{}) == "coefdyn: v: expected as many heads as k (2) under heads::grouped_queries, given 1");
  }
  {
    call<mixers::gated_deltanet, heads::grouped_values> a;
    a.x.k = view(a.k, B, T, 1, n);
    CHECK(of_run(a, form::chunkwise{}) == "coefdyn: k: expected as many heads as q (2) under heads::grouped_values, given 1");
  }
  {
    delta a;  // q is the odd one out
    a.x.q = view(a.q, B, T - 1, H, n);
    CHECK(of_run(a, form::chunkwise{}) == "coefdyn: q: expected shape (2, 6, 2, 4), as k and v have it, given shape (2, 5, 2, 4)");
    a.x.q = view(a.q, 1, T, H, n);
    CHECK(of_run(a, form::chunkwise{}) == "coefdyn: q: expected shape (2, 6, 2, 4), as k and v have it, given shape (1, 6, 2, 4)");
  }
  {
    attention a;
    a.x.first_read = T + 1;
    CHECK(of_run(a, form::parallel{}) == "coefdyn: first_read: expected at most the 6 tokens of k and v, given 7");
  }
}

TEST_CASE("extents below 0 and beyond an int are refused") {
  delta a;
  for (int axis = 0; axis < 4; ++axis) {
    a.x.q.extents[axis] *= -1, a.x.k.extents[axis] *= -1;
    CHECK(begins(of_run(a, form::chunkwise{}), "coefdyn: q: expected extents (B, T, H, n) of at least 0, given shape ("));
    a.x.q.extents[axis] *= -1;
    CHECK(begins(of_run(a, form::chunkwise{}), "coefdyn: k: expected extents (B, T, H, n) of at least 0, given shape ("));
    a.x.k.extents[axis] *= -1;
  }
  a.x.q.extents[3] = a.x.k.extents[3] = (idx(1) << 32) + n;  // n once it is an int
  CHECK(begins(of_run(a, form::chunkwise{}), "coefdyn: q: expected at most 2^31 - 1 heads and channels"));
  CHECK(begins(refusal([] { state<mixers::deltanet> s(1, -1, 4, 4); }), "coefdyn: state: expected sizes (N, H, n, d) of at least 0"));
  CHECK(begins(refusal([] { cache<mixers::softmax_attention> s(1, 1, 1, 4, 4, -8); }), "coefdyn: cache: expected sizes"));
  CHECK(refusal([] { history<mixers::deltanet> h(0); }) == "coefdyn: history: expected a depth of at least 1 state, given 0");
}

TEST_CASE("options of forms and devices are checked, forward and backward") {
  delta a;
  const std::string length = "coefdyn: form::chunkwise length: expected a number of tokens, or 0 for the tuned one, given -3";
  CHECK(of_run(a, form::chunkwise{-3}) == length);
  CHECK(of_backward(a, form::chunkwise{-3}) == length);
  CHECK(refusal([&] { (void)workspace_bytes(host, form::chunkwise{-3}, a.x); }) == length);
  const std::string every = "coefdyn: form::chunkwise memory.save_every: expected a number of chunks of at least 1, given 0";
  CHECK(of_run(a, form::chunkwise{.memory = {0}}) == every);
  CHECK(of_backward(a, form::chunkwise{.memory = {0}}) == every);
  CHECK(refusal([&] { (void)backward_workspace_bytes(host, form::chunkwise{.memory = {0}}, a.x); }) == every);
  CHECK(refusal([&] { run(device::cpu{openmp{-2}}, form::recurrent{}, a.x, a.out); }) ==
        "coefdyn: openmp limit: expected a number of threads, or 0 for all, given -2");
  struct nobody {
    int workers() const { return 0; }
    void operator()(idx, ...) const {}
  };
  CHECK(refusal([&] { run(device::cpu{nobody{}}, form::recurrent{}, a.x, a.out); }) ==
        "coefdyn: executor: expected at least one worker, given 0");
}

TEST_CASE("what is carried has to be there") {
  delta a;
  state<mixers::gated_deltanet> s(B, H, n, d);
  a.c.initial = s, a.c.initial.S = {};
  CHECK(of_run(a, form::chunkwise{}) == "coefdyn: initial state S: expected a tensor of shape (2, 2, 4, 3), given none");
  a.c = {}, a.c.final.position = view(s.position, B);
  CHECK(of_run(a, form::chunkwise{}) == "coefdyn: final state S: expected a tensor of shape (2, 2, 4, 3), given none");
  a.c = {};
  const idx positions[] = {3};
  a.c.positions = positions;
  CHECK(of_run(a, form::chunkwise{}) == "coefdyn: captured state S: expected a tensor of shape (2, 2, 4, 3), given none");
  a.c.captured = s, a.c.captured.S.data = nullptr;
  CHECK(of_run(a, form::chunkwise{}) == "coefdyn: captured state S: expected a tensor of shape (2, 2, 4, 3), given none");
  a.c.positions = {}, a.c.captured = s;
  CHECK(begins(of_run(a, form::chunkwise{}), "coefdyn: captured state S: expected shape (0, 2, 4, 3)"));
  struct summed {
    std::vector<float> q = std::vector<float>(T * n, 1), v = std::vector<float>(T * d, 1), y = v;
  } in;
  tokens<mixers::linear_attention_elu1> x;
  x.q = view(in.q, 1, T, 1, n), x.k = x.q, x.v = view(in.v, 1, T, 1, d);
  state<mixers::linear_attention_elu1> none(0, 1, n, d);  // no position, no state to capture: neither S nor its sum
  carry<mixers::linear_attention_elu1> c;
  c.captured = none;
  CHECK_NOTHROW(run(host, form::chunkwise{}, x, view(in.y, 1, T, 1, d), c));
  a.c = {};
  a.c.final = s, a.c.final.S.strides[1] = 0;
  CHECK(of_run(a, form::recurrent{}) ==
        "coefdyn: final state S: expected strides that do not repeat an element, given stride 0 along axis 1");
  a.c = {};
  a.g.q = view<float, 4>(nullptr, B, T, H, n);
  CHECK(of_backward(a, form::chunkwise{}) == "coefdyn: gradient of q: expected a tensor of shape (2, 6, 2, 4), given none");
}

TEST_CASE("a state is carried in place or apart, not partly over the one that came in") {
  delta a, b;
  std::vector<float> S(2 * B * H * n * d), apart(B * H * n * d);
  const idx whole = B * H * n * d;
  for (std::size_t i = 0; i < S.size(); ++i) S[i] = float(i % 11);
  const std::vector<float> before = S;
  for (const idx shift : {idx(1), idx(d), idx(n * d), whole - 1}) {
    a.c.initial.S = view(S, B, H, n, d), a.c.final.S = view(S.data() + shift, B, H, n, d);
    CHECK(of_run(a, form::recurrent{}) ==
          "coefdyn: final state S: expected memory of its own, or exactly that of the other state, given memory shared with initial state "
          "S");
    CHECK(S == before);
  }
  a.c.final.S = view(S.data(), B, H, n, d), a.c.final.S.strides[2] = 1, a.c.final.S.strides[3] = n;  // the same place, transposed
  CHECK(begins(of_run(a, form::recurrent{}), "coefdyn: final state S: expected memory of its own"));
  a.c.final.S = view(S.data() + whole, B, H, n, d);
  CHECK(of_run(a, form::recurrent{}) == "nothing refused");
  a.c.final.S = view(S.data(), B, H, n, d);  // in place
  CHECK(of_run(a, form::recurrent{}) == "nothing refused");
  CHECK(std::equal(S.begin(), S.begin() + whole, S.begin() + whole));
}

TEST_CASE("outputs do not overlap inputs or one another") {
  {
    delta a;
    a.out = view(a.v, B, T, H, d);
    CHECK(of_run(a, form::chunkwise{}) == "coefdyn: y: expected memory of its own, given memory shared with v");
    a.out = view(a.y.data(), B, T, H, d), a.out.strides[1] = 1;
    CHECK(of_run(a, form::chunkwise{}) == "coefdyn: y: expected memory of its own, given strides with which two elements share memory");
    a.out = view(a.y, B, T, H, d), a.c.final.S = view(a.y.data() + 10, B, H, n, d);
    CHECK(of_run(a, form::chunkwise{}) == "coefdyn: y: expected memory of its own, given memory shared with final state S");
  }
  {
    attention a;  // q, k, v and y woven into one array
    std::vector<float> fused(B * T * H * 4 * n);
    const auto slot = [&](idx which, idx width) {
      return view<float, 4>(fused.data() + which * n, {B, T, H, width}, {T * H * 4 * n, H * 4 * n, 4 * n, 1});
    };
    a.x.q = slot(0, n), a.x.k = slot(1, n), a.x.v = slot(2, d), a.out = slot(3, d);
    CHECK(of_run(a, form::parallel{}) == "nothing refused");
    a.x.v = slot(2, n), a.out = view<float, 4>(fused.data() + 3 * n - 1, {B, T, H, n}, {T * H * 4 * n, H * 4 * n, 4 * n, 1});
    CHECK(of_run(a, form::parallel{}) == "coefdyn: y: expected memory of its own, given memory shared with v");
  }
  {
    delta a;
    std::vector<float> dq(a.q.size());
    a.g.q = view(dq, B, T, H, n), a.g.k = view(dq, B, T, H, n);
    CHECK(of_backward(a, form::chunkwise{}) ==
          "coefdyn: gradient of q: expected memory of its own, given memory shared with gradient of k");
    a.g.k = view(a.k, B, T, H, n);
    CHECK(of_backward(a, form::chunkwise{}) == "coefdyn: gradient of k: expected memory of its own, given memory shared with k");
    a.g.k = {}, a.g.q = {}, a.g.v = view(a.dy, B, T, H, d);
    CHECK(of_backward(a, form::chunkwise{}) == "coefdyn: gradient of v: expected memory of its own, given memory shared with dy");
  }
  {
    delta a;
    std::vector<std::byte> memory(1 << 20);
    float* const inside = reinterpret_cast<float*>(memory.data() + 4096);
    a.out = view(inside, B, T, H, d);
    CHECK(refusal([&] { run(host, form::chunkwise{}, a.x, a.out, a.c, workspace(memory)); }) ==
          "coefdyn: y: expected memory of its own, given memory shared with workspace");
  }
}

namespace {
/// The same bits from a workspace that begins at any byte and is as large as the query says.
template <class M, class Form>
void any_address(Form f) {
  call<M> a;
  std::vector<float> dq(a.q.size()), first_y, first_dq;
  a.g.q = view(dq, B, T, H, n);
  const std::size_t forward = workspace_bytes(host, f, a.x), back = backward_workspace_bytes(host, f, a.x);
  for (const std::size_t shift : {0u, 1u, 4u, 7u, 33u, 63u}) {
    std::vector<std::byte> memory(forward + shift + 1, std::byte{0x5a}), more(back + shift + 1, std::byte{0x5a});
    run(host, f, a.x, a.out, a.c, workspace(memory).subspan(shift, forward));
    backward(host, f, a.x, a.upstream, a.g, a.c, a.s, workspace(more).subspan(shift, back));
    CHECK(memory.back() == std::byte{0x5a});
    CHECK(more.back() == std::byte{0x5a});
    if (shift == 0) first_y = a.y, first_dq = dq;
    CHECK(a.y == first_y);
    CHECK(dq == first_dq);
  }
}
}  // namespace

TEST_CASE("a workspace may begin at any byte") {
  any_address<mixers::gated_deltanet>(form::chunkwise{});
  any_address<mixers::gated_deltanet>(form::recurrent{});
  any_address<mixers::gated_deltanet>(form::parallel{});
  any_address<mixers::softmax_attention>(form::definition{});
}

namespace {
/// Scores of no channels are empty sums: 0 in every form, so weights are phi(0).
template <class M, class Form>
std::vector<float> without_channels(Form f) {
  call<M> a;
  a.x.q = view(a.q.data(), B, T, H, 0), a.x.k = view(a.k.data(), B, T, H, 0);
  run(host, f, a.x, a.out, a.c);
  return a.y;
}
}  // namespace

TEST_CASE("n = 0 is a score of 0 in every form") {
  call<mixers::softmax_attention> a;
  std::vector<float> mean(a.y.size());
  for (idx b = 0; b < B; ++b)
    for (idx h = 0; h < H; ++h)
      for (idx c = 0; c < d; ++c) {
        float sum = 0;
        for (idx t = 0; t < T; ++t) sum += a.x.v(b, t, h, c), mean[std::size_t(((b * T + t) * H + h) * d + c)] = sum / float(t + 1);
      }
  const auto near = [](const std::vector<float>& x, const std::vector<float>& want) {
    for (std::size_t i = 0; i < x.size(); ++i)
      if (!(std::abs(x[i] - want[i]) <= 1e-6f)) return false;
    return true;
  };
  CHECK(near(without_channels<mixers::softmax_attention>(form::definition{}), mean));
  CHECK(near(without_channels<mixers::softmax_attention>(form::parallel{}), mean));
  const std::vector<float> zeros(a.y.size());
  CHECK(without_channels<mixers::gated_deltanet>(form::definition{}) == zeros);
  CHECK(without_channels<mixers::gated_deltanet>(form::parallel{}) == zeros);
  CHECK(without_channels<mixers::gated_deltanet>(form::recurrent{}) == zeros);
  CHECK(without_channels<mixers::gated_deltanet>(form::chunkwise{}) == zeros);
  CHECK(without_channels<mixers::mlstm>(form::recurrent{}) == zeros);
  CHECK(without_channels<mixers::mlstm>(form::chunkwise{}) == zeros);
  CHECK(without_channels<mixers::mlstm>(form::definition{}) == zeros);
  CHECK(without_channels<mixers::linear_attention_elu1>(form::definition{}) == zeros);
  CHECK(without_channels<mixers::linear_attention_elu1>(form::recurrent{}) == zeros);
  CHECK(without_channels<mixers::linear_attention_elu1>(form::chunkwise{}) == zeros);
}
