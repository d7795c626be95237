// SPDX-License-Identifier: MIT
// A refused call names the tensor, what was expected and what came, and has written nothing.
#include <doctest/doctest.h>

#include <algorithm>
#include <coefdyn/cpu/run.hpp>
#include <coefdyn/mixers/attention.hpp>
#include <coefdyn/mixers/delta_rule.hpp>
#include <coefdyn/mixers/mlstm.hpp>
#include <coefdyn/mixers/state_space.hpp>

namespace {
using namespace coefdyn;
const device::cpu<serial> host{};
constexpr float untouched = 7777;

/// Gated DeltaNet in grouped heads: a call that is right until a test breaks it.
template <class M, class Heads = heads::grouped_queries>
struct call {
  idx B = 1, T = 9;
  int queries = 2, states = 2, n = 4, d = 3;
  std::vector<float> numbers = std::vector<float>(4096, 0.25f), y = std::vector<float>(4096, untouched);
  tokens<M, float, Heads> x;
  view<float, 4> out;
  state<M, float> last;
  carry<M, float> c;

  call() {
    const float* p = numbers.data();
    x.q = view(p, B, T, queries, n), x.k = view(p, B, T, 2, n), x.v = view(p, B, T, states, d);
    if constexpr (requires { x.log_decay; }) x.log_decay = view(p + 4000, B, T, states);
    if constexpr (requires { x.beta; }) x.beta = view(p, B, T, states);
    if constexpr (requires { x.input_gate; }) x.input_gate = view(p, B, T, states);
    std::fill(numbers.begin() + 4000, numbers.end(), -0.1f);
    out = view(y.data(), B, T, states > queries ? states : queries, d);
    if constexpr (traits<M>::linear) {
      last = state<M, float>(B, states, n, d);
      std::fill(last.S.begin(), last.S.end(), untouched);
      c.final = last;
    }
  }
  call(const call&) = delete;

  template <class Form>
  void refused_in(Form f, const std::string& tensor, const std::string& expected, const std::string& given) {
    std::vector<std::byte> scratch(1 << 20);
    try {
      run(host, f, x, out, c, workspace(scratch));
      FAIL_CHECK("nothing was refused; expected: " << tensor << ", " << expected);
    } catch (const invalid_input& e) {
      CHECK(e.tensor == tensor);
      CHECK_MESSAGE(e.expected.find(expected) != std::string::npos, "expected says: " << e.expected);
      CHECK_MESSAGE(e.given.find(given) != std::string::npos, "given says: " << e.given);
      CHECK(std::string(e.what()).find("coefdyn: " + tensor + ": expected ") == 0);
    }
    CHECK(std::all_of(y.begin(), y.end(), [](float v) { return v == untouched; }));
    CHECK(std::all_of(last.S.begin(), last.S.end(), [](float v) { return v == untouched; }));
  }
  /// In every form that the mixer has.
  void refused(const std::string& tensor, const std::string& expected, const std::string& given) {
    refused_in(form::definition{}, tensor, expected, given);
    refused_in(form::step{}, tensor, expected, given);
    refused_in(form::automatic{}, tensor, expected, given);
    if constexpr (form_exists<form::parallel, M>) refused_in(form::parallel{}, tensor, expected, given);
    if constexpr (form_exists<form::recurrent, M>) refused_in(form::recurrent{}, tensor, expected, given);
    if constexpr (form_exists<form::chunkwise, M>) refused_in(form::chunkwise{4}, tensor, expected, given);
  }
  const float* p() const { return numbers.data(); }
};
using delta = call<mixers::gated_deltanet>;
using attention = call<mixers::softmax_attention>;
using mlstm = call<mixers::mlstm>;
}  // namespace

TEST_CASE("the call that the tests break is right") {
  delta a;
  run(host, form::chunkwise{}, a.x, a.out, a.c);
  attention b;
  run(host, form::parallel{}, b.x, b.out);
  mlstm c;
  run(host, form::recurrent{}, c.x, c.out, c.c);
  CHECK(std::none_of(a.y.begin(), a.y.begin() + 9 * 2 * 3, [](float v) { return v == untouched; }));
}

