// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
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
  };
  std::vector<std::unique_ptr<any_place>> places_;
  std::size_t at_ = 0;
  idx batch_, capacity_, length_ = 0, tokens_ = 0;
  bool grows_ = false;
};

}  // namespace coefdyn::nn
