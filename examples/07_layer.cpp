// SPDX-License-Identifier: MIT
// A layer around a mixer, trained: norm, projections, gates, mixer, output gate, loss and optimiser, all in plain loops.
// The task is a copy: six symbols, then six blanks, at which the symbols are to be said again in order.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "coefdyn/cpu/backward.hpp"
#include "coefdyn/evolution/gated_householder.hpp"
#include "coefdyn/feature/l2.hpp"
#include "coefdyn/normalization/one.hpp"
#include "coefdyn/readout/linear.hpp"
#include "coefdyn/scaling/beta.hpp"

namespace copying {
using namespace coefdyn;

// The gated delta rule; its fifth policy makes queries and keys unit vectors, which the rule needs.
using M = mixer<readout::linear, evolution::gated_householder<>, scaling::beta, normalization::one, feature::l2>;

constexpr idx B = 16, symbols = 6, T = 2 * symbols, H = 2, n = 16, d = 16, D = H * d;
constexpr int vocabulary = 9, blank = 8;
constexpr std::size_t rows = B * T;
using numbers = std::vector<float>;

/// A matrix of weights with its gradient and Adam's two moments.
struct parameter {
  std::size_t out, in;
  numbers w, g, first, second;
  parameter(std::mt19937& random, std::size_t out_, std::size_t in_, float scale)
      : out(out_), in(in_), w(out * in), g(w.size()), first(w.size()), second(w.size()) {
    std::normal_distribution<float> normal(0, scale);
    for (float& e : w) e = normal(random);
  }
};

/// y = x W', for `rows` rows.
void project(const parameter& p, const numbers& x, numbers& y) {
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t o = 0; o < p.out; ++o) {
      float sum = 0;
      for (std::size_t i = 0; i < p.in; ++i) sum += p.w[o * p.in + i] * x[r * p.in + i];
      y[r * p.out + o] = sum;
    }
}
/// dx += dy W and dW += dy' x.
void project_backward(parameter& p, const numbers& x, const numbers& dy, numbers& dx) {
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t o = 0; o < p.out; ++o)
      for (std::size_t i = 0; i < p.in; ++i) {
        dx[r * p.in + i] += dy[r * p.out + o] * p.w[o * p.in + i];
        p.g[o * p.in + i] += dy[r * p.out + o] * x[r * p.in + i];
      }
}

/// Embedding and positions, one layer, and a head: its parameters, what a step keeps, and the step.
struct model {
  parameter embedding, positions, to_q, to_k, to_v, to_beta, to_decay, to_gate, to_out, head;
  numbers h, u, q, k, v, raw_beta, beta, raw_decay, log_decay, gate, y, gated, sum, logits;
  numbers dh, du, dq, dk, dv, dbeta, dlog_decay, dgate, dy, dgated, dlogits;

  explicit model(std::mt19937 random)
      : embedding(random, vocabulary, D, 0.5f),
        positions(random, T, D, 0.5f),
        to_q(random, H * n, D, 0.2f),
        to_k(random, H * n, D, 0.2f),
        to_v(random, H * d, D, 0.2f),
        to_beta(random, H, D, 0.1f),
        to_decay(random, H, D, 0.1f),
        to_gate(random, H * d, D, 0.1f),
        to_out(random, D, H * d, 0.2f),
        head(random, vocabulary, D, 0.2f) {
    for (numbers* wide : {&h, &u, &q, &k, &v, &gate, &y, &gated, &sum, &dh, &du, &dq, &dk, &dv, &dgate, &dy, &dgated})
      wide->resize(rows * D);
    for (numbers* narrow : {&raw_beta, &beta, &raw_decay, &log_decay, &dbeta, &dlog_decay}) narrow->resize(rows * H);
    logits.resize(rows * vocabulary), dlogits.resize(rows * vocabulary);
  }
  auto parameters() { return std::vector{&embedding, &positions, &to_q, &to_k, &to_v, &to_beta, &to_decay, &to_gate, &to_out, &head}; }

  tokens<M> streams() const {
    tokens<M> x;
    x.q = view(q.data(), B, T, H, n), x.k = view(k.data(), B, T, H, n), x.v = view(v.data(), B, T, H, d);
    x.log_decay = view(log_decay.data(), B, T, H), x.beta = view(beta.data(), B, T, H);
    return x;
  }
  static float root_mean_square(const float* row) {
    float square = 1e-5f * D;
    for (int c = 0; c < D; ++c) square += row[c] * row[c];
    return std::sqrt(square / D);
  }

