// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "../core/errors.hpp"
#include "../core/tensor.hpp"

namespace coefdyn::nn {

/// What a model keeps of the tokens that it has seen, for decoding: a place for each operation that looks back, in the order in which they
/// run. A mixer keeps its state, one whose readout is not linear its cache; a short convolution its last W - 1 inputs.
///
/// The first pass makes the places, in the memory of the tape's device; passes after it allocate nothing.
///
/// ```cpp statements
/// #include <coefdyn/nn/layers/attention.hpp>
/// #include <coefdyn/nn/models/language_model.hpp>
/// nn::model_sizes z;
/// z.width = 16, z.vocabulary = 100, z.layer.heads = 2;
/// const nn::language_model<nn::attention<>> model(z);
/// nn::weights<float> w(model.parameters());
/// nn::tape<float> t(w);
/// nn::past before(1, 512);                        // one sequence; room for 512 tokens where a cache grows
/// const std::vector<std::int64_t> prompt{1, 2, 3}, next{4};
/// auto logits = model.step(t, before, nn::token_ids{prompt.data(), 1, 3});
/// logits = model.step(t, before, nn::token_ids{next.data(), 1, 1});
/// before.clear();                                 // a new sequence
/// ```
///
/// error   invalid_input for another batch, more tokens than a cache has room for, or a past of another model
class past {
 public:
  past(idx batch, idx capacity) : batch_(batch), capacity_(capacity) {
    if (batch < 1 || capacity < 1)
      throw invalid_input("past", "a batch and a capacity of at least 1", std::to_string(batch) + " and " + std::to_string(capacity));
  }
  idx batch() const { return batch_; }
  idx capacity() const { return capacity_; }
  /// Tokens seen.
  idx length() const { return length_; }
  /// Forgets all tokens.
  void clear() {
    for (auto& p : places_) p->clear();
    length_ = 0;
  }

  /// A pass over `tokens` more tokens of each sequence begins, and ends.
  void begin(idx batch, idx tokens) {
    if (batch != batch_) throw invalid_input("batch", std::to_string(batch_) + " as in the past", std::to_string(batch));
    if (grows_ && length_ + tokens > capacity_)
      throw invalid_input("past", "room for " + std::to_string(length_ + tokens) + " tokens", "a capacity of " + std::to_string(capacity_));
    at_ = 0, tokens_ = tokens;
  }
  void end() { length_ += tokens_; }
  /// Says that an operation keeps every token, so that `capacity` is a limit.
  void keeps_tokens() {
    grows_ = true;
    if (length_ + tokens_ <= capacity_) return;
    clear();  // of the first pass, the only one that gets here; `begin` refuses later ones
    throw invalid_input("past", "room for " + std::to_string(tokens_) + " tokens", "a capacity of " + std::to_string(capacity_));
  }
  /// Whether a pass has made the places.
  bool has_places() const { return !places_.empty(); }
  /// All that is kept, as bytes in the order of the host, with the caller's own behind it; and taken back: into the places that a pass of
  /// the same model, of any tokens, has made.
  ///
  /// error   invalid_input for memory that is no host's; take: named as `name` says, for bytes of another model, another batch or more
  /// tokens
  ///         than the capacity, before anything is taken
  std::vector<std::byte> bytes(std::span<const std::byte> behind) const;
  void take(std::span<const std::byte> bytes, const std::string& name, std::span<std::byte> behind);
  /// The place of the operation that runs; make() is what it holds before the first token.
  template <class T, class Make>
  T& next(Make make) {
    if (at_ == places_.size()) places_.push_back(std::make_unique<place<T>>(make()));
    any_place& p = *places_[at_++];
    if (p.type != &type_of<T>) throw invalid_input("past", "one of this model", "one of another");
    return static_cast<place<T>&>(p).held;
  }

