// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <coefdyn/text/open.hpp>
#include <cstdlib>

/// Tokenisers that Hugging Face's package has written (make_cases.py), on the texts and tokens that it was asked for. COEFDYN_TEXT_CASES
/// names a folder of more.
namespace {
using namespace coefdyn;

text::token_ids ids_of(const files::json_tree& list) {
  text::token_ids out;
  for (const auto& id : list.elements()) out.push_back(id.whole());
  return out;
}
/// What the package makes of bytes that are no character: with byte fallback a U+FFFD each, for the whole run.
bool same_but_broken_runs(const std::string& shown, const std::string& theirs) {
  return shown == theirs || (shown.find("\xef\xbf\xbd") != std::string::npos && theirs.find("\xef\xbf\xbd") != std::string::npos);
}
/// Whether the text was refused for its characters that may compose.
bool compare(const text::tokenizer& code, const files::json_tree& c, bool falls_back) {
  const text::token_ids ids = ids_of(c["ids"]);
  const std::string& decoded = c["decoded"].text();
  const std::string shown = text::valid_utf8(code.decode(ids));
  if (falls_back) CHECK(same_but_broken_runs(shown, decoded));
  else CHECK(shown == decoded);
  text::stream by_token(code);
  std::string streamed;
  for (const std::int64_t id : ids) {
    streamed += by_token.push(id);
    CHECK(text::utf8::first_malformed(streamed) == std::string::npos);
  }
  CHECK(streamed + by_token.finish() == shown);
  if (c["text"].is_absent()) return false;
  INFO(c["text"].text());
  if (code.needs_composed) try {
      code.encode(c["text"].text());
    } catch (const invalid_input& e) {
      CHECK(std::string(e.what()).find("composed form (NFC)") != std::string::npos);
      return true;
    }
  CHECK(code.encode(c["text"].text()) == ids);
  CHECK(code.encode(c["text"].text(), false) == ids_of(c["bare"]));
  return false;
}
/// How many were compared, and how many refused.
std::pair<int, int> compare_all(const std::filesystem::path& folder) {
  int count = 0, refused = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string cases = entry.path().string(), ending = ".cases.json";
    if (!cases.ends_with(ending)) continue;
    const std::string path = cases.substr(0, cases.size() - ending.size()) + ".json";
    INFO(path);
    const auto code = text::open(path);
    for (const auto& c : files::json_tree::read(cases).elements()) refused += compare(code, c, code.pairs.byte_fallback), ++count;
  }
  return {count, refused};
}
}  // namespace

TEST_CASE("tokenizer.json: encodings and decodings are the published package's") {
  CHECK(compare_all(COEFDYN_TOKENISERS) == std::pair(8 * 26, 0));
  if (const char* const folder = std::getenv("COEFDYN_TEXT_CASES")) {
    const auto [count, refused] = compare_all(folder);
    MESSAGE(count, " more, ", refused, " of them refused for characters that may compose");
    CHECK(refused < count / 1000);
  }
}
