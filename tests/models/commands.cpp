// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "sample.hpp"

/// The commands generate and spectrum_of on small models: exit codes, what they print, what they refuse.
namespace {
using namespace coefdyn;
namespace fs = std::filesystem;

struct outcome {
  int code = -1;
  std::string out, err;
  /// Whether it was refused with this code and one sentence that holds `part`.
  bool refused(int with, const std::string& part) const {
    return code == with && std::count(err.begin(), err.end(), '\n') == 1 && err.ends_with("\n") && err.find(part) != std::string::npos;
  }
};
/// The models of every architecture, a folder for what commands write, and the commands.
class bench {
 public:
  fs::path folder;
  std::map<std::string, std::unique_ptr<sample::model>> models;
  bench() {
    folder = fs::temp_directory_path() / ("coefdyn-commands-" + std::to_string(::getpid()));
    fs::create_directories(folder);
    for (const auto& [name, settings] : sample::architectures()) {
      models[name] = std::make_unique<sample::model>(settings);
      models[name]->save();
    }
  }
  ~bench() { fs::remove_all(folder); }
  bench(const bench&) = delete;
  bench& operator=(const bench&) = delete;
  std::string at(const std::string& file) const { return (folder / file).string(); }
  outcome run(const std::string& command) const {
    const int status = std::system((command + " >" + at("out") + " 2>" + at("err") + " </dev/null").c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content("out"), content("err")};
  }
  std::string content(const std::string& file) const {
    const files::mapped_file bytes(at(file));
    return {reinterpret_cast<const char*>(bytes.bytes().data()), bytes.bytes().size()};
  }
  void put(const std::string& file, const std::string& text) const { files::write_file(at(file), std::as_bytes(std::span(text))); }
  outcome generate(const std::string& model, const std::string& options) const {
    return run(std::string(COEFDYN_GENERATE) + " " + model + " --tokenizer ids --keep-going " + options);
  }
  outcome spectrum_of(const std::string& options) const { return run(std::string(COEFDYN_SPECTRUM_OF) + " " + options); }
};

/// The most probable tokens behind a prompt, by the library.
std::string greedy(const std::string& path, const std::vector<std::int64_t>& prompt, int count) {
  const auto model = models::open(path, 1);
  const auto past = model->start(idx(prompt.size()) + count);
  auto logits = past->prefill(prompt);
  std::string out;
  for (int i = 0; i < count; ++i) {
    const auto next = std::max_element(logits.begin(), logits.end()) - logits.begin();
    out += std::to_string(next) + " ";
    logits = past->step(next);
  }
  return out + "\n";
}
std::string without_end(const std::string& s) { return s.substr(0, s.find('\n')); }

TEST_CASE("command: generate gives the tokens of the library, and goes on from a saved state with the same") {
  const bench b;
  for (const auto& [name, model] : b.models) {
    CAPTURE(name);
    const std::string path = model->path(), state = b.at(name + ".state");
    const outcome all = b.generate(path, "--prompt '3 1 16 2 7' --greedy --tokens 9");
    CHECK(all.code == 0);
    CHECK(all.out == greedy(path, {3, 1, 16, 2, 7}, 9));
    CHECK(all.err.find("prefill: 5 tokens in ") != std::string::npos);
    CHECK(all.err.find("decode: 9 tokens in ") != std::string::npos);
    const outcome kept = b.generate(path, "--prompt '3 1 16' --tokens 0 --save-state " + state);
    CHECK((kept.code == 0 && kept.out == "\n"));
    const outcome more = b.generate(path, "--prompt '2 7' --greedy --tokens 9 --load-state " + state);
    CHECK((more.code == 0 && more.out == all.out));
    const outcome drawn = b.generate(path, "--prompt '3 1 16 2 7' --tokens 6 --temperature 1.3 --seed 5");
    CHECK(b.generate(path, "--prompt '2 7' --tokens 6 --temperature 1.3 --seed 5 --load-state " + state).out == drawn.out);
  }
}

TEST_CASE("command: generate draws by its seed, whatever the threads and rounds; ends where the settings say") {
  const bench b;
  sample::model& model = *b.models.at("qwen3_next");
  const std::string path = model.path(), options = "--prompt '1 2 3' --tokens 24 --temperature 2 --seed ";
  const outcome one = b.generate(path, options + "1 --threads 1");
  CHECK(std::count(one.out.begin(), one.out.end(), ' ') == 24);
  CHECK(b.generate(path, options + "1 --threads 2 --rounds 3").out == one.out);
  CHECK(b.generate(path, options + "2").out != one.out);
  CHECK(b.generate(path, "--prompt '1 2 3' --tokens 24 --temperature 2 --top-k 1").out ==
        b.generate(path, "--prompt '1 2 3' --tokens 24 --greedy").out);
  std::istringstream words(b.generate(path, "--prompt '1 2 3' --tokens 9 --greedy").out);
  const std::vector<std::int64_t> greedy{std::istream_iterator<std::int64_t>(words), {}};
  model.config["eos_token_id"] = {greedy.at(4), 99};
  model.save();
  std::string before;
  for (const std::int64_t id : greedy) {
    if (id == greedy[4]) break;
    before += std::to_string(id) + " ";
  }
  const std::string command = std::string(COEFDYN_GENERATE) + " " + path + " --tokenizer ids --prompt '1 2 3' --greedy --tokens 9";
  CHECK(without_end(b.run(command).out) == before);
}

TEST_CASE("command: generate refuses with one sentence") {
  const bench b;
  const std::string path = b.models.at("llama")->path();
  const outcome help = b.run(std::string(COEFDYN_GENERATE) + " --help");
  CHECK((help.code == 0 && help.out.find("--load-state") != std::string::npos && help.err.empty()));
  CHECK(b.run(COEFDYN_GENERATE).refused(2, "generate: MODEL is required"));
  CHECK(b.generate(path, "--tokens -1").refused(2, "--tokens"));
  CHECK(b.generate(path, "--colour red").refused(2, "--colour"));
  CHECK(b.generate(path, "").refused(1, "prompt: expected at least one token"));
  CHECK(b.generate(path, "--prompt '1 x'").refused(1, "prompt: expected whole numbers"));
  CHECK(b.generate(b.at("none"), "--prompt 1").refused(1, b.at("none")));
  CHECK(b.run(std::string(COEFDYN_GENERATE) + " " + path + " --tokenizer bytes --prompt a")
            .refused(1, "tokeniser: expected at most the model's 17"));
  const outcome outside = b.generate(path, "--prompt '17'");
  CHECK((outside.code == 1 && outside.err.find("17") != std::string::npos));
  CHECK(b.generate(b.models.at("mamba")->path(), "--prompt 1 --tokens 0 --save-state " + b.at("state")).code == 0);
  const outcome other = b.generate(path, "--prompt 1 --load-state " + b.at("state"));
  CHECK((other.code == 1 && other.err.find(b.at("state")) != std::string::npos && other.out.empty()));
}

TEST_CASE("command: generate on stories260K gives its 200 greedy tokens") {
  const fs::path folder = fs::path(COEFDYN_TEST_DATA) / "checkpoints";
  if (!fs::exists(folder / "stories260K.bin")) {
    MESSAGE("skipped: no checkpoints");
    return;
  }
  const bench b;
  std::istringstream lines([&] {
    const files::mapped_file f((folder / "stories260K.greedy200.txt").string());
    return std::string(reinterpret_cast<const char*>(f.bytes().data()), f.bytes().size());
  }());
  std::string want;
  while (std::getline(lines, want) && want.starts_with("#")) {
  }
  const outcome got = b.generate((folder / "stories260K.bin").string(), "--prompt 1 --tokens 200 --greedy");
  std::istringstream a(want), c(got.out);
  const std::vector<int> expected{std::istream_iterator<int>(a), {}}, given{std::istream_iterator<int>(c), {}};
  CHECK(expected.size() == 200);
  CHECK(given == expected);
}

/// Needs the program spectrum_of, which is built when asked for: the test "package: the command spectrum-of" does.
TEST_CASE("command: spectrum_of analyses every layer and head of every architecture" * doctest::skip()) {
  const bench b;
  std::string text;
  for (const std::int64_t id : sample::ids(40, 17)) text += static_cast<char>(id);
  b.put("text", text);
  for (const auto& [name, model] : b.models) {
    CAPTURE(name);
    const outcome got = b.spectrum_of(model->path() + " --text " + b.at("text") + " --tokenizer bytes --tokens 32 --out " + b.at(name));
    CHECK_MESSAGE(got.code == 0, got.err);
    CHECK(got.out.find("not compiled in") == std::string::npos);
    const auto all = files::json_tree::read(b.at(name + "/model.json"));
    CHECK(all["tokens"].whole() == 32);
    const auto layers = all["layers"].elements();
    CHECK(idx(layers.size()) == model->config["num_hidden_layers"].get<idx>());
    for (const auto& layer : layers) {
      CHECK(fs::exists(b.at(name + "/layer-" + std::to_string(layer["layer"].whole()) + "/spectrum.json")));
      CHECK(!layer["heads"].elements().empty());
      for (const auto& head : layer["heads"].elements())
        for (const char* bins : {"radius", "phase"}) {
          double sum = 0;
          for (const auto& share : head[bins].elements()) sum += share.number();
          CHECK(sum == doctest::Approx(100).epsilon(1e-6));
        }
    }
  }
  CHECK(b.spectrum_of("no_such_mixer x.safetensors").refused(2, "no mixer no_such_mixer is compiled in"));
  b.put("text", "\1");
  CHECK(b.spectrum_of(b.models.at("rwkv")->path() + " --text " + b.at("text") + " --tokenizer bytes")
            .refused(1, "a text of at least two tokens"));
  const outcome help = b.spectrum_of("--help");
  CHECK((help.code == 0 && help.out.find("rwkv4") != std::string::npos));
}
}  // namespace
