// SPDX-License-Identifier: MIT
#pragma once
#include "complex.hpp"
#include "dual.hpp"
#include "stream.hpp"

/// One token (or micro-step) of one head as a policy sees it: `at.beta`, `at.k[c]`, `at.A(r, c)`, `at.n`, `at.position`.
namespace coefdyn {

/// A vector of one head at one time. S may be a storage type; values come out as R.
template <class R, class S = R>
struct row {
  const S* p;
  idx stride;
  COEFDYN_HD R operator[](int c) const { return static_cast<R>(p[c * stride]); }
};
/// A matrix of one head, likewise.
template <class R, class S = R>
struct matrix {
  const S* p;
  idx stride_row, stride_column;
  COEFDYN_HD R operator()(int r, int c) const { return static_cast<R>(p[r * stride_row + c * stride_column]); }
};

/// Derivative seeds: which channel (or element) of a stream carries derivative 1.
namespace seed {
struct none {};    // the stream is held constant
struct every {};   // every channel at once: right for functions that are local to a channel
struct single {};  // the element at.seeded only
}  // namespace seed

/// The same vector read as dual numbers.
template <class R, class Seed>
struct lifted_row {
  const R* p;
  idx stride;
  int element;
  COEFDYN_HD dual<R> operator[](int c) const {
    if constexpr (std::is_same_v<Seed, seed::every>) return {p[c * stride], R(1)};
    if constexpr (std::is_same_v<Seed, seed::single>) return {p[c * stride], R(c == element)};
    return {p[c * stride], R(0)};
  }
};
/// The same matrix read as dual numbers.
template <class R, class Seed>
struct lifted_matrix {
  const R* p;
  idx stride_row, stride_column;
  int n, element;
  COEFDYN_HD dual<R> operator()(int r, int c) const {
    return {p[r * stride_row + c * stride_column], R(std::is_same_v<Seed, seed::single> && r * n + c == element)};
  }
};
/// Complex elements: element 2 e is the real, 2 e + 1 the imaginary part of e.
template <class R, class Seed>
struct lifted_row<complex<R>, Seed> {
  const complex<R>* p;
  idx stride;
  int element;
  COEFDYN_HD complex<dual<R>> operator[](int c) const {
    const complex<R> x = p[c * stride];
    constexpr bool one = std::is_same_v<Seed, seed::single>;
    return {dual<R>(x.re, R(one && 2 * c == element)), dual<R>(x.im, R(one && 2 * c + 1 == element))};
  }
};
template <class R, class Seed>
struct lifted_matrix<complex<R>, Seed> {
  const complex<R>* p;
  idx stride_row, stride_column;
  int n, element;
  COEFDYN_HD complex<dual<R>> operator()(int r, int c) const {
    const complex<R> x = p[r * stride_row + c * stride_column];
    constexpr bool one = std::is_same_v<Seed, seed::single>;
    return {dual<R>(x.re, R(one && 2 * (r * n + c) == element)), dual<R>(x.im, R(one && 2 * (r * n + c) + 1 == element))};
  }
};

/// Element type of a stream in arithmetic over R.
template <class Need, class R>
using element_of = std::conditional_t<Need::over == field::complex, complex<R>, R>;

namespace detail {
template <class Need>
constexpr bool is_scalar_at = Need::inner == width::scalar || Need::inner == width::factors;
template <class Need>
constexpr bool is_matrix_at = Need::inner == width::matrix;

template <class Need, class R>
struct value_at {
  using E = element_of<Need, R>;
  using type = std::conditional_t<is_scalar_at<Need>, E, std::conditional_t<is_matrix_at<Need>, matrix<E>, row<E>>>;
};
template <class Need, class R, class Seed>
struct dual_at {
  using E = element_of<Need, R>;
  using type =
      std::conditional_t<is_scalar_at<Need>, dual<R>, std::conditional_t<is_matrix_at<Need>, lifted_matrix<E, Seed>, lifted_row<E, Seed>>>;
};
}  // namespace detail

/// Where in the sequence and in the token a policy is evaluated.
struct place {
  idx position;    // 0-based within the sequence, counting on from the state's
  int n, d;        // key and value dimension
  int micro_step;  // 0 .. m - 1
};

/// One token as a policy sees it: a member for each need, and its place.
template <class R, class Needs>
struct token;
template <class R, class... Need>
struct token<R, list<Need...>> : Need::tag::template field<typename detail::value_at<Need, R>::type>..., place {
  using real = R;
};
/// The token in dual numbers, with the stream `Tag` seeded.
template <class R, class Tag, class Seed, class Needs>
struct lifted_token;
template <class R, class Tag, class Seed, class... Need>
struct lifted_token<R, Tag, Seed, list<Need...>>
    : Need::tag::template field<
          typename detail::dual_at<Need, R, std::conditional_t<std::is_same_v<Tag, typename Need::tag>, Seed, seed::none>>::type>...,
      place {
  using real = dual<R>;
};

}  // namespace coefdyn
