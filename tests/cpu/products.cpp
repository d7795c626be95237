// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <coefdyn/core/dual.hpp>
#include <coefdyn/core/low_precision.hpp>
#include <coefdyn/cpu/targets.hpp>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace {

using namespace coefdyn;
using cpu::products;
using cpu::target;

constexpr int sizes[] = {0, 1, 3, 17, 31, 64, 65, 128};

std::vector<target> targets() {
  std::vector<target> all;
  for (target t : {target::portable, target::neon, target::avx2, target::avx512, target::avx512_bf16})
    if (cpu::has_target(t)) all.push_back(t);
  return all;
}

/// A matrix inside a larger buffer; what surrounds it is NaN, so that reading it shows, and must stay as it was.
template <class R>
struct matrix {
  int rows, cols;
  idx stride;
  std::vector<R> buffer;

  matrix(int m, int n, std::mt19937& random, R scale = R(1)) : rows(m), cols(n), stride(n + idx(random() % 5)) {
    std::uniform_real_distribution<double> uniform(-1, 1);
    buffer.assign(static_cast<std::size_t>(offset() + m * stride + 3), std::numeric_limits<R>::quiet_NaN());
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j) (*this)(i, j) = static_cast<R>(uniform(random)) * scale;
  }
  static idx offset() { return 3; }
  R* data() { return buffer.data() + offset(); }
  const R* data() const { return buffer.data() + offset(); }
  R& operator()(int i, int j) { return buffer[static_cast<std::size_t>(offset() + i * stride + j)]; }
  const R& operator()(int i, int j) const { return buffer[static_cast<std::size_t>(offset() + i * stride + j)]; }
  void fill(R value) {
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < cols; ++j) (*this)(i, j) = value;
  }
};

template <class R>
bool same_bits(R a, R b) {
  return std::memcmp(&a, &b, sizeof(R)) == 0;
}

/// Compares a result with a long double one; `terms` bounds the sum of the magnitudes that went into an entry. What
/// lies between the rows must still be NaN.
template <class R, class Expected, class Terms>
void check_near(const matrix<R>& got, Expected expected, Terms terms) {
  double worst = 0;
  for (int i = 0; i < got.rows; ++i)
    for (int j = 0; j < got.cols; ++j) {
      const long double error = std::abs(static_cast<long double>(got(i, j)) - expected(i, j));
      const long double unit = std::numeric_limits<R>::epsilon() * (terms(i, j) + 1e-30L);
      if (!(error <= 1000 * unit)) worst = 1e9;
      worst = std::max(worst, static_cast<double>(error / unit));
    }
  CHECK(worst < 4.0);
  bool surroundings = true;
  for (idx at = 0; at < idx(got.buffer.size()); ++at) {
    const idx inside = at - got.offset();
    const bool is_entry =
        inside >= 0 && inside / std::max<idx>(got.stride, 1) < got.rows && inside % std::max<idx>(got.stride, 1) < got.cols;
    if (!is_entry) surroundings &= std::isnan(got.buffer[static_cast<std::size_t>(at)]);
  }
  CHECK(surroundings);
}

/// Calls a test with every size triple of the list, thinned to keep it quick.
template <class F>
void for_sizes(F f) {
  std::mt19937 random(7);
  for (int m : sizes)
    for (int n : sizes) {
      f(m, n, sizes[random() % 8], random);
      f(m, sizes[random() % 8], n, random);
    }
  f(5, 33, 700, random);
  f(260, 5, 9, random);
}

template <class R, class Body>
void on_every_target(Body body) {
  for (target t : targets()) {
    if (t == target::avx512_bf16 && !std::is_same_v<R, float>) continue;
    CAPTURE(static_cast<int>(t));
    body(products<R>::on(t));
  }
}

/// What a product takes an entry of A or B for.
template <class R>
long double factor_of(const products<R>& p, R x) {
  if (p.where() == target::avx512_bf16) return bf16(static_cast<float>(x));
  return static_cast<long double>(x);
}

}  // namespace

TEST_CASE_TEMPLATE("products nn, nt, tn equal the loops", R, float, double) {
  on_every_target<R>([](const products<R>& p) {
    for_sizes([&](int m, int n, int k, std::mt19937& random) {
      for (int kind = 0; kind < 3; ++kind) {
        const matrix<R> A(kind == 2 ? k : m, kind == 2 ? m : k, random), B(kind == 1 ? n : k, kind == 1 ? k : n, random);
        matrix<R> C(m, n, random);
        const matrix<R> old = C;
        (p.*(kind == 0   ? &products<R>::nn
             : kind == 1 ? &products<R>::nt
                         : &products<R>::tn))(m, n, k, A.data(), A.stride, B.data(), B.stride, C.data(), C.stride);
        auto sum = [&](int i, int j, bool magnitude) {
          long double s = magnitude ? std::abs(old(i, j)) : old(i, j);
          for (int q = 0; q < k; ++q) {
            const long double term = factor_of(p, kind == 2 ? A(q, i) : A(i, q)) * factor_of(p, kind == 1 ? B(j, q) : B(q, j));
            s += magnitude ? std::abs(term) : term;
          }
          return s;
        };
        CAPTURE(m);
        CAPTURE(n);
        CAPTURE(k);
        CAPTURE(kind);
        check_near(C, [&](int i, int j) { return sum(i, j, false); }, [&](int i, int j) { return sum(i, j, true); });
      }
    });
  });
}

