// SPDX-License-Identifier: MIT
// What may not change a bit: the batch around a row, the heads beside a head, strides, threads, packing, and inputs of the future.
#include "support/law.hpp"

namespace coefdyn::laws {
namespace {

const sizes usual{3, 37, 4, 2, 2, 13, 11, 0};

/// Elements [begin, end) of an axis of y (B, T, readers, d).
std::vector<double> cut(const std::vector<double>& y, const sizes& z, int axis, idx begin, idx end) {
  const idx shape[] = {z.batch, z.time, z.readers(), z.d};
  idx outer = 1, inner = 1;
  for (int a = 0; a < axis; ++a) outer *= shape[a];
  for (int a = axis + 1; a < 4; ++a) inner *= shape[a];
  std::vector<double> out;
  for (idx o = 0; o < outer; ++o) {
    const auto from = y.begin() + (o * shape[axis] + begin) * inner;
    out.insert(out.end(), from, from + (end - begin) * inner);
  }
  return out;
}
/// The types of every mixer, and those whose products have kernels of their own.
bool each_kernel(const subject& s) { return ordinary(s) || s.rounds_factors; }
/// Chunk lengths beside the tuned one add nothing here.
std::vector<form_choice> some_forms(const subject& s) {
  std::vector<form_choice> all;
  for (form_choice f : s.forms())
    if (f.length == 0 || f.length == 5) all.push_back(f);
  return all;
}
/// The number of a state head of a call, at a head axis of a state's S.
std::vector<double> state_heads(const std::vector<double>& all, idx sequences, int heads, int begin, int end) {
  std::vector<double> out;
  const std::size_t each = all.size() / std::size_t(sequences * heads);
  for (idx s = 0; s < sequences; ++s)
    out.insert(out.end(), all.begin() + std::ptrdiff_t(each) * (s * heads + begin), all.begin() + std::ptrdiff_t(each) * (s * heads + end));
  return out;
}

}  // namespace

TEST_CASE("a batch row alone, and a head alone, give the same bits") {
  for_subjects(each_kernel, [](const subject& s) {
    const sizes z = fitted(s, usual);
    problem p = random_problem(s.info, z);
    for (form_choice f : some_forms(s)) {
      request q{.form = f, .executor = {}, .initial = {}, .want_final = s.info.linear, .positions = {}};
      if (s.info.linear) q.initial = random_state(s.info, p, 3);
      const outcome whole = s.run(p, q);
      for (idx row : {idx(0), z.batch - 1}) {
        request alone = q;
        if (q.initial) alone.initial = one_sequence(*q.initial, row);
        const outcome o = s.run(batch_row(p, s.info, row), alone);
        check_bits(same_bits(o.y, cut(whole.y, z, 0, row, row + 1)), to_string(f) + ", batch row " + std::to_string(row));
        if (s.info.linear) check_bits(same_bits(o.final, one_sequence(whole.final, row)), to_string(f) + ", its final state");
      }
      for (int group = 0; group < z.keys; ++group) {
        const int states = z.states / z.keys, readers = z.readers() / z.keys;
        request alone = q;
        if (q.initial) {
          state_numbers& i = *alone.initial;
          for (auto* v : {&i.S, &i.z, &i.m}) *v = state_heads(*v, z.batch, z.states, group * states, (group + 1) * states);
          i.heads = states;
        }
        const outcome o = s.run(one_group(p, s.info, group), alone);
        check_bits(same_bits(o.y, cut(whole.y, z, 2, group * readers, (group + 1) * readers)),
                   to_string(f) + ", head " + std::to_string(group));
        if (s.info.linear)
          check_bits(same_bits(o.final.S, state_heads(whole.final.S, z.batch, z.states, group * states, (group + 1) * states)),
                     to_string(f) + ", its final state");
      }
    }
  });
}

TEST_CASE("any executor and any number of threads give the same bits") {
  for_subjects(each_kernel, [](const subject& s) {
    const problem p = random_problem(s.info, fitted(s, usual));
    using kind = test_executor::kind;
    for (form_choice f : some_forms(s)) {
      request q{.form = f, .executor = {}, .initial = {}, .want_final = s.info.linear, .positions = {}};
      const outcome one = s.run(p, q);
      for (test_executor other : {test_executor{kind::open_mp, 1}, test_executor{kind::open_mp, 2}, test_executor{kind::open_mp, 3},
                                  test_executor{kind::backwards, 2}, test_executor{kind::backwards, 4}}) {
        if (reduced() && other.threads < 3) continue;
        q.executor = other;
        const outcome o = s.run(p, q);
        check_bits(same_bits(o.y, one.y) && same_bits(o.final, one.final),
                   to_string(f) + " on " + std::to_string(other.threads) + " threads");
      }
      q.executor = {};
      check_bits(same_bits(s.run(p, q).y, one.y), to_string(f) + ", once more");
    }
  });
}

TEST_CASE("a head cut into slices of value columns, for want of heads, gives the same bits") {
  for_subjects(ordinary, [](const subject& s) {
    const sizes z = fitted(s, {1, 37, 1, 1, 1, 12, 128, 0});
    const problem p = random_problem(s.info, z);
    for (form_choice f : some_forms(s)) {
      if (f.name == form_name::definition || f.name == form_name::parallel) continue;  // they stay whole
      request q{.form = f, .executor = {}, .initial = {}, .want_final = s.info.linear, .positions = {}};
      if (s.info.linear) q.initial = random_state(s.info, p, 5), q.positions = {0, 7, 30};
      const outcome one = s.run(p, q);
      for (const bool in_place : {false, true})
        for (const int workers : {2, 3, 4, 9}) {
          if (reduced() && workers % 3 != 0) continue;
          q.executor = {test_executor::kind::backwards, workers}, q.in_place = in_place && s.info.linear;
          const outcome o = s.run(p, q);
          check_bits(same_bits(o.y, one.y) && same_bits(o.final, one.final) && same_bits(o.captured, one.captured),
                     to_string(f) + " by " + std::to_string(workers) + " workers");
        }
    }
  });
}

TEST_CASE("inputs at time p and after change no bit of the outputs before p") {
  for_subjects(each_kernel, [](const subject& s) {
    const sizes z = fitted(s, {2, 70, 2, 1, 1, 9, 7, 0});
    const problem p = random_problem(s.info, z);
    for (idx from : {1, 31, 32, 33, 63, 64, 69}) {
      if (reduced() && from != 33) continue;
      problem other = p;
      change_from(other, s.info, from, 99);
      for (form_choice f : s.forms()) {
        if (f.length == 1 || f.length == 64) continue;
        const request q{.form = f, .executor = {}, .initial = {}, .positions = {}};
        const std::vector<double> a = s.run(p, q).y, b = s.run(other, q).y;
        check_bits(same_bits(cut(a, z, 1, 0, from), cut(b, z, 1, 0, from)), to_string(f) + ", p = " + std::to_string(from));
        CHECK_FALSE(same_bits(a, b));
      }
    }
  });
}

TEST_CASE("strides, offsets and repeated axes give the same bits") {
  for_subjects([](const subject&) { return true; },
               [](const subject& s) {
                 problem p = random_problem(s.info, fitted(s, usual));
                 // an axis without change can be repeated by stride 0: one value of beta and one gate for all heads
                 for (const char* name : {"beta", "eta_gate", "delta"})
                   if (p.x.count(name))
                     for (double& v : p.x.at(name).value) v = 0.5;
                 for (form_choice f : some_forms(s)) {
                   request q{.form = f, .executor = {}, .initial = {}, .want_final = s.info.linear, .positions = {}};
                   const outcome plain = s.run(p, q);
                   for (std::uint64_t seed : {1u, 2u, 3u}) {
                     if (reduced() && seed > 1) continue;
                     q.strides = seed * 17;
                     const outcome o = s.run(p, q);
                     check_bits(same_bits(o.y, plain.y) && same_bits(o.final, plain.final),
                                to_string(f) + ", layout " + std::to_string(seed));
                   }
                 }
               });
}

TEST_CASE("packed sequences are a loop over the sequences") {
  for_subjects(each_kernel, [](const subject& s) {
    const sizes z = fitted(s, {6, 40, 2, 1, 1, 10, 6, 0});
    const problem rows = random_problem(s.info, z);
    const std::vector<idx> lengths{0, 33, 0, 1, 40, 0};
    problem p = packed(rows, s.info, lengths);
    for (form_choice f : some_forms(s)) {
      request q{.form = f, .executor = {}, .initial = {}, .want_final = s.info.linear, .positions = {}};
      if (s.info.linear) q.initial = random_state(s.info, p, 5);
      p.narrow_offsets = false;
      const outcome whole = s.run(p, q);
      p.narrow_offsets = true;
      check_bits(same_bits(s.run(p, q).y, whole.y), to_string(f) + ", 32-bit offsets");
      const std::size_t width = std::size_t(z.readers() * z.d);
      for (std::size_t i = 0; i < lengths.size(); ++i) {
        request alone = q;
        if (q.initial) alone.initial = one_sequence(*q.initial, idx(i));
        const outcome o = s.run(tokens_between(batch_row(rows, s.info, idx(i)), s.info, 0, lengths[i]), alone);
        const auto from = whole.y.begin() + std::ptrdiff_t(std::size_t(p.offsets[i]) * width),
                   to = whole.y.begin() + std::ptrdiff_t(std::size_t(p.offsets[i + 1]) * width);
        const std::string where = to_string(f) + ", sequence " + std::to_string(i);
        // automatic may pick another form for a shorter call
        if (f.name == form_name::automatic)
          check_close(
              relative_error(o.y, std::vector<double>(from, to)),
              allowed(s, tokens_between(batch_row(rows, s.info, idx(i)), s.info, 0, lengths[i]), pass::forward, alone.initial).output,
              where);
        else {
          check_bits(same_bits(o.y, std::vector<double>(from, to)), where);
          if (s.info.linear) check_bits(same_bits(o.final, one_sequence(whole.final, idx(i))), where + ", its final state");
        }
      }
    }
  });
}

TEST_CASE("grouped heads are the heads written out") {
  for_subjects([](const subject& s) { return ordinary(s); },
               [](const subject& s) {
                 const problem p = random_problem(s.info, fitted(s, {2, 37, 6, 2, 2, 12, 5, 0}));
                 const problem written_out = ungrouped(p, s.info);
                 CHECK(p.size.readers() > p.size.keys);
                 for (form_choice f : some_forms(s)) {
                   const request q{.form = f, .executor = {}, .initial = {}, .positions = {}};
                   check_bits(same_bits(s.run(p, q).y, s.run(written_out, q).y), to_string(f));
                 }
               });
}

}  // namespace coefdyn::laws
