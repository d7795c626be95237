// SPDX-License-Identifier: MIT
// Registers every named mixer when the library is loaded, and others when they are handed over; says what each one takes.
#include <atomic>
#include <coefdyn/interop/torch.hpp>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <utility>

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
/// Calls on a GPU: by mixer and type of numbers, as their units are loaded, which `load` is asked to do where there are none.
struct gpu_units {
  std::mutex held;
  std::map<std::pair<std::string, number>, gpu_calls> loaded;
  std::atomic<const char* (*)(const char* mixer, const char* rows)> load{nullptr};
  gpu_calls find(const char* mixer, number rows) {
    const std::lock_guard lock(held);
    const auto found = loaded.find({mixer, rows});
    return found == loaded.end() ? gpu_calls{} : found->second;
  }
  static gpu_units& all() {
    static gpu_units units;
    return units;
  }
};
gpu_calls loaded_on_gpu(const mixer_table& m, number rows) {
  const bool low = rows == number::bfloat16 || rows == number::float16;
  if (rows != number::float32 && rows != number::float64 && (!low || m.complex_rows)) detail::refuse_rows(m.complex_rows, rows);
  gpu_units& units = gpu_units::all();
  gpu_calls calls = units.find(m.name, rows);
  if (calls.forward) return calls;
  const auto load = units.load.load();
  const char* const sentence = load ? load(m.name, name_of(rows)) : "coefdyn: calls on a GPU need the Python package, which loads them";
  TORCH_CHECK(sentence == nullptr, sentence);
  return units.find(m.name, rows);
}
void add(const mixer_table& m) {
  static std::deque<mixer_table> tables;  // as long as their operators
  mixer_table& table = tables.emplace_back(m);
  if (table.on_gpu == nullptr) table.on_gpu = loaded_on_gpu;
  register_operator(table);
  described()[m.name] = json_of(m);
}
[[maybe_unused]] const bool named_are_registered = [] {
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
/// Who loads a mixer's calls on a GPU for rows of a type, by coefdyn_add_on_gpu: returns a sentence where that fails, else null.
extern "C" [[gnu::visibility("default")]] void coefdyn_load_on_gpu(const char* (*load)(const char* mixer, const char* rows)) {
  coefdyn::interop::gpu_units::all().load = load;
}
/// Calls of a mixer on a GPU for rows of a type.
extern "C" [[gnu::visibility("default")]] void coefdyn_add_on_gpu(const char* mixer, const char* rows,
                                                                  void (*forward)(const coefdyn::interop::table_call&),
                                                                  void (*backward)(const coefdyn::interop::table_call&)) {
  using namespace coefdyn::interop;
  auto& units = gpu_units::all();
  const std::lock_guard lock(units.held);
  for (int n = 0; n < static_cast<int>(number::other); ++n)
    if (std::string(rows) == name_of(static_cast<number>(n))) units.loaded[{mixer, static_cast<number>(n)}] = {forward, backward};
}
