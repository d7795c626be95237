// SPDX-License-Identifier: MIT
// Gradient descent through policies that define no derivative: a student finds the query and the forgetting of a teacher.
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "coefdyn/cpu/backward.hpp"
#include "coefdyn/normalization/one.hpp"
#include "coefdyn/scaling/inverse_sqrt_dim.hpp"

using namespace coefdyn;

/// phi(s) = s / (1 + |s|), without a derivative.
struct softsign {
  static constexpr bool is_linear = false;
  template <class R>
  COEFDYN_HD static R apply(R s) {
    return s / (R(1) + math::abs(s));
  }
};

/// A stream of this program's own: how fast a head forgets.
struct rate {
  static constexpr owner belongs_to = owner::state;
  static constexpr precision held_in = precision::gate;
  static constexpr const char* name = "rate";
  template <class V>
  struct field {
    V rate;
  };
};

/// A = e^(-softplus(rate)) I, one rate per head: a stream of class constant, so it has a gradient like any other.
struct leak {
  using streams = list<fixed_per_head<rate>>;
  static constexpr structure_of structure{.decay = decaying::scalar, .constant = true};
  template <class At>
  COEFDYN_HD static auto log_decay(const At& at) {
    return -math::softplus(at.rate);
  }
};

using leaky = mixer<softsign, leak, scaling::inverse_sqrt_dim, normalization::one>;

int main() {
  constexpr idx B = 4, T = 96, H = 2, n = 8, d = 4;
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  const auto numbers = [&](idx count, double scale) {
    std::vector<double> x(static_cast<std::size_t>(count));
    for (double& e : x) e = scale * normal(random);
    return x;
  };
  const auto k = numbers(B * T * H * n, 1), v = numbers(B * T * H * d, 0.5), teacher_q = numbers(H * n, 1);
  const std::vector<double> teacher_rate{-2.0, 0.5};
  std::vector<double> q = numbers(H * n, 0.3), r{0, 0}, dq(q.size()), dr(r.size()), y(B * T * H * d), target(y), dy(y);

  // One query for all tokens: stride 0 over batch and time. Its gradient, with the same strides, is the sum.
  const auto repeated = [](auto* p) { return view<std::remove_pointer_t<decltype(p)>, 4>{p, {B, T, H, n}, {0, 0, n, 1}}; };
  tokens<leaky, double> x;
  x.k = view(k.data(), B, T, H, n);
  x.v = view(v.data(), B, T, H, d);
  x.q = repeated(teacher_q.data());
  x.rate = view(teacher_rate.data(), H);
  run(device::cpu{}, form::parallel{}, x, view(target.data(), B, T, H, d));

  x.q = repeated(q.data());
  x.rate = view(r.data(), H);
  gradients<leaky, double> g;
  g.q = repeated(dq.data());
  g.rate = view(dr.data(), H);
  double first = 0, loss = 0;
  for (int step = 0; step <= 400; ++step) {
    run(device::cpu{}, form::parallel{}, x, view(y.data(), B, T, H, d));
    loss = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double gap = y[i] - target[i];
      loss += gap * gap / double(y.size());
      dy[i] = 2 * gap / double(y.size());
    }
    if (step == 0) first = loss;
    if (step % 80 == 0) std::printf("step %3d  loss %.3e  rates %+.3f %+.3f\n", step, loss, r[0], r[1]);
    backward(device::cpu{}, form::parallel{}, x, view<const double, 4>(dy.data(), B, T, H, d), g);
    for (std::size_t i = 0; i < q.size(); ++i) q[i] -= 1.0 * dq[i];
    for (std::size_t i = 0; i < r.size(); ++i) r[i] -= 1.0 * dr[i];
  }
  std::printf("teacher's rates %+.3f %+.3f; the loss fell %.0f times\n", teacher_rate[0], teacher_rate[1], first / loss);
  return loss < 0.01 * first ? 0 : 1;
}
