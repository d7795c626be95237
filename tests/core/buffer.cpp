// SPDX-License-Identifier: MIT
// Memory that has a place: buffers, and state, history, cache and streams in a space that is not the host's.
#include <doctest/doctest.h>

#include <coefdyn/core/buffer.hpp>
#include <coefdyn/cpu/run.hpp>
#include <coefdyn/decode/cache.hpp>
#include <coefdyn/decode/history.hpp>
#include <coefdyn/mixers/attention.hpp>
#include <coefdyn/mixers/mlstm.hpp>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

using namespace coefdyn;

namespace {
struct counts {
  int allocations = 0, live = 0, cleared = 0, copies = 0, brought = 0, fetched = 0;
};
counts nobody;
/// A place that is not the host's by its type, as a GPU's is not: it counts what is asked of it, and its memory begins as 0xff.
struct elsewhere {
  static constexpr bool on_host = false;
  counts* seen = &nobody;

  void* allocate(std::size_t bytes) const {
    ++seen->allocations, ++seen->live;
    return std::memset(memory::host::allocate(bytes), 0xff, bytes);
  }
  void release(void* p) const { --seen->live, memory::host::release(p); }
  void clear(void* p, std::size_t bytes) const { ++seen->cleared, memory::host::clear(p, bytes); }
  void copy(void* to, const void* from, std::size_t bytes) const { ++seen->copies, memory::host::copy(to, from, bytes); }
  void bring(void* to, const void* from, std::size_t bytes) const { ++seen->brought, memory::host::copy(to, from, bytes); }
  void fetch(void* to, const void* from, std::size_t bytes) const { ++seen->fetched, memory::host::copy(to, from, bytes); }
  template <class T, int Rank>
  void copy(const view<T, Rank>& to, const view<const T, Rank>& from) const {
    ++seen->copies, memory::host::copy(to, from);
  }
};
static_assert(memory_space<elsewhere> && memory_space<memory::host>);
static_assert(std::is_same_v<memory_of<device::cpu<>>, memory::host>);
static_assert(sizeof(buffer<float>) == sizeof(float*) + sizeof(std::size_t));

std::vector<float> normal_numbers(std::mt19937& random, idx count) {
  std::normal_distribution<float> normal;
  std::vector<float> out(static_cast<std::size_t>(count));
  for (float& v : out) v = normal(random);
  return out;
}

constexpr idx B = 2, T = 7, H = 2;
constexpr int n = 5, d = 3;
/// Numbers of a sequence, of which calls take tokens from..to.
struct sequence_of {
  std::vector<float> q, k, v, decay, gate;
  explicit sequence_of(std::uint32_t seed) {
    std::mt19937 random(seed);
    q = normal_numbers(random, B * T * H * n), k = normal_numbers(random, B * T * H * n), v = normal_numbers(random, B * T * H * d);
    decay = normal_numbers(random, B * T * H), gate = normal_numbers(random, B * T * H);
    for (float& x : decay) x = -std::abs(x);
  }
  template <class M>
  tokens<M> between(idx from, idx to) const {
    const auto rows = [&](const std::vector<float>& all, int width) {
      return view<const float, 4>(all.data() + from * H * width, {B, to - from, H, width}, {T * H * width, H * width, width, 1});
    };
    tokens<M> x;
    x.q = rows(q, n), x.k = rows(k, n), x.v = rows(v, d);
    for_each_need(needs_of<M>{}, [&]<class N>(N) {
      if constexpr (N::tag::belongs_to == owner::state && N::inner_rank == 0)
        x.template set<N>(view<const float, 3>((std::is_same_v<typename N::tag, stream::log_decay> ? decay : gate).data() + from * H,
                                               {B, to - from, H}, {T * H, H, 1}));
    });
    return x;
  }
};
template <class A, class C>
bool same_bits(const A& a, const C& b) {
  return a.size() == b.size() && (a.size() == 0 || std::memcmp(a.data(), b.data(), a.size() * sizeof(*a.data())) == 0);
}
}  // namespace

