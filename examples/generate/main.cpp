// SPDX-License-Identifier: MIT
// Text from a published language model, as it is made.
//
//   generate MODEL_DIR --prompt "Once upon a time" --tokens 200 --temperature 0.8 --top-p 0.95
//   generate MODEL_DIR --prompt-file long.txt --save-state long.state --tokens 0
//   generate MODEL_DIR --load-state long.state --prompt " And then" --greedy
#include <CLI/CLI.hpp>
#include <chrono>
#include <coefdyn/models/open.hpp>
#include <coefdyn/text/open.hpp>
#include <coefdyn/text/sampling.hpp>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <set>
#include <sstream>

namespace generate {
namespace {
using namespace coefdyn;

struct request {
  std::string model, prompt, prompt_file, tokenizer, save_state, load_state, device = "cpu";
  text::sampling how;
  long tokens = 128, context = 0;
  int threads = 0, rounds = 1;
  bool greedy = false, keep_going = false;
};

/// False where all that was asked for is help.
bool parse(request& r, int argc, char** argv) {
  CLI::App app("Text from a published language model, as it is made; speeds on stderr.", "./run generate");
  app.set_help_flag("--help", "this text");
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)->always_capture_default();
  app.add_option("MODEL", r.model, "folder with config.json and model.safetensors, or another that coefdyn::models::open takes")
      ->required();
  const auto add = [&](const char* name, auto& to, const char* about) { return app.add_option(name, to, about); };
  auto* prompt = add("--prompt", r.prompt, "the text to go on with");
  add("--prompt-file", r.prompt_file, "a file with that text; -: standard input")->excludes(prompt);
  add("--tokens", r.tokens, "to generate; 0: none, the prompt alone is taken")->check(CLI::NonNegativeNumber);
  add("--temperature", r.how.temperature, "logits are divided by it; 0: greedy")->check(CLI::NonNegativeNumber);
  add("--top-k", r.how.top_k, "of the k most probable tokens alone; 0: all")->check(CLI::NonNegativeNumber);
  add("--top-p", r.how.top_p, "of the fewest tokens with this share of probability")->check(CLI::Range(0.0, 1.0));
  add("--seed", r.how.seed, "of the draws");
  app.add_flag("--greedy", r.greedy, "the most probable token each time");
  app.add_flag("--keep-going", r.keep_going, "past the token that ends a text");
  add("--save-state", r.save_state, "a file for states and caches after the prompt");
  add("--load-state", r.load_state, "such a file, instead of what came before the prompt");
  add("--context", r.context, "tokens that caches have room for, of a loaded state too; 0: what is needed, or 4096 with --load-state");
  add("--tokenizer", r.tokenizer, "its file; bytes: 0 .. 255; ids: numbers with blanks between; else that of the folder");
  add("--device", r.device, "cpu; cuda: an NVIDIA GPU, for Llama, llama2.c's and Mamba-2, without states in files")
      ->check(CLI::IsMember({"cpu", "cuda"}));
  add("--threads", r.threads, "0: all; changes no bit")->check(CLI::NonNegativeNumber);
  add("--rounds", r.rounds, "the same so often, shown once; speeds are those of the fastest")->check(CLI::PositiveNumber);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::printf("%s", app.help().c_str());
    return false;
  }
  if (r.greedy) r.how.temperature = 0;
  return true;
}

