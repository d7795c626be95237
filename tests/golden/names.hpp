// SPDX-License-Identifier: MIT
#pragma once

/// The one table between the words of golden files and coefdyn's types and streams. A word that is missing here fails the
/// cases that use it. In a type, {pairing} {vector} {strength} {factors} {gate} {offset} are filled in from a case's metadata
/// and from which tensors it has (combination.cpp).
namespace golden {

struct name {
  const char* word;    // in the metadata of a file
  const char* type;    // in namespace coefdyn
  const char* header;  // below include/coefdyn/
};

inline constexpr name readouts[] = {
    {"linear", "readout::linear", "readout/linear.hpp"},
    {"exp", "readout::exponential", "readout/exponential.hpp"},
    {"relu", "readout::relu", "readout/relu.hpp"},
    {"relu2", "readout::relu_squared", "readout/relu_squared.hpp"},
    {"softplus", "readout::softplus", "readout/softplus.hpp"},
    {"sigmoid", "readout::sigmoid", "readout/sigmoid.hpp"},
    {"tanh", "readout::tanh", "readout/tanh.hpp"},
    {"elu1", "readout::elu_plus_one", "readout/elu_plus_one.hpp"},
    {"silu", "readout::silu", "readout/silu.hpp"},
};

inline constexpr name evolutions[] = {
    {"identity", "evolution::identity", "evolution/identity.hpp"},
    {"fixed_scalar", "evolution::fixed_scalar", "evolution/fixed_scalar.hpp"},
    {"scalar", "evolution::scalar", "evolution/scalar.hpp"},
    {"fixed_diagonal", "evolution::fixed_diagonal", "evolution/fixed_diagonal.hpp"},
    {"diagonal", "evolution::diagonal", "evolution/diagonal.hpp"},
    {"fixed_complex_diagonal", "evolution::fixed_complex_diagonal", "evolution/fixed_complex_diagonal.hpp"},
    {"complex_diagonal", "evolution::complex_diagonal", "evolution/complex_diagonal.hpp"},
    {"rotation", "evolution::rotation<evolution::pairing::{pairing}>", "evolution/rotation.hpp"},
    {"rotation_decay", "evolution::rotation_decay<evolution::pairing::{pairing}>", "evolution/rotation_decay.hpp"},
    {"householder", "evolution::householder<evolution::along::{vector}, evolution::strength::{strength}>", "evolution/householder.hpp"},
    {"gated_householder", "evolution::gated_householder<evolution::along::{vector}, evolution::strength::{strength}>",
     "evolution/gated_householder.hpp"},
    {"diagonal_householder", "evolution::diagonal_householder<evolution::along::{vector}, evolution::strength::{strength}>",
     "evolution/diagonal_householder.hpp"},
    {"diag_plus_rank_one", "evolution::diagonal_plus_rank_one", "evolution/diagonal_plus_rank_one.hpp"},
    {"scalar_plus_rank_one", "evolution::scalar_plus_rank_one", "evolution/scalar_plus_rank_one.hpp"},
    {"householder_product", "evolution::householder_product<{factors}, decaying::{gate}>", "evolution/householder_product.hpp"},
    {"dense", "evolution::dense<field::real>", "evolution/dense.hpp"},
    {"dense_complex", "evolution::dense<field::complex>", "evolution/dense.hpp"},
};
inline constexpr name reads_before{"before", "evolution::read_before<{evolution}>", "evolution/read_before.hpp"};
inline constexpr name writes_often{"writes_per_token", "evolution::writes<{writes}, {evolution}>", "evolution/writes.hpp"};

inline constexpr name scalings[] = {
    {"one", "scaling::one", "scaling/one.hpp"},
    {"rsqrt_n", "scaling::inverse_sqrt_dim", "scaling/inverse_sqrt_dim.hpp"},
    {"beta", "scaling::beta", "scaling/beta.hpp"},
    {"dt", "scaling::delta", "scaling/delta.hpp"},
    {"exp_i", "scaling::exp_input", "scaling/exp_input.hpp"},
    {"one_minus_lambda", "scaling::one_minus_lambda", "scaling/one_minus_lambda.hpp"},
    {"sqrt_one_minus_lambda2", "scaling::sqrt_one_minus_lambda2", "scaling/sqrt_one_minus_lambda2.hpp"},
};
inline constexpr name joined_scalings{"*", "scaling::product<{scalings}>", "scaling/product.hpp"};

inline constexpr name normalizations[] = {
    {"one", "normalization::one", "normalization/one.hpp"},
    {"sum", "normalization::sum", "normalization/sum.hpp"},
    {"floor", "normalization::floored_sum", "normalization/floored_sum.hpp"},
    {"sqrt_n", "normalization::sqrt_dim", "normalization/sqrt_dim.hpp"},
    {"count", "normalization::count", "normalization/count.hpp"},
    {"gate:identity", "normalization::gate<normalization::psi::identity, normalization::offset::{offset}>", "normalization/gate.hpp"},
    {"gate:exp", "normalization::gate<normalization::psi::exponential, normalization::offset::{offset}>", "normalization/gate.hpp"},
    {"gate:softplus", "normalization::gate<normalization::psi::softplus, normalization::offset::{offset}>", "normalization/gate.hpp"},
    {"gate:elu", "normalization::gate<normalization::psi::elu, normalization::offset::{offset}>", "normalization/gate.hpp"},
    {"gate:sigmoid", "normalization::gate<normalization::psi::sigmoid, normalization::offset::{offset}>", "normalization/gate.hpp"},
};

inline constexpr name features[] = {
    {"identity", "feature::identity", "feature/identity.hpp"},
    {"elu1", "feature::elu_plus_one", "feature/elu_plus_one.hpp"},
    {"relu", "feature::relu", "feature/relu.hpp"},
    {"exp", "feature::exponential", "feature/exponential.hpp"},
    {"softmax", "feature::softmax", "feature/softmax.hpp"},
    {"l2", "feature::l2", "feature/l2.hpp"},
};

/// Names inside {..}: z_is, pairing.
inline constexpr name vectors[] = {{"", "key", ""}, {"k", "key", ""}, {"z", "z", ""}};
inline constexpr name pairings[] = {{"", "half", ""}, {"half", "half", ""}, {"interleaved", "interleaved", ""}};

/// Tensors whose stream has another name; every other input has the name of its stream.
struct stream_name {
  const char* tensor;
  const char* stream;
};
inline constexpr stream_name streams[] = {
    {"dt", "delta"},
    {"i_gate", "input_gate"},
};

}  // namespace golden
