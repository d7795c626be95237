// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/interop/eigen.hpp>
#include <coefdyn/interop/xtensor.hpp>

#include "coefdyn/core/state.hpp"
#include "coefdyn/cpu/run.hpp"
#include "coefdyn/mixers/delta_rule.hpp"

namespace {
using namespace coefdyn;
using M = mixers::deltanet;
constexpr idx B = 2, T = 9, H = 2, n = 4, d = 3;
const device::cpu<serial> cpu{};

double number(idx i) { return 0.5 * double((i * 37 + 11) % 23) / 23 - 0.25; }

/// The call on plain row-major arrays.
std::vector<double> reference() {
  std::vector<double> q(B * T * H * n), k(q.size()), v(B * T * H * d), beta(B * T * H), y(v.size());
  for (std::size_t i = 0; i < q.size(); ++i) q[i] = number(idx(i)), k[i] = number(idx(i) + 5);
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = number(idx(i) + 9);
  for (std::size_t i = 0; i < beta.size(); ++i) beta[i] = number(idx(i)) + 0.5;
  tokens<M, double> x;
  x.q = view(std::as_const(q).data(), B, T, H, n);
  x.k = view(std::as_const(k).data(), B, T, H, n);
  x.v = view(std::as_const(v).data(), B, T, H, d);
  x.beta = view(std::as_const(beta).data(), B, T, H);
  run(cpu, form::recurrent{}, x, view(y.data(), B, T, H, d));
  return y;
}

template <class Matrix>
Matrix filled(idx columns, idx shift, double offset = 0) {
  Matrix m(B * T, columns);
  for (idx r = 0; r < B * T; ++r)
    for (idx c = 0; c < columns; ++c) m(r, c) = number(r * columns + c + shift) + offset;
  return m;
}

TEST_CASE_TEMPLATE("Eigen matrices of either storage order", Matrix, Eigen::MatrixXd,
                   Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>) {
  const auto q = filled<Matrix>(H * n, 0), k = filled<Matrix>(H * n, 5), v = filled<Matrix>(H * d, 9), beta = filled<Matrix>(H, 0, 0.5);
  Matrix y(B * T, H * d);
  state<M, double> end(B, H, n, d);
  tokens<M, double> x;
  x.q = interop::by_heads(q, H, B);
  x.k = interop::by_heads(k, H, B);
  x.v = interop::by_heads(Eigen::Map<const Matrix>(v.data(), v.rows(), v.cols()), H, B);
  x.beta = interop::by_tokens(beta, B);
  const auto out = interop::by_heads(y, H, B);
  run(cpu, form::recurrent{}, x, out, carry<M, double>{.final = end});
  const auto want = reference();
  for (idx r = 0; r < B * T; ++r)
    for (idx c = 0; c < H * d; ++c) CHECK(y(r, c) == want[std::size_t(r * H * d + c)]);
  const auto S = interop::matrix_of(view(end.S.data(), B, H, n, d), 1, 1);
  const Eigen::VectorXd last = Eigen::VectorXd::LinSpaced(n, 1, 2);
  CHECK((S.transpose() * last).size() == d);
  CHECK(S(2, 1) == end.S[((1 * H + 1) * n + 2) * d + 1]);
  CHECK(interop::tokens_of(out, 1, 1)(4, 2) == y(T + 4, d + 2));
}

TEST_CASE("Eigen vectors, blocks and complex matrices") {
  Eigen::VectorXf decay = Eigen::VectorXf::Constant(4, -0.5f);
  CHECK(interop::as_view(decay).extents[0] == 4);
  Eigen::MatrixXd m = Eigen::MatrixXd::Random(6, 8);
  const auto part = interop::as_view(m.block(1, 2, 3, 4));
  CHECK(part(2, 3) == m(3, 5));
  Eigen::MatrixXcd c = Eigen::MatrixXcd::Random(3, 4);
  const auto heads = interop::by_heads(c, 2);
  static_assert(std::is_same_v<decltype(heads), const view<complex<double>, 4>>);
  CHECK(heads(0, 2, 1, 1).im == c(2, 3).imag());
  CHECK(interop::matrix_of(interop::as_view(c))(1, 2) == c(1, 2));
  CHECK_THROWS_AS(interop::by_heads(m, 3), invalid_input);
  CHECK_THROWS_AS(interop::by_tokens(m, 4), invalid_input);
}

TEST_CASE_TEMPLATE("xtensor containers of either layout", Tensor, xt::xtensor<double, 4>,
                   xt::xtensor<double, 4, xt::layout_type::column_major>) {
  const auto fill = [](auto& t, idx shift, double offset = 0) {
    idx i = 0;
    for (auto it = t.template begin<xt::layout_type::row_major>(); it != t.template end<xt::layout_type::row_major>(); ++it)
      *it = number(i++ + shift) + offset;
  };
  Tensor q({B, T, H, n}), k({B, T, H, n}), v({B, T, H, d}), y({B, T, H, d});
#if defined(__clang__)
  xt::xtensor<double, 3> beta({B, T, H});
#else
  xt::xarray<double> beta = xt::xarray<double>::from_shape({B, T, H});
#endif
  fill(q, 0), fill(k, 5), fill(v, 9), fill(beta, 0, 0.5);
  tokens<M, double> x;
  x.q = interop::as_view(std::as_const(q));
  x.k = interop::as_view(k);
  x.v = interop::as_view(v);
  x.beta = interop::as_view<3>(beta);
  run(cpu, form::recurrent{}, x, interop::as_view(y));
  const auto want = reference();
  std::size_t i = 0;
  for (auto it = y.template begin<xt::layout_type::row_major>(); it != y.template end<xt::layout_type::row_major>(); ++it)
    CHECK(*it == want[i++]);
  CHECK_THROWS_AS(interop::as_view<4>(beta), invalid_input);  // its rank is 3
}

TEST_CASE("views as xtensor adaptors") {
  std::vector<complex<double>> S(24);
  for (std::size_t i = 0; i < S.size(); ++i) S[i] = {double(i), -double(i)};
  auto whole = interop::as_xtensor(view(S.data(), 1, 2, 3, 4));
  CHECK(whole(0, 1, 2, 3) == std::complex<double>(23, -23));
  const auto part = interop::as_xtensor(view<complex<double>, 2>(S.data() + 2, {3, 2}, {4, 1}));
  CHECK(part(2, 1) == std::complex<double>(11, -11));
}
}  // namespace
