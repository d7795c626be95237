// SPDX-License-Identifier: MIT
// Operations on another device than the CPU's, the way a GPU runs them: columns one by one and out of order, sums column by column,
// groups by a team, in memory of its own that is full of NaN. Against the CPU.
#include <doctest/doctest.h>

#include <array>
#include <barrier>
#include <coefdyn/nn/discretise.hpp>
#include <coefdyn/nn/loss.hpp>
#include <coefdyn/train/adamw.hpp>
#include <thread>

#include "support/nn_pieces.hpp"

namespace {
using namespace coefdyn;

struct apart {};

constexpr int lanes = 3;
struct team_room {
  std::barrier<> door{lanes};
  std::array<double, lanes> values{};
};
/// Three threads that work on one group.
struct team_of_three {
  team_room* room;
  idx lane;
  idx first() const { return lane; }
  static constexpr idx step() { return lanes; }
  template <class X, class F>
  X joined(X x, F f) const {
    room->values[std::size_t(lane)] = double(x);
    room->door.arrive_and_wait();
    X out = X(room->values[0]);
    for (std::size_t i = 1; i < lanes; ++i) out = f(out, X(room->values[i]));
    room->door.arrive_and_wait();
    return out;
  }
  template <class X>
  X sum(X x) const {
    return joined(x, [](X a, X b) { return a + b; });
  }
  template <class X>
  X max(X x) const {
    return joined(x, [](X a, X b) { return a < b ? b : a; });
  }
  void meet() const { room->door.arrive_and_wait(); }
};
template <class T>
struct one_sum {
  T x;
  T& operator[](idx) { return x; }
};
class spoiled_memory {
 public:
  void* take(std::size_t bytes) { return std::memset(memory_.take(bytes), 0xff, bytes); }
  void* take_zeros(std::size_t bytes) { return memory_.take_zeros(bytes); }
  std::byte* scratch(std::size_t bytes) { return static_cast<std::byte*>(std::memset(memory_.scratch(bytes), 0xff, bytes)); }
  void reset() { memory_.reset(); }
  nn::step_memory::place here() const { return memory_.here(); }
  void go_back(const nn::step_memory::place& p) { memory_.go_back(p); }
  std::size_t most() const { return memory_.most(); }

 private:
  nn::step_memory memory_;
};
class copied_inputs {
 public:
  template <class T, class F>
  const T* take(idx count, const F& fill) {
    T* const to = static_cast<T*>(memory_.take(sizeof(T) * std::size_t(count)));
    fill(to);
    return to;
  }
  template <class T>
  const T* here(const T* host, idx count) {
    return take<T>(count, [=](T* to) { std::copy_n(host, count, to); });
  }
  void reset() { memory_.reset(); }
  std::size_t most() const { return memory_.most(); }

 private:
  spoiled_memory memory_;
};
}  // namespace

namespace coefdyn::nn {
template <>
struct loops<apart> {
  using step_memory_type = spoiled_memory;
  using step_inputs_type = copied_inputs;
  struct products {
    explicit products(const apart&) {}
  };
  static constexpr bool is_host = false;
  static constexpr idx rows_together = 5;
  apart on;

