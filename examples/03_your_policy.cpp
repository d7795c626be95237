// SPDX-License-Identifier: MIT
// Policies that the library has never seen, run in every form that they have.
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "coefdyn/coefdyn.hpp"
#include "coefdyn/names.hpp"

using namespace coefdyn;

/// phi(s) = s / (1 + |s|). No derivative: dual numbers supply it.
struct softsign {
  static constexpr bool is_linear = false;
  static constexpr near_zero_set near_zero = near_zero_set::hyperplane;
  template <class R>
  COEFDYN_HD static R apply(R s) {
    return s / (R(1) + math::abs(s));
  }
};

// clang-format off
/// A_t = lambda_t (I - (1 - lambda_t) z_t z_t'): forgets everywhere, and once more along z_t. Declared structure, so it has the
/// chunkwise and the parallel form.
struct forget_along {
  using streams = list<per_head<stream::log_decay>, per_write_channel<stream::z>>;
  static constexpr structure_of structure{.decay = decaying::scalar, .correction = rank_one::free};
  template <class At>
  COEFDYN_HD static auto log_decay(const At& at) { return at.log_decay; }
  template <class At>
  COEFDYN_HD static auto strength(const At& at) { return math::expm1(at.log_decay); }
  template <class At>
  COEFDYN_HD static auto row(const At& at, int c) { return at.z[c]; }
  template <class At>
  COEFDYN_HD static auto column(const At& at, int c) { return at.z[c]; }
};
// clang-format on

/// A_t = a cyclic shift of the channels. Any linear map: it has the definition, recurrent and step.
struct shift {
  template <class At, class X>
  COEFDYN_HD static void apply(const At& at, X x) {
    const auto last = x[at.n - 1];
    for (int c = at.n - 1; c > 0; --c) x[c] = x[c - 1];
    x[0] = last;
  }
  template <class At, class X>
  COEFDYN_HD static void apply_transposed(const At& at, X x) {
    for (int step = 1; step < at.n; ++step) apply(at, x);  // n shifts are none
  }
};

template <class M, class Assign>
bool every_form(Assign assign) {
  constexpr idx B = 1, T = 70, H = 2, n = 8, d = 8;
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  std::vector<double> q(B * T * H * n), k(q), v(B * T * H * d), z(q), log_decay(B * T * H), truth(v), y(v);
  for (auto* a : {&q, &k, &v, &z})
    for (double& e : *a) e = 0.4 * normal(random);
  for (double& e : log_decay) e = -0.1 * std::abs(normal(random));
  tokens<M, double> x;
  x.q = view(q.data(), B, T, H, n);
  x.k = view(k.data(), B, T, H, n);
  x.v = view(v.data(), B, T, H, d);
  assign(x, view(log_decay.data(), B, T, H), view(z.data(), B, T, H, n));

  std::printf("%s\n", name_of<M>().c_str());
  run(device::cpu{}, form::definition{}, x, view(truth.data(), B, T, H, d));
  bool good = true;
  const auto compare = [&]<class Form>(const char* name, Form form_) {
    if constexpr (form_exists<Form, M>) {
      run(device::cpu{}, form_, x, view(y.data(), B, T, H, d));
      double difference = 0;
      for (std::size_t i = 0; i < y.size(); ++i) difference = std::fmax(difference, std::abs(y[i] - truth[i]));
      std::printf("  %-10s within %.0e of the definition\n", name, difference);
      good = good && difference < 1e-12;
    } else {
      std::printf("  %-10s does not exist\n", name);
    }
  };
  compare("parallel", form::parallel{});
  compare("recurrent", form::recurrent{});
  compare("chunkwise", form::chunkwise{});
  compare("step", form::step{});
  return good;
}

int main() {
  const auto gate_and_z = [](auto& x, auto gate_, auto z) { x.log_decay = gate_, x.z = z; };
  const auto gate_only = [](auto& x, auto gate_, auto) { x.log_decay = gate_; };
  const auto nothing = [](auto&, auto, auto) {};
  bool good = every_form<mixer<softsign, evolution::scalar, scaling::inverse_sqrt_dim, normalization::count>>(gate_only);
  good &= every_form<mixer<readout::linear, forget_along, scaling::one_minus_lambda, normalization::one>>(gate_and_z);
  good &= every_form<mixer<softsign, forget_along, scaling::one, normalization::one>>(gate_and_z);
  good &= every_form<mixer<readout::linear, shift, scaling::one, normalization::count>>(nothing);
  return good ? 0 : 1;
}
