// SPDX-License-Identifier: MIT
#include "subject.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <thread>

namespace coefdyn::laws {

std::string to_string(form_choice f) {
  static const char* const names[] = {"definition", "parallel", "recurrent", "chunkwise", "step", "automatic"};
  std::string s = names[int(f.name)];
  if (f.name == form_name::chunkwise && f.length) s += " of " + std::to_string(f.length);
  return s;
}

void test_executor::each(idx count, const std::function<void(idx, int)>& f) const {
  if (how == kind::in_turn) return serial{}(count, f);
  if (how == kind::open_mp) return openmp{threads}(count, f);
  std::vector<std::thread> pool;
  for (int w = 0; w < threads; ++w)
    pool.emplace_back([&, w] {
      for (idx i = count - 1 - w; i >= 0; i -= threads) f(i, w);
    });
  for (std::thread& t : pool) t.join();
}

namespace {

template <class T>
void put(std::byte* p, double v) {
  const T x = static_cast<T>(static_cast<std::conditional_t<std::is_same_v<T, double>, double, float>>(v));
  std::memcpy(p, &x, sizeof x);
}
template <class T>
double get(const std::byte* p) {
  T x;
  std::memcpy(&x, p, sizeof x);
  return static_cast<double>(static_cast<std::conditional_t<std::is_same_v<T, double>, double, float>>(x));
}
void write_scalar(std::byte* p, scalar_kind kind, double v, double tangent) {
  switch (kind) {
    case scalar_kind::float64:
      return put<double>(p, v);
    case scalar_kind::float32:
      return put<float>(p, v);
    case scalar_kind::brain16:
      return put<bf16>(p, v);
    case scalar_kind::half16:
      return put<half>(p, v);
    case scalar_kind::dual64:
      put<double>(p, v), put<double>(p + sizeof(double), tangent);
  }
}
double read_scalar(const std::byte* p, scalar_kind kind) {
  switch (kind) {
    case scalar_kind::float32:
      return get<float>(p);
    case scalar_kind::brain16:
      return get<bf16>(p);
    case scalar_kind::half16:
      return get<half>(p);
    default:
      return get<double>(p);
  }
}
std::size_t count_of(const std::vector<idx>& shape) {
  std::size_t n = 1;
  for (idx e : shape) n *= std::size_t(e);
  return n;
}
/// Calls f(row-major number, place in memory) for every element.
template <class F>
void over_elements(const memory& m, const std::vector<idx>& shape, F f) {
  const std::size_t count = count_of(shape);
  std::vector<idx> at(shape.size());
  idx place = m.offset;
  for (std::size_t i = 0; i < count; ++i) {
    f(i, place);
    for (std::size_t a = shape.size(); a-- > 0;) {
      place += m.strides[a];
      if (++at[a] < shape[a]) break;
      place -= m.strides[a] * shape[a];
      at[a] = 0;
    }
  }
}
/// Whether a tensor's numbers are the same all along an axis, so that the axis can be repeated by stride 0.
bool constant_along(const std::vector<idx>& shape, const std::vector<double>& value, int parts, std::size_t axis) {
  std::size_t inner = std::size_t(parts);
  for (std::size_t a = axis + 1; a < shape.size(); ++a) inner *= std::size_t(shape[a]);
  const std::size_t block = inner * std::size_t(shape[axis]);
  for (std::size_t i = 0; i < value.size(); ++i)
    if (std::memcmp(&value[i], &value[i / block * block + i % inner], sizeof(double)) != 0) return false;
  return true;
}

}  // namespace

idx bytes_of(scalar_kind kind) {
  constexpr idx bytes[] = {8, 4, 2, 2, 16};
  return bytes[int(kind)];
}
double rounded_to(scalar_kind kind, double v) {
  std::byte b[16];
  write_scalar(b, kind, v, 0);
  return read_scalar(b, kind);
}

memory laid_out(const std::vector<idx>& shape, const std::vector<double>* value, const std::vector<double>* tangent, scalar_kind kind,
                int parts, std::uint64_t strides) {
  memory m;
  idx size = 1;
  if (strides == 0) {
    for (std::size_t a = shape.size(); a-- > 0;) {
      m.strides[a] = size;
      size *= shape[a];
    }
  } else {
    random_numbers random(strides);
    std::vector<std::size_t> order(shape.size());
    for (std::size_t a = 0; a < order.size(); ++a) order[a] = a;
    for (std::size_t a = order.size(); a > 1; --a) std::swap(order[a - 1], order[std::size_t(random.below(int(a)))]);
    size = 1 + random.below(2);
    for (std::size_t a : order) {
      if (value && shape[a] > 1 && constant_along(shape, *value, parts, a)) continue;  // stride 0
      const bool backwards = random.below(4) == 0 && shape[a] > 0;
      m.strides[a] = backwards ? -size : size;
      if (backwards) m.offset += (shape[a] - 1) * size;
      size = size * shape[a] + random.below(3);
    }
    m.offset += random.below(5);
    size += m.offset;
  }
  const idx bytes = bytes_of(kind);
  m.bytes.assign(std::size_t((size + 4) * parts * bytes), std::byte{0xff});
  if (value)
    over_elements(m, shape, [&](std::size_t i, idx place) {
      for (int c = 0; c < parts; ++c) {
        const std::size_t from = i * std::size_t(parts) + std::size_t(c);
        write_scalar(m.bytes.data() + (place * parts + c) * bytes, kind, (*value)[from], tangent ? (*tangent)[from] : 0.0);
      }
    });
  return m;
}
void read_back(const memory& m, const std::vector<idx>& shape, scalar_kind kind, int parts, std::vector<double>& value,
               std::vector<double>* tangent) {
  const idx bytes = bytes_of(kind);
  value.resize(count_of(shape) * std::size_t(parts));
  const bool both = tangent && kind == scalar_kind::dual64;
  if (both) tangent->resize(value.size());
  over_elements(m, shape, [&](std::size_t i, idx place) {
    for (int c = 0; c < parts; ++c) {
      const std::byte* p = m.bytes.data() + (place * parts + c) * bytes;
      value[i * std::size_t(parts) + std::size_t(c)] = read_scalar(p, kind);
      if (both) (*tangent)[i * std::size_t(parts) + std::size_t(c)] = read_scalar(p + 8, scalar_kind::float64);
    }
  });
}

std::vector<form_choice> subject::forms() const {
  std::vector<form_choice> all;
  for (form_name f : every_form)
    if (has(f)) {
      if (f != form_name::chunkwise) all.push_back({f, 0});
      else
        for (int length : {0, 1, 5, 16, 64}) all.push_back({f, length});
    }
  return all;
}
void subject::round(problem& p) const {
  for (auto& [key, t] : p.x)
    for (double& v : t.value) v = rounded_to(kind_of(t.info), v);
}

std::vector<std::unique_ptr<subject>>& registered() {
  static std::vector<std::unique_ptr<subject>> all;
  return all;
}
bool& has_every_mixer() {
  static bool yes = false;
  return yes;
}
const std::vector<std::unique_ptr<subject>>& subjects() {
  auto& all = registered();
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a->name() < b->name(); });
  return all;
}
const subject* twin(const subject& s, const std::string& types) {
  for (const auto& other : subjects())
    if (other->info.name == s.info.name && other->types == types) return other.get();
  return nullptr;
}
const subject& truth_of(const subject& s) { return *twin(s, s.info.grouped_values ? "double, grouped values" : "double"); }

namespace detail {
void check_gaps(const memory& y, scalar_kind kind, int parts, const std::vector<idx>& shape, const std::string& who) {
  memory rest = y;
  const std::size_t bytes = std::size_t(bytes_of(kind) * parts);
  over_elements(y, shape, [&](std::size_t, idx place) {
    std::fill_n(rest.bytes.begin() + std::ptrdiff_t(std::size_t(place) * bytes), bytes, std::byte{0xff});
  });
  for (std::byte b : rest.bytes)
    if (b != std::byte{0xff}) throw std::logic_error(who + ": wrote between or beside the output's elements");
}
state_numbers nan_state(const mixer_info& m, idx sequences, const sizes& z) {
  state_numbers s = empty_state(m, sequences, z.states, z.n, z.d, 0);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (auto* v : {&s.S, &s.z, &s.m}) std::fill(v->begin(), v->end(), nan);
  std::fill(s.position.begin(), s.position.end(), idx(-1));
  return s;
}
}  // namespace detail

}  // namespace coefdyn::laws
