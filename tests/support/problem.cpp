// SPDX-License-Identifier: MIT
#include "problem.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>

namespace coefdyn::laws {

std::uint64_t random_numbers::bits() {  // splitmix64
  std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}
double random_numbers::uniform() { return double(bits() >> 11) * 0x1p-53; }
double random_numbers::normal() {
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));
  return radius * std::cos(6.283185307179586 * uniform());
}

bool mixer_info::has(const std::string& stream) const {
  return std::any_of(streams.begin(), streams.end(), [&](const stream_info& s) { return s.name == stream; });
}
const stream_info& mixer_info::at(const std::string& stream) const {
  for (const stream_info& s : streams)
    if (s.name == stream) return s;
  throw std::out_of_range(name + " has no stream " + stream);
}

int sizes::heads_of(owner o) const {
  return o == owner::query ? queries : o == owner::key ? keys : o == owner::state ? states : o == owner::reader ? readers() : 1;
}

std::vector<idx> shape_of(const mixer_info& m, const stream_info& s, const sizes& z) {
  std::vector<idx> shape;
  if (s.timed()) {
    shape.push_back(z.batch);
    shape.push_back((s.reading() ? z.time - z.first_read : z.time) * (s.time == ticks::write ? m.writes : 1));
  }
  if (s.headed()) shape.push_back(z.heads_of(s.heads));
  switch (s.inner) {
    case width::scalar:
      break;
    case width::key:
      shape.push_back(z.n);
      break;
    case width::value:
      shape.push_back(z.d);
      break;
    case width::pairs:
      shape.push_back(z.n / 2);
      break;
    case width::factors:
      shape.push_back(m.micro);
      break;
    case width::factors_key:
      shape.insert(shape.end(), {m.micro, z.n});
      break;
    case width::matrix:
      shape.insert(shape.end(), {z.n, z.n});
      break;
  }
  return shape;
}

