// SPDX-License-Identifier: MIT
#pragma once
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "../core/errors.hpp"
#include "file.hpp"

/// JSON out of files, event by event, by nlohmann-json's reader; strict where that is lenient or silent: no name twice in an object
/// (escapes resolved), no byte-order mark, no zero bytes, no more than 127 levels.
namespace coefdyn::files::detail {

/// A value that begins: one of the two containers, or a scalar.
struct json_value {
  enum class kind { null, boolean, whole, number, text, object, array };
  kind is = kind::null;
  std::uint64_t whole = 0;     // not negative
  std::string_view text = {};  // valid during the call
};

/// Where a value stands: the containers around it, outermost first.
struct json_place {
  bool is_object = false;
  std::string key = {};             // of the member that is being read
  std::size_t index = 0;            // of the element that is being read
  std::set<std::string> seen = {};  // an object's keys so far
};
using json_path = std::vector<json_place>;

/// Calls visit(path, value) for each value in turn. Conforms to the SAX interface of nlohmann::json.
template <class Visit>
class json_events {
 public:
  json_events(const std::string& file, Visit& visit) : file_(file), visit_(visit) {}

  bool null() { return scalar({}); }
  bool boolean(bool) { return scalar({.is = json_value::kind::boolean}); }
  bool number_integer(std::int64_t) { return scalar({.is = json_value::kind::number}); }  // comes for a minus sign alone
  bool number_unsigned(std::uint64_t x) { return scalar({.is = json_value::kind::whole, .whole = x}); }
  bool number_float(double, const std::string&) { return scalar({.is = json_value::kind::number}); }
  bool string(std::string& s) { return scalar({.is = json_value::kind::text, .text = s}); }
  bool binary(nlohmann::json::binary_t&) { return scalar({}); }
  bool start_object(std::size_t) { return open(json_value::kind::object); }
  bool start_array(std::size_t) { return open(json_value::kind::array); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    if (!path_.back().seen.insert(name).second)
      refuse(file_, "its JSON should hold each name once, but holds " + in_quotes(name) + " twice");
    path_.back().key = name;
    return true;
  }
  bool parse_error(std::size_t at, const std::string&, const nlohmann::detail::exception&) {
    refuse(file_, "its JSON is broken at byte " + std::to_string(at));
  }

 private:
  bool scalar(const json_value& v) {
    visit_(path_, v);
    return step();
  }
  bool open(json_value::kind kind) {
    visit_(path_, {.is = kind});
    constexpr std::size_t deepest = 127;
    if (path_.size() == deepest) refuse(file_, "its JSON should have at most 127 levels of brackets, but has more");
    path_.push_back({.is_object = kind == json_value::kind::object});
    return true;
  }
  bool close() {
    path_.pop_back();
    return step();
  }
  bool step() {
    if (!path_.empty()) ++path_.back().index;
    return true;
  }
  const std::string& file_;
  Visit& visit_;
  json_path path_;
};

/// Reads a whole document.
///
/// error   file_error with the byte at which it is no JSON
template <class Visit>
void read_json(std::string_view text, const std::string& file, Visit visit) {
  if (const auto zero = text.find('\0'); zero != std::string_view::npos)  // nlohmann-json takes one for the end
    refuse(file, "its JSON should hold no zero bytes, but has one at byte " + std::to_string(zero));
  if (text.starts_with('\xef')) refuse(file, "its JSON should begin without a byte-order mark, but has one; save it without");
  json_events<Visit> events(file, visit);
  nlohmann::json::sax_parse(text.begin(), text.end(), &events);
}

/// A string in JSON's quotes; invalid_input for one that is no UTF-8.
inline std::string json_text(const std::string& s) {
  const nlohmann::json value = s;
  using handler = nlohmann::json::error_handler_t;
  std::string text = value.dump(-1, ' ', false, handler::ignore);
  if (text.size() != value.dump(-1, ' ', false, handler::replace).size())
    COEFDYN_THROW invalid_input("name " + in_quotes(s), "UTF-8", "other bytes");
  return text;
}

}  // namespace coefdyn::files::detail
