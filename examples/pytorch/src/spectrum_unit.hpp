// SPDX-License-Identifier: MIT
#pragma once
#include <coefdyn/interop/table.hpp>
#include <coefdyn/spectrum/coefficients.hpp>
#include <coefdyn/spectrum/eigenvalues.hpp>
#include <complex>
#include <cstdio>

/// Eigenvalues and coefficients of a mixer over arrays of float64: what coefdyn.spectrum compiles for a mixer.
namespace coefdyn::interop {

/// Results of a call: eigenvalues (B, Hy, T, n), those of a first token left as they are, and unless that is null coefficients (B, Hy, T, T
/// writes).
struct spectrum_call {
  const array* streams;
  std::complex<double>* eigenvalues;
  double* coefficients;
  bool degree_one_part;
};

template <class M, field Over>
void fill_spectrum(spectrum_call& c) {
  tokens<M, double, heads::as_given, Over> x;
  using X = decltype(x);
  std::size_t i = 0;
  for_each_need(typename X::needs{}, [&]<class N>(N) {
    x.template set<N>(detail::typed<const coefdyn::detail::stored_as<N, types<double>>, N::rank>(c.streams[i++], "", N::tag::name));
  });
  const extents e = check(x);
  const auto report = spectrum::eigenvalues(x, [&](const spectrum::token_spectrum& s) {
    const idx row = (s.sequence * e.readers + s.reader) * e.time + s.token;  // the first has none before it
    std::copy(s.values.begin(), s.values.end(), c.eigenvalues + row * e.n);
  });
  c.degree_one_part = report.is_degree_one_part;
  if (c.coefficients == nullptr) return;
  spectrum::coefficients alpha(x);
  const idx columns = e.time * traits<M>::writes, size = e.time * columns;
  for (idx b = 0; b < e.batch; ++b)
    for (int h = 0; h < e.readers; ++h)
      alpha.tile(b, h, 0, e.time, 0, columns,
                 std::span<double>(c.coefficients + (b * e.readers + h) * size, static_cast<std::size_t>(size)));
}
/// The same, with a refusal's sentence in `sentence`; 0 where there is none.
template <class M, field Over>
int spectrum_of(spectrum_call* c, char* sentence, std::size_t room) {
  try {
    fill_spectrum<M, Over>(*c);
    return 0;
  } catch (const std::exception& e) {
    std::snprintf(sentence, room, "%s", e.what());
    return 1;
  }
}

}  // namespace coefdyn::interop
