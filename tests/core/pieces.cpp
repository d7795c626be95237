// SPDX-License-Identifier: MIT
// Views, arenas, offsets, lists of needs, executors and the version.
#include <doctest/doctest.h>

#include <coefdyn/core/arena.hpp>
#include <coefdyn/core/device.hpp>
#include <coefdyn/core/tokens.hpp>
#include <coefdyn/core/version.hpp>
#include <coefdyn/evolution/householder.hpp>
#include <coefdyn/evolution/householder_product.hpp>
#include <coefdyn/evolution/writes.hpp>
#include <coefdyn/normalization/gate.hpp>
#include <coefdyn/normalization/sqrt_dim.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/scaling/beta.hpp>
#include <coefdyn/scaling/one.hpp>
#include <numeric>
#include <string>
#include <vector>

namespace {
using namespace coefdyn;
using delta = mixer<readout::linear, evolution::householder<evolution::along::z>, scaling::beta,
                    normalization::gate<normalization::psi::elu, normalization::offset::yes>>;

template <class... Need>
std::string names_of(list<Need...>) {
  std::string s;
  ((s += std::string(Need::tag::name) + " "), ...);
  return s;
}
}  // namespace

TEST_CASE("the version of the headers is the project's") {
  CHECK(std::to_string(COEFDYN_VERSION_MAJOR) + "." + std::to_string(COEFDYN_VERSION_MINOR) + "." + std::to_string(COEFDYN_VERSION_PATCH) ==
        COEFDYN_PROJECT_VERSION);
}

TEST_CASE("a view is row-major or has the strides that it is given") {
  std::vector<int> x(24);
  std::iota(x.begin(), x.end(), 0);
  const view a(x.data(), 2, 3, 4);
  CHECK(a(1, 2, 3) == 23);
  CHECK(a.size() == 24);
  const view<int, 2> columns{x.data() + 3, {3, 2}, {4, -1}};
  CHECK(columns(2, 1) == 10);
  const view<const int, 2> constant = columns;
  CHECK(constant(0, 0) == 3);
  const view<int, 2> repeated{x.data() + 5, {1000, 2}, {0, 1}};
  CHECK(repeated(999, 1) == 6);
  CHECK_FALSE(view<int, 3>{});
}

TEST_CASE("offsets beyond 32 bits are kept") {
  const idx far = idx(1) << 40;
  const view<char, 3> v{nullptr, {far, 1, 1}, {far, 1, 1}};
  CHECK(v.size() == far);
  const std::int64_t wide[] = {0, far};
  CHECK(sequence_offsets(std::span<const std::int64_t>(wide))[1] == far);
  const std::int32_t narrow[] = {0, 7};
  CHECK(sequence_offsets(std::span<const std::int32_t>(narrow))[1] == 7);
}

TEST_CASE("an arena counts as it hands out, on lines of 64 bytes") {
  const auto lay_out = [](arena& a) {
    (void)a.take<char>(3);
    double* second = a.take<double>(5);
    (void)a.take<float>(0);
    (void)a.take<int>(-4);
    return second;
  };
  arena counting;
  CHECK(lay_out(counting) == nullptr);
  alignas(64) std::byte memory[256];
  arena real{memory, sizeof memory, 0};
  CHECK(reinterpret_cast<std::byte*>(lay_out(real)) == memory + 64);
  CHECK(real.used == counting.used);
  CHECK(counting.used <= 192);
}

TEST_CASE("a mixer's streams are named once, whoever asks for them") {
  using needs = needs_of<delta>;
  CHECK(names_of(needs{}) == "q k v beta z eta_gate eta_offset ");
  CHECK(names_of(reader_needs<needs>{}) == "q eta_gate eta_offset ");
  CHECK(names_of(state_needs<needs>{}) == "k v beta z ");
  using product = mixer<readout::linear, evolution::householder_product<3, decaying::scalar>, scaling::one, normalization::sqrt_dim>;
  CHECK(names_of(needs_of<product>{}) == "q k v log_decay beta z ");
  CHECK(traits<product>::micro == 3);
  CHECK(traits<product>::writes == 1);
  using several = mixer<readout::linear, evolution::writes<3, evolution::householder<>>, scaling::beta, normalization::sqrt_dim>;
  CHECK(traits<several>::writes == 3);
}

TEST_CASE("an executor visits every item once, each on a worker that it has") {
  const auto visits = [](auto on) {
    std::vector<int> seen(100), worker(100, -1);
    on(100, [&](idx i, int w) { ++seen[std::size_t(i)], worker[std::size_t(i)] = w; });
    for (std::size_t i = 0; i < seen.size(); ++i) {
      CHECK(seen[i] == 1);
      CHECK(worker[i] >= 0);
      CHECK(worker[i] < on.workers());
    }
    on(0, [](idx, int) { FAIL("no items"); });
  };
  visits(serial{});
  visits(openmp{});
  visits(openmp{2});
}
