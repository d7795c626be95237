// SPDX-License-Identifier: MIT
#pragma once
#include <map>

#include "draws.hpp"
#include "task.hpp"

namespace coefdyn::tasks {

/// Sizes of the task, and its seed.
struct fuzzy_in_context_recall_options {
  idx vocabulary = 16, length = 128, key_size = 3, value_size = 3, train = 12800, test = 1280, valid = 0;
  std::uint64_t seed = 1;
};

/// In-context recall of motifs: a key is a few different key tokens in order, a value a few different value tokens. One pair, the probe,
/// stands somewhere before and at the end; the sequence is padded on the left with the vocabulary's last token. Sizes are uniform; keys in
/// the splits that test have the largest. In training every next token is a target, padding too, else the values of keys seen before.
///
/// shape   inputs and targets of length tokens
/// range   (vocabulary - 1) / 2 >= key_size, value_size; both >= 1; length > 2 (key_size + value_size)
/// error   invalid_input for other options, and for an index outside of its split
/// source  arXiv:2403.17844 (MAD)
class fuzzy_in_context_recall : public detail::generated<fuzzy_in_context_recall_options> {
 public:
  static constexpr std::string_view name = "fuzzy_in_context_recall";
  static constexpr tasks::labels labels = tasks::labels::one_a_token;
  static constexpr tasks::metric metric = tasks::metric::accuracy;

  explicit fuzzy_in_context_recall(const fuzzy_in_context_recall_options& o = {}) : generated(o, name) {
    const idx plain = o.vocabulary - 1;
    detail::expect(o.key_size >= 1 && o.key_size <= plain / 2, name, "key_size", "1 .. half the tokens but the padding", o.key_size);
    detail::expect(o.value_size >= 1 && o.value_size <= plain - plain / 2, name, "value_size", "1 .. half the tokens but the padding",
                   o.value_size);
    detail::expect(o.length > 2 * (o.key_size + o.value_size), name, "length", "more than twice the longest key and value", o.length);
  }
  idx vocabulary() const { return options().vocabulary; }
  idx outputs() const { return options().vocabulary; }
  idx length() const { return options().length; }
  sample make(split s, idx index) const {
    sequence q{*this, stream(detail::stream_of::fuzzy_in_context_recall, name, s, index), s == split::train};
    const idx key_size = q.draw_key_size(), value_size = q.draw_value_size();
    const token_list key = q.draw_key(key_size), value = q.draw_value(value_size);
    q.add_pairs(key, value);
    return q.finish(key, value);
  }

 private:
  struct sequence {
    const fuzzy_in_context_recall& task;
    random_stream r;
    bool training;
    token_list x = {}, t = {};
    std::map<token_list, token_list> known = {};

    idx draw_key_size() { return training ? draw_size(task.options().key_size) : task.options().key_size; }
    idx draw_value_size() { return draw_size(task.options().value_size); }
    token_list draw_key(idx size) { return motif(size, 0, keys()); }
    token_list draw_value(idx size) { return motif(size, keys(), task.vocabulary() - 1 - keys()); }

    /// Pairs as long as the probe (key, value) fits behind them; the probe at the first slot at or after a uniform place.
    void add_pairs(const token_list& key, const token_list& value) {
      const auto& o = task.options();
      const idx probe = std::ssize(key) + std::ssize(value);
      const auto place = static_cast<idx>(r.below(static_cast<std::uint64_t>(o.length - 2 * probe)));
      bool added = false;
      while (std::ssize(x) < o.length - probe - (o.key_size + o.value_size)) {
        const idx key_size = draw_key_size(), value_size = draw_value_size();  // drawn for the probe too, which has sizes already
        if (std::ssize(x) >= place && !added) {
          add(key, value, false);
          added = true;
          continue;
        }
        const token_list k = draw_key(key_size);
        if (k == key) {
          add(key, value, added);
          added = true;
          continue;
        }
        const auto met = known.find(k);
        if (met != known.end()) add(k, met->second, true);
        else add(k, known.emplace(k, draw_value(value_size)).first->second, false);
      }
    }
    sample finish(const token_list& key, const token_list& value) {
      add(key, value, true);
      const std::size_t fill = static_cast<std::size_t>(task.length()) + 1 - x.size();
      x.insert(x.begin(), fill, task.vocabulary() - 1);
      t.insert(t.begin(), fill, ignored);
      sample out;
      const token_list& next = training ? x : t;
      out.targets.assign(next.begin() + 1, next.end());
      x.pop_back();
      out.inputs = std::move(x);
      return out;
    }

   private:
    idx keys() const { return (task.vocabulary() - 1) / 2; }
    idx draw_size(idx most) { return 1 + static_cast<idx>(r.below(static_cast<std::uint64_t>(most))); }
    token_list motif(idx size, idx first, idx of) {
      return arrangement(r, static_cast<std::size_t>(size), first, static_cast<std::size_t>(of));
    }
    void add(const token_list& key, const token_list& value, bool counts) {
      x.insert(x.end(), key.begin(), key.end());
      x.insert(x.end(), value.begin(), value.end());
      t.insert(t.end(), key.size(), ignored);
      if (counts) t.insert(t.end(), value.begin(), value.end());
      else t.insert(t.end(), value.size(), ignored);
    }
  };
};

}  // namespace coefdyn::tasks