std::string prompt_of(const request& r) {
  if (r.prompt_file.empty()) return r.prompt;
  if (r.prompt_file == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
  const files::mapped_file file(r.prompt_file);
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

/// Tokens of a text and back, or numbers as they are.
class language {
 public:
  language(const request& r, idx vocabulary) : numbers_(r.tokenizer == "ids") {
    if (!numbers_) code_ = r.tokenizer == "bytes" ? text::bytes() : text::open(r.tokenizer.empty() ? r.model : r.tokenizer, vocabulary);
    if (code_.vocabulary() > vocabulary)
      throw invalid_input("tokeniser", "at most the model's " + std::to_string(vocabulary) + " tokens", std::to_string(code_.vocabulary()));
  }
  text::token_ids encode(const std::string& s, bool begins) const {
    text::token_ids out = begins ? code_.before : text::token_ids{};
    if (!numbers_) {
      const text::token_ids ids = code_.encode(s, false);
      out.insert(out.end(), ids.begin(), ids.end());
      return out;
    }
    std::istringstream in(s);
    for (std::int64_t id; in >> id;) out.push_back(id);
    if (!in.eof()) throw invalid_input("prompt", "whole numbers with blanks between", "'" + s.substr(0, 40) + "'");
    return out;
  }
  std::string show(std::int64_t id) {
    if (numbers_) return std::to_string(id) + " ";
    return code_.has(id) ? shown_.push(id) : "\xef\xbf\xbd";
  }
  std::string finish() { return shown_.finish(); }

 private:
  bool numbers_;
  text::tokenizer code_;
  text::stream shown_{code_};
};

/// The tokens that end a text: eos_token_id of generation_config.json and config.json, a number or a list.
std::set<std::int64_t> ends_of(const std::string& folder) {
  std::set<std::int64_t> out;
  for (const char* name : {"config.json", "generation_config.json"}) {
    const std::string path = (std::filesystem::path(folder) / name).string();
    if (!std::filesystem::exists(path)) continue;
    const auto id = files::json_tree::read(path)["eos_token_id"];
    if (id.is_list())
      for (const auto& each : id.elements()) out.insert(each.whole());
    else if (!id.is_absent()) out.insert(id.whole());
  }
  return out;
}

/// The least time of some rounds, as it is told.
class clock {
 public:
  void begin() { begun_ = std::chrono::steady_clock::now(); }
  void end(long tokens) {
    least_ = std::min(least_, std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count()), tokens_ = tokens;
  }
  void tell(const char* what) const {
    std::fprintf(stderr, "%s: %ld tokens in %.6f s, %.1f tokens/s\n", what, tokens_, least_, double(tokens_) / std::max(least_, 1e-9));
  }

 private:
  std::chrono::steady_clock::time_point begun_;
  double least_ = std::numeric_limits<double>::infinity();
  long tokens_ = 0;
};

/// One text from its prompt to its end.
struct generation {
  const request& asked;
  models::decoding& past;
  language& words;
  const text::token_ids prompt;
  const std::set<std::int64_t> ends;
  clock prefill{}, decode{};

  void run(bool shows) {
    past.clear();
    if (!asked.load_state.empty()) past.load(asked.load_state);
    prefill.begin();
    if (!prompt.empty()) past.prefill(prompt), prefill.end(long(prompt.size()));
    if (!asked.save_state.empty() && shows) past.save(asked.save_state);
    decode.begin();
    const text::sampler draw(asked.how);
    long made = 0;
    for (; made < asked.tokens; ++made) {
      const std::int64_t next = draw(past.logits(), std::uint64_t(past.length()));
      if (!asked.keep_going && ends.contains(next)) break;
      if (shows) std::fputs(words.show(next).c_str(), stdout), std::fflush(stdout);
      if (made + 1 < asked.tokens) past.step(next);
    }
    decode.end(made);
    if (shows) std::printf("%s\n", words.finish().c_str());
  }
};

std::unique_ptr<models::language_model> opened(const request& r) {
  if (r.device == "cpu") return models::open(r.model, r.threads);
#if GENERATE_CUDA
  return models::compiled::on_gpu(r.model);
#else
  throw invalid_input("--device", "cpu in this program", "cuda; `./run generate` builds another for it, where there is nvcc");
#endif
}
void run(const request& r) {
  const auto model = opened(r);
  const auto& about = model->about();
  language words(r, about.vocabulary);
  text::token_ids prompt = words.encode(prompt_of(r), r.load_state.empty());
  if (prompt.empty() && r.load_state.empty()) throw invalid_input("prompt", "at least one token (--prompt, --prompt-file)", "none");
  const idx needed = idx(prompt.size()) + r.tokens, more = r.load_state.empty() ? 0 : 4096;
  const auto past = model->start(std::max<idx>(r.context, r.context > 0 ? 0 : needed + more));
  std::fprintf(stderr, "%s: %ld parameters, %ld layers of width %ld, %ld tokens\n", about.architecture.c_str(), long(about.parameters),
               long(about.layers), long(about.width), long(about.vocabulary));
  generation one{r, *past, words, std::move(prompt), ends_of(r.model)};
  for (int round = 0; round < r.rounds; ++round) one.run(round == 0);
  if (!one.prompt.empty()) one.prefill.tell("prefill");
  one.decode.tell("decode");
}

}  // namespace
}  // namespace generate

int main(int argc, char** argv) {
  try {
    generate::request r;
    if (generate::parse(r, argc, argv)) generate::run(r);
    return 0;
  } catch (const CLI::ParseError& e) {
    std::fprintf(stderr, "generate: %s; `./run generate --help` lists the options.\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    std::fflush(stdout);
    std::fprintf(stderr, "generate: %s\n", e.what());
    return 1;
  }
}