TEST_CASE_TEMPLATE("products of a lower triangle equal the loops and use nothing above the diagonal", R, float, double) {
  on_every_target<R>([](const products<R>& p) {
    for_sizes([&](int m, int n, int, std::mt19937& random) {
      for (bool transposed : {false, true}) {
        matrix<R> A(m, m, random);
        const matrix<R> B(m, n, random);
        matrix<R> C(m, n, random);
        const matrix<R> old = C;
        for (int i = 0; i < m; ++i)
          for (int j = i + 1; j < m; ++j) A(i, j) = std::numeric_limits<R>::quiet_NaN();
        (p.*(transposed ? &products<R>::tn_lower_left : &products<R>::nn_lower_left))(m, n, A.data(), A.stride, B.data(), B.stride,
                                                                                      C.data(), C.stride);
        auto sum = [&](int i, int j, bool magnitude) {
          long double s = magnitude ? std::abs(old(i, j)) : old(i, j);
          for (int q = transposed ? i : 0; q < (transposed ? m : i + 1); ++q) {
            const long double term = factor_of(p, transposed ? A(q, i) : A(i, q)) * factor_of(p, B(q, j));
            s += magnitude ? std::abs(term) : term;
          }
          return s;
        };
        CAPTURE(m);
        CAPTURE(n);
        CAPTURE(transposed);
        check_near(C, [&](int i, int j) { return sum(i, j, false); }, [&](int i, int j) { return sum(i, j, true); });
      }
      const int k = n;
      const matrix<R> A(m, k, random), B(m, k, random);
      matrix<R> C(m, m, random);
      for (int i = 0; i < m; ++i)
        for (int j = i + 1; j < m; ++j) C(i, j) = std::numeric_limits<R>::quiet_NaN();
      const matrix<R> old = C;
      p.nt_lower(m, k, A.data(), A.stride, B.data(), B.stride, C.data(), C.stride);
      bool kept = true;
      for (int i = 0; i < m; ++i)
        for (int j = i + 1; j < m; ++j) {
          kept &= same_bits(C(i, j), old(i, j));
          C(i, j) = 0;
        }
      CHECK(kept);
      auto sum = [&](int i, int j, bool magnitude) {
        if (j > i) return 0.0L;
        long double s = magnitude ? std::abs(old(i, j)) : old(i, j);
        for (int q = 0; q < k; ++q) {
          const long double term = factor_of(p, A(i, q)) * factor_of(p, B(j, q));
          s += magnitude ? std::abs(term) : term;
        }
        return s;
      };
      CAPTURE(m);
      CAPTURE(k);
      check_near(C, [&](int i, int j) { return sum(i, j, false); }, [&](int i, int j) { return sum(i, j, true); });
    });
  });
}

TEST_CASE_TEMPLATE("products of NaN are NaN, and no other entry", R, float, double) {
  on_every_target<R>([](const products<R>& p) {
    std::mt19937 random(9);
    const int m = 21, n = 35, k = 13;
    for (const R bad : {std::numeric_limits<R>::quiet_NaN(), std::numeric_limits<R>::infinity()})
      for (int kind = 0; kind < 3; ++kind) {
        matrix<R> A(kind == 2 ? k : m, kind == 2 ? m : k, random), B(kind == 1 ? n : k, kind == 1 ? k : n, random), C(m, n, random);
        (kind == 2 ? A(5, 9) : A(9, 5)) = bad;
        (kind == 1 ? B(30, 12) : B(12, 30)) = bad;
        (p.*(kind == 0   ? &products<R>::nn
             : kind == 1 ? &products<R>::nt
                         : &products<R>::tn))(m, n, k, A.data(), A.stride, B.data(), B.stride, C.data(), C.stride);
        bool right = true;
        for (int i = 0; i < m; ++i)
          for (int j = 0; j < n; ++j) right &= (i == 9 || j == 30) == !std::isfinite(C(i, j));
        CHECK(right);
      }
    matrix<R> A(m, m, random), B(m, n, random);
    B(7, 30) = std::numeric_limits<R>::quiet_NaN();
    for (bool transposed : {false, true}) {
      matrix<R> C(m, n, random);
      (p.*(transposed ? &products<R>::tn_lower_left : &products<R>::nn_lower_left))(m, n, A.data(), A.stride, B.data(), B.stride, C.data(),
                                                                                    C.stride);
      bool right = true;
      for (int i = 0; i < m; ++i)
        for (int j = 0; j < n; ++j) right &= (j == 30 && (transposed ? i <= 7 : i >= 7)) == std::isnan(C(i, j));
      CHECK(right);
    }
  });
}

