// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>
#include <unistd.h>

#include <coefdyn/nn/layers/attention.hpp>
#include <coefdyn/nn/layers/complex_state_space.hpp>
#include <coefdyn/nn/layers/gated_linear.hpp>
#include <coefdyn/nn/layers/rwkv.hpp>
#include <coefdyn/nn/layers/state_space.hpp>
#include <coefdyn/nn/models/autoencoder.hpp>
#include <coefdyn/nn/models/language_model.hpp>
#include <coefdyn/nn/models/mad_language_model.hpp>
#include <coefdyn/nn/models/paper_models.hpp>
#include <coefdyn/tasks/in_context_recall.hpp>
#include <coefdyn/train/checkpoint.hpp>
#include <csignal>
#include <filesystem>

// A checkpoint is the training: what goes on from it ends at the bits of one that was never stopped.

namespace {
using namespace coefdyn;
namespace fs = std::filesystem;

/// A folder of the test's own, gone behind it.
struct folder {
  fs::path path = fs::temp_directory_path() / ("coefdyn-checkpoint-" + std::to_string(::getpid()));
  folder() { fs::create_directories(path); }
  ~folder() { fs::remove_all(path); }
  std::string at(const char* name) const { return (path / name).string(); }
  /// Files in it.
  std::ptrdiff_t count() const { return std::distance(fs::directory_iterator(path), fs::directory_iterator()); }
};
nn::model_sizes sizes() {
  nn::model_sizes z;
  z.width = 16, z.vocabulary = 8, z.hidden = 24, z.head = 8, z.layer.heads = 2;
  return z;
}
train::settings few(long steps) { return {.rate = {.rate = 2e-3, .least = 1e-3, .warmup = 2, .steps = steps}, .batch = 16, .threads = 1}; }
const tasks::in_context_recall small({.vocabulary = 8, .length = 16, .train = 70, .test = 9});  // 5 batches an epoch, the last one shorter

template <class R>
bool same(const nn::weights<R>& a, const nn::weights<R>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), sizeof(R) * std::size_t(a.size())) == 0;
}
template <class T>
bool same_training(const T& a, const T& b) {
  return same(a.w, b.w) && same(a.optimiser.first(), b.optimiser.first()) && same(a.optimiser.second(), b.optimiser.second()) &&
         a.optimiser.steps() == b.optimiser.steps();
}
/// Steps with gradients from a generator: what a file keeps does not depend on where they come from.
template <class T>
void step_at_random(T& t) {
  nn::weights<typename T::real> dw(t.w.parameters());
  for (int s = 0; s < 3; ++s) {
    random_stream r(std::uint64_t(s), 1, 2, 3);
    for (const auto& e : t.w.parameters()->entries())
      for (auto& g : dw(e.name)) g = typename T::real(r.normal());
    t.optimiser.step(t.w, dw, 1e-2, {openmp{1}});
  }
}
template <class Model, class R = float>
void round_trip(const nn::model_sizes& z) {
  const folder f;
  using learner = train::trainer<Model, R>;
  learner from(z, few(9)), to(z, few(9));
  step_at_random(from);
  REQUIRE_FALSE(same_training(from, to));
  train::save_checkpoint(f.at("a.safetensors"), from);
  train::load_checkpoint(f.at("a.safetensors"), to);
  CHECK(same_training(from, to));
  train::save_checkpoint(f.at("b.safetensors"), to);
  const files::mapped_file a(f.at("a.safetensors")), b(f.at("b.safetensors"));
  CHECK(std::equal(a.bytes().begin(), a.bytes().end(), b.bytes().begin(), b.bytes().end()));
}
using plain = nn::linear_attention<>;
using model = nn::language_model<nn::layer<mixers::linear_attention>>;
using learner = train::trainer<model>;

/// What load_checkpoint says of a file; the training is as it was.
template <class T>
std::string refusal(const std::string& path, T& t) {
  T before(t.model.size, t.s);
  std::string what = "nothing";
  try {
    train::load_checkpoint(path, t);
  } catch (const files::file_error& e) {
    what = e.fault;
  }
  CHECK(same_training(t, before));
  return what;
}
}  // namespace

TEST_CASE("a checkpoint gives every model back bit for bit") {
  nn::model_sizes z = sizes(), pooled = sizes();
  pooled.pooled = pooled.gated = true, pooled.positions = 16;
  round_trip<nn::language_model<plain>>(z);
  round_trip<nn::language_model<nn::rwkv7>, double>(z);
  round_trip<nn::autoencoder<plain>>(z);
  round_trip<nn::mad_language_model<nn::hgrn2_rising_bound>>(z);
  round_trip<nn::paper_transformer<nn::paper_attention<>>>(pooled);
  z.layer.key_heads = 1;
  round_trip<nn::paper_mamba<nn::paper_ssd<>>>(z);
  z.layer.n = 6;
  round_trip<nn::paper_ssm<nn::lru>>(z);
  round_trip<nn::paper_ssm<nn::s4>>(z);
}

