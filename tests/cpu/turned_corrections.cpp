// SPDX-License-Identifier: MIT
// Rotations beside corrections: the frame of turning goes on from chunk to chunk, also where a row sees what the token before left.
#include <doctest/doctest.h>

#include <cmath>
#include <coefdyn/core/streams.hpp>
#include <coefdyn/cpu/run.hpp>
#include <coefdyn/evolution/read_before.hpp>
#include <coefdyn/evolution/writes.hpp>
#include <coefdyn/normalization/one.hpp>
#include <coefdyn/normalization/sum.hpp>
#include <coefdyn/readout/linear.hpp>
#include <coefdyn/readout/relu.hpp>
#include <coefdyn/scaling/one.hpp>

namespace {
using namespace coefdyn;
const device::cpu<serial> host{};

/// lambda R(theta) with a rank-one part on the decayed or the undecayed state.
template <sees Sees>
struct turning_rank_one {
  using streams = list<need<stream::theta, ticks::constant, width::pairs, owner::shared>, per_head<stream::log_decay>,
                       per_write_channel<stream::a>, per_write_channel<stream::c>>;
  static constexpr structure_of structure{
      .decay = decaying::scalar, .correction = rank_one::free, .row_sees = Sees, .turns = turning::half_pairs};
  template <class At>
  COEFDYN_HD static auto log_decay(const At& at) {
    return at.log_decay;
  }
  template <class At>
  COEFDYN_HD static auto angle(const At& at, int pair) {
    return at.theta[pair];
  }
  template <class At>
  COEFDYN_HD static typename At::real strength(const At&) {
    return typename At::real(-0.5);
  }
  template <class At>
  COEFDYN_HD static auto row(const At& at, int c) {
    return at.c[c];
  }
  template <class At>
  COEFDYN_HD static auto column(const At& at, int c) {
    return at.a[c];
  }
};

template <class M>
struct problem {
  static constexpr idx B = 1, T = 45;
  static constexpr int H = 1, n = 6, d = 3;
  stream_buffers<M, double> held;
  tokens<M, double> x;
  state<M, double> first;
  problem() : held(sizes()) {
    double phase = 0.1;
    for_each_need(needs_of<M>{}, [&]<class Need>(Need) {
      auto& values = held.template of<Need>();
      const bool decays = std::is_same_v<typename Need::tag, stream::log_decay>;
      for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = (decays ? -0.2 : 0.0) + (decays ? 0.1 : 0.6) * std::sin(phase + 1.7 * double(i) + 0.3 * double(i % 7));
      phase += 0.6;
    });
    held.bind(x);
    if constexpr (traits<M>::linear) {
      first = state<M, double>(B, H, n, d);
      for (std::size_t i = 0; i < first.S.size(); ++i) first.S[i] = std::cos(double(i));
      for (std::size_t i = 0; i < first.z.size(); ++i) first.z[i] = 2 + std::cos(double(i));
    }
  }
  static extents sizes() {
    extents e;
    e.batch = B, e.time = T, e.readers = e.states = e.queries = e.keys = H, e.n = n, e.d = d, e.sequences = B;
    return e;
  }
  struct results {
    std::vector<double> y, last, captured;
  };
  template <class Form>
  results of(Form f) const {
    results r;
    r.y.assign(std::size_t(T * d), 7);
    const view y(r.y, B, T, H, d);
    if constexpr (!traits<M>::linear) {
      run(host, f, x, y);
    } else {
      state<M, double> last(B, H, n, d), captured(2 * B, H, n, d);
      constexpr idx positions[] = {11, 30};
      carry<M, double> c{first, last, {}, {}};
      if constexpr (!std::is_same_v<Form, form::parallel>) c.positions = positions, c.captured = captured;
      run(host, f, x, y, c);
      r.last.assign(last.S.begin(), last.S.end()), r.last.insert(r.last.end(), last.z.begin(), last.z.end());
      r.captured.assign(captured.S.begin(), captured.S.end());
      r.captured.insert(r.captured.end(), captured.z.begin(), captured.z.end());
    }
    return r;
  }
};
void check_near(const std::vector<double>& x, const std::vector<double>& want) {
  REQUIRE(x.size() == want.size());
  double size = 1, worst = 0;
  for (const double w : want) size = std::fmax(size, std::abs(w));
  for (std::size_t i = 0; i < x.size(); ++i) worst = std::fmax(worst, std::isnan(x[i]) ? 1 : std::abs(x[i] - want[i]) / size);
  CHECK(worst <= 1e-13);
}
template <class M>
void agrees() {
  const problem<M> p;
  const auto truth = p.of(form::definition{});
  check_near(p.of(form::parallel{}).y, truth.y);
  if constexpr (traits<M>::linear) {
    check_near(p.of(form::parallel{}).last, truth.last);
    for (const auto& r : {p.of(form::chunkwise{8}), p.of(form::chunkwise{1}), p.of(form::chunkwise{64}), p.of(form::recurrent{})}) {
      check_near(r.y, truth.y), check_near(r.last, truth.last), check_near(r.captured, truth.captured);
    }
  }
}
template <class Phi, class A, class Eta = normalization::one>
using plain = mixer<Phi, A, scaling::one, Eta>;
using decayed = turning_rank_one<sees::decayed>;
using undecayed = turning_rank_one<sees::undecayed>;
}  // namespace

TEST_CASE("rotations beside a correction agree with the definition in every form, states too") {
  agrees<plain<readout::linear, decayed>>();
  agrees<plain<readout::linear, undecayed>>();
  agrees<plain<readout::linear, undecayed, normalization::sum>>();
  agrees<plain<readout::linear, evolution::writes<2, undecayed>>>();
  agrees<plain<readout::linear, evolution::read_before<undecayed>>>();
  agrees<plain<readout::relu, undecayed>>();
}