namespace {

std::size_t product(const std::vector<idx>& shape, std::size_t from = 0) {
  std::size_t count = 1;
  for (std::size_t a = from; a < shape.size(); ++a) count *= std::size_t(shape[a]);
  return count;
}

tensor empty_tensor(const stream_info& s, const std::vector<idx>& shape) {
  tensor t{s, shape, {}, {}};
  t.value.assign(product(shape) * std::size_t(t.parts()), 0.0);
  return t;
}

/// Rows of unit vectors, successive ones (in time, same head) at the wanted cosine.
void fill_unit_rows(tensor& t, int n, double cosine, random_numbers& random) {
  const std::size_t width = std::size_t(n * t.parts()), rows = width ? t.value.size() / width : 0;
  const auto unit = [&](double* v) {
    double square = 0;
    for (std::size_t c = 0; c < width; ++c) square += v[c] * v[c];
    for (std::size_t c = 0; c < width; ++c) v[c] /= std::sqrt(square);
  };
  std::vector<double> common(width);
  for (double& v : common) v = random.normal();
  if (width) unit(common.data());
  for (std::size_t r = 0; r < rows; ++r) {
    double* v = t.value.data() + r * width;
    for (std::size_t c = 0; c < width; ++c) v[c] = random.normal();
    unit(v);
    if (cosine > 0) {  // of any two: the square of each one's with the common direction
      double dot = 0;
      for (std::size_t c = 0; c < width; ++c) dot += v[c] * common[c];
      for (std::size_t c = 0; c < width; ++c) v[c] -= dot * common[c];
      const double along = std::sqrt(cosine), across = std::sqrt(1 - cosine);
      if (n > 1) unit(v);
      for (std::size_t c = 0; c < width; ++c) v[c] = along * common[c] + (n > 1 ? across * v[c] : 0.0);
      unit(v);
    }
  }
}

double decay_at(const recipe& r, idx t, idx time, random_numbers& random) {
  switch (r.decay) {
    case recipe::decays::mild:
      return -0.01 - 0.5 * random.uniform();
    case recipe::decays::fixed:
      return r.log_decay;
    case recipe::decays::strong_then_weak:
      return t < time / 2 ? r.log_decay : -1e-3;
    case recipe::decays::weak_then_strong:
      return t < time / 2 ? -1e-3 : r.log_decay;
    case recipe::decays::alternating:
      return random.uniform() < 0.5 ? r.log_decay : random.uniform() < 0.5 ? 0.0 : -1e-3;
    case recipe::decays::resets:
      return t > 0 && t % 13 == 7 ? math::minus_infinity<double>() : -0.05;
  }
  return 0;
}

void fill(const mixer_info& m, const sizes& z, const recipe& r, tensor& t, random_numbers& random) {
  const std::string& name = t.info.name;
  const std::size_t row = t.info.timed() ? std::max<std::size_t>(1, product(t.shape, 2)) : 1;
  const auto each = [&](const std::function<double(idx)>& f) {
    for (std::size_t i = 0; i < t.value.size(); ++i) {
      const idx at = t.info.timed() && t.shape[1] > 0 ? idx(i / std::size_t(t.parts()) / row) % t.shape[1] : 0;
      t.value[i] = f(at);
    }
  };
  const double positive = m.is_signed_sum() && !m.complex_state ? 1.0 : 0.0;  // a sum that cannot cancel
  const auto signed_or_not = [&](double v) { return positive != 0 ? std::abs(v) + 0.1 : v; };
  if (name == "k" && m.corrects() && m.structure.correction == rank_one::along_key && !m.normalised_features) {
    fill_unit_rows(t, z.n, r.cosine, random);
    if (positive != 0)
      for (double& v : t.value) v = std::abs(v);
  } else if (name == "z" || name == "c") {
    fill_unit_rows(t, z.n, r.cosine, random);
  } else if (name == "a") {
    // set from c, beta and lambda below
  } else if (name == "q" || name == "k") {
    const double scale = name == "k" ? 0.5 : 1.0;
    each([&](idx) { return signed_or_not(scale * r.norm * random.normal()); });
  } else if (name == "v") {
    each([&](idx) { return r.norm * random.normal(); });
  } else if (name == "log_decay") {
    const bool per_write = t.info.time == ticks::write;
    each([&](idx at) { return decay_at(r, per_write ? at / m.writes : at, z.time, random); });
  } else if (name == "theta") {
    each([&](idx) { return random.uniform(-3, 3); });
  } else if (name == "beta") {
    each([&](idx) { return r.beta >= 0 ? r.beta : random.uniform(); });
  } else if (name == "delta") {
    each([&](idx) { return random.uniform(0.05, 1); });
  } else if (name == "input_gate") {
    each([&](idx) { return 3 * std::max(1.0, r.norm) * random.normal(); });  // up to about +-90 at norm 10
  } else if (name == "A") {
    each([&](idx) { return 0.4 * random.normal() / std::sqrt(double(z.n)); });
  } else {
    each([&](idx) { return random.normal(); });
  }
}

/// a = -beta lambda o c, which makes diag(lambda) + a c' = diag(lambda) (I - beta c c'), a contraction for beta in [0, 2].
void fill_rank_one(const mixer_info& m, const sizes& z, const recipe& r, problem& p, random_numbers& random) {
  tensor& a = p.x.at("a");
  const tensor &c = p.x.at("c"), &g = p.x.at("log_decay");
  const std::size_t n = std::size_t(z.n), rows = a.value.size() / std::max<std::size_t>(n, 1);
  const std::size_t states = std::size_t(z.states), writes = std::size_t(m.writes);
  const bool channel = m.structure.decay == decaying::channel;
  for (std::size_t i = 0; i < rows; ++i) {  // (b, t, write, head)
    const std::size_t head = i % states, write = i / states % writes, token = i / states / writes, gate_row = token * states + head;
    const double beta = r.beta >= 0 ? r.beta : random.uniform();
    for (std::size_t e = 0; e < n; ++e) {
      const double lambda = write > 0 ? 1.0 : std::exp(g.value[channel ? gate_row * n + e : gate_row]);  // the decay acts once a token
      a.value[i * n + e] = -beta * lambda * c.value[i * n + e];
    }
  }
}

/// Copies of a tensor's blocks: `pick` maps indices of the new shape to indices of the old one.
tensor gathered(const tensor& t, const std::vector<idx>& shape, const std::function<void(std::vector<idx>&)>& pick) {
  tensor out = empty_tensor(t.info, shape);
  if (!t.tangent.empty()) out.tangent.resize(out.value.size());
  std::vector<idx> at(shape.size());
  const std::size_t parts = std::size_t(t.parts());
  for (std::size_t i = 0; i < product(shape); ++i) {
    std::size_t rest = i;
    for (std::size_t a = shape.size(); a-- > 0;) {
      at[a] = idx(rest % std::size_t(shape[a]));
      rest /= std::size_t(shape[a]);
    }
    pick(at);
    std::size_t from = 0;
    for (std::size_t a = 0; a < shape.size(); ++a) from = from * std::size_t(t.shape[a]) + std::size_t(at[a]);
    for (std::size_t c = 0; c < parts; ++c) {
      out.value[i * parts + c] = t.value[from * parts + c];
      if (!t.tangent.empty()) out.tangent[i * parts + c] = t.tangent[from * parts + c];
    }
  }
  return out;
}
/// The problem of other sizes whose every tensor is gathered from p's.
problem regathered(const problem& p, const mixer_info& m, const sizes& z,
                   const std::function<void(const tensor&, std::vector<idx>&)>& pick) {
  problem out;
  out.size = z;
  for (const auto& [name, t] : p.x) {
    const tensor& whole = t;
    out.x[name] = gathered(t, shape_of(m, t.info, z), [&](std::vector<idx>& at) { pick(whole, at); });
  }
  return out;
}

}  // namespace