  memory::host space() const { return {}; }
  template <class F>
  void elements(idx rows, idx columns, F f, idx = 0) const {
    for (idx at = rows * columns - 1; at >= 0; --at) f(at / columns, at % columns, at % columns + 1);
  }
  template <class F>
  void groups(idx rows, idx count, F f, idx = 0) const {
    team_room room;
    std::vector<std::thread> team;
    for (idx lane = 0; lane < lanes; ++lane)
      team.emplace_back([&, lane] {
        for (idx at = rows * count - 1; at >= 0; --at) f(team_of_three{&room, lane}, at / count, at % count);
      });
    for (auto& one : team) one.join();
  }
  template <class T, class F>
  void sums(idx parts, idx columns, T* partial, T* total, F f) const {
    for (idx at = parts * columns - 1; at >= 0; --at) {
      one_sum<T> sum{T(0)};
      f(at / columns, at % columns, at % columns + 1, sum);
      partial[at] = sum.x;
    }
    for (idx p = 0; p < parts; ++p)
      for (idx c = 0; c < columns; ++c) total[c] += partial[p * columns + c];
  }
  template <class T>
  void bring(const T* host, idx count, T* to) const {
    std::copy_n(host, count, to);
  }
  template <class T>
  void read(const T* from, idx count, T* host) const {
    std::copy_n(from, count, host);
  }
};
namespace detail {
template <class R>
struct affine<R, apart> {
  static void forward(tape<R, apart>& t, const value<R>& x, const parameter& W, const parameter& b, const value<R>& y) {
    for (idx i = 0; i < x.rows(); ++i)
      for (idx r = 0; r < W.rows; ++r) {
        R sum = b ? t.weights(b)[r] : R(0);
        for (idx c = 0; c < W.columns; ++c) sum += t.weights(W)[r * W.stride + c] * x.data[i * x.stride + c];
        y.data[i * y.stride + r] = sum;
      }
  }
  static void to_x(tape<R, apart>& t, const value<R>& x, const parameter& W, const value<R>& y) {
    for (idx i = 0; i < x.rows(); ++i)
      for (idx r = 0; r < W.rows; ++r)
        for (idx c = 0; c < W.columns; ++c) x.gradient[i * x.stride + c] += t.weights(W)[r * W.stride + c] * y.gradient[i * y.stride + r];
  }
  static void to_W(tape<R, apart>& t, const value<R>& x, const parameter& W, const value<R>& y) {
    for (idx i = 0; i < x.rows(); ++i)
      for (idx r = 0; r < W.rows; ++r)
        for (idx c = 0; c < W.columns; ++c) t.gradients(W)[r * W.stride + c] += y.gradient[i * y.stride + r] * x.data[i * x.stride + c];
  }
};
}  // namespace detail
}  // namespace coefdyn::nn

