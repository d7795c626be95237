// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>
#include <cstring>
#include <memory>
#include <type_traits>

#include "coefdyn/cpu/run.hpp"
#include "coefdyn/parameterisation/all.hpp"
#include "corpus.hpp"

/// Fills the streams of any mixer from the text: the list of a mixer's needs says which there are and of what shape.
namespace demo {
using coefdyn::field;
using coefdyn::idx;
namespace stream = coefdyn::stream;

/// How a mixer's layer makes log decays: `raw` names the projection, `log_decay` maps it (head h of H, channel c of n).
struct mamba2_gates {
  static constexpr const char* raw = "delta";
  static float log_decay(float x, int h, int) { return coefdyn::parameterisation::mamba2::log_decay(x, -2.f, h == 0 ? 0.f : 1.5f); }
};
struct gla_gates {
  static constexpr const char* raw = "gate";
  static float log_decay(float x, int, int) { return coefdyn::parameterisation::gla::log_decay(x); }
};
struct sigmoid_gates {
  static constexpr const char* raw = "gate";
  static float log_decay(float x, int, int) { return coefdyn::parameterisation::sigmoid::log_decay(x + 4); }
};
struct hgrn2_gates {
  static constexpr const char* raw = "gate";
  static float log_decay(float x, int, int) { return coefdyn::parameterisation::hgrn2::log_decay(x + 2, 0.5f); }
};
struct rwkv6_gates {
  static constexpr const char* raw = "gate";
  static float log_decay(float x, int, int c) { return coefdyn::parameterisation::exp_exp::log_decay(0.5f * x - 6 + 5 * float(c) / n); }
};
struct rwkv7_gates {
  static constexpr const char* raw = "gate";
  static float log_decay(float x, int, int) { return coefdyn::parameterisation::rwkv7::log_decay(x - 3); }
};
struct retention_gates {
  static constexpr const char* raw = "gate";
  static float log_decay(float, int h, int) { return std::log1p(-std::exp2(-5.f - float(h))); }
};
struct ring_gates {  // LRU: |lambda| from 0.9 to 0.999
  static constexpr const char* raw = "gate";
  static float log_decay(float, int, int c) {
    return coefdyn::parameterisation::exp_exp::log_decay(std::log(-std::log(0.9f + 0.099f * float(c) / (n - 1))));
  }
};

inline void make_unit(float* x, int size) {
  float square = 0;
  for (int c = 0; c < size; ++c) square += x[c] * x[c];
  for (int c = 0; c < size; ++c) x[c] /= std::sqrt(square) + 1e-12f;
}

/// The tokens of `count` rows from `first` on, and the memory behind them.
template <class M, class Gates, field Over>
class stream_set {
 public:
  using input = coefdyn::tokens<M, float, coefdyn::heads::grouped_queries, Over>;
  static constexpr int writes = coefdyn::traits<M>::writes;
  input x;

  stream_set(const corpus& text, int first, int count, int time = row_length) {
    e_.batch = count, e_.time = time, e_.n = n, e_.d = d;
    e_.queries = e_.keys = e_.states = e_.readers = head_count;
    fill_all(text, first, typename input::needs{});
  }

  /// Tokens [begin, end) of the first rows, in the same memory.
  input part(int rows, idx begin, idx end) const {
    input out = x;
    cut_all(out, rows, begin, end, typename input::needs{});
    return out;
  }

 private:
  template <class... Need>
  void fill_all(const corpus& text, int first, coefdyn::list<Need...>) {
    (fill<Need>(text, first), ...);
  }
  template <class... Need>
  static void cut_all(input& out, int rows, idx begin, idx end, coefdyn::list<Need...>) {
    (
        [&] {
          auto& v = out.template of<Need>();
          constexpr int per_token = Need::time == coefdyn::ticks::write ? writes : 1;
          if constexpr (Need::timed) {
            v.data += begin * per_token * v.strides[1];
            v.extents[0] = rows, v.extents[1] = (end - begin) * per_token;
          }
        }(),
        ...);
  }