TEST_CASE_TEMPLATE("products solve a unit triangle by substitution", R, float, double) {
  on_every_target<R>([](const products<R>& p) {
    for_sizes([&](int m, int n, int, std::mt19937& random) {
      for (bool transposed : {false, true}) {
        matrix<R> L(m, m, random, R(2) / static_cast<R>(m + 1)), X(m, n, random);
        for (int i = 0; i < m; ++i)
          for (int j = i; j < m; ++j) L(i, j) = std::numeric_limits<R>::quiet_NaN();
        const matrix<R> given = X;
        (p.*(transposed ? &products<R>::solve_lower_transposed : &products<R>::solve_lower))(m, n, L.data(), L.stride, X.data(), X.stride);
        std::vector<long double> exact(static_cast<std::size_t>(m * n));
        auto at = [&](int i, int j) -> long double& { return exact[static_cast<std::size_t>(i * n + j)]; };
        for (int step = 0; step < m; ++step)
          for (int j = 0; j < n; ++j) {
            const int i = transposed ? m - 1 - step : step;
            at(i, j) = given(i, j);
            for (int q = transposed ? i + 1 : 0; q < (transposed ? m : i); ++q)
              at(i, j) += static_cast<long double>(transposed ? L(q, i) : L(i, q)) * at(q, j);
          }
        CAPTURE(m);
        CAPTURE(n);
        CAPTURE(transposed);
        check_near(X, at, [](int, int) { return 8.0L; });
      }
    });
  });
}

TEST_CASE_TEMPLATE("products exp is within 2 ulp, to the ends of its range", R, float, double) {
  const R lowest = static_cast<R>(std::log(static_cast<long double>(std::numeric_limits<R>::denorm_min()))) - 1;
  const R highest = std::log(std::numeric_limits<R>::max());
  std::mt19937 random(3);
  std::vector<R> x = {R(0), -R(0), highest, std::numeric_limits<R>::denorm_min(), lowest + 1};
  for (R from : {lowest, R(-20), R(-1), R(-1e-3)})
    for (int i = 0; i < 20000; ++i) x.push_back(std::uniform_real_distribution<R>(from, from == lowest ? highest : -from)(random));
  on_every_target<R>([&](const products<R>& p) {
    std::vector<R> y(x.size(), std::numeric_limits<R>::quiet_NaN());
    p.exp(idx(x.size()), x.data(), y.data());
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const long double exact = std::exp(static_cast<long double>(x[i]));
      const R near = static_cast<R>(exact);
      const long double ulp = near < std::numeric_limits<R>::min()
                                  ? static_cast<long double>(std::numeric_limits<R>::denorm_min())
                                  : static_cast<long double>(std::ldexp(std::numeric_limits<R>::epsilon(), std::ilogb(near)));
      const double error = static_cast<double>(std::abs(static_cast<long double>(y[i]) - exact) / ulp);
      worst = error <= worst ? worst : error;  // a NaN stays
    }
    CHECK(worst < 2.0);
    constexpr R infinity = std::numeric_limits<R>::infinity();
    const R ends[] = {-infinity,   -std::numeric_limits<R>::max(),     lowest, infinity, std::numeric_limits<R>::max(),
                      highest + 1, std::numeric_limits<R>::quiet_NaN()};
    R e[7];
    p.exp(7, ends, e);
    CHECK((e[0] == 0 && e[1] == 0 && e[2] == 0));
    CHECK((e[3] == infinity && e[4] == infinity && e[5] == infinity));
    CHECK(std::isnan(e[6]));
  });
}

TEST_CASE_TEMPLATE("products of entries equal the loops", R, float, double) {
  on_every_target<R>([](const products<R>& p) {
    for_sizes([&](int m, int n, int, std::mt19937& random) {
      const matrix<R> F(m, n, random), X(m, n, random), f(1, m, random);
      matrix<R> scaled(m, n, random), product(m, n, random), sum(m, n, random), added(m, n, random);
      scaled.fill(std::numeric_limits<R>::quiet_NaN());
      product.fill(std::numeric_limits<R>::quiet_NaN());
      const matrix<R> old_sum = sum, old_added = added;
      p.scale_rows(m, n, f.data(), X.data(), X.stride, scaled.data(), scaled.stride);
      p.multiply(m, n, F.data(), F.stride, X.data(), X.stride, product.data(), product.stride);
      p.multiply_add(m, n, F.data(), F.stride, X.data(), X.stride, sum.data(), sum.stride);
      p.add(m, n, X.data(), X.stride, added.data(), added.stride);
      auto one = [](int, int) { return 1.0L; };
      CAPTURE(m);
      CAPTURE(n);
      check_near(scaled, [&](int i, int j) { return static_cast<long double>(f(0, i)) * X(i, j); }, one);
      check_near(product, [&](int i, int j) { return static_cast<long double>(F(i, j)) * X(i, j); }, one);
      check_near(sum, [&](int i, int j) { return static_cast<long double>(F(i, j)) * X(i, j) + old_sum(i, j); }, one);
      check_near(added, [&](int i, int j) { return static_cast<long double>(X(i, j)) + old_added(i, j); }, one);

      matrix<R> in_place = X;
      p.multiply(m, n, F.data(), F.stride, in_place.data(), in_place.stride, in_place.data(), in_place.stride);
      check_near(in_place, [&](int i, int j) { return static_cast<long double>(product(i, j)); }, one);

      if (m == 0) return;
      matrix<R> down = X, up = X;  // running products, from the first row and from the last
      const idx step = down.stride, last = (m - 1) * step, last_f = (m - 1) * F.stride;
      p.multiply(m - 1, n, F.data() + F.stride, F.stride, down.data(), step, down.data() + step, step);
      p.multiply(m - 1, n, F.data() + last_f, -F.stride, up.data() + last, -step, up.data() + last - step, -step);
      bool runs = true;
      for (int j = 0; j < n; ++j) {
        R from_first = X(0, j), from_last = X(m - 1, j);
        for (int i = 1; i < m; ++i) runs &= same_bits(down(i, j), from_first = F(i, j) * from_first);
        for (int i = m - 1; i > 0; --i) runs &= same_bits(up(i - 1, j), from_last = F(i, j) * from_last);
      }
      CHECK(runs);
    });
  });
}