namespace {
template <class Model, class On>
struct instance {
  const Model& model;
  nn::weights<double, On> w, dw;
  nn::tape<double, On> tape;
  explicit instance(const Model& m) : model(m), w(m.parameters()), dw(w.parameters()), tape(w, &dw, On{}) {}
  nn::value<double> queue(idx rows, idx length, const std::vector<std::int64_t>& ids, const std::vector<std::int64_t>& labels,
                          nn::pending_score<On>& pending) {
    dw.clear();
    tape.begin(nn::dropout_draws{7, 0});
    const auto logits = model(tape, nn::token_ids{ids.data(), rows, length});
    pending = nn::queue_cross_entropy(tape, logits, std::span<const std::int64_t>(labels));
    tape.backward();
    return logits;
  }
};
template <class A, class B>
void expect_equal(const nn::parameter_list& names, const A& got, const B& want, double limit) {
  for (const auto& e : names.entries()) {
    double worst = 0, size = 0;
    for (idx i = e.place.offset; i < e.place.offset + e.place.size(); ++i) {
      const double d = std::abs(got.data()[i] - want.data()[i]);
      worst = d <= worst ? worst : d, size = std::max(size, std::abs(want.data()[i]));
    }
    INFO(e.name, " differs by ", worst, " of ", size);
    CHECK(worst <= limit * (size + 1e-3));
    CHECK(size > 0);
  }
}
template <class Model>
void agree(const Model& model, idx rows, idx length, idx words, idx labels_a_row) {
  random_stream r(3, 1, 4, 1);
  std::vector<std::int64_t> ids, labels;
  for (idx i = 0; i < rows * length; ++i) ids.push_back(std::int64_t(r.below(std::uint64_t(words))));
  for (idx i = 0; i < rows * labels_a_row; ++i) labels.push_back(i % 5 == 3 ? nn::ignored : std::int64_t(r.below(std::uint64_t(words))));
  instance<Model, device::cpu<openmp>> want(model);
  instance<Model, apart> got(model);
  want.w.initialise(5);
  for (idx i = 0; i < want.w.size(); ++i) want.w.data()[i] += 0.05 * r.normal();
  got.w.copy_from(want.w);
  train::adamw<double> adam_want(want.w, {});
  train::adamw<double, apart> adam_got(got.w, {});
  for (int step = 0; step < 2; ++step) {
    nn::pending_score<device::cpu<openmp>> pending_want;
    nn::pending_score<apart> pending_got;
    const auto a = want.queue(rows, length, ids, labels, pending_want), b = got.queue(rows, length, ids, labels, pending_got);
    for (idx i = 0; i < a.rows() * a.columns; ++i) CHECK(std::abs(a.data[i] - b.data[i]) < 1e-10);
    const nn::score sa = pending_want.read(want.tape), sb = pending_got.read(got.tape);
    CHECK(sb.loss == doctest::Approx(sa.loss).epsilon(1e-12));
    CHECK(sb.correct == sa.correct);
    CHECK(sb.counted == sa.counted);
    expect_equal(*model.parameters(), got.dw, want.dw, 1e-9);
    const double norm_want = adam_want.step(want.w, want.dw, 1e-2), norm_got = adam_got.step(got.w, got.dw, 1e-2);
    CHECK(norm_got == doctest::Approx(norm_want).epsilon(1e-12));
    expect_equal(*model.parameters(), got.w, want.w, 1e-5);  // Adam divides noise by its own size
  }
}

/// A and B of all channels, and the parameters' gradients from fixed ones of A and B.
template <class On>
std::vector<double> discretised(const nn::parameter_list& names, const nn::dplr_parameters& p, const nn::weights<double>& from, idx D,
                                idx n) {
  const auto list = std::make_shared<const nn::parameter_list>(names);
  nn::weights<double, On> w(list), dw(list);
  w.copy_from(from);
  nn::tape<double, On> t(w, &dw, On{});
  t.begin();
  const auto system = nn::discretise_dplr(t, p, D, n);
  std::vector<double> out(system.A.data, system.A.data + system.A.columns);
  out.insert(out.end(), system.B.data, system.B.data + system.B.columns);
  for (idx i = 0; i < system.A.columns; ++i) system.A.gradient[i] = std::sin(double(i));
  for (idx i = 0; i < system.B.columns; ++i) system.B.gradient[i] = std::cos(double(i));
  t.backward();
  out.insert(out.end(), dw.data(), dw.data() + dw.size());
  return out;
}
TEST_CASE("another device: the state matrix of S4") {
  const idx D = 5, n = 7;
  nn::parameter_list names;
  const nn::scope s(names);
  nn::dplr_parameters p;
  p.Lambda_re = s.matrix("Lambda_re", D, n, nn::start::uniform(-1, 0.1)), p.Lambda_im = s.matrix("Lambda_im", D, n, nn::start::normal(2));
  p.P = s.tensor("P", {D, n, 2}, nn::start::normal(1), true), p.B = s.tensor("B", {D, n, 2}, nn::start::normal(1), true);
  p.log_step = s.vector("log_step", D, nn::start::uniform(-3, 1));
  nn::weights<double> w(std::make_shared<const nn::parameter_list>(names));
  w.initialise(3);
  const auto want = discretised<device::cpu<openmp>>(names, p, w, D, n), got = discretised<apart>(names, p, w, D, n);
  REQUIRE(want.size() == got.size());
  for (std::size_t i = 0; i < want.size(); ++i) CHECK(std::abs(got[i] - want[i]) < 1e-9 * (1 + std::abs(want[i])));
}
TEST_CASE("another device: the pieces of a layer") {
  agree(pieces::pieces_of_a_layer{}, 3, 29, 37, 29);
  agree(pieces::pieces_of_a_layer{}, 5, 1, 37, 1);
}
TEST_CASE("another device: the pieces of a classifier") { agree(pieces::pieces_of_a_classifier{}, 70, 6, 11, 1); }
}  // namespace
