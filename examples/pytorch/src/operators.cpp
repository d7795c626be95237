// SPDX-License-Identifier: MIT
// Registers every named mixer when the library is loaded, and others when they are handed over; says what each one takes.
#include <coefdyn/interop/torch.hpp>
#include <map>
#include <string>

namespace coefdyn::interop {

#define NAME(mixer) const mixer_table& named_##mixer();
#include "names.inc"
#undef NAME

namespace {

std::string quoted(const char* text) { return "\"" + std::string(text) + "\""; }
const char* truth(bool b) { return b ? "true" : "false"; }
/// Names of a stream's axes: B, T (or 2T), heads, inner ones.
std::string axes(const mixer_table& m, const stream_row& s) {
  std::string out;
  const auto add = [&](const std::string& axis) { out += (out.empty() ? "" : ", ") + quoted(axis.c_str()); };
  if (s.time != ticks::constant) add("B"), add(s.time == ticks::write && m.writes > 1 ? std::to_string(m.writes) + "T" : "T");
  constexpr const char* heads[] = {"Hq", "Hk", "H", "Hy"};
  if (s.heads != owner::shared) add(heads[static_cast<std::size_t>(s.heads)]);
  if (s.inner == width::factors || s.inner == width::factors_key) add(std::to_string(m.micro));
  if (s.inner == width::key || s.inner == width::factors_key) add("n");
  if (s.inner == width::matrix) add("n"), add("n");
  if (s.inner == width::value) add("d");
  if (s.inner == width::pairs) add("n/2");
  return "[" + out + "]";
}
/// A table as JSON.
std::string json_of(const mixer_table& m) {
  std::string s = std::string("{\"name\": ") + quoted(m.name) + ", \"linear\": " + truth(m.linear) +
                  ", \"complex_state\": " + truth(m.complex_state) + ", \"complex_rows\": " + truth(m.complex_rows) +
                  ", \"sums\": " + truth(m.sums) + ", \"stabilised\": " + truth(m.stabilised) +
                  ", \"writes\": " + std::to_string(m.writes) + ", \"streams\": [";
  for (const stream_row& stream : m.streams) {
    if (&stream != m.streams.data()) s += ", ";
    s += std::string("{\"name\": ") + quoted(stream.name) + ", \"axes\": " + axes(m, stream) + ", \"gate\": " + truth(stream.gate) +
         ", \"complex\": " + truth(stream.complex) + ", \"meaning\": " + quoted(stream.meaning) + "}";
  }
  return s + "]}";
}
std::map<std::string, std::string>& described() {
  static std::map<std::string, std::string> all;
  return all;
}
void add(const mixer_table& m) {
  register_operator(m);
  described()[m.name] = json_of(m);
}
const bool named_are_registered = [] {
#define NAME(mixer) add(named_##mixer());
#include "names.inc"
#undef NAME
  return true;
}();

}  // namespace
}  // namespace coefdyn::interop

/// A mixer's streams as JSON, or null for a name that is not registered; without a name, the names.
extern "C" [[gnu::visibility("default")]] const char* coefdyn_describe(const char* name) {
  auto& all = coefdyn::interop::described();
  if (name) return all.contains(name) ? all[name].c_str() : nullptr;
  static std::string names;
  names.clear();
  for (const auto& [key, text] : all) names += (names.empty() ? "" : " ") + key;
  return names.c_str();
}
/// Registers a mixer of another library; a sentence where that is refused, else null.
extern "C" [[gnu::visibility("default")]] const char* coefdyn_register(const coefdyn::interop::mixer_table* table) {
  static std::string sentence;
  try {
    coefdyn::interop::add(*table);
    return nullptr;
  } catch (const std::exception& e) {
    sentence = e.what();
    return sentence.c_str();
  }
}