TEST_CASE_TEMPLATE("products dots and the decode step equal the loops", R, float, double) {
  on_every_target<R>([](const products<R>& p) {
    for_sizes([&](int m, int n, int, std::mt19937& random) {
      const matrix<R> X(m, n, random), Y(m, n, random), row_start(1, m, random), column_start(1, n, random);
      matrix<R> rows = row_start, columns = column_start;
      p.row_dots(m, n, X.data(), X.stride, Y.data(), Y.stride, rows.data());
      p.col_dots(m, n, X.data(), X.stride, Y.data(), Y.stride, columns.data());
      CAPTURE(m);
      CAPTURE(n);
      auto dot = [&](int i, int j, bool of_rows, bool magnitude) {
        const long double start = of_rows ? row_start(0, j) : column_start(0, j);
        long double s = magnitude ? std::abs(start) : start;
        for (int q = 0; q < (of_rows ? n : m); ++q) {
          const long double term = of_rows ? static_cast<long double>(X(j, q)) * Y(j, q) : static_cast<long double>(X(q, j)) * Y(q, j);
          s += magnitude ? std::abs(term) : term;
        }
        return s + i;
      };
      check_near(rows, [&](int i, int j) { return dot(i, j, true, false); }, [&](int i, int j) { return dot(i, j, true, true); });
      check_near(columns, [&](int i, int j) { return dot(i, j, false, false); }, [&](int i, int j) { return dot(i, j, false, true); });

      const matrix<R> w(1, m, random), kb(1, m, random), v(1, n, random), q(1, m, random);
      for (bool decays : {true, false}) {
        matrix<R> S = X, y(1, n, random);
        y.fill(std::numeric_limits<R>::quiet_NaN());
        p.step(m, n, decays ? w.data() : nullptr, kb.data(), v.data(), q.data(), S.data(), S.stride, y.data());
        auto state = [&](int i, int j) {
          return (decays ? static_cast<long double>(w(0, i)) : 1.0L) * X(i, j) + static_cast<long double>(kb(0, i)) * v(0, j);
        };
        check_near(S, state, [](int, int) { return 1.0L; });
        check_near(
            y,
            [&](int, int j) {
              long double s = 0;
              for (int i = 0; i < m; ++i) s += q(0, i) * state(i, j);
              return s;
            },
            [&](int, int) { return 1.0L + 0.5L * m; });
      }
    });
  });
}

TEST_CASE_TEMPLATE("products of scaled rows and transposes equal the loops", R, float, double) {
  on_every_target<R>([](const products<R>& p) {
    for_sizes([&](int m, int n, int, std::mt19937& random) {
      const matrix<R> X(m, n, random), f(1, m, random);
      matrix<R> sum(m, n, random), turned(n, m, random);
      const matrix<R> old_sum = sum;
      turned.fill(std::numeric_limits<R>::quiet_NaN());
      p.add_scaled_rows(m, n, f.data(), X.data(), X.stride, sum.data(), sum.stride);
      p.transpose(m, n, X.data(), X.stride, turned.data(), turned.stride);
      CAPTURE(m);
      CAPTURE(n);
      check_near(
          sum, [&](int i, int j) { return static_cast<long double>(f(0, i)) * X(i, j) + old_sum(i, j); }, [](int, int) { return 1.0L; });
      check_near(turned, [&](int i, int j) { return static_cast<long double>(X(j, i)); }, [](int, int) { return 0.0L; });
    });
  });
}

TEST_CASE_TEMPLATE("products exponentials of rows take the running maximum out", R, float, double) {
  on_every_target<R>([](const products<R>& p) {
    for_sizes([&](int m, int n, int, std::mt19937& random) {
      if (n == 0) return;
      matrix<R> Z(m, n, random, R(30)), top(1, m, random, R(30)), factor(1, m, random), sum(1, m, random);
      for (int i = 0; i < m; ++i) {
        if (i % 3 == 1) top(0, i) = math::unset_maximum<R>();
        for (int j = 0; j < n; ++j)
          if (j != i % n && (i + j) % 5 == 0) Z(i, j) = -std::numeric_limits<R>::infinity();
      }
      const matrix<R> before = Z, old_top = top;
      p.exp_rows(m, n, Z.data(), Z.stride, top.data(), factor.data(), sum.data());
      CAPTURE(m);
      CAPTURE(n);
      const auto largest = [&](int i) {
        R most = old_top(0, i);
        for (int j = 0; j < n; ++j) most = std::max(most, before(i, j));
        return most;
      };
      bool tops = true;
      for (int i = 0; i < m; ++i) tops = tops && top(0, i) == largest(i);
      CHECK(tops);
      // the difference is rounded before the exponential: half an ulp of up to 60
      check_near(
          Z, [&](int i, int j) { return std::exp(static_cast<long double>(before(i, j) - top(0, i))); }, [](int, int) { return 1.0L; });
      check_near(
          factor, [&](int, int i) { return std::exp(static_cast<long double>(old_top(0, i) - top(0, i))); }, [](int, int) { return 1.0L; });
      const auto total = [&](int, int i) {
        long double all = 0;
        for (int j = 0; j < n; ++j) all += static_cast<long double>(Z(i, j));
        return all;
      };
      check_near(sum, total, [&](int, int i) { return (1 + n / 32) * total(0, i); });
    });
  });
}

