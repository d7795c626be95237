// SPDX-License-Identifier: MIT
// The pieces of layers and models on a GPU, without mixers: embeddings, projections, norms, convolutions, maps, pools, dropout, losses,
// AdamW.
#include "../support/nn_pieces.hpp"
#include "coefdyn/nn/cuda/large_vocabulary.cuh"
#include "nn.cuh"

namespace gpu_test {
namespace {
using namespace pieces;

void expect(bool good, const char* what) {
  ++(good ? total.passed : total.failed);
  if (!good) std::printf("    FAILED nn: %s\n", what);
}
/// A gradient that is not a number stops AdamW on the device until it is read; then it goes on.
void adamw_stops() {
  const pieces_of_a_classifier model;
  instance<pieces_of_a_classifier, float, device::cuda> one(model);
  nn::weights<float> start(model.parameters()), after(model.parameters()), slopes(model.parameters());
  start.initialise(1);
  one.w.copy_from(start);
  for (const auto& e : slopes.parameters()->entries())
    for (float& x : slopes(e.name)) x = 1;
  nn::weights<float> bad(slopes);
  bad("table")[3] = NAN;
  train::adamw<float, device::cuda> adam(one.w, {});
  one.dw.copy_from(bad);
  adam.queue(one.w, one.dw, 0.1, one.tape.on);
  one.dw.copy_from(slopes);
  adam.queue(one.w, one.dw, 0.1, one.tape.on);
  expect(!math::is_finite(adam.read(one.tape.on)) && adam.steps() == 0, "a norm that is NaN is read, and the steps are none");
  one.w.copy_to(after);
  expect(std::memcmp(start.data(), after.data(), sizeof(float) * std::size_t(start.size())) == 0, "weights stay behind it");
  const double norm = adam.step(one.w, one.dw, 0.1), numbers = double(model.parameters()->count());
  expect(std::fabs(norm - std::sqrt(numbers)) < 1e-6 * norm && adam.steps() == 1, "the norm of ones, and one step");
  one.w.copy_to(after);
  expect(std::fabs(after("table")[5] - (start("table")[5] * 0.99f - 0.1f)) < 1e-5, "weights move by the rate");
}
/// Shapes of products: odd ones, blocks of a matrix, one row; against sums in double. F: of the factors.
template <class F>
bool products_are_right(nn::gpu::products& multiply) {
  bool good = true;
  random_stream r(9, 9, 9, 9);
  const idx shapes[][3] = {{1, 1, 1}, {3, 5, 7}, {64, 64, 64}, {129, 33, 17}, {1, 40, 24}, {300, 4, 50}, {16, 1, 9}};
  for (const auto& [m, n, k] : shapes)
    for (int kind = 0; kind < 8; ++kind) {
      const bool swap_a = kind & 1, swap_b = kind & 2, add = kind & 4;
      const idx ra = swap_a ? k : m, ca = swap_a ? m : k, rb = swap_b ? n : k, cb = swap_b ? k : n, gap = 3;
      const idx sa = sizeof(F) == 2 ? (ca + 7) / 8 * 8 : ca + gap, sb = sizeof(F) == 2 ? (cb + 7) / 8 * 8 : cb + gap;
      both<F> A(ra * sa), B(rb * sb);
      both<float> C(m * (n + gap));
      for (auto* x : {&A, &B}) {
        for (F& v : x->host) v = F(float(r.normal()));
        x->up();
      }
      for (float& v : C.host) v = float(r.normal());
      C.up();
      const std::vector<float> before = C.host;
      multiply(nn::gpu::matrix<const F>{A.device, ra, ca, sa}, swap_a, nn::gpu::matrix<const F>{B.device, rb, cb, sb}, swap_b,
               nn::gpu::matrix<float>{C.device, m, n, n + gap}, add);
      C.down();
      for (idx i = 0; i < m; ++i)
        for (idx j = 0; j < n + gap; ++j) {
          double sum = add || j >= n ? before[std::size_t(i * (n + gap) + j)] : 0;
          for (idx c = 0; c < k && j < n; ++c)
            sum += double(float(A.host[std::size_t(swap_a ? c * sa + i : i * sa + c)])) *
                   double(float(B.host[std::size_t(swap_b ? j * sb + c : c * sb + j)]));
          good = good && std::fabs(sum - C.host[std::size_t(i * (n + gap) + j)]) < 1e-4 * std::sqrt(double(k));
        }
    }
  return good;
}
void products() {
  nn::gpu::products multiply(device::cuda{});
  expect(products_are_right<float>(multiply), "products of odd shapes, transposed or not, added or not");
  expect(products_are_right<bf16>(multiply), "products of bf16 factors, the same");
}
/// The loss and its gradients without logits of all rows, beside the CPU's in double; rows of several chunks.
template <class R, class On>
std::pair<nn::score, nn::weights<R>> large_vocabulary_of(const nn::weights<double>& from, const std::vector<std::int64_t>& labels,
                                                         const On& on = {}) {
  const auto& list = from.parameters();
  nn::weights<R> host(list), slopes(list);
  for (idx i = 0; i < from.size(); ++i) host.data()[i] = R(from.data()[i]);
  nn::weights<R, On> w(list, on), dw(list, on);
  w.copy_from(host);
  nn::tape<R, On> t(w, &dw, on);
  t.begin();
  const auto place = [&](const char* name) {
    const auto* e = list->find(name);
    return e ? e->place : nn::parameter{};
  };
  const nn::parameter x = place("x");
  const nn::value<R> rows{w.data() + x.offset, dw.data() + x.offset, 1, x.rows, x.columns, x.stride};
  const nn::score s = nn::cross_entropy_of_linear(t, rows, place("W"), place("b"), std::span<const std::int64_t>(labels));
  dw.copy_to(slopes);
  return {s, std::move(slopes)};
}
void large_vocabularies() {
  for (const auto& [rows, words] : {std::pair<idx, idx>{1, 5}, {1025, 333}, {2100, 77}}) {
    nn::parameter_list names;
    const nn::scope scope(names);
    scope.matrix("x", rows, 12, nn::start::normal(1)), scope.matrix("W", words, 12, nn::start::normal(0.5));
    if (rows != 2100) scope.vector("b", words, nn::start::normal(1));
    nn::weights<double> w(std::make_shared<const nn::parameter_list>(names));
    w.initialise(3);
    for (idx i = 0; i < w.size(); ++i) w.data()[i] = double(float(w.data()[i]));
    random_stream r(8, 8, 8, 8);
    std::vector<std::int64_t> labels{2};
    while (idx(labels.size()) < rows) labels.push_back(r.coin(0.2) ? nn::ignored : std::int64_t(r.below(std::uint64_t(words))));
    const auto want = large_vocabulary_of<double, device::cpu<openmp>>(w, labels);
    const auto got = large_vocabulary_of<float, device::cuda>(w, labels), again = large_vocabulary_of<float, device::cuda>(w, labels);
    double worst = 0;
    for (const auto& e : names.entries())
      worst = std::fmax(worst, relative_rms(got.second(e.name).data(), want.second(e.name).data(), e.place.size(), 1e-9));
    std::printf("  cross entropy of %lld rows, %lld words: loss %.1e gradients %.1e\n", static_cast<long long>(rows),
                static_cast<long long>(words), std::fabs(got.first.loss - want.first.loss) / want.first.loss, worst);
    expect(std::fabs(got.first.loss - want.first.loss) < 1e-5 * want.first.loss && worst < 1e-4, "cross entropy in chunks");
    expect(got.first.counted == want.first.counted && std::abs(got.first.correct - want.first.correct) <= 1, "its counts");
    expect(std::memcmp(got.second.data(), again.second.data(), sizeof(float) * std::size_t(w.size())) == 0, "its bits twice");
  }
}
}  // namespace

void nn_pieces() {
  std::printf("nn: pieces\n");
  products();
  large_vocabularies();
  adamw_stops();
  devices_agree("pieces of a layer", pieces_of_a_layer{}, batch_of_ids(3, 29, 37, 29));
  bf16_is_near("pieces of a layer, bf16 factors", pieces_of_a_layer{}, batch_of_ids(3, 29, 37, 29));
  devices_agree("pieces of a layer, one token", pieces_of_a_layer{}, batch_of_ids(5, 1, 37, 1));
  devices_agree("pieces of a classifier", pieces_of_a_classifier{}, batch_of_ids(70, 6, 11, 1));
}

}  // namespace gpu_test

void nn_pieces() { gpu_test::nn_pieces(); }
