#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""PyTorch on the CPU beside bench/cpu_forms: chunkwise Mamba-2 and Gated DeltaNet written in its operations, and
scaled_dot_product_attention. float32, H = 8, n = d, best of many calls, forward and forward with backward.

  taskset -c 1 python3 bench/peers_cpu.py [--threads=1] [--quick] [--json]
"""
import json
import sys
import time

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    print("skipped: python3 has no torch")
    sys.exit(0)

QUICK, JSON = "--quick" in sys.argv, "--json" in sys.argv
THREADS = next((int(a.split("=")[1]) for a in sys.argv if a.startswith("--threads=")), 1)
HEADS = 8


def chunks(x, c):  # (H, T, ...) -> (H, T / c, c, ...)
    return x.unflatten(1, (-1, c))


def decays(g):  # (H, N, C): sums from a chunk's start, and e^(sum between) below the diagonal
    total = g.cumsum(-1)
    between = (total[..., :, None] - total[..., None, :]).tril().exp().tril()
    return total, between


def mamba2(q, k, v, g, b, c):
    q, k, v, g, b = (chunks(x, c) for x in (q, k, v, g, b))
    total, D = decays(g)
    w = v * b[..., None]
    y = (q @ k.transpose(-1, -2) * D) @ w
    last = total[..., -1:]
    kv = (k * (last - total).exp()[..., None]).transpose(-1, -2) @ w
    S = torch.zeros_like(kv[:, 0])
    states = []
    for i in range(kv.shape[1]):
        states.append(S)
        S = last[:, i].exp()[..., None] * S + kv[:, i]
    return (y + (q * total.exp()[..., None]) @ torch.stack(states, 1)).flatten(1, 2)


def gated_delta_net(q, k, v, g, b, c):
    q, k, v, g, b = (chunks(x, c) for x in (q, k, v, g, b))
    total, D = decays(g)
    kb = k * b[..., None]
    L = torch.eye(c) + ((kb @ k.transpose(-1, -2)) * D).tril(-1)
    start = total.exp()[..., None]
    both = torch.linalg.solve_triangular(L, torch.cat([v * b[..., None], kb * start], -1), upper=False, unitriangular=True)
    u, w = both.split(v.shape[-1], -1)
    A = (q @ k.transpose(-1, -2)) * D
    ends = (k * (total[..., -1:] - total).exp()[..., None]).transpose(-1, -2)
    qs = q * start
    S = torch.zeros(q.shape[0], q.shape[-1], v.shape[-1])
    y = []
    for i in range(q.shape[1]):
        new = u[:, i] - w[:, i] @ S
        y.append(qs[:, i] @ S + A[:, i] @ new)
        S = total[:, i, -1:, None].exp() * S + ends[:, i] @ new
    return torch.stack(y, 1).flatten(1, 2)


def token_loop(q, k, v, g, b):
    S = torch.zeros(q.shape[0], q.shape[-1], v.shape[-1])
    y = []
    for t in range(q.shape[1]):
        S = g[:, t, None, None].exp() * S
        u = b[:, t, None] * (v[:, t] - (k[:, t, None] @ S)[:, 0])
        S = S + k[:, t, :, None] * u[:, None]
        y.append((q[:, t, None] @ S)[:, 0])
    return torch.stack(y, 1)


def attention(q, k, v, g, b, c):
    return F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]


def best(call):
    times, start = [], time.perf_counter()
    while len(times) < 3 or (time.perf_counter() - start < (0.5 if QUICK else 3) and len(times) < 200):
        t = time.perf_counter()
        call()
        times.append(time.perf_counter() - t)
    return min(times)


def inputs(T, n):
    torch.manual_seed(0)
    q, v = torch.randn(HEADS, T, n), torch.randn(HEADS, T, n)
    k = torch.randn(HEADS, T, n) / n**0.5
    return [q, k, v, -0.05 * torch.rand(HEADS, T), torch.rand(HEADS, T)]


def main():
    torch.set_num_threads(THREADS)
    x = [t.double() for t in inputs(128, 16)]
    torch.set_default_dtype(torch.float64)
    error = (gated_delta_net(*x, 32) - token_loop(*x)).abs().max().item()
    torch.set_default_dtype(torch.float32)
    assert error < 1e-10, error
    if not JSON:
        print(f"torch {torch.__version__}, {THREADS} thread(s), H = {HEADS}, n = d\n"
              f"{'mixer':<18}{'form':<30}{'n':>4}{'T':>7}{'C':>5}{'ms':>11}{'kth/s':>9}")
    for name, f, lengths in (("gated_delta_net", gated_delta_net, (32, 64, 128)), ("mamba2", mamba2, (64, 128, 256)),
                             ("softmax", attention, (0,))):
        for n in (128, 64):
            for T in (1024,) if QUICK else (1024, 8192):
                x = inputs(T, n)
                for back in (False, True):
                    rows = []
                    for c in lengths:
                        if back:
                            leaves = [t.clone().requires_grad_() for t in x]
                            used = leaves[:3] if name == "softmax" else leaves
                            seconds = best(lambda: torch.autograd.grad(f(*leaves, c).sum(), used))
                        else:
                            with torch.no_grad():
                                seconds = best(lambda: f(*x, c))
                        rows.append((seconds, c))
                    seconds, c = min(rows)
                    form = "forward + backward" if back else "forward"
                    rate = HEADS * T / seconds
                    if JSON:
                        print(json.dumps({"peer": "torch", "version": torch.__version__, "threads": THREADS, "mixer": name, "form": form, "n": n,
                                          "T": T, "chunk": c, "ms": seconds * 1e3, "token_heads_per_s": rate}), flush=True)
                    else:
                        print(f"{name:<18}{form:<30}{n:>4}{T:>7}{c:>5}{seconds * 1e3:>11.2f}{rate * 1e-3:>9.0f}", flush=True)


if __name__ == "__main__":
    main()