TEST_CASE_TEMPLATE("products one row of a corrected recurrence equals the loops, in place or not", R, float, double) {
  on_every_target<R>([](const products<R>& p) {
    for_sizes([&](int m, int n, int, std::mt19937& random) {
      const matrix<R> S(m, n, random), w(1, m, random), row(1, m, random), col(1, m, random), k(1, m, random), v(1, n, random),
          q(1, m, random);
      const R s = R(-0.7), b = R(1.3), decay = R(0.8);
      for (const auto& [tied, in_place, by_channel] :
           {std::array{true, true, true}, {true, false, false}, {false, true, false}, {false, false, true}}) {
        matrix<R> from = S, to(m, n, random), y(1, n, random);
        y.fill(std::numeric_limits<R>::quiet_NaN());
        matrix<R>& out = in_place ? from : to;
        out.fill(in_place ? R(0) : std::numeric_limits<R>::quiet_NaN());
        if (in_place) from = S;
        p.state_row(m, {by_channel ? w.data() : nullptr, row.data(), tied ? nullptr : col.data(), k.data(), v.data(), q.data(), s, b, decay,
                        from.data(), from.stride, out.data(), out.stride, y.data(), n, tied ? S.data() : nullptr});
        const auto along = [&](int j) {
          long double r = 0;
          for (int i = 0; i < m; ++i) r += static_cast<long double>(row(0, i)) * S(i, j);
          return r * s;
        };
        std::vector<long double> r(static_cast<std::size_t>(n));
        for (int j = 0; j < n; ++j) r[static_cast<std::size_t>(j)] = along(j);
        const auto state = [&](int i, int j) {
          const long double c = tied ? k(0, i) : col(0, i);
          return static_cast<long double>(by_channel ? w(0, i) : decay) * S(i, j) + c * r[static_cast<std::size_t>(j)] +
                 static_cast<long double>(k(0, i)) * b * v(0, j);
        };
        CAPTURE(m);
        CAPTURE(n);
        check_near(out, state, [&](int, int) { return 2.0L + 0.7L * m; });
        check_near(
            y,
            [&](int, int j) {
              long double sum = 0;
              for (int i = 0; i < m; ++i) sum += q(0, i) * state(i, j);
              return sum;
            },
            [&](int, int) { return 1.0L + (2.0L + 0.7L * m) * m; });
      }
    });
  });
}

TEST_CASE_TEMPLATE("products decayed Gram matrix equals the loops, at any decay", R, float, double) {
  on_every_target<R>([](const products<R>& p) {
    std::mt19937 random(11);
    for (int m : {0, 1, 2, 3, 7, 16, 17, 31, 32})
      for (int n : {0, 1, 17, 64, 128, 300})
        for (double strength : {1e-3, 0.3, 60.0, std::numeric_limits<double>::infinity()}) {
          const matrix<R> A(m, n, random), B(m, n, random);
          matrix<R> f(m, n, random), C(m, m, random);
          for (int i = 0; i < m; ++i)
            for (int j = 0; j < n; ++j) f(i, j) = f(i, j) > R(0.8) ? R(1) : std::exp(static_cast<R>(-strength) * std::abs(f(i, j)));
          for (int i = 0; i < m; ++i)
            for (int j = i + 1; j < m; ++j) C(i, j) = 0;
          const matrix<R> old = C;
          p.decayed_gram_lower(m, n, A.data(), A.stride, B.data(), B.stride, f.data(), f.stride, C.data(), C.stride);
          auto sum = [&](int i, int j, bool magnitude) {
            long double s = magnitude ? 2 * std::abs(old(i, j)) : old(i, j);  // plain loops round it once a term
            for (int c = 0; c < n && j <= i; ++c) {
              long double term = static_cast<long double>(A(i, c)) * B(j, c);
              for (int t = j + 1; t <= i; ++t) term *= f(t, c);
              s += magnitude ? std::abs(term) * (1 + (i - j) / 2) + std::numeric_limits<R>::min() : term;
            }
            return s;
          };
          CAPTURE(m);
          CAPTURE(n);
          CAPTURE(strength);
          check_near(C, [&](int i, int j) { return sum(i, j, false); }, [&](int i, int j) { return sum(i, j, true); });
        }
    CHECK_THROWS_AS(p.decayed_gram_lower(33, 0, nullptr, 0, nullptr, 0, nullptr, 0, nullptr, 0), std::invalid_argument);
    CHECK_THROWS_AS(p.decayed_gram_backward(17, 0, {}), std::invalid_argument);
  });
}