TEST_CASE("a buffer begins with zeros on a cache line, and copies deeply") {
  for (const std::size_t size : {std::size_t(1), std::size_t(3), std::size_t(1000)}) {
    buffer<double> a(size);
    CHECK(reinterpret_cast<std::uintptr_t>(a.data()) % 64 == 0);
    for (const double x : a) CHECK(x == 0);
    a[size - 1] = 4;
    buffer<double> b = a;
    CHECK(b == a);
    b[size - 1] = 5;
    CHECK(a[size - 1] == 4);
    CHECK_FALSE(b == a);
    const double* const there = b.data();
    b = a;  // of one size: no other memory
    CHECK(b.data() == there);
    CHECK(b == a);
    b = *&b;
    CHECK(b == a);
    const buffer<double> c = std::move(b);
    CHECK(c.data() == there);
    CHECK(b.empty());
    CHECK(b.data() == nullptr);
    b = a;
    CHECK(b == c);
    b = buffer<double>(size + 1, 2.5);
    CHECK(b.size() == size + 1);
    CHECK(b[size] == 2.5);
    CHECK_FALSE(b == a);
  }
}

TEST_CASE("a list of numbers replaces those of a buffer where they are") {
  buffer<int> a{1, 2, 3};
  const int* const there = a.data();
  a = {4, 5, 6};
  CHECK(a.data() == there);
  CHECK(a == buffer<int>{4, 5, 6});
  a = {7};
  CHECK(a.size() == 1);
  CHECK(a.back() == 7);
  a = {};
  CHECK(a.empty());
}

TEST_CASE("a buffer without values: memory in its space, written by nobody") {
  counts seen;
  {
    buffer<std::byte, elsewhere> room(without_values{}, 100, elsewhere{&seen});
    CHECK(room.size() == 100);
    CHECK(room.data() != nullptr);
    CHECK(seen.allocations == 1);
    CHECK(seen.cleared == 0);
  }
  CHECK(seen.live == 0);
  const buffer<std::byte, elsewhere> zeros(100, elsewhere{&seen});
  CHECK(seen.cleared == 1);
}

TEST_CASE("a buffer without elements has no memory, and one beyond all addresses is refused") {
  counts seen;
  const buffer<float, elsewhere> none(0, elsewhere{&seen}), copy = none;
  CHECK(none.data() == nullptr);
  CHECK(copy.size() == 0);
  CHECK(seen.allocations == 0);
  CHECK(buffer<float>(none) == buffer<float>());
  CHECK_THROWS_AS(buffer<double>(std::size_t(1) << 61), std::bad_alloc);
}

TEST_CASE("numbers go to another space and come back, and every allocation is released where it was made") {
  counts seen, other;
  {
    buffer<int> here(9);
    for (std::size_t i = 0; i < 9; ++i) here[i] = int(i * i);
    const buffer<int, elsewhere> there(here, elsewhere{&seen});
    CHECK(seen.brought == 1);
    CHECK(buffer<int>(there) == here);
    CHECK(seen.fetched == 1);
    CHECK(buffer<int>(buffer<int, elsewhere>(4, 7, elsewhere{&seen}))[3] == 7);
    CHECK(buffer<int>(buffer<int, elsewhere>(4, elsewhere{&seen}))[3] == 0);
    buffer<int, elsewhere> taken(5, elsewhere{&other});
    taken = there;  // another size: the source's space is taken over
    CHECK(other.live == 0);
    CHECK(taken.where().seen == &seen);
    CHECK(buffer<int>(taken) == here);
  }
  CHECK(seen.live == 0);
  CHECK(other.live == 0);
}

