// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "../files/array.hpp"

/// Published language models without their types: logits, decoding, and the streams of their mixers. models/open.hpp reads one.
namespace coefdyn::models {

/// What a model is: its architecture as config.json says it (model_type), and its sizes.
struct description {
  std::string architecture;
  idx vocabulary = 0, width = 0, layers = 0;
  idx parameters = 0;  // numbers that the model computes with: tied ones once
};

/// The streams of one layer's mixer over a text. Every array is (B, T, H, ...), or (H, ...) without a time axis, or has no axis of heads
/// where all share it (RoPE's theta); heads of q and k are repeated where several value heads share them, so that H is one number but for
/// attention with grouped keys, where k and v have fewer heads.
struct layer_streams {
  idx layer = 0;
  std::string policies;                                // name_of<M>(): "linear, gated_householder<>, beta, sqrt_dim"
  std::map<std::string, files::array<double>> stream;  // under the streams' names: q, k, v, log_decay, ...
};

/// One sequence as it is generated: the model with its states and caches.
///
/// error   invalid_input for ids outside the vocabulary, no ids, and more tokens than `capacity` where a cache grows
class decoding {
 public:
  virtual ~decoding() = default;
  /// Takes tokens, all at once (chunkwise where a mixer has that form), behind those before. Logits of the token after the last: V numbers,
  /// which last until the next call.
  virtual std::span<const float> prefill(std::span<const std::int64_t> ids) = 0;
  /// The same for one token.
  std::span<const float> step(std::int64_t id) { return prefill({&id, 1}); }
  /// Tokens taken so far, and the most that a cache has room for.
  virtual idx length() const = 0;
  virtual idx capacity() const = 0;
  /// Forgets all tokens.
  virtual void clear() = 0;
  /// Writes states, caches and the logits after the last token to a file; and takes them from one of the same model, so that the next
  /// `step` has the same bits as here.
  ///
  /// error   files::file_error for a file that cannot be written or read; invalid_input for one of another model, of more tokens than the
  ///         capacity, or damaged, of which nothing is taken
  virtual void save(const std::string& path) const = 0;
  virtual void load(const std::string& path) = 0;
  /// Logits after the last token, empty where there was none.
  virtual std::span<const float> logits() const = 0;
};

/// A model with its weights, in float32. Calls that are const can run at the same time; the bits of results do not depend on the number of
/// threads.
///
/// ```cpp
/// std::int64_t second_after(const models::language_model& model, std::span<const std::int64_t> prompt) {
///   const auto text = model.start(2048);                    // room for so many tokens
///   std::span<const float> logits = text->prefill(prompt);  // of the token after the prompt
///   logits = text->step(std::max_element(logits.begin(), logits.end()) - logits.begin());
///   return std::max_element(logits.begin(), logits.end()) - logits.begin();
/// }
/// ```
class language_model {
 public:
  virtual ~language_model() = default;
  const description& about() const { return about_; }
  /// Logits of whole sequences.
  ///
  /// shape   ids (B, T), row-major, to (B, T, V)
  /// error   invalid_input for ids outside the vocabulary, or that are not B T
  virtual std::vector<float> logits(std::span<const std::int64_t> ids, idx batch, idx time) const = 0;
  /// Starts a sequence. `capacity`: the most tokens of it where a cache grows; a model of states alone takes any number. The model has to
  /// be there as long as the decoding.
  virtual std::unique_ptr<decoding> start(idx capacity) const = 0;
  /// f(streams) of every layer with a mixer, in their order, over ids (1, T).
  virtual void visit_mixers(std::span<const std::int64_t> ids, const std::function<void(const layer_streams&)>& f) const = 0;

 protected:
  explicit language_model(description about) : about_(std::move(about)) {}

 private:
  description about_;
};

}  // namespace coefdyn::models