TEST_CASE_TEMPLATE("products backward of a decayed Gram matrix equals the loops", R, float, double) {
  on_every_target<R>([](const products<R>& p) {
    std::mt19937 random(12);
    for (int m : {0, 1, 2, 3, 7, 12, 16})
      for (int n : {0, 1, 17, 64, 100})
        for (const bool with_log : {true, false}) {
          const auto columns = [&] {  // rows as far apart as those of the others
            matrix<R> x(m, n, random);
            x.stride = n + 2;
            x.buffer.assign(static_cast<std::size_t>(x.offset() + m * x.stride + 3), std::numeric_limits<R>::quiet_NaN());
            std::uniform_real_distribution<double> unit(-1, 1);
            for (int i = 0; i < m; ++i)
              for (int c = 0; c < n; ++c) x(i, c) = static_cast<R>(unit(random));
            return x;
          };
          const matrix<R> A = columns(), B = columns(), d(m, m, random);
          matrix<R> f = columns(), dA = columns(), dB = columns(), dlog = columns();
          for (int i = 0; i < m; ++i)
            for (int c = 0; c < n; ++c) f(i, c) = std::abs(f(i, c));
          const matrix<R> old_A = dA, old_B = dB, old_log = dlog;
          p.decayed_gram_backward(
              m, n, {A.data(), B.data(), f.data(), A.stride, d.data(), d.stride, dA.data(), dB.data(), with_log ? dlog.data() : nullptr});
          const auto decay = [&](int i, int j, int c) {
            long double all = 1;
            for (int t = j + 1; t <= i; ++t) all *= f(t, c);
            return all;
          };
          const auto from_rows = [&](int i, int c, bool magnitude) {
            long double s = old_A(i, c);
            if (magnitude) s = 2 * std::abs(s);  // plain loops round it once a term
            for (int j = 0; j <= i; ++j) {
              const long double term = decay(i, j, c) * d(i, j) * B(j, c);
              s += magnitude ? (3 + i - j) * std::abs(term) : term;
            }
            return s;
          };
          const auto from_columns = [&](int j, int c, bool magnitude) {
            long double s = old_B(j, c);
            if (magnitude) s = 2 * std::abs(s);  // plain loops round it once a term
            for (int i = j; i < m; ++i) {
              const long double term = decay(i, j, c) * d(i, j) * A(i, c);
              s += magnitude ? (3 + i - j) * std::abs(term) : term;
            }
            return s;
          };
          const auto from_pairs = [&](int t, int c, bool magnitude) {
            long double s = old_log(t, c);
            if (magnitude) s = 2 * std::abs(s);  // plain loops round it once a term
            for (int i = t; i < m && with_log; ++i)
              for (int j = 0; j < t; ++j) {
                const long double term = decay(i, j, c) * d(i, j) * A(i, c) * B(j, c);
                s += magnitude ? (8 + i - j) * std::abs(term) : term;
              }
            return s;
          };
          CAPTURE(m);
          CAPTURE(n);
          check_near(dA, [&](int i, int c) { return from_rows(i, c, false); }, [&](int i, int c) { return from_rows(i, c, true); });
          check_near(dB, [&](int i, int c) { return from_columns(i, c, false); }, [&](int i, int c) { return from_columns(i, c, true); });
          check_near(dlog, [&](int i, int c) { return from_pairs(i, c, false); }, [&](int i, int c) { return from_pairs(i, c, true); });
        }
  });
}

TEST_CASE_TEMPLATE("products running dots equal the loops, from either end", R, float, double) {
  on_every_target<R>([](const products<R>& p) {
    for_sizes([&](int m, int n, int, std::mt19937& random) {
      const matrix<R> X(m, n, random), Y(1, n, random), start(m, n, random);
      for (const bool from_last : {false, true}) {
        const int first = from_last && m > 0 ? m - 1 : 0, sign = from_last ? -1 : 1;
        matrix<R> out = start;
        p.running_dots(m, n, X.data() + first * X.stride, sign * X.stride, Y.data(), 0, out.data() + first * out.stride, sign * out.stride);
        const auto sum = [&](int i, int c, bool magnitude) {
          long double s = magnitude ? std::abs(start(i, c)) : start(i, c);
          for (int r = from_last ? i : 0; r < (from_last ? m : i + 1); ++r) {
            const long double term = static_cast<long double>(X(r, c)) * Y(0, c);
            s += magnitude ? std::abs(term) : term;
          }
          return s;
        };
        check_near(out, [&](int i, int c) { return sum(i, c, false); }, [&](int i, int c) { return 2 * sum(i, c, true); });
      }
    });
  });
}

namespace {

/// Whether two results agree to the bit in the given rows and columns of the first.
template <class R>
bool agree(const matrix<R>& whole, int i0, int j0, const matrix<R>& part) {
  bool same = true;
  for (int i = 0; i < part.rows; ++i)
    for (int j = 0; j < part.cols; ++j) same &= same_bits(whole(i0 + i, j0 + j), part(i, j));
  return same;
}
/// A copy with its own stride.
template <class R>
matrix<R> block(const matrix<R>& whole, int i0, int j0, int m, int n, std::mt19937& random) {
  matrix<R> part(m, n, random);
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) part(i, j) = whole(i0 + i, j0 + j);
  return part;
}

}  // namespace