problem random_problem(const mixer_info& m, const sizes& z, const recipe& r) {
  problem p;
  p.size = z;
  random_numbers random(r.seed);
  for (const stream_info& s : m.streams) {
    tensor t = empty_tensor(s, shape_of(m, s, z));
    fill(m, z, r, t, random);
    p.x[s.name] = std::move(t);
  }
  if (m.has("a")) fill_rank_one(m, z, r, p, random);
  return p;
}

problem tokens_between(const problem& p, const mixer_info& m, idx begin, idx end) {
  sizes z = p.size;
  z.time = end - begin;
  return regathered(p, m, z, [&](const tensor& t, std::vector<idx>& at) {
    if (t.info.timed()) at[1] += begin * (t.info.time == ticks::write ? m.writes : 1);
  });
}
problem batch_row(const problem& p, const mixer_info& m, idx row) {
  sizes z = p.size;
  z.batch = 1;
  return regathered(p, m, z, [&](const tensor& t, std::vector<idx>& at) {
    if (t.info.timed()) at[0] = row;
  });
}
problem one_group(const problem& p, const mixer_info& m, int group) {
  sizes z = p.size;
  z.queries /= p.size.keys, z.states /= p.size.keys, z.keys = 1;
  return regathered(p, m, z, [&](const tensor& t, std::vector<idx>& at) {
    if (t.info.headed()) at[t.info.timed() ? 2 : 0] += group * z.heads_of(t.info.heads);
  });
}
problem packed(const problem& p, const mixer_info& m, const std::vector<idx>& lengths) {
  sizes z = p.size;
  z.batch = 1;
  z.time = 0;
  std::vector<idx> offsets{0};
  for (idx length : lengths) offsets.push_back(z.time += length);
  problem out = regathered(p, m, z, [&](const tensor& t, std::vector<idx>& at) {
    if (!t.info.timed()) return;
    const idx per = t.info.time == ticks::write ? m.writes : 1, token = at[1] / per;
    idx row = 0;
    while (offsets[std::size_t(row) + 1] <= token) ++row;
    at[0] = row;
    at[1] -= offsets[std::size_t(row)] * per;
  });
  out.offsets = offsets;
  return out;
}
problem ungrouped(const problem& p, const mixer_info& m) {
  sizes z = p.size;
  z.queries = z.keys = z.states = p.size.readers();
  return regathered(p, m, z, [&](const tensor& t, std::vector<idx>& at) {
    if (t.info.headed()) at[t.info.timed() ? 2 : 0] /= z.states / p.size.heads_of(t.info.heads);
  });
}
void change_from(problem& p, const mixer_info& m, idx begin, std::uint64_t seed) {
  recipe r;
  r.seed = seed;
  r.norm = 3;
  const problem other = random_problem(m, p.size, r);
  for (auto& [name, t] : p.x) {
    if (!t.info.timed()) continue;
    const idx per = t.info.time == ticks::write ? m.writes : 1;
    const std::size_t row = product(t.shape, 2) * std::size_t(t.parts());
    const tensor& from = other.x.at(name);
    for (idx b = 0; b < t.shape[0]; ++b)
      for (idx s = begin * per; s < t.shape[1]; ++s)
        for (std::size_t c = 0; c < row; ++c) {
          const std::size_t i = std::size_t(b * t.shape[1] + s) * row + c;
          t.value[i] = from.value[i];
        }
  }
}

state_numbers empty_state(const mixer_info& m, idx sequences, int heads, int n, int d, double starting_maximum) {
  state_numbers s{sequences, heads, n, d, {}, {}, {}, {}};
  const std::size_t count = std::size_t(sequences * heads), parts = m.complex_state ? 2 : 1;
  s.S.assign(count * std::size_t(n) * std::size_t(d) * parts, 0.0);
  if (m.needs_sum) s.z.assign(count * std::size_t(n) * parts, 0.0);
  if (m.stabilised) s.m.assign(count, starting_maximum);
  s.position.assign(std::size_t(sequences), 0);
  return s;
}
state_numbers random_state(const mixer_info& m, const problem& p, std::uint64_t seed) {
  random_numbers random(seed);
  state_numbers s = empty_state(m, p.sequences(), p.size.states, p.size.n, p.size.d, 0);
  for (double& v : s.S) v = random.normal();
  for (double& v : s.z)
    v = m.complex_state || m.corrects() ? random.normal() : 0.1 + std::abs(random.normal());  // a sum that cannot cancel
  for (double& v : s.m) v = random.uniform(0, 2);
  for (idx& v : s.position) v = 5 + random.below(100);
  return s;
}
state_numbers one_sequence(const state_numbers& s, idx sequence) {
  state_numbers out{1, s.heads, s.n, s.d, {}, {}, {}, {}};
  const auto cut = [&](const auto& all, auto& one) {
    const std::size_t each = s.sequences ? all.size() / std::size_t(s.sequences) : 0;
    one.assign(all.begin() + std::ptrdiff_t(each) * sequence, all.begin() + std::ptrdiff_t(each) * (sequence + 1));
  };
  cut(s.S, out.S), cut(s.z, out.z), cut(s.m, out.m), cut(s.position, out.position);
  return out;
}

}  // namespace coefdyn::laws
