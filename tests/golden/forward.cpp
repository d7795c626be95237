// SPDX-License-Identifier: MIT
#include "calls.hpp"
#include "checks.hpp"

namespace golden {

std::vector<plan> plans_of(const unit& u) {
  std::vector<plan> out;
  const auto has = [&](form_id f) { return u.exists[static_cast<int>(f)]; };
  const auto add = [&](plan p, bool splits) {
    out.push_back(p);
    if (!splits) return;
    p.label += " split", p.split = true;
    out.push_back(p);
  };
  add({"definition", form_id::definition}, true);
  if (has(form_id::parallel)) add({"parallel", form_id::parallel}, true);
  if (has(form_id::recurrent)) add({"recurrent", form_id::recurrent}, true);
  if (has(form_id::chunkwise))
    for (const int length : {4, 16, 64}) add({"chunkwise " + std::to_string(length), form_id::chunkwise, length}, length == 4);
  add({"step 1", form_id::step, 0, 1}, false);
  add({"step 3", form_id::step, 0, 3}, false);
  add({"automatic", form_id::automatic}, true);
  return out;
}

namespace {

/// The case with v = the unit vectors, so that y is alpha; no initial S.
golden_case revealing_alpha(const golden_case& c) {
  golden_case a = c;
  const idx rows = c.T * c.writes;
  tensor v{{c.B, rows, c.Hkv, rows}, std::vector<double>(static_cast<std::size_t>(c.B * rows * c.Hkv * rows), 0.0)};
  for (idx b = 0; b < c.B; ++b)
    for (idx j = 0; j < rows; ++j)
      for (idx h = 0; h < c.Hkv; ++h) v.values[static_cast<std::size_t>(((b * rows + j) * c.Hkv + h) * rows + j)] = 1;
  a.tensors["v"] = v;
  a.tensors.erase("state0");
  a.d = rows;
  return a;
}
/// The case with v = 1 and S_0 = z_0, so that the numerator is the sum; where eta is no sum, q and k are ones.
golden_case revealing_eta(const unit& u, const golden_case& c) {
  golden_case e = c;
  const auto ones = [](std::vector<idx> shape) {
    std::size_t size = 1;
    for (const idx s : shape) size *= static_cast<std::size_t>(s);
    return tensor{shape, std::vector<double>(size, 1.0)};
  };
  e.d = 1;
  e.tensors["v"] = ones({c.B, c.T * c.writes, c.Hkv, 1});
  e.tensors.erase("state0");
  if (!u.needs_sum) {
    e.writes = 1;
    e.tensors["q"] = ones({c.B, c.T, c.Hq, c.n}), e.tensors["k"] = ones({c.B, c.T, c.Hkv, c.n}),
    e.tensors["v"] = ones({c.B, c.T, c.Hkv, 1});
    e.tensors.erase("zstate0");
  } else if (const tensor* z = c.find("zstate0")) {
    e.tensors["state0"] = *z;  // [.., n] and [.., n, 1] are the same numbers
  }
  return e;
}

template <class R>
void check_states(const unit& u, const golden_case& c, const outcome<R>& got, const std::string& what, double tolerance, report& r) {
  const std::size_t heads = static_cast<std::size_t>(c.sequences() * c.Hkv);
  const auto compare = [&](const char* tensor_name, const std::vector<R>& stored) {
    const tensor* expected = c.find(tensor_name);
    if (!expected) return;
    std::vector<double> scaled = expected->values;
    if (u.stabilised)  // the stored state is exp(-m) times the definition's
      for (std::size_t i = 0; i < scaled.size(); ++i)
        if (scaled[i] != 0) scaled[i] *= std::exp(-static_cast<double>(got.final.m[i / (scaled.size() / heads)]));
    r.compare(what + " " + tensor_name, stored, scaled, tolerance);
  };
  compare("state", got.final.S);
  compare("zstate", got.final.z);
}

/// eta or log_eta of the definition, [B, T, Hq].
template <class R>
std::vector<R> eta_of(const unit& u, const golden_case& c, bool logarithm) {
  const functions& f = functions_for<R>(u);
  const auto read = logarithm ? f.log_eta : f.eta;
  if (!read) throw std::runtime_error("the unit was compiled without eta");
  const golden_case revealing = revealing_eta(u, c);
  const plan definition{"", form_id::definition};
  if (u.needs_sum) {
    std::vector<R> eta = follow<R>(u, revealing, definition, read, false).y;
    if (c.text("normalization") == "floor" && !logarithm)
      for (R& x : eta) x = x == 0 ? R(1) : x;  // a row without any weight reads as 0, its floor is 1
    return eta;
  }
  unit reduced = u;  // only q, k, v and the streams of eta matter, and none of them is complex
  std::vector<stream_fact> facts(u.streams.begin(), u.streams.end());
  std::erase_if(facts, [](const stream_fact& s) { return !s.reading && std::string(s.name) != "k" && std::string(s.name) != "v"; });
  for (stream_fact& s : facts) s.complex = false;
  reduced.streams = facts, reduced.writes = 1;
  return follow<R>(reduced, revealing, definition, read, false).y;
}

template <class R>
void check_in(const unit& u, const golden_case& c, report& r) {
  const double tolerance = tolerances(c).y[sizeof(R) == sizeof(float)];
  const tensor *y = c.find("y"), *alpha = c.find("alpha");
  if (!y) throw std::runtime_error("it has no tensor y");
  for (const plan& p : plans_of(u)) {
    const std::string what = p.label + " " + type_name(R());
    try {
      const outcome<R> got = follow<R>(u, c, p, functions_for<R>(u).run);
      r.compare(what + " y", got.y, y->values, tolerance);
      if (u.linear) check_states(u, c, got, what, tolerance, r);
      if (alpha && c.offsets.empty() && !p.split && p.piece == 0) {
        const golden_case columns = revealing_alpha(c);
        std::vector<double> expected(alpha->values.size());  // [B, Hq, T, Tw] as y has it
        const idx rows = c.T * c.writes;
        for (idx b = 0, at = 0; b < c.B; ++b)
          for (idx i = 0; i < c.T; ++i)
            for (idx h = 0; h < c.Hq; ++h)
              for (idx j = 0; j < rows; ++j)
                expected[static_cast<std::size_t>(at++)] = alpha->values[static_cast<std::size_t>(((b * c.Hq + h) * c.T + i) * rows + j)];
        r.compare(what + " alpha", follow<R>(u, columns, p, functions_for<R>(u).run).y, expected, tolerance);
      }
      r.ran(p.label);
    } catch (const std::exception& e) {
      r.fail(what + ": " + e.what());
    }
  }
  if (u.on_gpu) return;  // eta is the host's alone
  for (const char* eta : {"eta", "log_eta"})
    if (const tensor* expected = c.find(eta))
      r.compare(std::string(type_name(R())) + " " + eta, eta_of<R>(u, c, eta[0] == 'l'), expected->values, tolerance);
}

}  // namespace

void check_forward(const unit& u, const golden_case& c, report& r) {
  if (u.in_double.run) check_in<double>(u, c, r);
  check_in<float>(u, c, r);
}

}  // namespace golden
