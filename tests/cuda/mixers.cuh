// SPDX-License-Identifier: MIT
#pragma once
#include "coefdyn/coefdyn.hpp"

/// The mixers of the GPU tests, one translation unit each: every family, and combinations that have no name. `all_types`: also
/// float64, bf16 and half. A user's map, seen nowhere else, closes the list.
namespace gpu_test {

using namespace coefdyn;
namespace r = readout;
namespace ev = evolution;
namespace sc = scaling;
namespace no = normalization;

/// Any linear map, with a gradient by dual numbers: a shear of neighbouring channels, and a decay.
struct sheared {
  using streams = list<per_head<stream::log_decay>, per_channel<stream::a>>;
  static constexpr field over = field::real;
  static constexpr bool is_constant = false;
  template <class At, class X>
  COEFDYN_HD static void apply(const At& at, X x) {
    const auto f = math::exp(at.log_decay);
    for (int c = at.n - 1; c > 0; --c) x[c] = f * (x[c] + at.a[c] * x[c - 1]);
    x[0] = f * x[0];
  }
  template <class At, class X>
  COEFDYN_HD static void apply_transposed(const At& at, X x) {
    const auto f = math::exp(at.log_decay);
    for (int c = 0; c < at.n; ++c) x[c] = f * x[c];
    for (int c = 1; c < at.n; ++c) x[c - 1] = x[c - 1] + at.a[c] * x[c];
  }
};

template <int Case>
struct subject;
#define COEFDYN_SUBJECT(CASE, NAME, HEADS, FIELD, ALL_TYPES, ...) \
  template <>                                                     \
  struct subject<CASE> {                                          \
    using mixer_type = mixer<__VA_ARGS__>;                        \
    using heads_type = heads::HEADS;                              \
    static constexpr field over = field::FIELD;                   \
    static constexpr bool all_types = ALL_TYPES;                  \
    static constexpr const char* name = NAME;                     \
  }
COEFDYN_SUBJECT(0, "linear attention", grouped_queries, real, false, r::linear, ev::identity, sc::one, no::one);
COEFDYN_SUBJECT(1, "elu+1 attention, sum", grouped_queries, real, false, r::linear, ev::identity, sc::one, no::sum, feature::elu_plus_one);
COEFDYN_SUBJECT(2, "retnet", grouped_queries, real, false, r::linear, ev::fixed_scalar, sc::one, no::sqrt_dim);
COEFDYN_SUBJECT(3, "mamba-2, grouped values", grouped_values, real, true, r::linear, ev::scalar, sc::delta, no::one);
COEFDYN_SUBJECT(4, "mlstm", grouped_queries, real, true, r::linear, ev::scalar, sc::product<sc::exp_input, sc::inverse_sqrt_dim>,
                no::floored_sum);
COEFDYN_SUBJECT(5, "hgrn-2", grouped_queries, real, false, r::linear, ev::diagonal, sc::one_minus_lambda, no::one);
COEFDYN_SUBJECT(6, "gla", grouped_queries, real, true, r::linear, ev::diagonal, sc::one, no::sqrt_dim);
COEFDYN_SUBJECT(7, "gla, sum, softmax features", grouped_queries, real, false, r::linear, ev::diagonal, sc::one, no::sum, feature::softmax);
COEFDYN_SUBJECT(8, "s4d real", grouped_queries, real, false, r::linear, ev::fixed_diagonal, sc::sqrt_one_minus_lambda2, no::one);
COEFDYN_SUBJECT(9, "rwkv-6", grouped_queries, real, false, r::linear, ev::read_before<ev::diagonal>, sc::one, no::one);
COEFDYN_SUBJECT(10, "gdn before, exp, floor", grouped_queries, real, false, r::linear, ev::read_before<ev::gated_householder<>>,
                sc::product<sc::exp_input, sc::beta>, no::floored_sum);
COEFDYN_SUBJECT(11, "deltanet, l2", grouped_queries, real, false, r::linear, ev::householder<>, sc::beta, no::sqrt_dim, feature::l2);
COEFDYN_SUBJECT(12, "deltanet z fixed, gate", grouped_queries, real, false, r::linear, ev::householder<ev::along::z, ev::strength::fixed>,
                sc::beta, no::gate<no::psi::softplus, no::offset::yes>);
COEFDYN_SUBJECT(13, "gated deltanet, grouped values", grouped_values, real, true, r::linear, ev::gated_householder<>, sc::beta,
                no::sqrt_dim);
COEFDYN_SUBJECT(14, "kda", grouped_queries, real, true, r::linear, ev::diagonal_householder<>, sc::beta, no::sqrt_dim);
COEFDYN_SUBJECT(15, "kda z, 1 - lambda", grouped_queries, real, false, r::linear, ev::diagonal_householder<ev::along::z>,
                sc::one_minus_lambda, no::one);
COEFDYN_SUBJECT(16, "rwkv-7", grouped_queries, real, true, r::linear, ev::diagonal_plus_rank_one, sc::one, no::one);
COEFDYN_SUBJECT(17, "rwkv-7, exp, floor", grouped_queries, real, false, r::linear, ev::diagonal_plus_rank_one, sc::exp_input,
                no::floored_sum);
COEFDYN_SUBJECT(18, "comba", grouped_queries, real, false, r::linear, ev::scalar_plus_rank_one, sc::beta, no::sqrt_dim);
COEFDYN_SUBJECT(19, "gated deltaproduct 3", grouped_queries, real, false, r::linear, ev::writes<3, ev::gated_householder<>>, sc::beta,
                no::sqrt_dim);
COEFDYN_SUBJECT(20, "kda product 2, exp, floor", grouped_queries, real, false, r::linear, ev::writes<2, ev::diagonal_householder<>>,
                sc::product<sc::beta, sc::exp_input>, no::floored_sum);
COEFDYN_SUBJECT(21, "product of 2, floor", grouped_queries, real, false, r::linear, ev::householder_product<2>, sc::inverse_sqrt_dim,
                no::floored_sum);
COEFDYN_SUBJECT(22, "gated product of 2, before", grouped_queries, real, false, r::linear,
                ev::read_before<ev::householder_product<2, decaying::scalar>>, sc::inverse_sqrt_dim, no::sqrt_dim);
COEFDYN_SUBJECT(23, "xpos", grouped_queries, real, false, r::linear, ev::rotation_decay<>, sc::one, no::sqrt_dim);
COEFDYN_SUBJECT(24, "rope, linear", grouped_queries, real, false, r::linear, ev::rotation<>, sc::one, no::sqrt_dim);
COEFDYN_SUBJECT(25, "lru", grouped_queries, complex, false, r::linear, ev::fixed_complex_diagonal, sc::sqrt_one_minus_lambda2, no::one);
COEFDYN_SUBJECT(26, "complex diagonal, real q k", grouped_queries, real, false, r::linear, ev::complex_diagonal, sc::sqrt_one_minus_lambda2,
                no::one);
COEFDYN_SUBJECT(27, "complex before, gate", grouped_queries, complex, false, r::linear, ev::read_before<ev::complex_diagonal>,
                sc::sqrt_one_minus_lambda2, no::gate<no::psi::sigmoid>);
COEFDYN_SUBJECT(28, "dense", grouped_queries, real, false, r::linear, ev::dense<>, sc::delta, no::one);
COEFDYN_SUBJECT(29, "dense complex", grouped_queries, complex, false, r::linear, ev::dense<field::complex>, sc::one, no::one);
COEFDYN_SUBJECT(30, "user's shear", grouped_queries, real, false, r::linear, sheared, sc::inverse_sqrt_dim, no::one);
COEFDYN_SUBJECT(31, "softmax", grouped_queries, real, true, r::exponential, ev::identity, sc::inverse_sqrt_dim, no::sum);
COEFDYN_SUBJECT(32, "softmax, rope", grouped_queries, real, false, r::exponential, ev::rotation<ev::pairing::interleaved>,
                sc::inverse_sqrt_dim, no::sum);
COEFDYN_SUBJECT(33, "softmax, scalar, grouped values", grouped_values, real, false, r::exponential, ev::scalar, sc::inverse_sqrt_dim,
                no::sum);
COEFDYN_SUBJECT(34, "path", grouped_queries, real, true, r::exponential, ev::householder<ev::along::z>, sc::inverse_sqrt_dim, no::sum);
COEFDYN_SUBJECT(35, "exp kda, l2", grouped_queries, real, false, r::exponential, ev::diagonal_householder<>,
                sc::product<sc::beta, sc::inverse_sqrt_dim>, no::sum, feature::l2);
COEFDYN_SUBJECT(36, "softplus, gate", grouped_queries, real, false, r::softplus, ev::identity, sc::inverse_sqrt_dim,
                no::gate<no::psi::exponential>);
COEFDYN_SUBJECT(37, "relu squared, count", grouped_queries, real, false, r::relu_squared, ev::scalar, sc::inverse_sqrt_dim, no::count);
COEFDYN_SUBJECT(38, "silu, complex diagonal", grouped_queries, real, false, r::silu, ev::complex_diagonal, sc::inverse_sqrt_dim, no::one);
COEFDYN_SUBJECT(39, "sigmoid, deltaproduct 2", grouped_queries, real, false, r::sigmoid, ev::writes<2, ev::gated_householder<>>, sc::beta,
                no::sum);
COEFDYN_SUBJECT(40, "sigmoid before, diagonal", grouped_queries, real, false, r::sigmoid, ev::read_before<ev::diagonal>, sc::one, no::sum);
COEFDYN_SUBJECT(41, "tanh, rank one, exp", grouped_queries, real, false, r::tanh, ev::diagonal_plus_rank_one, sc::exp_input, no::sqrt_dim);
COEFDYN_SUBJECT(42, "elu+1, product of 2", grouped_queries, real, false, r::elu_plus_one, ev::householder_product<2>, sc::inverse_sqrt_dim,
                no::count);
COEFDYN_SUBJECT(43, "softmax, user's shear", grouped_queries, real, false, r::exponential, sheared, sc::inverse_sqrt_dim, no::sum);
COEFDYN_SUBJECT(44, "elu+1, scalar, sum, grouped values", grouped_values, real, false, r::linear, ev::scalar, sc::delta, no::sum,
                feature::elu_plus_one);
COEFDYN_SUBJECT(45, "mamba-2 from raw gates", grouped_values, real, false, r::linear,
                ev::parameterised<ev::scalar, parameterisation::mamba2>, sc::step<parameterisation::mamba2>, no::one);
COEFDYN_SUBJECT(46, "softmax, decays from raw gates", grouped_queries, real, false, r::exponential,
                ev::parameterised<ev::scalar, parameterisation::sigmoid>, sc::inverse_sqrt_dim, no::sum);
#undef COEFDYN_SUBJECT
constexpr int subjects = 47;

}  // namespace gpu_test
