// SPDX-License-Identifier: MIT
#pragma once
#include "source.hpp"

/// Stages after a mixer: what happens to y (rows, heads d) before it leaves the layer. One of yours has
///   S(const scope&, const sizes&)                                               names parameters
///   template <class R, class On> value<R> operator()(context<R, On>&, const value<R>& y) const    computes
namespace coefdyn::nn {

/// Channels of a norm's group: one head's, one group of key heads', or all.
enum class over { head, group, all };

/// A norm of each group: name.weight [the group's channels, or all with `whole`], name.bias.
template <label Name, norm Kind = norm::rms, over Group = over::head, over Weight = over::head, bias Bias = bias::no, double Eps = 1e-5>
struct normed {
  idx group;
  double eps;
  norm_parameters p;
  normed(const scope& s, const sizes& z)
      : group(channels(Group, z)), eps(z.eps > 0 ? z.eps : Eps), p(s, std::string(Name.text()), channels(Weight, z), Bias == bias::yes) {}
  static idx channels(over o, const sizes& z) {
    return o == over::head ? z.d : o == over::group ? idx(z.heads) * z.d / z.key_heads : idx(z.heads) * z.d;
  }
  template <class R, class On>
  value<R> operator()(context<R, On>& c, const value<R>& y) const {
    return normalise<Kind>(c.t, y, group, eps, p.weight, p.bias);
  }
};
/// y f(g): a gate from another source, one number a channel.
template <class F, class Source>
struct gated {
  Source source;
  gated(const scope& s, const sizes& z) : source(s, z, {idx(z.heads) * z.d, z.heads, 1}) {}
  template <class R, class On>
  value<R> operator()(context<R, On>& c, const value<R>& y) const {
    return map(c.t, times<F>{}, y, c(source));
  }
};
namespace detail {
/// y + D v; not within `skip`, since nvcc 13.0 cannot name a kernel after a type with a label.
struct sum_with_part {
  template <class X>
  [[gnu::always_inline]] COEFDYN_HD X operator()(X y, X v, X D) const {
    return y + D * v;
  }
};
}  // namespace detail
/// y + D v: the mixer's values pass by it, weighted by one number a head.
template <label Name>
struct skip {
  parameter p;
  skip(const scope& s, const sizes& z) : p(s.vector(std::string(Name.text()), z.heads, start::constant(1))) {}
  template <class R, class On>
  value<R> operator()(context<R, On>& c, const value<R>& y) const {
    return map(c.t, detail::sum_with_part{}, y, c.values, c.t.shared(p));
  }
};
/// y / sqrt(n).
struct by_inverse_root_n {
  by_inverse_root_n(const scope&, const sizes&) {}
  /// x times a constant.
  struct scaled {
    double by;
    template <class X>
    [[gnu::always_inline]] COEFDYN_HD X operator()(X y) const {
      return X(by) * y;
    }
  };
  template <class R, class On>
  value<R> operator()(context<R, On>& c, const value<R>& y) const {
    return map(c.t, scaled{1 / std::sqrt(double(c.size.n))}, y);
  }
};
namespace starts {
/// Of the layer's last projection: +-1/sqrt(inputs), smaller by sqrt(2 layers).
struct output {
  static law of(const sizes& z) { return start::fan_in(idx(z.heads) * z.d, std::sqrt(2.0 * z.layers)); }
};
}  // namespace starts
/// W y [+ b]: name.weight [D, heads d].
template <label Name, bias Bias = bias::no, class Start = starts::output>
struct projected {
  projection_parameters p;
  projected(const scope& s, const sizes& z) {
    p.weight = s.matrix(Name + ".weight", z.width, idx(z.heads) * z.d, Start::of(z));
    if (Bias == bias::yes) p.bias = s.vector(Name + ".bias", z.width, start::constant(0));
  }
  template <class R, class On>
  value<R> operator()(context<R, On>& c, const value<R>& y) const {
    return p(c.t, y);
  }
};

/// The stages of a layer, first to last.
template <class... Stage>
struct after {};

}  // namespace coefdyn::nn