 private:
  template <class>
  static constexpr char type_of = 0;  // its address is the type's
  struct any_place {
    const void* type;
    explicit any_place(const void* t) : type(t) {}
    virtual ~any_place() = default;
    virtual void clear() = 0;
    /// f(bytes) of what it holds once `length` tokens are there.
    virtual void each_part(idx length, const std::function<void(std::span<std::byte>)>& f) = 0;
  };
  template <class T>
  struct place final : any_place {
    T held;
    explicit place(T&& first) : any_place(&type_of<T>), held(std::move(first)) {}
    void clear() override {
      if constexpr (requires { held.truncate(0); }) held.truncate(0);
      else if constexpr (requires { held.sequences; }) held = T(held.sequences, held.heads, held.n, held.d, held.S.where());
      else held.where().clear(held.data(), held.size() * sizeof *held.data());
    }
    void each_part(idx length, const std::function<void(std::span<std::byte>)>& f) override {
      if constexpr (requires { held.expect_length(length); }) {
        held.expect_length(length), held.each_filled(f);
      } else if constexpr (requires { held.sequences; }) {
        part(f, held.S), part(f, held.z), part(f, held.m), part(f, held.position);
      } else {
        part(f, held);
      }
    }
    template <class Buffer>
    static void part(const std::function<void(std::span<std::byte>)>& f, Buffer& b) {
      if (!Buffer::space_type::on_host) throw invalid_input("past", "one in the host's memory", "one in a device's");
      f(std::as_writable_bytes(std::span(b.data(), b.size())));
    }
  };
  std::vector<std::unique_ptr<any_place>> places_;
  std::size_t at_ = 0;
  idx batch_, capacity_, length_ = 0, tokens_ = 0;
  bool grows_ = false;
};

namespace detail {
/// What stands before the parts: these bytes, the version, batch, tokens, parts, the caller's bytes.
inline constexpr char past_mark[8] = {'c', 'o', 'e', 'f', 'p', 'a', 's', 't'};
struct past_header {
  char mark[8];
  std::uint64_t version, batch, length, parts, behind;
};
}  // namespace detail

inline std::vector<std::byte> past::bytes(std::span<const std::byte> behind) const {
  detail::past_header header{{}, 1, std::uint64_t(batch_), std::uint64_t(length_), 0, behind.size()};
  std::copy(std::begin(detail::past_mark), std::end(detail::past_mark), header.mark);
  std::vector<std::byte> out(sizeof header);
  const auto append = [&](std::span<const std::byte> b) { out.insert(out.end(), b.begin(), b.end()); };
  for (const auto& p : places_)
    p->each_part(length_, [&](std::span<std::byte> b) {
      const std::uint64_t size = b.size();
      append(std::as_bytes(std::span(&size, 1))), append(b), ++header.parts;
    });
  append(behind);
  std::memcpy(out.data(), &header, sizeof header);
  return out;
}

inline void past::take(std::span<const std::byte> bytes, const std::string& name, std::span<std::byte> behind) {
  detail::past_header header{};
  const auto refuse = [&](const std::string& expected, const std::string& given) { throw invalid_input(name, expected, given); };
  if (bytes.size() < sizeof header)
    refuse("a saved past of " + std::to_string(sizeof header) + " bytes at least", std::to_string(bytes.size()));
  std::memcpy(&header, bytes.data(), sizeof header);
  if (!std::equal(std::begin(detail::past_mark), std::end(detail::past_mark), header.mark) || header.version != 1)
    refuse("a saved past, of version 1", "other bytes");
  if (header.batch != std::uint64_t(batch_)) refuse("a batch of " + std::to_string(batch_), std::to_string(header.batch));
  if (header.length > std::uint64_t(capacity_)) refuse("at most " + std::to_string(capacity_) + " tokens", std::to_string(header.length));
  const idx length = idx(header.length), before = length_;
  std::size_t at = sizeof header;
  std::uint64_t parts = 0;
  for (const bool fills : {false, true}) {
    at = sizeof header, parts = 0;
    for (auto& p : places_)
      p->each_part(length, [&](std::span<std::byte> b) {
        std::uint64_t size = ~std::uint64_t(0);
        if (bytes.size() - at >= sizeof size) std::memcpy(&size, bytes.data() + at, sizeof size);
        if (size != b.size() || bytes.size() - at - sizeof size < size) {
          for (auto& other : places_) other->each_part(before, [](std::span<std::byte>) {});
          refuse("a past of this model, whose part " + std::to_string(parts) + " has " + std::to_string(b.size()) + " bytes", "another");
        }
        at += sizeof size;
        if (fills && size > 0) std::memcpy(b.data(), bytes.data() + at, size);
        at += size, ++parts;
      });
    if (parts != header.parts || bytes.size() - at != behind.size() || header.behind != behind.size()) {
      for (auto& other : places_) other->each_part(before, [](std::span<std::byte>) {});
      refuse("a past of this model, of " + std::to_string(at + behind.size()) + " bytes", std::to_string(bytes.size()));
    }
  }
  std::copy(bytes.begin() + std::ptrdiff_t(at), bytes.end(), behind.begin());
  length_ = length;
}

}  // namespace coefdyn::nn