TEST_CASE_TEMPLATE("products a row whose correction was summed by the row before has the same bits", R, float, double) {
  on_every_target<R>([](const products<R>& p) {
    for_sizes([&](int m, int n, int, std::mt19937& random) {
      const matrix<R> start(m, n, random), row(2, m, random), k(2, m, random), v(2, n, random), q(2, m, random), w(2, m, random);
      const auto two_rows = [&](bool summed_ahead, matrix<R>& S, matrix<R>& y) {
        matrix<R> ahead(1, n, random);
        ahead.fill(std::numeric_limits<R>::quiet_NaN());
        for (int i = 0; i < 2; ++i)
          p.state_row(m, {&w(i, 0), &row(i, 0), nullptr, &k(i, 0), &v(i, 0), &q(i, 0), R(-0.4), R(0.9), R(1), S.data(), S.stride, S.data(),
                          S.stride, &y(i, 0), n, nullptr, summed_ahead && i == 1 ? ahead.data() : nullptr, &row(1, 0),
                          summed_ahead && i == 0 ? ahead.data() : nullptr});
      };
      if (m == 0 || n == 0) return;
      matrix<R> S = start, other_S = start, y(2, n, random), other_y(2, n, random);
      two_rows(false, S, y), two_rows(true, other_S, other_y);
      CAPTURE(m);
      CAPTURE(n);
      CHECK(agree(S, 0, 0, other_S));
      CHECK(agree(y, 0, 0, other_y));
    });
  });
}

TEST_CASE_TEMPLATE("products of a part of the rows and columns have the bits of the whole", R, float, double) {
  on_every_target<R>([](const products<R>& p) {
    std::mt19937 random(5);
    for (int m : {5, 17, 64})
      for (int n : {31, 65, 128})
        for (int k : {3, 64, 300}) {
          const int i0 = static_cast<int>(random() % 5), j0 = static_cast<int>(random() % 30);
          const int rows = 1 + static_cast<int>(random() % static_cast<unsigned>(m - i0));
          const int cols = 1 + static_cast<int>(random() % static_cast<unsigned>(n - j0));
          const matrix<R> A(m, k, random), B(k, n, random), At(k, m, random), Bt(n, k, random), start(m, n, random);
          matrix<R> C = start, some = block(start, i0, j0, rows, cols, random);
          p.nn(m, n, k, A.data(), A.stride, B.data(), B.stride, C.data(), C.stride);
          p.nn(rows, cols, k, &A(i0, 0), A.stride, &B(0, j0), B.stride, some.data(), some.stride);
          CHECK(agree(C, i0, j0, some));
          C = start, some = block(start, i0, j0, rows, cols, random);
          p.tn(m, n, k, At.data(), At.stride, B.data(), B.stride, C.data(), C.stride);
          p.tn(rows, cols, k, &At(0, i0), At.stride, &B(0, j0), B.stride, some.data(), some.stride);
          CHECK(agree(C, i0, j0, some));
          C = start, some = block(start, i0, j0, rows, cols, random);
          p.nt(m, n, k, A.data(), A.stride, Bt.data(), Bt.stride, C.data(), C.stride);
          p.nt(rows, cols, k, &A(i0, 0), A.stride, &Bt(j0, 0), Bt.stride, some.data(), some.stride);
          CHECK(agree(C, i0, j0, some));
        }
  });
}

TEST_CASE_TEMPLATE("products of a triangle do not see what lies beyond it, nor how many rows follow", R, float, double) {
  on_every_target<R>([](const products<R>& p) {
    std::mt19937 random(6);
    for (int m : {1, 7, 33, 64})
      for (int more : {1, 30, 250}) {
        const int n = 37, all = m + more, j0 = 5, cols = 20;
        const matrix<R> A(all, all, random, R(0.01)), start(all, n, random);
        matrix<R> B(all, n, random);
        for (int j = 0; j < n; ++j) B(all - 1, j) = std::numeric_limits<R>::infinity();
        matrix<R> C = start, X = B, some = block(start, 0, j0, m, cols, random), x = block(B, 0, j0, m, cols, random);
        p.nn_lower_left(all, n, A.data(), A.stride, B.data(), B.stride, C.data(), C.stride);
        p.nn_lower_left(m, cols, A.data(), A.stride, &B(0, j0), B.stride, some.data(), some.stride);
        CHECK(agree(C, 0, j0, some));
        p.solve_lower(all, n, A.data(), A.stride, X.data(), X.stride);
        p.solve_lower(m, cols, A.data(), A.stride, x.data(), x.stride);
        CHECK(agree(X, 0, j0, x));
        for (int j = 0; j < n; ++j) {
          B(all - 1, j) = R(1);
          B(0, j) = -std::numeric_limits<R>::infinity();
        }
        C = start, X = B;
        some = block(start, more, j0, m, cols, random), x = block(B, more, j0, m, cols, random);
        p.tn_lower_left(all, n, A.data(), A.stride, B.data(), B.stride, C.data(), C.stride);
        p.tn_lower_left(m, cols, &A(more, more), A.stride, &B(more, j0), B.stride, some.data(), some.stride);
        CHECK(agree(C, more, j0, some));
        p.solve_lower_transposed(all, n, A.data(), A.stride, X.data(), X.stride);
        p.solve_lower_transposed(m, cols, &A(more, more), A.stride, x.data(), x.stride);
        CHECK(agree(X, more, j0, x));

        const matrix<R> Q(all, 70, random), K(all, 70, random), weights(all, all, random);
        matrix<R> gram = weights, leading = block(weights, 0, 0, m, m, random);
        p.nt_lower(all, 70, Q.data(), Q.stride, K.data(), K.stride, gram.data(), gram.stride);
        p.nt_lower(m, 70, Q.data(), Q.stride, K.data(), K.stride, leading.data(), leading.stride);
        CHECK(agree(gram, 0, 0, leading));
      }
  });
}

