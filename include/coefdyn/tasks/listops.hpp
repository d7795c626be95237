// SPDX-License-Identifier: MIT
#pragma once
#include "listops_tokens.hpp"
#include "task.hpp"

namespace coefdyn::tasks {

/// Sizes of the task, and its seed.
struct listops_options {
  idx min_length = 500, max_length = 2000;  // between which the length lies: digits, operators and ], the end of text left out
  int max_depth = 10;                       // of the deepest digit
  idx max_arguments = 10;
  double operators = 0.25;  // the probability of an operator above the deepest level
  idx train = 96000, test = 2000, valid = 2000;
  std::uint64_t seed = 1;
};

/// The value of a nested expression of lists. A node above the deepest level is an operator of 2 .. max_arguments arguments with a given
/// probability, else a digit; trees outside of the lengths are drawn again.
///
/// shape   inputs of min_length + 2 .. max_length tokens, the last one the end of text; one target, 0 .. 9
/// range   max_length >= min_length + 2 >= 2, max_depth in 1 .. 1000, max_arguments >= 2; trees of less than a million nodes
///         on average
/// error   invalid_input for other options, for an index outside of its split, for options under which a million trees in a row have
///         another length
/// source  arXiv:2011.04006 (Long Range Arena), after arXiv:1804.06028
class listops : public detail::generated<listops_options> {
 public:
  static constexpr std::string_view name = "listops";
  static constexpr tasks::labels labels = tasks::labels::one_a_sequence;
  static constexpr tasks::metric metric = tasks::metric::accuracy;

  explicit listops(const listops_options& o = {}) : generated(o, name) {
    detail::expect(o.min_length >= 0, name, "min_length", "0 or more", o.min_length);
    detail::expect(o.max_length - 2 >= o.min_length, name, "max_length", "min_length + 2 at least", o.max_length);
    detail::expect(o.max_depth >= 1 && o.max_depth <= deepest, name, "max_depth", "1 .. " + std::to_string(deepest), o.max_depth);
    detail::expect(o.max_arguments >= 2, name, "max_arguments", "at least 2", o.max_arguments);
    detail::expect(o.operators >= 0 && o.operators <= 1, name, "operators", "0 .. 1", std::to_string(o.operators));
    double nodes = 0, on_this_level = 1;
    for (int depth = 1; depth <= o.max_depth; ++depth, on_this_level *= o.operators * double(o.max_arguments + 2) / 2)
      nodes += on_this_level;
    detail::expect(nodes < 1e6, name, "operators, max_arguments and max_depth", "trees of less than a million nodes on average",
                   std::to_string(nodes));
  }
  idx vocabulary() const { return listops_token::vocabulary; }
  idx outputs() const { return 10; }
  idx length() const { return options().max_length; }
  sample make(split s, idx index) const {
    growth g{options(), stream(detail::stream_of::listops, name, s, index)};
    constexpr int trials = 1'000'000;
    for (int trial = 0; trial < trials; ++trial) {
      g.out.clear(), g.values.clear();
      g.length = 0;
      g.tree(1);
      if (g.length <= options().min_length || g.length >= options().max_length) continue;
      g.out.push_back(listops_token::end_of_text);
      return {std::move(g.out), {g.values.front()}};
    }
    COEFDYN_THROW invalid_input("listops: options", "lengths that such trees have", "a million trees that were shorter or longer");
  }

 private:
  static constexpr int deepest = 1000;
  /// A tree in pre-order. An operator is drawn after its arguments; a tree that is too long is drawn to its end.
  struct growth {
    const listops_options& o;
    random_stream r;
    token_list out = {};
    std::vector<int> values = {};
    idx length = 0;

    void put(std::int64_t token) {
      if (++length < o.max_length) out.push_back(token);
    }
    void tree(int depth) {
      if (!(depth < o.max_depth && r.unit() <= o.operators)) {
        const auto d = static_cast<int>(r.below(10));
        put(listops_token::digit + d);
        values.push_back(d);
        return;
      }
      const std::size_t at = out.size(), first = values.size();
      put(listops_token::pad);
      for (auto n = 2 + r.below(static_cast<std::uint64_t>(o.max_arguments - 1)); n > 0; --n) tree(depth + 1);
      const auto op = listops_token::min + static_cast<std::int64_t>(r.below(4));
      if (at < out.size()) out[at] = op;
      put(listops_token::end);
      const int value = detail::listops_apply(op, std::span(values).subspan(first));
      values.resize(first);
      values.push_back(value);
    }
  };
};

}  // namespace coefdyn::tasks