TEST_CASE("wrong shapes are refused by name") {
  {
    delta a;
    a.x.k = view(a.p(), 1, 9, 2, 5);
    a.refused("k", "(1, 9, 2, 4)", "(1, 9, 2, 5)");
  }
  {
    delta a;
    a.x.k = view(a.p(), 1, 8, 2, 4);
    a.refused("k", "(1, 9, 2, 4)", "(1, 8, 2, 4)");
  }
  {
    delta a;
    a.x.v = view(a.p(), 2, 9, 2, 3);
    a.refused("v", "(1, 9, 2, 3)", "(2, 9, 2, 3)");
  }
  {
    delta a;
    a.x.beta = view(a.p(), 1, 9, 1);
    a.refused("beta", "(1, 9, 2)", "(1, 9, 1)");
  }
  {
    delta a;
    a.x.log_decay = view(a.p(), 1, 10, 2);
    a.refused("log_decay", "(1, 9, 2)", "(1, 10, 2)");
  }
  {
    attention a;
    a.x.q = view(a.p(), 1, 9, 3, 4);
    a.out = view(a.y.data(), 1, 9, 3, 3);
    a.refused("q", "a multiple of the 2 key/value heads", "3 heads");
  }
  {
    delta a;
    a.x.v = view(a.p(), 1, 9, 1, 3);
    a.refused("v", "as many heads as k (2)", "1");
  }
}
TEST_CASE("the other grouping of heads has its own rule") {
  {
    call<mixers::gated_deltanet, heads::grouped_values> a;
    a.x.q = view(a.p(), 1, 9, 4, 4);
    a.refused("q", "as many heads as k (2)", "4");
  }
  {
    call<mixers::gated_deltanet, heads::grouped_values> a;
    a.x.v = view(a.p(), 1, 9, 3, 3);
    a.refused("v", "a multiple of the 2 query/key heads", "3");
  }
}
TEST_CASE("missing streams are refused by name") {
  {
    delta a;
    a.x.log_decay = {};
    a.refused("log_decay", "a tensor of shape (1, 9, 2)", "none");
  }
  {
    delta a;
    a.x.beta.data = nullptr;
    a.refused("beta", "a tensor of shape (1, 9, 2)", "none");
  }
  {
    attention a;
    a.x.k.data = nullptr;
    a.refused("k", "a tensor", "none");
  }
  {
    mlstm a;
    a.x.input_gate = {};
    a.refused("input_gate", "a tensor of shape (1, 9, 2)", "none");
  }
}
TEST_CASE("outputs of another shape, missing or repeated are refused") {
  {
    delta a;
    a.out = view(a.y.data(), 1, 9, 2, 4);
    a.refused("y", "(1, 9, 2, 3)", "(1, 9, 2, 4)");
  }
  {
    delta a;
    a.out.data = nullptr;
    a.refused("y", "a tensor of shape (1, 9, 2, 3)", "none");
  }
  {
    attention a;
    a.out.strides[1] = 0;
    a.refused("y", "strides that do not repeat", "stride 0 along axis 1");
  }
}
TEST_CASE("offsets of packed sequences are checked before anything is written") {
  const auto with = [](std::vector<std::int64_t> offsets, const std::string& expected, const std::string& given) {
    delta a;
    a.x.cu_seqlens = std::span<const std::int64_t>(offsets);
    const idx sequences = idx(offsets.size()) - 1;
    if (sequences > 0) a.last = state<mixers::gated_deltanet, float>(sequences, 2, 4, 3);
    std::fill(a.last.S.begin(), a.last.S.end(), untouched);
    a.c.final = a.last;
    a.refused("cu_seqlens", expected, given);
    std::vector<std::int32_t> narrow(offsets.begin(), offsets.end());
    a.x.cu_seqlens = std::span<const std::int32_t>(narrow);
    a.refused("cu_seqlens", expected, given);
  };
  with({0, 5, 3, 9}, "do not decrease", "3 after 5");
  with({0, 5, 10}, "last offset T = 9", "10");
  with({0, 5}, "last offset T = 9", "5");
  with({1, 9}, "first offset 0", "1");
  with({-1, 9}, "first offset 0", "-1");
  delta a;
  a.x.q = view(a.p(), 2, 9, 2, 4), a.x.k = view(a.p(), 2, 9, 2, 4), a.x.v = view(a.p(), 2, 9, 2, 3);
  a.x.log_decay = view(a.p(), 2, 9, 2), a.x.beta = view(a.p(), 2, 9, 2), a.out = view(a.y.data(), 2, 9, 2, 3);
  const std::int64_t offsets[] = {0, 9};
  a.x.cu_seqlens = std::span<const std::int64_t>(offsets);
  a.refused("cu_seqlens", "B = 1", "B = 2");
}
TEST_CASE("a cache is not read before its start and not beside packed sequences") {
  {
    attention a;
    a.x.first_read = -1;
    a.x.k = view(a.p(), 1, 8, 2, 4), a.x.v = view(a.p(), 1, 8, 2, 3);
    a.refused("first_read", ">= 0", "-1");
  }
  {
    attention a;
    const std::int64_t offsets[] = {0, 10};
    a.x.k = view(a.p(), 1, 10, 2, 4), a.x.v = view(a.p(), 1, 10, 2, 3);
    a.x.first_read = 1, a.x.cu_seqlens = std::span<const std::int64_t>(offsets);
    a.refused("first_read", "0 beside packed sequences", "1");
  }
}
TEST_CASE("states of another shape, or without what they need, are refused") {
  {
    delta a;
    a.c.final.S = view(a.last.S.data(), 1, 2, 4, 2);
    a.refused("final state S", "(1, 2, 4, 3)", "(1, 2, 4, 2)");
  }
  {
    delta a;
    a.c.initial = a.last;
    a.c.initial.S.extents[1] = 1;
    a.refused("initial state S", "(1, 2, 4, 3)", "(1, 1, 4, 3)");
  }
  {
    mlstm a;
    a.c.initial = a.last;
    a.c.initial.z = {};
    a.refused("initial state z", "beside S", "none");
  }
  {
    mlstm a;
    a.c.final.m = {};
    a.refused("final state m", "running maximum", "none");
  }
  {
    mlstm a;
    a.c.final.z.extents[2] = 3;
    a.refused("final state z", "(1, 2, 4)", "(1, 2, 3)");
  }
  {
    delta a;
    a.c.final.position.extents[0] = 2;
    a.refused("final state position", "(1)", "(2)");
  }
  {
    attention a;
    std::vector<float> S(1 * 2 * 4 * 3), z(1 * 2 * 4);
    a.c.initial.S = view(S.data(), 1, 2, 4, 3);
    a.refused("carry", "Lemma 1", "a state");
  }
}
TEST_CASE("positions where states are captured ascend, and the parallel form has none") {
  {
    delta a;
    const idx positions[] = {5, 3};
    state<mixers::gated_deltanet, float> captured(2, 2, 4, 3);
    a.c.positions = positions, a.c.captured = captured;
    a.refused_in(form::chunkwise{}, "positions", "ascending", "3");
    a.refused_in(form::recurrent{}, "positions", "ascending", "3");
    const idx negative[] = {-1, 3};
    a.c.positions = negative;
    a.refused_in(form::definition{}, "positions", "ascending", "-1");
    const idx good[] = {3, 5};
    a.c.positions = good;
    a.refused_in(form::parallel{}, "positions", "none in the parallel form", "2");
    a.c.captured.S.extents[0] = 1;
    a.refused_in(form::chunkwise{}, "captured state S", "(2, 2, 4, 3)", "(1, 2, 4, 3)");
  }
}
TEST_CASE("sizes that an evolution cannot have are refused") {
  {
    call<mixers::softmax_rope_half> a;
    a.x.q = view(a.p(), 1, 9, 2, 5), a.x.k = view(a.p(), 1, 9, 2, 5), a.x.theta = view(a.p(), 2);
    a.refused("q", "an even n", "n = 5");
  }
  {
    call<mixers::softmax_rope_half> a;
    a.x.theta = view(a.p(), 3);
    a.refused("theta", "(2)", "(3)");
  }
}
TEST_CASE("a workspace that is too small is refused, with the bytes that it takes") {
  delta a;
  const std::size_t need = workspace_bytes(host, form::chunkwise{}, a.x);
  CHECK(need > 0);
  std::vector<std::byte> small(need - 1);
  try {
    run(host, form::chunkwise{}, a.x, a.out, a.c, workspace(small));
    FAIL_CHECK("nothing was refused");
  } catch (const invalid_input& e) {
    CHECK(e.tensor == "workspace");
    CHECK(e.expected.find(std::to_string(need)) != std::string::npos);
    CHECK(e.given == std::to_string(need - 1));
  }
  CHECK(std::all_of(a.y.begin(), a.y.end(), [](float v) { return v == untouched; }));
}