TEST_CASE("a checkpoint of a device whose numbers are copied to the host") {
  const folder f;
  using elsewhere = train::trainer<model, float, device::cpu<serial>>;
  elsewhere from(sizes(), few(3), {});
  from.fit(small);
  train::save_checkpoint(f.at("a.safetensors"), from);
  learner to(sizes(), few(9));
  train::load_checkpoint(f.at("a.safetensors"), to);
  CHECK(same(nn::on_host(from.w), to.w));
  CHECK(same(nn::on_host(from.optimiser.first()), to.optimiser.first()));
  CHECK(same(nn::on_host(from.optimiser.second()), to.optimiser.second()));
  elsewhere back(sizes(), few(3), {});
  train::load_checkpoint(f.at("a.safetensors"), back);
  CHECK(same(nn::on_host(from.w), nn::on_host(back.w)));
}

TEST_CASE("resumed from a file in the middle of an epoch, a training ends at the bits of one that was not stopped") {
  const folder f;
  nn::model_sizes z = sizes();
  z.positions = 16, z.dropout = 0.2, z.layer.drop_weights = 0.2;
  using drops = train::trainer<nn::paper_transformer<nn::paper_attention<mixers::linear_attention_elu1>>>;
  drops whole(z, few(9)), first(z, few(9)), second(z, few(9));
  const train::outcome all = whole.fit(small);
  const train::outcome half = train::fit_with_checkpoints(first, small, {.path = f.at("c.safetensors"), .notes = {{"task", "recall"}}},
                                                          [](const train::progress& p) { return p.step < 7; });
  CHECK(half.steps == 7);
  CHECK(half.stopped == "asked to stop");
  const auto notes = train::load_checkpoint(f.at("c.safetensors"), second);
  CHECK(notes.at("task") == "recall");
  CHECK(notes.at("step") == "7");
  CHECK(same_training(first, second));
  const train::outcome rest = second.fit(small);
  CHECK(rest.steps == 9);
  CHECK(rest.loss == all.loss);
  CHECK(rest.accuracy == all.accuracy);
  CHECK(same_training(whole, second));
}

TEST_CASE("a batch norm's running numbers are in the file: evaluations and what goes on have the bits of a training that was not stopped") {
  const folder f;
  nn::model_sizes z = sizes();
  z.dropout = 0.2, z.layer.n = 5;
  using stack = train::trainer<nn::paper_ssm<nn::lru>>;
  stack whole(z, few(9)), first(z, few(9)), second(z, few(9));
  const train::outcome all = whole.fit(small);
  const train::outcome half =
      train::fit_with_checkpoints(first, small, {.path = f.at("c.safetensors")}, [](const train::progress& p) { return p.step < 6; });
  train::load_checkpoint(f.at("c.safetensors"), second);
  CHECK(same_training(first, second));
  const std::string running = "layers.1.normalize.running_mean";
  CHECK(std::any_of(second.w(running).begin(), second.w(running).end(), [](float x) { return x != 0; }));
  CHECK(second.evaluate(small, tasks::split::test).perplexity() == half.perplexity);
  CHECK(second.fit(small).perplexity == all.perplexity);
  CHECK(same_training(whole, second));
  const auto file = files::safetensors::read(f.at("c.safetensors"));
  CHECK(file.has(running));
  CHECK_FALSE(file.has("adamw.first." + running));
}

TEST_CASE("Ctrl-C lets the step end, saves and says so") {
  const folder f;
  const std::string path = f.at("c.safetensors");
  learner whole(sizes(), few(6)), stopped(sizes(), few(6)), resumed(sizes(), few(6));
  whole.fit(small);
  const auto out = train::fit_with_checkpoints(stopped, small, {.path = path}, [](const train::progress& p) {
    if (p.step == 4) std::raise(SIGINT);
  });
  CHECK(out.steps == 4);
  CHECK(out.stopped == "interrupted");
  CHECK(train::load_checkpoint(path, resumed).at("stopped") == "interrupted");
  CHECK(resumed.optimiser.steps() == 4);
  resumed.fit(small);
  CHECK(same_training(whole, resumed));
  CHECK(f.count() == 1);  // nothing is left beside it
}

