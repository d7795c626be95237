// SPDX-License-Identifier: MIT
// One sample of a task, as a person reads it.
//
//   tasks                          the tasks
//   tasks mqar 3 --split test --pairs 4 --length 32 --vocabulary 64
//   tasks cifar10 --data DIR       looked for in $COEFDYN_DATA otherwise
#include "bind.hpp"
#include "options.hpp"
#include "show.hpp"

namespace show_tasks {
namespace {

void bind(option_table& o, listops_files_options& to) { o.add("max-length", to.max_length); }
void bind(option_table& o, cifar10_options& to) { o.add("pooled", to.pooled), o.add("train", to.train); }
void bind(option_table& o, imdb_options& to) { o.add("bytes", to.bytes), o.add("max-length", to.max_length), o.add("least", to.least); }
void bind(option_table& o, text_bytes_options& to) { o.add("file", to.file), o.add("length", to.length); }
void bind(option_table& o, wikitext_options& to) {
  o.add("set", to.set), o.add("ending", to.ending), o.add("joined", to.joined), o.add("length", to.length);
}

split split_of(const std::string& name) {
  for (const split s : {split::train, split::test, split::valid})
    if (name == name_of(s)) return s;
  throw usage_error("--split: expected train, test or valid, given '" + name + "'.");
}

template <class T, class Options>
void show(const command_line& line) {
  Options options;
  std::string part = "test", picture;
  option_table table;
  bind(table, options);
  table.add("split", part);
  if constexpr (requires { options.seed; })
    table.add("seed", options.seed), table.add("train", options.train), table.add("test", options.test), table.add("valid", options.valid);
  if constexpr (requires { options.folder; }) table.add("data", options.folder);
  if constexpr (std::same_as<T, cifar10>) table.add("picture", picture);
  table.set(std::string(T::name), line);
  if (line.words.size() > 2) throw usage_error("expected a task and an index, given '" + line.words[2] + "' as well.");
  const idx index = line.words.size() > 1 ? number_of<idx>("index", line.words[1]) : 0;
  if constexpr (requires { options.file; })
    if (options.file.empty()) throw usage_error("text_bytes: which text? Write --file FILE.");
  print_sample(T(options), split_of(part), index, picture);
}

struct entry {
  std::string_view name;
  const char* about;
  void (*show)(const command_line&);
};
template <class T, class Options>
entry entry_of(const char* about) {
  return {T::name, about, show<T, Options>};
}
const entry entries[] = {
    entry_of<in_context_recall, in_context_recall_options>("the value of a key that came before"),
    entry_of<noisy_in_context_recall, noisy_in_context_recall_options>("the same with noise between the pairs"),
    entry_of<fuzzy_in_context_recall, fuzzy_in_context_recall_options>("the same for keys and values of several tokens"),
    entry_of<selective_copying, selective_copying_options>("tokens among blanks, to be said again in order"),
    entry_of<compression, compression_options>("all tokens from what the last position holds"),
    entry_of<memorization, memorization_options>("values of a map that is the same in all samples"),
    entry_of<mqar, mqar_options>("the values of many keys, each asked for once"),
    entry_of<listops, listops_options>("the value of a nested expression, generated"),
    entry_of<listops_files, listops_files_options>("the same from the Long Range Arena's files"),
    entry_of<cifar10, cifar10_options>("the class of a grey picture, pixel by pixel"),
    entry_of<imdb, imdb_options>("whether a film review praises, letter by letter"),
    entry_of<wikitext, wikitext_options>("the next of GPT-2's tokens of WikiText"),
    entry_of<text_bytes, text_bytes_options>("the next byte of a text file"),
};

void list() {
  std::cout << "usage: ./run tasks TASK [INDEX] [--split train|test|valid] [--seed S] [--data DIR] [--OPTION VALUE ...]\n\n";
  for (const entry& e : entries) std::cout << "  " << e.name << std::string(26 - e.name.size(), ' ') << e.about << "\n";
  std::cout << "\nFiles are looked for in --data DIR, else in the folder that the environment's COEFDYN_DATA names.\n";
}

void run(const command_line& line) {
  if (line.words.empty() && line.options.empty()) return list();
  if (line.words.empty()) throw usage_error("a task is missing; `./run tasks` lists them.");
  for (const entry& e : entries)
    if (e.name == line.words[0]) return e.show(line);
  std::string known;
  for (const entry& e : entries) known += (known.empty() ? "" : ", ") + std::string(e.name);
  throw usage_error("no task is called " + line.words[0] + "; there are " + known + ".");
}

}  // namespace
}  // namespace show_tasks

int main(int argc, char** argv) {
  try {
    show_tasks::run(show_tasks::command_line(argc, argv));
    return 0;
  } catch (const std::exception& e) {
    std::cerr << e.what() << "\n";
    return 2;
  }
}
