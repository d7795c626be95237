// SPDX-License-Identifier: MIT
// A named architecture, its gates from a layer's raw numbers, every form that it has, and its six design principles.
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "coefdyn/cpu/run.hpp"
#include "coefdyn/mixers/delta_rule.hpp"
#include "coefdyn/names.hpp"
#include "coefdyn/parameterisation/mamba2.hpp"
#include "coefdyn/principles.hpp"

using namespace coefdyn;

// Two value heads share each query and key head, as Gated DeltaNet is published.
using M = mixers::gated_deltanet;
static_assert(form_exists<form::chunkwise, M>);
static_assert(principles<M>::key_motion == motion::reflects);

int main() {
  constexpr idx B = 2, T = 200, H_key = 2, H_value = 4, n = 32, d = 16;
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  const auto numbers = [&](idx count) {
    std::vector<float> out(static_cast<std::size_t>(count));
    for (float& e : out) e = normal(random);
    return out;
  };
  const auto q = numbers(B * T * H_key * n), v = numbers(B * T * H_value * d);
  const auto raw_gate = numbers(B * T * H_value), dt_bias = numbers(H_value), A_log = numbers(H_value);
  auto k = numbers(B * T * H_key * n), beta = numbers(B * T * H_value), log_decay = beta;

  for (std::size_t row = 0; row < B * T * H_key; ++row) {  // unit keys
    float square = 0;
    for (std::size_t c = 0; c < n; ++c) square += k[row * n + c] * k[row * n + c];
    for (std::size_t c = 0; c < n; ++c) k[row * n + c] /= std::sqrt(square);
  }
  for (float& b : beta) b = math::sigmoid(b);
  // log lambda = -softplus(x + dt_bias) exp(A_log), parameters shared over batch and time
  const view gates(raw_gate.data(), B, T, H_value);
  parameterisation::log_decay<parameterisation::mamba2>(view(log_decay.data(), B, T, H_value), gates,
                                                        parameterisation::over(view(dt_bias.data(), H_value), gates),
                                                        parameterisation::over(view(A_log.data(), H_value), gates));

  tokens<M, float, heads::grouped_values> x;
  x.q = view(q.data(), B, T, H_key, n);
  x.k = view(k.data(), B, T, H_key, n);
  x.v = view(v.data(), B, T, H_value, d);
  x.log_decay = view(log_decay.data(), B, T, H_value);
  x.beta = view(beta.data(), B, T, H_value);

  std::printf("phi, A_t, b_j, eta_i = %s\n\n%s\n", name_of<M>().c_str(), principles<M>::text().c_str());
  std::vector<float> truth(v.size()), y(v.size());
  run(device::cpu{}, form::definition{}, x, view(truth.data(), B, T, H_value, d));
  float worst = 0;
  const auto compare = [&](const char* name, auto form_) {
    run(device::cpu{}, form_, x, view(y.data(), B, T, H_value, d));
    float difference = 0, largest = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      difference = std::fmax(difference, std::abs(y[i] - truth[i]));
      largest = std::fmax(largest, std::abs(truth[i]));
    }
    std::printf("%-10s differs from the definition by %.1e of its largest output\n", name, difference / largest);
    worst = std::fmax(worst, difference / largest);
  };
  compare("parallel", form::parallel{});
  compare("recurrent", form::recurrent{});
  compare("chunkwise", form::chunkwise{});
  compare("automatic", form::automatic{});
  return worst < 1e-5f ? 0 : 1;
}
