// SPDX-License-Identifier: MIT
#pragma once
#include "../../text/gpt2.hpp"
#include "../task.hpp"
#include "content.hpp"

namespace coefdyn::tasks {

/// GPT-2's tokeniser out of a folder of data sets.
///
/// error   files::file_error for an absent file, with what to get, and as text::gpt2
inline text::tokenizer gpt2_tokenizer(const data_folder& data) {
  const std::string encoder = data.need({"gpt2-bpe/encoder.json", "encoder.json"}, "GPT-2's encoder.json"),
                    merges = data.need({"gpt2-bpe/vocab.bpe", "vocab.bpe"}, "GPT-2's vocab.bpe");
  return text::gpt2(content(encoder), encoder, content(merges), merges);
}

}  // namespace coefdyn::tasks
