// SPDX-License-Identifier: MIT
#include "checks.hpp"
#include "coefdyn/core/token.hpp"
#include "coefdyn/evolution/parameterised.hpp"
#include "coefdyn/evolution/scalar.hpp"
#include "coefdyn/parameterisation/all.hpp"

namespace golden {
namespace {

namespace p = coefdyn::parameterisation;
using coefdyn::view;

/// The tensor as a view of as many axes as x has, its own axes being x's last ones.
template <class R>
struct argument {
  std::vector<R> values, gradient;
  std::vector<idx> shape;

  argument(const golden_case& c, const std::string& name) {
    const tensor* t = c.find(name);
    if (!t) throw std::runtime_error("it has no tensor " + name);
    values.assign(t->values.begin(), t->values.end());
    gradient.assign(values.size(), R(0));
    shape = t->shape;
  }
  template <class T>
  view<T, 4> as_view(T* data, const std::vector<idx>& like) const {
    view<T, 4> v;
    v.data = data;
    for (std::size_t a = 0; a < 4; ++a) v.extents[a] = a + like.size() < 4 ? 1 : like[a + like.size() - 4];
    idx stride = 1;
    for (std::size_t a = 4; a-- > 4 - shape.size();) {
      v.strides[a] = stride;
      stride *= shape[a + shape.size() - 4];
    }
    return v;
  }
};

template <class P, class R, class... Name>
void check_with(const golden_case& c, report& r, Name... names) {
  constexpr std::size_t count = sizeof...(Name);
  argument<R> arguments[count] = {argument<R>(c, names)...};
  const char* const words[] = {names...};
  const std::vector<idx> shape = arguments[0].shape;
  argument<R> out(c, "log_decay"), upstream(c, "d_log_decay");
  const double tolerance = tolerances(c).y[sizeof(R) == sizeof(float)];
  const std::vector<double> expected = c.find("log_decay")->values;
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    p::log_decay<P>(out.as_view(out.values.data(), shape),
                    arguments[I].as_view(static_cast<const R*>(arguments[I].values.data()), shape)...);
    p::pull_back<P, R, 4, count>(upstream.as_view(static_cast<const R*>(upstream.values.data()), shape),
                                 {arguments[I].as_view(static_cast<const R*>(arguments[I].values.data()), shape)...},
                                 {arguments[I].as_view(arguments[I].gradient.data(), shape)...});
  }(std::make_index_sequence<count>{});
  r.compare(std::string(type_name(R())) + " log_decay", out.values, expected, tolerance);
  for (std::size_t i = 0; i < count; ++i)
    if (const tensor* d = c.find(std::string("d_") + words[i]))
      r.compare(std::string(type_name(R())) + " d_" + words[i], arguments[i].gradient, d->values, tolerance);
}
/// The number of argument `i` of a policy's token: raw, then P's parameters in their order.
template <class At, class... Parameter>
auto& argument_of(At& at, std::size_t i, coefdyn::list<Parameter...>) {
  typename At::real* const all[] = {&coefdyn::stream::raw::of(at), &Parameter::of(at)...};
  return *all[i];
}
/// The same numbers through evolution::parameterised: log decays of tokens, gradients by dual numbers alone.
template <class P, class R, class... Name>
void check_policy(const golden_case& c, report& r, Name... names) {
  using policy = coefdyn::evolution::parameterised<coefdyn::evolution::scalar, P>;
  using parameters = typename coefdyn::detail::parameters_of<P>::type;
  constexpr std::size_t count = sizeof...(Name);
  argument<R> arguments[count] = {argument<R>(c, names)...};
  const char* const words[] = {names...};
  const std::vector<idx> shape = arguments[0].shape;
  argument<R> out(c, "log_decay"), upstream(c, "d_log_decay");
  const view<R, 4> all = out.as_view(out.values.data(), shape), d = upstream.as_view(upstream.values.data(), shape);
  for (idx i = 0; i < all.size(); ++i) {
    const idx w = i % all.extents[3], z = i / all.extents[3], y = z % all.extents[2], x = z / all.extents[2], b = x / all.extents[1],
              a = x % all.extents[1];
    coefdyn::token<coefdyn::dual<R>, typename policy::streams> at{};
    for (std::size_t k = 0; k < count; ++k)
      argument_of(at, k, parameters{}) = arguments[k].as_view(arguments[k].values.data(), shape)(b, a, y, w);
    all(b, a, y, w) = policy::log_decay(at).v;
    for (std::size_t k = 0; k < count; ++k) {
      argument_of(at, k, parameters{}).d = R(1);
      arguments[k].as_view(arguments[k].gradient.data(), shape)(b, a, y, w) += d(b, a, y, w) * policy::log_decay(at).d;
      argument_of(at, k, parameters{}).d = R(0);
    }
  }
  const double tolerance = tolerances(c).y[sizeof(R) == sizeof(float)];
  r.compare(std::string(type_name(R())) + " log_decay of the policy", out.values, c.find("log_decay")->values, tolerance);
  for (std::size_t k = 0; k < count; ++k)
    if (const tensor* t = c.find(std::string("d_") + words[k]))
      r.compare(std::string(type_name(R())) + " d_" + words[k] + " of the policy", arguments[k].gradient, t->values, tolerance);
}
template <class P, class... Name>
void check_both(const golden_case& c, report& r, Name... names) {
  check_with<P, double>(c, r, names...);
  check_with<P, float>(c, r, names...);
  check_policy<P, double>(c, r, names...);
  check_policy<P, float>(c, r, names...);
}

}  // namespace

void check_parameterisation(const golden_case& c, report& r) {
  const std::string name = c.name.starts_with("param_") ? c.name.substr(6) : c.text("arch");
  if (name.starts_with("gla")) check_both<p::gla>(c, r, "x");
  else if (name.starts_with("mamba2")) check_both<p::mamba2>(c, r, "x", "dt_bias", "A_log");
  else if (name.starts_with("sigmoid")) check_both<p::sigmoid>(c, r, "x");
  else if (name.starts_with("hgrn2")) check_both<p::hgrn2>(c, r, "x", "lower");
  else if (name.starts_with("exp_exp")) check_both<p::exp_exp>(c, r, "x");
  else if (name.starts_with("rwkv7")) check_both<p::rwkv7>(c, r, "x");
  else throw std::runtime_error("there is no parameterisation called '" + name + "'");
  r.ran("log_decay"), r.ran("pull_back"), r.ran("parameterised");
}

}  // namespace golden
