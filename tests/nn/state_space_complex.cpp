// SPDX-License-Identifier: MIT
#include <coefdyn/nn/layers/complex_state_space.hpp>
#include <complex>

#include "law.hpp"

namespace {
using namespace coefdyn;

TEST_CASE("gradients are slopes, steps are the sequence: complex state space models") {
  nn::sizes z = law::sizes_of(8, 2);
  SUBCASE("lru") {
    z.n = 5;
    law::layer_laws<nn::lru>(z);
  }
  SUBCASE("s4") {
    z.n = 3;
    law::layer_laws<nn::s4>(z);
  }
  SUBCASE("s4d") {
    z.n = 3;
    law::layer_laws<nn::s4d>(z);
  }
}

template <class Layer>
void refuses_no_modes(const char* sentence) {
  nn::parameter_list names;
  nn::sizes z = law::sizes_of(8, 2);
  z.n = 0;
  CHECK_THROWS_WITH_AS(Layer(nn::scope(names), z), sentence, invalid_input);
}
TEST_CASE("complex state space models without modes are refused") {
  refuses_no_modes<nn::lru>("coefdyn: sizes of an LRU: expected width and n of at least 1, given 8 and 0");
  refuses_no_modes<nn::s4>("coefdyn: sizes of an S4: expected width and n of at least 1, given 8 and 0");
  refuses_no_modes<nn::s4d>("coefdyn: sizes of an S4D: expected width and n of at least 1, given 8 and 0");
}

/// In another form.
template <class Layer, class Form>
std::vector<double> output_of(const nn::sizes& z, idx B, idx T, std::vector<double>& gradients) {
  nn::parameter_list names;
  const Layer layer(nn::scope(names), z);
  nn::weights<double> w(std::make_shared<const nn::parameter_list>(names)), dw(w.parameters());
  w.initialise(4);
  nn::tape<double> t(w, &dw, 2);
  t.begin();
  const nn::value<double> u = t.make(B, T, z.width);
  random_stream r(6, 1, 0, 0);
  for (idx i = 0; i < B * T * z.width; ++i) u.data[i] = r.unit() - 0.5;
  nn::across_layers<double> across;
  const nn::value<double> y = layer.template operator()<double, device::cpu<openmp>, Form>(t, u, across);
  std::vector<double> out(y.data, y.data + B * T * z.width);
  for (idx i = 0; i < B * T * z.width; ++i) y.gradient[i] = r.unit() - 0.5;
  t.backward();
  gradients.assign(dw.data(), dw.data() + w.parameters()->size());
  gradients.insert(gradients.end(), u.gradient, u.gradient + B * T * z.width);
  return out;
}
template <class Layer>
void forms_agree() {
  static_assert(std::is_same_v<nn::detail::whole_form<device::cpu<openmp>>, form::convolution>);
  nn::sizes z = law::sizes_of(6, 1);
  z.n = 7;
  std::vector<double> by_convolution, by_tokens;
  const auto a = output_of<Layer, form::convolution>(z, 2, 75, by_convolution), b = output_of<Layer, form::automatic>(z, 2, 75, by_tokens);
  const auto close = [](const std::vector<double>& x, const std::vector<double>& y) {
    REQUIRE(x.size() == y.size());
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(std::abs(x[i] - y[i]) <= 1e-10 * (1 + std::abs(y[i])));
  };
  close(a, b), close(by_convolution, by_tokens);
}
TEST_CASE("S4 and S4D by convolution are S4 and S4D token by token") {
  SUBCASE("s4") { forms_agree<nn::s4>(); }
  SUBCASE("s4d") { forms_agree<nn::s4d>(); }
}
TEST_CASE("S4D is its published formula") {
  nn::sizes z = law::sizes_of(2, 1);
  z.n = 3;
  nn::parameter_list names;
  const nn::s4d layer(nn::scope(names), z);
  nn::weights<double> w(std::make_shared<const nn::parameter_list>(names));
  w.initialise(9);
  const auto at = [&](const char* name) { return w.data() + w.parameters()->find(name)->place.offset; };
  nn::tape<double> t(w);
  t.begin();
  constexpr idx T = 31;
  const nn::value<double> u = t.make(1, T, 2);
  for (idx i = 0; i < 2 * T; ++i) u.data[i] = std::sin(double(i * i));
  nn::across_layers<double> across;
  const nn::value<double> y = layer(t, u, across);
  for (idx c = 0; c < 2; ++c)
    for (idx i = 0; i < T; ++i) {
      double want = at("D")[c] * u.data[2 * i + c];
      for (idx j = 0; j <= i; ++j)
        for (idx m = 0; m < 3; ++m) {
          const std::complex<double> A(-std::exp(at("log_A_real")[3 * c + m]), at("A_imag")[3 * c + m]),
              z_ = std::exp(at("log_dt")[c]) * A, C(at("C")[2 * (3 * c + m)], at("C")[2 * (3 * c + m) + 1]);
          want += 2 * (C * (std::exp(z_) - 1.0) / A * std::exp(double(i - j) * z_)).real() * u.data[2 * j + c];
        }
      CHECK(y.data[2 * i + c] == doctest::Approx(want).epsilon(1e-9));
    }
}
}  // namespace
