// SPDX-License-Identifier: MIT
#pragma once
#include <type_traits>

#include "config.hpp"

/// The forms of one formula. All give the same numbers; theorems.hpp says which exist for which mixer.
///
/// NaN and infinities go where the formula takes them. On the CPU y is NaN at the same places in every form but the convolution: where a
/// stream's NaN at token t has a part in it, never before t; NaN in dy at t reaches gradients of tokens up to t alone. Without an initial
/// state the first evolution acts on nothing. Not exact, since a form collects it over all rows of a chunk or tile: under NaN in q, k, v or
/// gates, the parallel and chunkwise gradients of gates, angles, rank-one parts and of tokens behind a NaN angle, at other tokens of the
/// tile; all that these forms give of a mixer that corrects behind its read (read_before of a correction); a dense map that holds NaN, at
/// token 0 in the chunkwise form; and on CUDA, what is 0 within a tile or chunk by order of time. The convolution transforms whole
/// sequences: NaN or an infinity in one of a sequence's values is NaN at all its tokens, and what a token's value adds to tokens before it
/// is rounding, not 0.
namespace coefdyn {
class random_stream;
}
namespace coefdyn::form {

/// What a backward pass keeps of the forward states: one every `save_every` chunks, the others are computed again. With
/// c = ceil(T / C) chunks: ceil(c / save_every) + 1 states of a head, and save_every + 1 more where it is above 1; a state is n e
/// numbers (e = d; d + 1 rounded up to 16 with a sum), of double where angles or a running maximum of a float call have gradients.
struct memory_policy {
  int save_every = 8;
};

/// Dropout of the weights phi(s) that a read gives to writes: each is multiplied by 1 / (1 - p) or, with probability p, by 0; what
/// normalises them is the sum of all, so that it is softmax(..) that is dropped. The weight that reading head h of batch row b gives at
/// token t to row j of the T m micro-steps is kept where word ((b H_q + h) T + t) T m + j of the stream is at least p as a unit number:
/// backward draws the same words again. What a state holds has no weights, so no state comes in.
///
/// source  Vaswani et al., arXiv:1706.03762, as published code has it; Srivastava et al., JMLR 15 (2014)
struct weight_dropout {
  double p = 0;                          // 0 <= p < 1
  const random_stream* draws = nullptr;  // where the device reads it
  idx first_row = 0;                     // b of the call's first row, where the call has a part of a batch
};

struct definition {};  // as written: T^2 applications of A, any mixer
/// Tiles of T^2 scores, no T x T storage: any phi, A_t with structure.
struct parallel {
  weight_dropout drop{};  // in training
};
struct recurrent {};  // token by token, state n x d: phi linear
/// Matrix products within chunks, the state between them: phi linear, A_t with structure or constant.
struct chunkwise {
  int length = 0;          // tokens per chunk; 0 takes the tuned one
  memory_policy memory{};  // of its backward pass
};
/// One causal convolution of the values with the kernel K_t = q' A^t b k / eta, by Fourier transforms: phi linear; A, b and eta do not
/// depend on time, and q and k have the same row at every token. On the CPU, with cpu/convolution.hpp.
struct convolution {};
struct step {};       // few tokens, state in and out: recurrent, or one read of the cache for a nonlinear phi
struct automatic {};  // picked by the cost table in tuning.hpp; `chosen` says which

/// One of these forms, picked by a device when the sizes of a call are known.
template <class... Form>
struct one_of : Form... {
  int which = 0;  // in the list
  template <class Picked>
    requires(std::is_same_v<Picked, Form> || ...)
  constexpr one_of(Picked f) {
    static_cast<Picked&>(*this) = f;
    int i = 0;
    ((which = std::is_same_v<Picked, Form> ? i : which, ++i), ...);
  }
};

}  // namespace coefdyn::form

namespace coefdyn {
/// Whether T is one of Form.
template <class T, class... Form>
inline constexpr bool is_one_of = (std::is_same_v<T, Form> || ...);
/// Whether T is a form's tag.
template <class T>
inline constexpr bool is_form =
    is_one_of<T, form::definition, form::parallel, form::recurrent, form::chunkwise, form::convolution, form::step, form::automatic>;
}  // namespace coefdyn
