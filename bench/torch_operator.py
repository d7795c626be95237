#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""torch_operator.py [--quick] [--cuda]: what an operator of PyTorch takes beside the C++ call that it makes, on one thread of the CPU, or on
CUDA until the call returns; PyTorch's attention for comparison, and on CUDA flash-linear-attention where it is installed. Needs the package
of examples/pytorch, built as its page says: the call is compiled with the same -O2."""
import ctypes
import sys
import time

try:
    import torch

    import coefdyn
    from coefdyn.compiling import compiled, kept
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


CUDA_UNIT = """// made by bench/torch_operator.py: the call itself, until it returns
#include <chrono>
#include <coefdyn/coefdyn.hpp>
#include <coefdyn/cuda/run.cuh>
using namespace coefdyn;
using M = mixers::{name};
extern "C" __attribute__((visibility("default"))) double least_time(const float* const* in, float* out, const long* e, long calls) {{
  const idx B = e[0], T = e[1], H = e[2], n = e[3], d = e[4];
  tokens<M> x;
  x.q = view(in[0], B, T, H, n), x.k = view(in[1], B, T, H, n), x.v = view(in[2], B, T, H, d);
  {gates}
  const view<float, 4> y(out, B, T, H, d);
  const device::cuda on;
  const std::size_t bytes = workspace_bytes(on, form::automatic{{}}, x, {{}}, y);
  void* memory = nullptr;
  cudaMalloc(&memory, bytes + 16);
  double least = 1e30;
  for (long i = 0; i < calls; ++i) {{
    const auto from = std::chrono::steady_clock::now();
    run(on, form::automatic{{}}, x, y, {{}}, workspace{{static_cast<std::byte*>(memory), bytes}});
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - from;
    least = took.count() < least ? took.count() : least;
    cudaDeviceSynchronize();
  }}
  cudaFree(memory);
  return least;
}}
"""


def least(f, calls, wait=lambda: None):
    best = 1e30
    for _ in range(calls):
        began = time.perf_counter_ns()
        f()
        best = min(best, time.perf_counter_ns() - began)
        wait()
    return best / 1000


def streams(mixer, B, T, H, n, d, rows=torch.float32, device="cpu"):
    sizes = {"B": B, "T": T, "Hq": H, "Hk": H, "H": H, "Hy": H, "n": n, "d": d}
    out = []
    for s in mixer.streams:
        x = torch.randn([sizes[a] for a in s.axes])
        x = -x.abs() / 10 if s.name == "log_decay" else x.sigmoid() if s.gate else torch.nn.functional.normalize(x, dim=-1)
        out.append(x.to(device, torch.float32 if s.gate else rows))
    return out


def call(library, x, y, size, count):
    library.least_time.restype = ctypes.c_double
    pointers = (ctypes.c_void_p * len(x))(*(t.data_ptr() for t in x))
    return library.least_time(pointers, ctypes.c_void_p(y.data_ptr()), (ctypes.c_long * 5)(*size), ctypes.c_long(count))


def overhead(device, calls, sizes, library_of, wait=lambda: None):
    """A row for each mixer and size: the call, the operator, the package's function, the recorded operator, PyTorch's attention."""
    print(f"{'mixer':<20}{'B T H n d':<18}{'C++':>10}{'operator':>10}{'more':>7}{'coefdyn.M':>11}{'more':>7}{'recorded':>10}{'more':>7}{'SDPA':>10}")
    worst = 0
    for name in GATES:
        mixer, library = coefdyn.named(name), library_of(name)
        for size in sizes:
            x, count = streams(mixer, *size, device=device), calls if size[1] < 1000 else calls // 10
            y = torch.empty_like(x[2])
            cpp = call(library, x, y, size, count)
            if not torch.equal(y, mixer(*x)):
                raise SystemExit(f"{name}: the operator's numbers are not the call's")
            with torch.no_grad():
                operator, wrapped = least(lambda: mixer.operator(*x), count, wait), least(lambda: mixer(*x), count, wait)
            leaves = [t.clone().requires_grad_() for t in x]
            recorded = least(lambda: mixer.operator(*leaves), count, wait)
            q, k, v = (t.transpose(1, 2) for t in x[:3])
            sdpa = least(lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True), count, wait)
            worst = max(worst, operator - cpp) if size[1] < 1000 else worst
            print(f"{name:<20}{' '.join(map(str, size)):<18}{cpp:>10.1f}{operator:>10.1f}{operator - cpp:>7.1f}{wrapped:>11.1f}{wrapped - cpp:>7.1f}"
                  f"{recorded:>10.1f}{recorded - cpp:>7.1f}{sdpa:>10.1f}", flush=True)
    print(f"the operator takes at most {worst:.1f} us more than the C++ call (rows below 1000 tokens)")


def on_cpu(quick):
    torch.set_num_threads(1)
    calls = 300 if quick else 2000
    print(f"PyTorch {torch.__version__}, one thread, float32; us, the least of {calls} calls (of large ones a tenth)")
    sizes = ((1, 1, 1, 16, 16), (1, 64, 4, 64, 64), (1, 1024, 4, 64, 64))[:2 if quick else 3]
    overhead("cpu", calls, sizes, lambda name: ctypes.CDLL(str(compiled(UNIT.format(name=name, gates=GATES[name]), "bench"))))


def with_nvcc(name):
    compiler, _ = coefdyn.cuda.nvcc()
    options = ["-std=c++20", "-O2", "-shared", "-Xcompiler", "-fPIC", "-diag-suppress", "20013,20015", f"-I{coefdyn.operators.folder / 'include'}"]
    options += [f"-gencode=arch=compute_{a},code=sm_{a}" for a in coefdyn.cuda.architectures()]
    return ctypes.CDLL(str(kept(CUDA_UNIT.format(name=name, gates=GATES[name]), ".cu", options, None,
                                lambda unit, out: [compiler, *options, str(unit), "-o", str(out)])))


def median_ms(f, count=12):
    times = []
    for _ in range(3 + count):
        begun, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begun.record()
        f()
        ended.record()
        ended.synchronize()
        times.append(begun.elapsed_time(ended))
    return sorted(times[3:])[count // 2]


def both_ways(f, x):
    """Milliseconds forward, and forward and back."""
    with torch.no_grad():
        forward = median_ms(lambda: f(*x))
    leaves = [t.clone().requires_grad_() for t in x]
    dy = torch.randn_like(f(*x))
    return forward, median_ms(lambda: torch.autograd.grad(f(*leaves), leaves, dy))


def peers():
    """Another implementation's call of a mixer, on the streams that ours takes, by mixer."""
    def sdpa(q, k, v):
        return torch.nn.functional.scaled_dot_product_attention(*(t.transpose(1, 2) for t in (q, k, v)), is_causal=True).transpose(1, 2)

    found = {"softmax_attention": ("SDPA", sdpa)}
    try:
        from fla.ops.gated_delta_rule import chunk_gated_delta_rule
        from fla.ops.simple_gla import chunk_simple_gla
    except ImportError as error:
        print(f"flash-linear-attention: skipped: {error}")
        return found
    found["mamba2"] = ("fla simple_gla", lambda q, k, v, g, delta: chunk_simple_gla(q, k, v * delta[..., None].to(v.dtype), g)[0])
    found["gated_deltanet"] = ("fla", lambda q, k, v, g, beta: chunk_gated_delta_rule(q, k, v, g, beta.to(q.dtype))[0])
    return found


def on_cuda(quick):
    calls, size = 300 if quick else 2000, (4, 8192, 16, 128, 128)
    print(f"PyTorch {torch.__version__}, {torch.cuda.get_device_name()}, float32; us until the call returns, the least of {calls}")
    overhead("cuda", calls, ((1, 1, 1, 16, 16), (1, 64, 4, 64, 64)), with_nvcc, torch.cuda.synchronize)
    print(f"bfloat16, B T H n d = {' '.join(map(str, size))}: ms forward, forward and back; the median of 12")
    others = peers()
    for name in ("softmax_attention", "mamba2", "gated_deltanet"):
        mixer = coefdyn.named(name)
        x = streams(mixer, *size, rows=torch.bfloat16, device="cuda")
        row = "{:<20}{:>8.3f}{:>8.2f}".format(name, *both_ways(mixer, x))
        if name in others:
            peer, f = others[name]
            row += "   {}{:>8.3f}{:>8.2f}".format(peer, *both_ways(f, x))
        print(row, flush=True)


def main():
    quick = "--quick" in sys.argv
    if "--cuda" not in sys.argv:
        on_cpu(quick)
    elif torch.cuda.is_available():
        on_cuda(quick)
    else:
        print("skipped: PyTorch reaches no GPU")


main()