  template <class Need>
  void fill(const corpus& text, int first) {
    using E = coefdyn::element_of<Need, float>;
    constexpr int parts = sizeof(E) / sizeof(float);
    idx shape[5] = {1, 1, 1, 1, 1};
    coefdyn::detail::expected_shape<Need, M>(e_, shape);
    idx total = 1;
    for (int a = 0; a < Need::rank; ++a) total *= shape[a];
    const int inner = int(coefdyn::inner_size<Need>(n, d, coefdyn::traits<M>::micro));
    const int width = int(total / (Need::timed ? e_.batch * e_.time : 1)) * parts;
    memory_.emplace_back(std::size_t(total) * parts);
    float* out = memory_.back().data();
    if constexpr (!Need::timed) {
      constant<Need>(out, width, inner * parts);
    } else {
      const projection raw(name_of<typename Need::tag>(), width), other("c", width);
      std::vector<float> second(static_cast<std::size_t>(width));
      for (int r = 0; r < int(e_.batch); ++r)
        for (int t = 0; t < int(e_.time); ++t, out += width) {
          const unsigned char* row = text.bytes.data() + std::size_t(first + r) * row_length;
          raw(row, t, out);
          if constexpr (std::is_same_v<typename Need::tag, stream::a>) other(row, t, second.data());
          shape_values<Need>(out, second.data(), width, inner * parts);
        }
    }
    auto& v = x.template of<Need>();
    v.data = reinterpret_cast<const E*>(memory_.back().data());
    idx stride = 1;
    for (int a = Need::rank - 1; a >= 0; --a) v.extents[a] = shape[a], v.strides[a] = stride, stride *= shape[a];
  }
  template <class Tag>
  static const char* name_of() {
    return std::is_same_v<Tag, stream::log_decay> ? Gates::raw : Tag::name;
  }

  /// One token's raw numbers of a stream to what the mixer takes.
  template <class Need>
  static void shape_values(float* out, const float* second, int width, int inner) {
    using Tag = typename Need::tag;
    for (int at = 0; at < width; at += inner) {
      if constexpr (std::is_same_v<Tag, stream::k>)
        if (coefdyn::traits<M>::structure.correction != coefdyn::rank_one::none) make_unit(out + at, inner);
      if constexpr (std::is_same_v<Tag, stream::z> || std::is_same_v<Tag, stream::c>)
        for (int v = 0; v < inner; v += n) make_unit(out + at + v, n);
      if constexpr (std::is_same_v<Tag, stream::a>) {  // RWKV-7: a = kappa iclr, c = -kappa
        std::vector<float> kappa(second + at, second + at + inner);
        make_unit(kappa.data(), inner);
        for (int c = 0; c < inner; ++c) out[at + c] = kappa[std::size_t(c)] * coefdyn::math::sigmoid(out[at + c]);
      }
      for (int c = 0; c < inner; ++c) {
        float& v = out[at + c];
        if constexpr (std::is_same_v<Tag, stream::log_decay>) v = Gates::log_decay(v, at / inner % head_count, c);
        if constexpr (std::is_same_v<Tag, stream::c>) v = -v;
        if constexpr (std::is_same_v<Tag, stream::beta>) v = coefdyn::math::sigmoid(v);
        if constexpr (std::is_same_v<Tag, stream::delta>) v = coefdyn::math::softplus(v - 2);
      }
    }
  }
  /// Streams that are fixed in time: (H, inner).
  template <class Need>
  static void constant(float* out, int width, int inner) {
    using Tag = typename Need::tag;
    normal_numbers random(Tag::name);
    for (int i = 0; i < width; ++i) {
      const int h = i / inner, c = i % inner;
      if constexpr (std::is_same_v<Tag, stream::theta>)
        out[i] = Need::inner == coefdyn::width::pairs ? std::pow(10000.f, -2 * float(c) / n) : 3.1415927f * (float(c) + 0.5f) / n;
      else if constexpr (std::is_same_v<Tag, stream::log_decay>) out[i] = Gates::log_decay(0, h, c);
      else if constexpr (std::is_same_v<Tag, stream::eta_offset>) out[i] = 4;
      else out[i] = 0.5f * random();
    }
  }

  coefdyn::extents e_;
  std::vector<std::vector<float>> memory_;
};

}  // namespace demo
