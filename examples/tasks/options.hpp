// SPDX-License-Identifier: MIT
#pragma once
#include <charconv>
#include <coefdyn/core/errors.hpp>
#include <coefdyn/core/mixer.hpp>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// A command line: words, and options `--name value` or `--name=value`.
namespace show_tasks {

using coefdyn::idx;

/// What the user wrote wrong, as a sentence.
struct usage_error : std::runtime_error {
  using runtime_error::runtime_error;
};

struct command_line {
  std::vector<std::string> words;
  std::vector<std::pair<std::string, std::string>> options;

  command_line(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
      const std::string argument = argv[i];
      if (!argument.starts_with("--")) {
        words.push_back(argument);
        continue;
      }
      const std::size_t equals = argument.find('=');
      if (equals == std::string::npos && i + 1 == argc)
        throw usage_error(argument + ": its value is missing; write " + argument + " VALUE.");
      options.emplace_back(argument.substr(2, equals - 2), equals == std::string::npos ? argv[++i] : argument.substr(equals + 1));
    }
  }
};

template <class R>
R number_of(const std::string& what, const std::string& text) {
  R value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) throw usage_error(what + ": expected a number, given '" + text + "'.");
  return value;
}

/// The options that a task has, each with the variable that takes it.
class option_table {
 public:
  void add(const std::string& name, std::string& to) {
    setters_[name] = [&to](const std::string& text) { to = text; };
  }
  void add(const std::string& name, bool& to) {
    setters_[name] = [name, &to](const std::string& text) {
      if (text != "0" && text != "1") throw usage_error("--" + name + ": expected 0 or 1, given '" + text + "'.");
      to = text == "1";
    };
  }
  template <class R>
  void add(const std::string& name, R& to) {
    setters_[name] = [name, &to](const std::string& text) { to = number_of<R>("--" + name, text); };
  }
  void set(const std::string& task, const command_line& line) const {
    for (const auto& [name, text] : line.options) {
      const auto at = setters_.find(name);
      if (at == setters_.end()) throw usage_error(task + " has no option --" + name + "; it has " + names() + ".");
      at->second(text);
    }
  }
  std::string names() const {
    std::string all;
    for (const auto& [name, setter] : setters_) all += (all.empty() ? "--" : ", --") + name;
    return all;
  }

 private:
  std::map<std::string, std::function<void(const std::string&)>> setters_;
};

}  // namespace show_tasks