TEST_CASE("views of any strides are copied element by element") {
  std::mt19937 random(3);
  const std::vector<float> from = normal_numbers(random, 400);
  std::vector<float> to(400, -1.f);
  const view<const float, 3> a(from.data() + 2, {3, 4, 5}, {100, 1, 7});
  const view<float, 3> b(to.data() + 1, {3, 4, 5}, {5, 60, 1}), c(to.data() + 200, {3, 4, 5}, {20, 5, 1});
  memory::host::copy(b, a);
  memory::host::copy(c, view<const float, 3>(b));
  idx touched = 0;
  for (const float x : to) touched += x != -1.f;
  CHECK(touched == 120);
  for (idx i = 0; i < 3; ++i)
    for (idx j = 0; j < 4; ++j)
      for (idx l = 0; l < 5; ++l) {
        CHECK(b(i, j, l) == a(i, j, l));
        CHECK(c(i, j, l) == a(i, j, l));
      }
}

TEST_CASE("a state and its history in another space hold what they hold on the host") {
  using M = mixers::mlstm;  // with a sum and a running maximum
  const sequence_of in(11);
  counts seen;
  {
    state<M> here(B, H, n, d);
    state<M, float, elsewhere> there(B, H, n, d, elsewhere{&seen});
    history<M> past_here(3);
    history<M, float, elsewhere> past_there(3);
    std::vector<float> y(B * H * d), z(y);
    for (idx t = 0; t < T; ++t) {
      past_here.keep(here), past_there.keep(there);
      run(device::cpu{}, form::step{}, in.between<M>(t, t + 1), view(y.data(), B, 1, H, d), {here, here});
      run(device::cpu{}, form::step{}, in.between<M>(t, t + 1), view(z.data(), B, 1, H, d), {there, there});
      CHECK(same_bits(y, z));
    }
    const int allocated = seen.allocations;
    past_here.roll_back(2, here), past_there.roll_back(2, there);
    past_there.keep(there);
    CHECK(seen.allocations == allocated);  // a history that is full allocates nothing
    const state<M> back(there);
    CHECK(back.S == here.S);
    CHECK(back.z == here.z);
    CHECK(back.m == here.m);
    CHECK(back.position == here.position);
    CHECK(back.position[1] == T - 2);
    const state<M, float, elsewhere> again(back, elsewhere{&seen});
    CHECK(state<M>(again).S == here.S);
    CHECK(state<M>(state<M, float, elsewhere>(B, H, n, d)).m == state<M>(B, H, n, d).m);  // a maximum of nothing there too
  }
  CHECK(seen.live == 0);
}

TEST_CASE("a cache and streams in another space hold what they hold on the host") {
  using M = mixers::softmax_scalar;
  const sequence_of in(12);
  counts seen;
  {
    cache<M> here(B, H, H, n, d, T);
    cache<M, float, heads::grouped_queries, field::real, elsewhere> there(B, H, H, n, d, T, elsewhere{&seen});
    CHECK(seen.live == 3);  // k, v, log decays
    std::vector<float> y(B * T * H * d), z(y), whole(y);
    run(device::cpu{}, form::definition{}, in.between<M>(0, T), view(whole.data(), B, T, H, d));
    for (const auto& [from, to] : {std::pair<idx, idx>(0, 4), {4, 5}, {5, T}}) {
      run(device::cpu{}, form::parallel{}, here.extend(in.between<M>(from, to)), view(y.data(), B, to - from, H, d));
      run(device::cpu{}, form::parallel{}, there.extend(in.between<M>(from, to)), view(z.data(), B, to - from, H, d));
      CHECK(same_bits(y, z));
      for (idx i = 0; i < (to - from) * H * d; ++i)
        CHECK(y[static_cast<std::size_t>((to - from) * H * d + i)] ==
              doctest::Approx(double(whole[static_cast<std::size_t>((T + from) * H * d + i)])).epsilon(1e-5));
    }
    CHECK(seen.copies == 9);
    const extents e = check(in.between<M>(0, T));
    stream_buffers<M, float, field::real, elsewhere> held(e, elsewhere{&seen});
    tokens<M> x;
    held.bind(x);
    CHECK(x.v.data == held.v.data());
    CHECK(x.v(1, T - 1, H - 1, d - 1) == 0);
    CHECK(check(x).time == T);
  }
  CHECK(seen.live == 0);
}
