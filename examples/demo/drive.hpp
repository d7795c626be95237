// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>

#include "coefdyn/names.hpp"
#include "mixers.hpp"
#include "report.hpp"

/// One mixer over the text in every form that it has.
namespace demo {
namespace form = coefdyn::form;
using coefdyn::form_exists;
using coefdyn::view;

/// Rows that are given to forms of quadratic cost and to steps; recurrent and chunkwise take all. With a cache, steps begin after
/// a prompt of `cache_prompt` tokens.
constexpr int definition_rows = 1, parallel_rows = 4, step_rows = rows_at_once, cache_step_rows = 1;
constexpr idx cache_prompt = 896;

template <class Entry>
class driver {
  using M = typename Entry::mixer;
  using streams = typename Entry::streams;
  using types = coefdyn::types<float>;
  static constexpr bool linear = coefdyn::traits<M>::linear;
  static constexpr coefdyn::device::cpu<> cpu{};
  static constexpr coefdyn::device::cpu<coefdyn::serial> one_thread{};  // a step is too short to share

 public:
  explicit driver(const corpus& text) : text_(text) {
    r_.name = Entry::name;
    r_.phi = coefdyn::name_of<typename M::readout>();
    r_.evolution = coefdyn::name_of<typename M::evolution>();
    r_.scaling = coefdyn::name_of<typename M::scaling>();
    r_.normalization = coefdyn::name_of<typename M::normalization>();
    if (coefdyn::traits<M>::has_feature) r_.feature = coefdyn::name_of<typename M::feature_map>();
  }
  report operator()() {
    const int all = text_.rows();
    r_.forms = {{"definition", true, definition_rows, row_length, 0, 0},
                {"parallel", form_exists<form::parallel, M>, parallel_rows, row_length, 0, 0},
                {"recurrent", form_exists<form::recurrent, M>, all, row_length, 0, 0},
                {"chunkwise", form_exists<form::chunkwise, M>, all, row_length, 0, 0},
                {"step", true, linear ? step_rows : cache_step_rows, linear ? row_length : row_length - int(cache_prompt), 0, 0}};
    for (form_result& f : r_.forms) f.rows = std::min(f.rows, all);
    for (int first = 0; first < (linear ? text_.rows() : parallel_rows); first += rows_at_once) {
      const int count = std::min(rows_at_once, text_.rows() - first);
      if (count <= 0) break;
      const streams s(text_, first, count);
      std::vector<float> y(std::size_t(count) * row_length * head_count * d);
      measure(s, first, y, 0, form::definition{});
      measure(s, first, y, 1, form::parallel{});
      measure(s, first, y, 2, form::recurrent{});
      measure(s, first, y, 3, form::chunkwise{});
      measure(s, first, y, 4, form::step{});
    }
    for (std::size_t i = 0; i < r_.forms.size(); ++i)
      if (seconds_[i] > 0) r_.forms[i].tokens_per_second = double(r_.forms[i].rows) * r_.forms[i].tokens / seconds_[i];
    return std::move(r_);
  }

 private:
  /// Runs one form on those rows of the batch that it is given, and compares the first row.
  template <class Form>
  void measure(const streams& s, int first, std::vector<float>& y, std::size_t which, Form form_) {
    form_result& f = r_.forms[which];
    const int count = std::min(int(s.x.q.extents[0]), f.rows - first);
    if (!f.exists || count <= 0) return;
    if constexpr (form_exists<Form, M>) {
      const auto x = s.part(count, 0, row_length);
      const view<float, 4> out(y.data(), count, row_length, head_count, d);
      std::fill(y.begin(), y.end(), std::nanf(""));
      if constexpr (std::is_same_v<Form, form::step> && !linear) {
        coefdyn::run(cpu, form::automatic{}, s.part(count, 0, cache_prompt),
                     view<float, 4>(out.data, {out.extents[0], cache_prompt, out.extents[2], out.extents[3]}, out.strides));
      }
      const auto begin = std::chrono::steady_clock::now();
      if constexpr (std::is_same_v<Form, form::step>) step_through(s, count, out);
      else coefdyn::run(cpu, form_, x, out);
      seconds_[which] += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      if (first == 0) compare(f, y);
    }
  }
  void step_through(const streams& s, int count, const view<float, 4>& out) {
    std::vector<std::byte> memory;
    const auto workspace_for = [&](const auto& x) {
      memory.resize(std::max(memory.size(), coefdyn::workspace_bytes(one_thread, form::step{}, x) + 64));
      const std::size_t shift = (64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) % 64;
      return coefdyn::workspace(memory).subspan(shift);
    };
    const auto place = [&](idx t) {
      return view<float, 4>(out.data + t * out.strides[1], {out.extents[0], 1, out.extents[2], out.extents[3]}, out.strides);
    };
    if constexpr (linear) {
      coefdyn::state<M, types> state(count, head_count, n, d);
      for (idx t = 0; t < row_length; ++t) {
        const auto x = s.part(count, t, t + 1);
        coefdyn::run(one_thread, form::step{}, x, place(t), coefdyn::carry<M, types>{.initial = state, .final = state}, workspace_for(x));
      }
    } else {
      for (idx t = cache_prompt; t < row_length; ++t) {  // tokens before t are the cache
        auto x = s.part(count, 0, t + 1);
        x.first_read = t;
        read_only_last(x, t, typename streams::input::needs{});
        coefdyn::run(one_thread, form::step{}, x, place(t), {}, workspace_for(x));
      }
    }
  }
  template <class X, class... Need>
  static void read_only_last(X& x, idx t, coefdyn::list<Need...>) {
    (
        [&] {
          auto& v = x.template of<Need>();
          if constexpr (Need::timed && (Need::heads == coefdyn::owner::query || Need::heads == coefdyn::owner::reader))
            v.data += t * v.strides[1], v.extents[1] = 1;
        }(),
        ...);
  }
  void compare(form_result& f, const std::vector<float>& y) {
    constexpr std::size_t size = std::size_t(row_length) * head_count * d;
    if (truth_.empty()) {
      truth_.assign(y.begin(), y.begin() + size);
      return;
    }
    double largest = 0, difference = 0;
    for (std::size_t i = 0; i < size; ++i) {
      largest = std::fmax(largest, std::abs(double(truth_[i])));
      const double here = std::abs(double(y[i]) - double(truth_[i]));
      difference = here <= difference ? difference : here;  // NaN stays
    }
    f.disagreement = difference / largest;
  }

  const corpus& text_;
  report r_;
  std::vector<float> truth_;
  double seconds_[5] = {};
};

template <class... Entry>
void drive(coefdyn::list<Entry...>, const corpus& text, sink& out) {
  (
      [&] {
        out.start(Entry::name);
        report r = driver<Entry>(text)();
        analyse(r, text);
        out.take(std::move(r));
      }(),
      ...);
}

}  // namespace demo
