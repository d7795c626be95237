#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""torch_operator.py [--quick]: what an operator of PyTorch takes beside the C++ call that it makes, on one thread of the CPU; PyTorch's
attention for comparison. Least time of many calls, in microseconds. Needs the package of examples/pytorch, built as its page says: the
call is compiled with the same -O2."""
import ctypes
import sys
import time

try:
    import torch

    import coefdyn
    from coefdyn.compiling import compiled
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(0)

UNIT = """// made by bench/torch_operator.py: the call itself, timed
#include <chrono>
#include <coefdyn/coefdyn.hpp>
using namespace coefdyn;
using M = mixers::{name};
extern "C" double least_time(const float* const* in, float* out, const long* e, long calls) {{
  const idx B = e[0], T = e[1], H = e[2], n = e[3], d = e[4];
  tokens<M> x;
  x.q = view(in[0], B, T, H, n), x.k = view(in[1], B, T, H, n), x.v = view(in[2], B, T, H, d);
  {gates}
  double least = 1e30;
  for (long i = 0; i < calls; ++i) {{
    const auto from = std::chrono::steady_clock::now();
    run(device::cpu{{serial{{}}}}, form::automatic{{}}, x, view(out, B, T, H, d));
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - from;
    least = took.count() < least ? took.count() : least;
  }}
  return least;
}}
"""
GATES = {"gated_deltanet": "x.log_decay = view(in[3], B, T, H), x.beta = view(in[4], B, T, H);",
         "gla": "x.log_decay = view(in[3], B, T, H, n);", "mamba2": "x.log_decay = view(in[3], B, T, H), x.delta = view(in[4], B, T, H);",
         "softmax_attention": ""}


def least(f, calls):
    best = 1e30
    for _ in range(calls):
        began = time.perf_counter_ns()
        f()
        best = min(best, time.perf_counter_ns() - began)
    return best / 1000


def streams(mixer, B, T, H, n, d):
    sizes = {"B": B, "T": T, "Hq": H, "Hk": H, "H": H, "Hy": H, "n": n, "d": d}
    out = []
    for s in mixer.streams:
        x = torch.randn([sizes[a] for a in s.axes])
        out.append(-x.abs() / 10 if s.name == "log_decay" else x.sigmoid() if s.gate else x / 8)
    return out


def main():
    torch.set_num_threads(1)
    calls = 300 if "--quick" in sys.argv else 2000
    print(f"PyTorch {torch.__version__}, one thread, float32; us, the least of {calls} calls (of large ones a tenth)")
    print(f"{'mixer':<20}{'B T H n d':<18}{'C++':>10}{'operator':>10}{'more':>7}{'coefdyn.M':>11}{'more':>7}{'recorded':>10}{'more':>7}{'SDPA':>10}")
    worst = 0
    for name in GATES:
        mixer = coefdyn.named(name)
        for size in ((1, 1, 1, 16, 16), (1, 64, 4, 64, 64), (1, 1024, 4, 64, 64)):
            if "--quick" in sys.argv and size[1] > 64:
                continue
            x, count = streams(mixer, *size), calls if size[1] < 1000 else calls // 10
            library = ctypes.CDLL(str(compiled(UNIT.format(name=name, gates=GATES[name]), "bench")))
            library.least_time.restype = ctypes.c_double
            y = torch.empty_like(x[2])
            pointers = (ctypes.c_void_p * len(x))(*(t.data_ptr() for t in x))
            sizes = (ctypes.c_long * 5)(*size)
            cpp = library.least_time(pointers, ctypes.c_void_p(y.data_ptr()), sizes, ctypes.c_long(count))
            if not torch.equal(y, mixer(*x)):
                raise SystemExit(f"{name}: the operator's numbers are not the call's")
            with torch.no_grad():
                operator, wrapped = least(lambda: mixer.operator(*x), count), least(lambda: mixer(*x), count)
            leaves = [t.clone().requires_grad_() for t in x]
            recorded = least(lambda: mixer.operator(*leaves), count)
            q, k, v = (t.transpose(1, 2) for t in x[:3])
            sdpa = least(lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True), count)
            worst = max(worst, operator - cpp) if size[1] < 1000 else worst
            print(f"{name:<20}{' '.join(map(str, size)):<18}{cpp:>10.1f}{operator:>10.1f}{operator - cpp:>7.1f}{wrapped:>11.1f}{wrapped - cpp:>7.1f}"
                  f"{recorded:>10.1f}{recorded - cpp:>7.1f}{sdpa:>10.1f}", flush=True)
    print(f"the operator takes at most {worst:.1f} us more than the C++ call (rows below 1000 tokens)")


main()