  void forward(const std::vector<int>& token) {
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < D; ++c) h[r * D + c] = embedding.w[std::size_t(token[r]) * D + c] + positions.w[r % T * D + c];
    for (std::size_t r = 0; r < rows; ++r) {
      const float rms = root_mean_square(&h[r * D]);
      for (std::size_t c = 0; c < D; ++c) u[r * D + c] = h[r * D + c] / rms;
    }
    project(to_q, u, q), project(to_k, u, k), project(to_v, u, v), project(to_gate, u, gate);
    project(to_beta, u, raw_beta), project(to_decay, u, raw_decay);
    for (std::size_t i = 0; i < beta.size(); ++i) {
      beta[i] = math::sigmoid(raw_beta[i]);
      log_decay[i] = -math::softplus(raw_decay[i] - 4);  // starts near 1: nothing is forgotten
    }
    run(device::cpu{}, form::automatic{}, streams(), view(y.data(), B, T, H, d));
    for (std::size_t i = 0; i < y.size(); ++i) gated[i] = y[i] * gate[i] * math::sigmoid(gate[i]);
    project(to_out, gated, sum);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += h[i];
    project(head, sum, logits);
  }

  /// Cross entropy of the second half; its gradient goes to dlogits. Counts what is right.
  float loss(const std::vector<int>& token, int& right) {
    float total = 0;
    right = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      const float* at = &logits[r * vocabulary];
      float most = at[0], weight = 0;
      int best = 0;
      for (int c = 1; c < vocabulary; ++c)
        if (at[c] > most) most = at[c], best = c;
      for (int c = 0; c < vocabulary; ++c) weight += std::exp(at[c] - most);
      const bool scored = r % T >= symbols;
      const int target = scored ? token[r - symbols] : 0;
      for (int c = 0; c < vocabulary; ++c)
        dlogits[r * vocabulary + std::size_t(c)] = scored ? (std::exp(at[c] - most) / weight - float(c == target)) / float(B * symbols) : 0;
      if (scored) total += std::log(weight) + most - at[target], right += best == target;
    }
    return total / float(B * symbols);
  }

  void backward(const std::vector<int>& token) {
    for (numbers* clear : {&dh, &du, &dgated}) clear->assign(clear->size(), 0);
    project_backward(head, sum, dlogits, dh);
    project_backward(to_out, gated, dh, dgated);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const float s = math::sigmoid(gate[i]);
      dy[i] = dgated[i] * gate[i] * s;
      dgate[i] = dgated[i] * y[i] * s * (1 + gate[i] * (1 - s));
    }
    gradients<M> g;
    g.q = view(dq.data(), B, T, H, n), g.k = view(dk.data(), B, T, H, n), g.v = view(dv.data(), B, T, H, d);
    g.log_decay = view(dlog_decay.data(), B, T, H), g.beta = view(dbeta.data(), B, T, H);
    coefdyn::backward(device::cpu{}, form::chunkwise{}, streams(), view<const float, 4>(dy.data(), B, T, H, d), g);
    for (std::size_t i = 0; i < beta.size(); ++i) {
      dbeta[i] *= beta[i] * (1 - beta[i]);
      dlog_decay[i] *= -math::sigmoid(raw_decay[i] - 4);
    }
    project_backward(to_q, u, dq, du), project_backward(to_k, u, dk, du), project_backward(to_v, u, dv, du);
    project_backward(to_gate, u, dgate, du), project_backward(to_beta, u, dbeta, du), project_backward(to_decay, u, dlog_decay, du);
    for (std::size_t r = 0; r < rows; ++r) {
      const float rms = root_mean_square(&h[r * D]);
      float along = 0;
      for (std::size_t c = 0; c < D; ++c) along += du[r * D + c] * u[r * D + c] / D;
      for (std::size_t c = 0; c < D; ++c) {
        const float e = dh[r * D + c] + (du[r * D + c] - along * u[r * D + c]) / rms;
        embedding.g[std::size_t(token[r]) * D + c] += e;
        positions.g[r % T * D + c] += e;
      }
    }
  }

  void adam(int step, float rate) {
    const float bias_first = 1 - std::pow(0.9f, float(step)), bias_second = 1 - std::pow(0.99f, float(step));
    for (parameter* p : parameters())
      for (std::size_t i = 0; i < p->w.size(); ++i) {
        p->first[i] += 0.1f * (p->g[i] - p->first[i]);
        p->second[i] += 0.01f * (p->g[i] * p->g[i] - p->second[i]);
        p->w[i] -= rate * p->first[i] / bias_first / (std::sqrt(p->second[i] / bias_second) + 1e-8f);
        p->g[i] = 0;
      }
  }
};

}  // namespace copying

int main() {
  using namespace copying;
  std::mt19937 random(7);
  model m{std::mt19937(1)};
  std::vector<int> token(rows);
  int right = 0;
  constexpr int steps = 150;
  for (int step = 1; step <= steps; ++step) {
    for (std::size_t r = 0; r < rows; ++r) token[r] = r % T < symbols ? int(random() % blank) : blank;
    m.forward(token);
    const float loss = m.loss(token, right);
    if (step == 1 || step % 25 == 0)
      std::printf("step %3d  loss %.3f  right %3.0f %%\n", step, double(loss), 100. * right / double(B * symbols));
    m.backward(token);
    m.adam(step, 0.01f);
  }
  return right >= int(0.95 * double(B * symbols)) ? 0 : 1;
}
