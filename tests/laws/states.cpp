// SPDX-License-Identifier: MIT
// States in, out and in between: a sequence cut anywhere and carried on is the sequence.
#include "support/law.hpp"

namespace coefdyn::laws {
namespace {

bool carries(const subject& s) { return ordinary(s) && s.info.linear; }
/// T rows of y (B, T, ...): those of two parts one behind the other in time.
std::vector<double> joined(const std::vector<double>& a, const std::vector<double>& b, idx batch) {
  std::vector<double> out;
  const std::size_t na = a.size() / std::size_t(batch), nb = b.size() / std::size_t(batch);
  for (std::size_t r = 0; r < std::size_t(batch); ++r) {
    out.insert(out.end(), a.begin() + std::ptrdiff_t(r * na), a.begin() + std::ptrdiff_t((r + 1) * na));
    out.insert(out.end(), b.begin() + std::ptrdiff_t(r * nb), b.begin() + std::ptrdiff_t((r + 1) * nb));
  }
  return out;
}

}  // namespace

TEST_CASE("a sequence split anywhere with carried state is the sequence") {
  for_subjects(carries, [](const subject& s) {
    const sizes z = fitted(s, {2, 70, 2, 1, 1, 12, 6, 0});
    const problem p = random_problem(s.info, z);
    const state_numbers start = random_state(s.info, p, 11);
    const limits limit = allowed(s, p, pass::forward, start);
    for (form_choice f : s.forms()) {
      request q{.form = f, .executor = {}, .initial = start, .want_final = true, .positions = {}};
      const outcome whole = s.run(p, q);
      for (idx at : {0, 1, 16, 33, 64, 69, 70}) {
        if (reduced() && at != 33) continue;
        const std::string where = to_string(f) + ", split at " + std::to_string(at);
        const outcome first = s.run(tokens_between(p, s.info, 0, at), q);
        request rest = q;
        rest.initial = first.final;
        for (bool in_place : {false, true}) {
          rest.in_place = in_place;
          const outcome second = s.run(tokens_between(p, s.info, at, z.time), rest);
          check_close(relative_error(joined(first.y, second.y, z.batch), whole.y), limit.output, where);
          check_close(state_error(s.info, second.final, whole.final), limit.state,
                      where + (in_place ? ", state in place" : ", final state"));
        }
      }
    }
  });
}

TEST_CASE("decoding token by token is the sequence") {
  for_subjects(carries, [](const subject& s) {
    const sizes z = fitted(s, {1, reduced() ? 9 : 40, 2, 1, 1, 8, 5, 0});
    const problem p = random_problem(s.info, z);
    const outcome whole = s.run(p, {.form = {}, .executor = {}, .initial = {}, .want_final = true, .positions = {}});
    const limits limit = allowed(s, p, pass::forward);
    for (idx piece : {1, 3}) {
      std::vector<double> y;
      request q{.form = {form_name::step, 0},
                .executor = {},
                .initial = empty_state(s.info, z.batch, z.states, z.n, z.d, s.starting_maximum()),
                .in_place = true,
                .positions = {}};
      for (idx t = 0; t < z.time; t += piece) {
        const outcome o = s.run(tokens_between(p, s.info, t, std::min(t + piece, z.time)), q);
        y.insert(y.end(), o.y.begin(), o.y.end());
        q.initial = o.final;
      }
      check_close(relative_error(y, whole.y), limit.output, "pieces of " + std::to_string(piece));
      check_close(state_error(s.info, *q.initial, whole.final), limit.state, "state after pieces of " + std::to_string(piece));
    }
  });
}

TEST_CASE("states captured at chosen positions are those of the prefixes") {
  for_subjects(carries, [](const subject& s) {
    const sizes z = fitted(s, {3, 70, 2, 1, 1, 7, 5, 0});
    const std::vector<idx> positions{0, 1, 16, 33, 33, 64, 70};
    const problem batch = random_problem(s.info, z), cut = packed(batch, s.info, {70, 20, 0});
    for (const problem* p : {&batch, &cut}) {
      const state_numbers initial = random_state(s.info, *p, 13);
      std::vector<state_numbers> wanted;  // position after position, its sequences side by side
      std::vector<double> allowed_error;
      for (const idx position : positions)
        for (idx sequence = 0; sequence < p->sequences(); ++sequence) {
          const idx length = p->offsets.empty() ? z.time : p->offsets[std::size_t(sequence) + 1] - p->offsets[std::size_t(sequence)];
          const problem prefix = tokens_between(batch_row(batch, s.info, sequence), s.info, 0, std::min(position, length));
          const state_numbers from = one_sequence(initial, sequence);
          wanted.push_back(
              s.run(prefix, {.form = {form_name::recurrent, 0}, .executor = {}, .initial = from, .want_final = true, .positions = {}})
                  .final);
          allowed_error.push_back(allowed(s, prefix, pass::forward, from).state);
        }
      for (form_choice f : s.forms()) {
        if (f.name == form_name::parallel) continue;  // refused there: see errors.cpp
        request q{.form = f, .executor = {}, .initial = initial, .want_final = true, .positions = positions};
        const outcome o = s.run(*p, q);
        for (std::size_t i = 0; i < wanted.size(); ++i)
          check_close(state_error(s.info, one_sequence(o.captured, idx(i)), wanted[i]), allowed_error[i],
                      to_string(f) + ", position " + std::to_string(positions[i / std::size_t(p->sequences())]) + " of sequence " +
                          std::to_string(idx(i) % p->sequences()));
        request without = q;
        without.positions.clear();
        check_close(relative_error(o.y, s.run(*p, without).y), allowed(s, *p, pass::forward, initial).output,
                    to_string(f) + ", outputs beside captured states");
      }
    }
  });
}

TEST_CASE("tokens before first_read are a cache: written, not read") {
  for_subjects(ordinary, [](const subject& s) {
    const sizes z = fitted(s, {2, 70, 4, 2, 2, 8, 5, 0});
    const problem p = random_problem(s.info, z);
    for (idx first : {1, 31, 32, 50, 69, 70}) {
      if (reduced() && first != 50) continue;
      problem q = p;
      q.size.first_read = first;
      for (auto& [name, t] : q.x)
        if (t.info.reading() && t.info.timed()) t = tokens_between(p, s.info, first, z.time).x.at(name);
      for (form_choice f : s.forms()) {
        const request r{.form = f, .executor = {}, .initial = {}, .positions = {}};
        const std::vector<double> all = s.run(p, r).y;
        std::vector<double> rest;
        const std::size_t row = std::size_t(z.readers() * z.d), each = std::size_t(z.time) * row;
        for (std::size_t b = 0; b < std::size_t(z.batch); ++b)
          rest.insert(rest.end(), all.begin() + std::ptrdiff_t(b * each + std::size_t(first) * row),
                      all.begin() + std::ptrdiff_t((b + 1) * each));
        check_bits(same_bits(s.run(q, r).y, rest), to_string(f) + ", first read " + std::to_string(first));
      }
    }
  });
}

}  // namespace coefdyn::laws