TEST_CASE_TEMPLATE("products by entries, dots and steps of a part have the bits of the whole", R, float, double) {
  on_every_target<R>([](const products<R>& p) {
    std::mt19937 random(8);
    const int m = 32, n = 77;
    const matrix<R> X(m, n, random), Y(m, n, random), out(1, n, random);
    matrix<R> g(m, n, random);
    for (int j0 : {0, 1, 16, 40})
      for (int cols : {1, 8, 37}) {
        matrix<R> E(m, n, random), e(m, cols, random), C = Y, c = block(Y, 0, j0, m, cols, random);
        for (int i = 0; i < m; ++i) p.exp(n, &X(i, 0), &E(i, 0));
        for (int i = 0; i < m; ++i) p.exp(cols, &X(i, j0), &e(i, 0));
        CHECK(agree(E, 0, j0, e));
        p.multiply_add(m, n, X.data(), X.stride, E.data(), E.stride, C.data(), C.stride);
        p.multiply_add(m, cols, &X(0, j0), X.stride, &E(0, j0), E.stride, c.data(), c.stride);
        CHECK(agree(C, 0, j0, c));
        matrix<R> sums = out, some = block(out, 0, j0, 1, cols, random);
        p.col_dots(m, n, X.data(), X.stride, Y.data(), Y.stride, sums.data());
        p.col_dots(m, cols, &X(0, j0), X.stride, &Y(0, j0), Y.stride, some.data());
        CHECK(agree(sums, 0, j0, some));
        matrix<R> S = X, s = block(X, 0, j0, m, cols, random), y = out, part = block(out, 0, j0, 1, cols, random);
        p.step(m, n, &X(0, 0), &X(1, 0), &X(2, 0), &X(3, 0), S.data(), S.stride, y.data());
        p.step(m, cols, &X(0, 0), &X(1, 0), &X(2, j0), &X(3, 0), s.data(), s.stride, part.data());
        CHECK(agree(S, 0, j0, s));
        CHECK(agree(y, 0, j0, part));
      }
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j) g(i, j) = std::abs(g(i, j));
    for (int rows : {1, 2, 9, 17}) {
      matrix<R> whole(m, m, random), leading = block(whole, 0, 0, rows, rows, random), row_sums(1, m, random);
      matrix<R> some = block(row_sums, 0, 3, 1, rows, random);
      p.decayed_gram_lower(m, n, X.data(), X.stride, Y.data(), Y.stride, g.data(), g.stride, whole.data(), whole.stride);
      p.decayed_gram_lower(rows, n, X.data(), X.stride, Y.data(), Y.stride, g.data(), g.stride, leading.data(), leading.stride);
      CHECK(agree(whole, 0, 0, leading));
      p.row_dots(m, n, X.data(), X.stride, Y.data(), Y.stride, row_sums.data());
      p.row_dots(rows, n, &X(3, 0), X.stride, &Y(3, 0), Y.stride, some.data());
      CHECK(agree(row_sums, 0, 3, some));
    }
  });
}

TEST_CASE("products of any other real are plain loops") {
  const auto p = products<dual<float>>::best();
  CHECK(p.where() == target::portable);
  CHECK(products<long double>::best().where() == target::portable);
  CHECK(products<float>::best().where() == cpu::best_target());
  CHECK(products<float>::rounded().where() == (cpu::has_target(target::avx512_bf16) ? target::avx512_bf16 : cpu::best_target()));
  CHECK(products<double>::rounded().where() == cpu::best_target());
  dual<float> x[2] = {{0.5f, 1.0f}, {-1.0f, 2.0f}}, y[2] = {{1.0f, 0.0f}, {2.0f, 0.0f}}, dot{}, e[2];
  p.nt(1, 1, 2, x, 2, y, 2, &dot, 1);
  CHECK(dot.v == doctest::Approx(-1.5));
  CHECK(dot.d == doctest::Approx(5.0));
  p.exp(2, x, e);
  CHECK(e[1].v == doctest::Approx(std::exp(-1.0)));
  CHECK(e[1].d == doctest::Approx(2 * std::exp(-1.0)));
  dual<float> gram[4] = {}, f[2] = {{1.0f, 0.0f}, {0.25f, 1.0f}};
  p.decayed_gram_lower(2, 1, y, 1, y, 1, f, 1, gram, 2);
  CHECK(gram[2].v == doctest::Approx(0.5));
  CHECK(gram[2].d == doctest::Approx(2));
  CHECK(gram[1].v == 0);
}

TEST_CASE("products refuse a target that the machine or the program lacks") {
  for (target t : {target::neon, target::avx2, target::avx512, target::avx512_bf16})
    if (!cpu::has_target(t)) CHECK_THROWS_AS(products<float>::on(t), std::invalid_argument);
  if (cpu::best_target() != target::portable) CHECK_THROWS_AS(products<long double>::on(cpu::best_target()), std::invalid_argument);
}