TEST_CASE("checkpoints are written every so many steps") {
  const folder f;
  learner t(sizes(), few(6)), seen(sizes(), few(6));
  std::vector<std::string> steps;
  train::fit_with_checkpoints(t, small, {.path = f.at("c.safetensors"), .every = 2}, [&](const train::progress& p) {
    if (p.step % 2 == 1 && p.step > 1) steps.push_back(train::load_checkpoint(f.at("c.safetensors"), seen).at("step"));
  });
  CHECK(steps == std::vector<std::string>{"2", "4"});
  CHECK(train::load_checkpoint(f.at("c.safetensors"), seen).at("step") == "6");
}
TEST_CASE("checkpoints are written at the first report behind their steps") {
  const folder f;
  train::settings s = few(11);
  s.report_every = 3;
  learner t(sizes(), s), seen(sizes(), few(11));
  std::vector<std::string> steps;
  train::fit_with_checkpoints(t, small, {.path = f.at("c.safetensors"), .every = 4}, [&](const train::progress& p) {
    if (p.step > 6) steps.push_back(train::load_checkpoint(f.at("c.safetensors"), seen).at("step"));
  });
  CHECK(steps == std::vector<std::string>{"6", "9"});  // before the saves at 9 and 11
}

TEST_CASE("a checkpoint of something else is refused in a sentence, and nothing changes") {
  const folder f;
  const std::string path = f.at("c.safetensors"), other = f.at("d.safetensors");
  learner t(sizes(), few(6)), to(sizes(), few(6));
  t.fit(small, [](const train::progress& p) { return p.step < 2; });
  train::save_checkpoint(path, t);
  SUBCASE("another mixer") {
    train::trainer<nn::language_model<nn::layer<mixers::linear_attention_elu1>>> m(sizes(), few(6));
    CHECK(refusal(path, m) ==
          "model: expected language_model of linear, identity, one, sum, elu_plus_one, given 'language_model of "
          "linear, identity, one, one'");
  }
  SUBCASE("other sizes") {
    nn::model_sizes z = sizes();
    z.layer.heads = 4;
    learner m(z, few(6));
    CHECK(refusal(path, m) == "size.heads: expected 4, given '2'");
  }
  SUBCASE("another seed") {
    train::settings s = few(6);
    s.seed = 2;
    learner m(sizes(), s);
    CHECK(refusal(path, m) == "seed: expected 2, given '1'");
  }
  SUBCASE("numbers of another type") {
    train::trainer<model, double> m(sizes(), few(6));
    CHECK(refusal(path, m) == "tensor 'embeddings.weight': expected F64, given F32");
  }
  SUBCASE("a truncated file") {
    fs::copy_file(path, other);
    fs::resize_file(other, fs::file_size(path) - 4);
    CHECK(refusal(other, to) == "tensor 'norm.weight': expected its bytes in the file's 56252 of data, given 56192 to 56256");
    fs::resize_file(other, 3);
    CHECK(refusal(other, to) == "the file should begin with its header's length in 8 bytes, but has 3");
    CHECK(refusal(f.at("none.safetensors"), to).find("cannot be opened") != std::string::npos);
  }
  const auto altered = [&](auto change) {
    const auto from = files::safetensors::read(path);
    files::safetensors_writer w;
    auto tensors = from.tensors;
    w.metadata = from.metadata;
    change(w.metadata, tensors);
    for (const auto& [name, tensor] : tensors) w.add(name, tensor);
    w.save(other);
    return refusal(other, to);
  };
  SUBCASE("a tensor is missing") {
    CHECK(altered([](auto&, auto& tensors) { tensors.erase("adamw.second.norm.weight"); }) ==
          "tensor 'adamw.second.norm.weight': expected one of shape (16), given none");
  }
  SUBCASE("a tensor that no model has") {
    CHECK(altered([](auto&, auto& tensors) { tensors["norm.weight_"] = tensors.at("norm.weight"); }) ==
          "tensor 'norm.weight_': expected one of this model's");
  }
  SUBCASE("a tensor of another shape") {
    CHECK(altered([](auto&, auto& tensors) { tensors.at("norm.weight").shape = {4, 4}; }) ==
          "tensor 'norm.weight': expected shape (16), given (4, 4)");
  }
  SUBCASE("a step that is no number") {
    CHECK(altered([](auto& notes, auto&) { notes.at("step") = "two"; }) == "step: expected a whole number, given 'two'");
  }
  SUBCASE("no checkpoint") {
    CHECK(altered([](auto& notes, auto&) { notes.clear(); }) ==
          "expected a checkpoint of a training, given a file whose metadata has no format");
  }
  SUBCASE("a note under a name that is taken") {
    CHECK_THROWS_AS(train::save_checkpoint(other, t, {{"step", "3"}}), invalid_input);
    CHECK_FALSE(fs::exists(other));
  }
}
