// SPDX-License-Identifier: MIT
// Much of the library in one unit, for the flags that a user's build may bring (run.sh).
#include <coefdyn/coefdyn.hpp>
#include <coefdyn/names.hpp>
#include <coefdyn/parameterisation/all.hpp>

using namespace coefdyn;

template <class M, class Form>
void call(Form form_, const extents& e) {
  stream_buffers<M> held(e), changes(e);
  tokens<M> x;
  gradients<M> g;
  held.bind(x), changes.bind(g);
  std::vector<float> out(held.v.size());
  const view y(out.data(), e.batch, e.time, e.states, e.d);
  run(device::cpu{}, form_, x, y);
  backward(device::cpu{}, form_, x, y, g);
}
int main() {
  extents e;
  e.batch = 1, e.time = 8, e.readers = e.states = e.queries = e.keys = 2, e.n = e.d = 4, e.sequences = 1;
  call<mixers::kda>(form::chunkwise{}, e);                     // a decay per channel and a rank one
  call<mixers::softmax_rope_half>(form::parallel{}, e);        // turning, a sum, a maximum
  call<mixers::mlstm>(form::recurrent{}, e);                   // exponential inputs
  call<mixers::linear_attention_elu1>(form::definition{}, e);  // a feature map
  return 0;
}
