// SPDX-License-Identifier: MIT
// Gradients of every stream and of the initial state, in every form, against differences of the definition in double.
#include <algorithm>

#include "support/law.hpp"

namespace coefdyn::laws {
namespace {

bool differentiable(const subject& s) { return in_double(s); }

struct loss_weights {
  std::vector<double> dy;
  std::optional<state_numbers> final;
};
loss_weights random_weights(const subject& s, const problem& p, std::uint64_t seed) {
  random_numbers random(seed);
  loss_weights w;
  w.dy.resize(std::size_t(p.size.batch * p.size.time * p.size.readers() * p.size.d));
  for (double& v : w.dy) v = random.normal();
  if (s.info.linear) w.final = random_state(s.info, p, seed + 1);
  return w;
}
/// Every gradient within 1e-9 of the definition's, in units of the largest entry of all (at least 1).
void check_gradients(const gradient_numbers& g, const gradient_numbers& truth, const std::string& where) {
  double largest = 1;
  for (const auto& [name, v] : truth.of)
    for (double e : v) largest = std::max(largest, std::abs(e));
  for (const auto& [name, v] : g.of) {
    double error = 0;
    for (std::size_t i = 0; i < v.size(); ++i)
      error = std::max(error, math::is_finite(v[i]) ? std::abs(v[i] - truth.of.at(name)[i]) : math::infinity<double>());
    check_close(error, 1e-9 * largest, where + ", " + name);
  }
}
/// <dy, y> + <dS, e^m S~> + <dz, e^m z~>.
double loss(const subject& s, const problem& p, const std::optional<state_numbers>& initial, const loss_weights& w, form_choice f) {
  request q;
  q.form = f;
  q.initial = initial;
  q.want_final = w.final.has_value();
  const outcome o = s.run(p, q);
  double sum = 0;
  for (std::size_t i = 0; i < o.y.size(); ++i) sum += w.dy[i] * o.y[i];
  if (!w.final) return sum;
  const auto add = [&](const std::vector<double>& g, const std::vector<double>& x) {
    for (std::size_t i = 0; i < x.size(); ++i)
      sum += g[i] * x[i] * (s.info.stabilised ? std::exp(o.final.m[i / (x.size() / o.final.m.size())]) : 1.0);
  };
  add(w.final->S, o.final.S);
  add(w.final->z, o.final.z);
  return sum;
}
/// d f(h) / dh at h = 0 by Ridders' extrapolation of central differences, steps 1e-2 / 4^i. The entry of the table that agrees
/// best with its neighbours is taken, so that a kink (of relu, of a floored sum) spoils only the steps that reach it.
template <class F>
double slope_at_zero(F f) {
  constexpr int levels = 8;
  double table[levels][levels], best = 0, smallest = std::numeric_limits<double>::max(), h = 1e-2;
  for (int i = 0; i < levels; ++i, h /= 4) {
    table[i][0] = (f(h) - f(-h)) / (2 * h);
    double power = 16;
    for (int j = 1; j <= i; ++j, power *= 16) {
      table[i][j] = (power * table[i][j - 1] - table[i - 1][j - 1]) / (power - 1);
      const double error = std::max(std::abs(table[i][j] - table[i][j - 1]), std::abs(table[i][j] - table[i - 1][j - 1]));
      if (error < smallest) smallest = error, best = table[i][j];
    }
  }
  return best;
}
double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
double size_of(const std::vector<double>& a) { return std::sqrt(dot(a, a)); }

const std::vector<double>& part_of(const state_numbers& s, bool z) { return *(z ? &s.z : &s.S); }

void gradients_are_slopes(const subject& s, idx time, bool first_query_is_zero = false) {
  sizes z = fitted(s, {2, time, 4, 2, 2, 6, 5, 0});
  recipe how;
  how.seed = std::uint64_t(time + 11);
  problem p = random_problem(s.info, z, how);
  if (first_query_is_zero) {
    tensor& q = p.x.at("q");
    std::fill_n(q.value.begin(), std::size_t(z.queries * z.n * q.parts()), 0.0);
  }
  std::optional<state_numbers> initial;
  if (s.info.linear) {
    initial = random_state(s.info, p, 3);
    std::fill(initial->m.begin(), initial->m.end(), 0.0);
  }
  const loss_weights w = random_weights(s, p, 17);
  std::vector<std::pair<form_choice, gradient_numbers>> found;
  double largest = 0;
  for (form_choice f : s.forms()) {
    if (f.name == form_name::step || f.name == form_name::automatic) continue;
    request q;
    q.form = f;
    q.initial = initial;
    found.emplace_back(f, s.backward(p, q, w.dy, w.final ? &*w.final : nullptr));
  }
  for (const auto& [name, g] : found.front().second.of) largest = std::max(largest, size_of(g));
  random_numbers random(29);
  const form_choice fast{s.info.linear ? form_name::recurrent : form_name::definition, 0};
  const auto compare = [&](const std::string& what, const std::vector<double>& direction, double slope, const auto& gradient_of) {
    for (const auto& [f, g] : found) {
      const std::vector<double>& v = gradient_of(g);
      const double error = std::abs(dot(v, direction) - slope) / std::max(size_of(v) * size_of(direction), 1e-3 * largest + 1e-30);
      check_close(all_finite(v) ? error : math::infinity<double>(), 1e-7, to_string(f) + ": " + what + " at T = " + std::to_string(time));
    }
  };
  for (const stream_info& stream : s.info.streams) {
    std::vector<double> direction(p.x.at(stream.name).value.size());
    for (double& v : direction) v = random.normal();
    const double slope = slope_at_zero([&](double h) {
      problem moved = p;
      for (std::size_t i = 0; i < direction.size(); ++i) moved.x.at(stream.name).value[i] += h * direction[i];
      return loss(s, moved, initial, w, fast);
    });
    compare("gradient of " + stream.name, direction, slope,
            [&](const gradient_numbers& g) -> const std::vector<double>& { return g.of.at(stream.name); });
  }
  const auto compare_state = [&](bool of_z) {
    std::vector<double> direction = part_of(*initial, of_z);
    if (direction.empty()) return;
    for (double& v : direction) v = random.normal();
    const double slope = slope_at_zero([&](double h) {
      auto moved = initial;
      double* values = of_z ? moved->z.data() : moved->S.data();
      for (std::size_t i = 0; i < direction.size(); ++i) values[i] += h * direction[i];
      return loss(s, p, moved, w, fast);
    });
    compare(of_z ? "gradient of the initial z" : "gradient of the initial S", direction, slope,
            [&](const gradient_numbers& g) -> const std::vector<double>& { return part_of(g.initial, of_z); });
  };
  if (initial) compare_state(false), compare_state(true);
}

/// Row of time that element i of a stream belongs to, in tokens; -1 for streams without time.
idx token_of(const mixer_info& m, const tensor& t, std::size_t i) {
  if (!t.info.timed()) return -1;
  std::size_t row = std::size_t(t.parts());
  for (std::size_t a = 2; a < t.shape.size(); ++a) row *= std::size_t(t.shape[a]);
  return idx(i / row) % t.shape[1] / (t.info.time == ticks::write ? m.writes : 1);
}

}  // namespace

TEST_CASE("gradients are the slopes of the loss, T = 1, 2, 3 and 5") {
  for_subjects(differentiable, [](const subject& s) {
    for (idx time : {1, 2, 3, 5}) gradients_are_slopes(s, time);
  });
}
TEST_CASE("gradients are the slopes of the loss, T = 64 and 65") {
  for_subjects([](const subject& s) { return differentiable(s) && !(reduced() && s.info.streams.size() % 2); },
               [](const subject& s) {
                 for (idx time : {64, 65}) gradients_are_slopes(s, time);
               });
}

TEST_CASE("a read whose floored sum is exactly zero has the slopes of its numerator") {
  for_subjects([](const subject& s) { return differentiable(s) && s.info.floored; },
               [](const subject& s) { gradients_are_slopes(s, 3, true); });
}

TEST_CASE("a loss on outputs before p has a gradient of exactly zero from p on") {
  for_subjects(differentiable, [](const subject& s) {
    const idx time = 41, p0 = 23;
    const problem p = random_problem(s.info, fitted(s, {1, time, 2, 2, 2, 8, 5, 0}), {});
    loss_weights w = random_weights(s, p, 5);
    const std::size_t row = w.dy.size() / std::size_t(time);
    std::fill(w.dy.begin() + std::ptrdiff_t(std::size_t(p0) * row), w.dy.end(), 0.0);
    for (form_choice f : s.forms()) {
      request q;
      q.form = f;
      const gradient_numbers g = s.backward(p, q, w.dy, nullptr);
      bool zero = true, some = false;
      for (const auto& [name, values] : g.of)
        for (std::size_t i = 0; i < values.size(); ++i) {
          const idx t = token_of(s.info, p.x.at(name), i);
          if (t >= p0) zero = zero && values[i] == 0;
          else some = some || values[i] != 0;
        }
      CHECK_MESSAGE((zero && some), to_string(f));
    }
  });
}

TEST_CASE("gradients have the same bits for any strides, and a batch row's do not depend on the batch") {
  for_subjects(differentiable, [](const subject& s) {
    const problem p = random_problem(s.info, fitted(s, {2, 19, 4, 2, 2, 6, 5, 0}), {});
    const loss_weights w = random_weights(s, p, 5);
    for (form_choice f : s.forms()) {
      request q;
      q.form = f;
      const gradient_numbers plain = s.backward(p, q, w.dy, nullptr);
      q.executor = {test_executor::kind::backwards, 3};
      const gradient_numbers threads = s.backward(p, q, w.dy, nullptr);
      q.executor = {};
      q.strides = 77;
      const gradient_numbers strided = s.backward(p, q, w.dy, nullptr);
      const problem one = batch_row(p, s.info, 1);
      q.strides = 0;
      const std::vector<double> second_row(w.dy.begin() + std::ptrdiff_t(w.dy.size() / 2), w.dy.end());
      const gradient_numbers alone = s.backward(one, q, second_row, nullptr);
      for (const auto& [name, values] : plain.of) {
        check_bits(same_bits(values, threads.of.at(name)), to_string(f) + ", " + name + ": threads");
        check_bits(same_bits(values, strided.of.at(name)), to_string(f) + ", " + name + ": strides");
        if (!p.x.at(name).info.timed()) continue;  // a sum over the batch
        const auto& row = alone.of.at(name);
        const std::vector<double> last(values.end() - std::ptrdiff_t(row.size()), values.end());
        check_bits(same_bits(last, row), to_string(f) + ", " + name + ": batch row");
      }
    }
  });
}

TEST_CASE("strong and weak gates, keys that nearly coincide: finite gradients that agree with the definition's") {
  const auto bounded = [](const subject& s) {
    return differentiable(s) && !((s.info.exponential_readout || s.info.exponential_input) && !s.info.normalised);
  };
  for_subjects(bounded, [](const subject& s) {
    for (double decay : {0.0, -1e-3, -20.0, -80.0})
      for (auto how : {recipe::decays::fixed, recipe::decays::strong_then_weak, recipe::decays::alternating}) {
        if (!s.info.has("log_decay") && (decay != 0 || how != recipe::decays::fixed)) continue;
        if (s.info.has("log_decay") && !s.info.at("log_decay").timed() && how != recipe::decays::fixed) continue;
        for (double beta : s.info.corrects() ? std::vector<double>{1, 2} : std::vector<double>{-1}) {
          recipe r{how, decay, s.info.corrects() ? 0.99 : 0, beta, 1, 3};
          const problem p = random_problem(s.info, fitted(s, {1, 65, 1, 1, 1, 8, 5, 0}), r);
          const loss_weights w = random_weights(s, p, 5);
          request q;
          const gradient_numbers truth = s.backward(p, q, w.dy, nullptr);
          for (const auto& [name, v] : truth.of)
            CHECK_MESSAGE(all_finite(v), "definition, " << name << ": log decay " << decay << ", beta " << beta);
          for (form_choice f : s.forms()) {
            if (f.length == 1 || f.length == 5) continue;
            q.form = f;
            check_gradients(s.backward(p, q, w.dy, nullptr), truth,
                            to_string(f) + ", log decay " + std::to_string(decay) + ", beta " + std::to_string(beta));
          }
        }
      }
  });
}

TEST_CASE("gradients of the forms agree with the definition's on the machine's slower targets") {
  for_subjects(differentiable, [](const subject& s) {
    const problem p = random_problem(s.info, fitted(s, {1, 37, 2, 1, 1, 20, 13}), {});
    const loss_weights w = random_weights(s, p, 5);
    request q;
    const gradient_numbers truth = s.backward(p, q, w.dy, nullptr);
    on_slower_targets([&] {
      for (form_choice f : s.forms()) {
        q.form = f;
        check_gradients(s.backward(p, q, w.dy, nullptr), truth, to_string(f));
      }
    });
  });
}

TEST_CASE("gradients of packed sequences are those of each alone") {
  for_subjects(differentiable, [](const subject& s) {
    const problem rows = random_problem(s.info, fitted(s, {3, 13, 4, 2, 2, 6, 5, 0}), {});
    const problem p = packed(rows, s.info, {13, 0, 7});
    const loss_weights w = random_weights(s, p, 5);
    for (form_choice f : s.forms()) {
      request q;
      q.form = f;
      const gradient_numbers all = s.backward(p, q, w.dy, nullptr);
      problem first = tokens_between(p, s.info, 0, 13);
      first.offsets.clear();
      const std::vector<double> its_part(w.dy.begin(), w.dy.begin() + std::ptrdiff_t(w.dy.size() / 20 * 13));
      const gradient_numbers one = s.backward(first, q, its_part, nullptr);
      for (const auto& [name, values] : one.of) {
        if (!p.x.at(name).info.timed()) continue;
        const auto& whole = all.of.at(name);
        const std::vector<double> start(whole.begin(), whole.begin() + std::ptrdiff_t(values.size()));
        check_bits(same_bits(start, values), to_string(f) + ", " + name);
      }
    }
  });
}

}  // namespace coefdyn::laws
