// SPDX-License-Identifier: MIT
// A view of numbers that know how many they are, and whether tensors share memory.
#include <doctest/doctest.h>

#include <array>
#include <coefdyn/core/overlap.hpp>
#include <limits>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

namespace {
using namespace coefdyn;

template <class F>
std::string refusal(F f) {
  try {
    f();
  } catch (const invalid_input& e) {
    return e.what();
  }
  return "nothing refused";
}

constexpr std::array<float, 6> six{0, 1, 2, 3, 4, 5};
constexpr view grid(six, 2, 3);
static_assert(grid(1, 2) == 5 && grid.strides[0] == 3);
static_assert(std::is_same_v<decltype(grid), const view<const float, 2>>);
static_assert(!std::is_constructible_v<view<float, 1>, std::vector<float>, int>, "a container that goes away lends nothing");
static_assert(!std::is_constructible_v<view<float, 1>, const std::vector<float>&, int>, "numbers that are const are not written");
static_assert(!std::is_constructible_v<view<float, 1>, std::vector<double>&, int>);
static_assert(std::is_constructible_v<view<const float, 1>, std::vector<float>&, int>);
static_assert(std::is_constructible_v<view<const float, 1>, std::span<const float>, int>);
}  // namespace

TEST_CASE("a view of a vector, an array or a span takes their numbers and refuses to reach beyond them") {
  std::vector<float> v{1, 2, 3, 4, 5, 6};
  const std::vector<float>& constant = v;
  const view a(v, 2, 3);
  const view b(constant, idx(3), 2);
  const view c(std::span<float>(v), 6);
  static_assert(std::is_same_v<decltype(a), const view<float, 2>> && std::is_same_v<decltype(b), const view<const float, 2>>);
  static_assert(std::is_same_v<decltype(c), const view<float, 1>>);
  CHECK(a(1, 2) == 6);
  CHECK(b(2, 0) == 5);
  CHECK(c(5) == 6);
  a(0, 0) = 9;
  CHECK(v[0] == 9);
  const view<const float, 2> shorter(v, 1, 3);
  CHECK(shorter.size() == 3);
  CHECK(refusal([&] { view(v, 2, 4); }) == "coefdyn: view: expected numbers for every element of shape (2, 4), given 6 numbers");
  CHECK(refusal([&] { view(std::span<const float>(v).first(5), 2, 3); }) ==
        "coefdyn: view: expected numbers for every element of shape (2, 3), given 5 numbers");
  CHECK(refusal([&] { view(v, 2, -3); }) == "coefdyn: view: expected extents of at least 0, given (2, -3)");
  const idx large = std::numeric_limits<idx>::max() / 2;
  CHECK(refusal([&] { view(v, large, 8); }).find("given 6 numbers") != std::string::npos);
  CHECK(view(v, 0, 7).size() == 0);
  std::vector<float> none;
  CHECK(view(none, 0).data == none.data());
}

namespace {
using detail::region;
region of(const detail::any_view& v) {
  region r;
  set_region(r, "", "", v, 0);
  return r;
}
/// Bytes of a view, one by one.
std::multiset<const void*> bytes_of(const view<const char, 3>& v) {
  std::multiset<const void*> all;
  for (idx i = 0; i < v.extents[0]; ++i)
    for (idx j = 0; j < (v.strides[1] ? v.extents[1] : 1); ++j)
      for (idx k = 0; k < v.extents[2]; ++k) all.insert(&v(i, j, k));
  return all;
}
}  // namespace

TEST_CASE("tensors woven into one another are told from those that share memory") {
  std::vector<float> fused(2 * 5 * 3 * 4);  // (B, T, 3, n)
  const auto slot = [&](idx which, idx width) { return view<float, 3>(fused.data() + which * 4, {2, 5, width}, {60, 12, 1}); };
  CHECK_FALSE(detail::share(of(slot(0, 4)), of(slot(1, 4))));
  CHECK_FALSE(detail::share(of(slot(2, 4)), of(slot(0, 4))));
  CHECK(detail::share(of(slot(0, 5)), of(slot(1, 4))));
  CHECK(detail::share(of(slot(1, 4)), of(slot(1, 4))));
  const view<float, 2> backwards(fused.data() + 119, {3, 4}, {-12, 1}), front(fused, 7, 12);
  CHECK_FALSE(detail::meets_itself(backwards));
  CHECK(detail::share(of(view<float, 1>(fused.data() + 96, {1}, {1})), of(view<float, 1>(fused.data() + 119, {24}, {-1}))));
  CHECK_FALSE(detail::share(of(view<float, 1>(fused.data() + 95, {1}, {1})), of(view<float, 1>(fused.data() + 119, {24}, {-1}))));
  CHECK_FALSE(detail::meets_itself(view<float, 2>(fused.data(), {3, 4}, {0, 1})));  // a repeated axis is one
}

TEST_CASE("sharing memory is decided as counting bytes decides it") {
  std::vector<char> memory(4096);
  unsigned state = 7;
  const auto random = [&](int n) { return idx((state = state * 1664525u + 1013904223u) >> 8) % n; };
  int shared = 0, meeting = 0, nested = 0;
  for (int trial = 0; trial < 4000; ++trial) {
    view<const char, 3> a, b;
    for (auto* v : {&a, &b}) {
      v->data = memory.data() + 2048 + random(60);
      for (int i = 0; i < 3; ++i) v->extents[i] = 1 + random(4), v->strides[i] = random(25) - 12;
    }
    if (a.strides[0] == 0) a.strides[0] = 5;
    if (a.strides[2] == 0) a.strides[2] = 1;
    const auto x = bytes_of(a), y = bytes_of(b);
    bool want = false;
    for (const void* p : x) want = want || y.count(p) > 0;
    CHECK(detail::share(of(a), of(b)) == want);
    bool twice = false;
    for (const void* p : x) twice = twice || x.count(p) > 1;
    CHECK(detail::meets_itself(a) == twice);
    if (detail::is_nested(a)) CHECK_FALSE(twice);
    nested += detail::is_nested(a);
    shared += want, meeting += twice;
  }
  CHECK(shared > 400);
  CHECK(shared < 3600);
  CHECK(meeting > 400);
  CHECK(nested > 200);
  CHECK(meeting < 3600);
}
