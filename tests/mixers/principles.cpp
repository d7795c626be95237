// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/coefdyn.hpp>
#include <sstream>

namespace {
using namespace coefdyn;

struct cubic {
  static constexpr bool is_linear = false;
  template <class R>
  static R apply(R s) {
    return s * s * s;
  }
};
struct swap_ends {
  template <class At, class X>
  static void apply(const At& at, X x) {
    const auto first = x[0];
    x[0] = x[at.n - 1];
    x[at.n - 1] = first;
  }
  template <class At, class X>
  static void apply_transposed(const At& at, X x) {
    apply(at, x);
  }
};
using undeclared = mixer<cubic, swap_ends, scaling::one, normalization::one>;

// The six principles are facts that a program can rest on.
static_assert(!principles<mixers::softmax_attention>::recurrence && principles<mixers::mamba2>::recurrence);
static_assert(principles<mixers::softmax_attention>::near_zero == near_zero_set::half_line);
static_assert(principles<mixers::relu_attention>::near_zero == near_zero_set::half_space);
static_assert(principles<mixers::gla>::near_zero == near_zero_set::hyperplane);
static_assert(principles<mixers::softmax_attention>::position == position_from::embedding);
static_assert(principles<mixers::softmax_rope_half>::position == position_from::evolution);
static_assert(principles<mixers::softmax_rope_half>::key_motion == motion::turns);
static_assert(principles<mixers::mamba2>::key_motion == motion::scales);
static_assert(principles<mixers::gla>::key_motion == motion::scales_axes);
static_assert(principles<mixers::deltanet>::key_motion == motion::reflects);
static_assert(principles<mixers::s4>::key_motion == motion::any);
static_assert(principles<mixers::softmax_attention>::variance == variance_from::fixed_factor);
static_assert(principles<mixers::mlstm>::variance == variance_from::fixed_factor);
static_assert(principles<mixers::mamba2>::variance == variance_from::gate);
static_assert(principles<mixers::linear_attention>::variance == variance_from::nothing);
static_assert(principles<mixers::softmax_attention>::bound == bound_by::nonnegative_sum);
static_assert(principles<mixers::linear_attention_elu1>::bound == bound_by::nonnegative_sum);
static_assert(principles<mixers::norm_attention_exp>::bound == bound_by::gate);
static_assert(principles<mixers::mlstm>::bound == bound_by::floored_sum);
static_assert(principles<mixers::retnet>::bound == bound_by::contraction);
static_assert(principles<mixers::rwkv7>::bound == bound_by::streams);
static_assert(!principles<undeclared>::near_zero.given && !principles<undeclared>::contractive.given);
static_assert(principles<undeclared>::bound == bound_by::not_declared);

// They rest on what policies declare, not on their names.
struct own_scale : scaling::inverse_sqrt_dim {};
struct own_one : scaling::one {};
template <class B>
constexpr variance_from variance_with = principles<mixer<readout::linear, evolution::identity, B, normalization::one>>::variance;
static_assert(variance_with<own_scale> == variance_from::fixed_factor);
static_assert(variance_with<scaling::product<scaling::exp_input, own_scale>> == variance_from::fixed_factor);
static_assert(variance_with<own_one> == variance_from::nothing);
static_assert(variance_with<scaling::product<own_one, scaling::one>> == variance_from::nothing);
struct own_sum : normalization::sum {};
static_assert(traits<mixer<readout::exponential, evolution::identity, scaling::one, own_sum>>::divides_by_sum);
static_assert(!traits<mixer<readout::exponential, evolution::identity, scaling::one, normalization::floored_sum>>::divides_by_sum);
static_assert(!traits<mixer<readout::exponential, evolution::identity, scaling::one, normalization::one>>::divides_by_sum);
struct own_feature : feature::identity {};
static_assert(!traits<mixer<readout::linear, evolution::identity, scaling::one, normalization::one, own_feature>>::has_feature);
static_assert(traits<mixer<readout::linear, evolution::identity, scaling::one, normalization::one, feature::l2>>::has_feature);

TEST_CASE("principles print, and say what is not declared") {
  std::ostringstream out;
  out << principles<undeclared>{};
  CHECK(out.str() == principles<undeclared>::text());
  CHECK(out.str().find("near-zero set of phi: not declared") != std::string::npos);
  CHECK(out.str().find("a contraction: not declared") != std::string::npos);
  CHECK(principles<mixers::gated_deltanet>::text().find("reflects") != std::string::npos);
}

TEST_CASE("every named mixer has its own name and the forms that its policies allow") {
  std::vector<std::string_view> names;
  mixers::for_each(mixers::all{}, [&]<class Named>(Named) {
    using M = typename Named::mixer_type;
    static_assert(form_exists<form::recurrent, M> == M::readout::is_linear);
    static_assert(form_exists<form::chunkwise, M> == M::readout::is_linear);
    static_assert(form_exists<form::parallel, M> || std::is_same_v<M, mixers::s4>);
    for (const auto& other : names) CHECK(other != Named::name);
    names.push_back(Named::name);
  });
  CHECK(names.size() == 48);
}
}  // namespace
