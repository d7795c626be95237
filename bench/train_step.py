#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Steps of training per second beside PyTorch: the same model, from the same weights, on the same batches, in one run; bench_train_step
(train_step.cpp, which says the model) and PyTorch take turns, so that both see the machine alike. PyTorch does the mixers by
scaled_dot_product_attention and chunkwise in its operations (peers_cpu.py), RMS norms, AdamW (fused) and the clip by its own; of its
lengths of a chunk and its two ways to convolve the fastest counts. Losses of both have to agree.

  python3 bench/train_step.py build/bench/bench/bench_train_step [--threads=2] [--rounds=12] [--only=softmax] [--json]

Milliseconds a step: of the clock, and of all threads' own time, which a machine with other work disturbs less; the median of rounds of five
steps, and the least.
"""
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time

try:
    import torch
    import torch.nn.functional as F
    from peers_cpu import gated_delta_net, mamba2
except ImportError:
    print("skipped: python3 has no torch")
    sys.exit(0)


def option(name, otherwise):
    return next((a.split("=", 1)[1] for a in sys.argv[1:] if a.startswith(f"--{name}=")), otherwise)


THREADS, ROUNDS, ONLY, JSON = int(option("threads", "2")), int(option("rounds", "12")), option("only", ""), "--json" in sys.argv
PROGRAM = next((a for a in sys.argv[1:] if not a.startswith("--")), "build/bench/bench/bench_train_step")
STEPS, HEADS, BLOCKS = 5, 4, 2


def read_safetensors(path):
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = bytearray(f.read())
    types = {"F32": torch.float32, "I64": torch.int64}
    out = {}
    for name, t in header.items():
        if name != "__metadata__":
            begin, end = t["data_offsets"]
            out[name] = torch.frombuffer(data[begin:end], dtype=types[t["dtype"]]).reshape(t["shape"]).clone()
    return out


def conv_by_library(x, w, bias=None):
    return F.silu(F.conv1d(x.transpose(1, 2), w, bias, padding=w.shape[2] - 1, groups=w.shape[0])[..., :x.shape[1]].transpose(1, 2))


def conv_by_shifts(x, w, bias=None):
    p = F.pad(x, (0, 0, w.shape[2] - 1, 0))
    y = sum(p[:, i:i + x.shape[1]] * w[:, 0, i] for i in range(w.shape[2]))
    return F.silu(y if bias is None else y + bias)


def rms(x, w, eps=1e-5):
    return F.rms_norm(x, (x.shape[-1],), w, eps)


def heads(x, count):  # (B, T, H n) -> (B, H, T, n)
    return x.unflatten(-1, (count, -1)).transpose(1, 2)


def flat(y):
    return y.transpose(1, 2).flatten(2)


def many(f, chunk, *x):  # peers_cpu's functions take one axis of heads
    B = x[0].shape[0]
    return f(*(t.flatten(0, 1) for t in x), chunk).unflatten(0, (B, -1))


class Softmax:
    variants = [()]

    def __init__(self, T, n):
        a = torch.arange(T)[:, None] * 1e4 ** (-2.0 * torch.arange(n // 2) / n)
        self.cos, self.sin = a.cos(), a.sin()

    def turned(self, x):
        a, b = x.chunk(2, -1)
        return torch.cat([a * self.cos - b * self.sin, b * self.cos + a * self.sin], -1)

    def __call__(self, w, u):
        q, k, v = (heads(F.linear(u, w[f"{x}_proj.weight"]), HEADS) for x in "qkv")
        y = F.scaled_dot_product_attention(self.turned(q), self.turned(k), v, is_causal=True)
        return F.linear(flat(y), w["o_proj.weight"])


class GatedDeltaNet:
    variants = [(c, conv) for c in (32, 64) for conv in (conv_by_library, conv_by_shifts)]

    def __init__(self, chunk, conv):
        self.chunk, self.conv = chunk, conv

    def __call__(self, w, u):
        q, k, v = (heads(self.conv(F.linear(u, w[f"{x}_proj.weight"]), w[f"{x}_conv1d.weight"]), HEADS) for x in "qkv")
        q, k = (x * torch.rsqrt(x.square().sum(-1, keepdim=True) + 1e-6) for x in (q, k))
        g = -w["A_log"].exp() * F.softplus(F.linear(u, w["a_proj.weight"]) + w["dt_bias"])
        beta = torch.sigmoid(F.linear(u, w["b_proj.weight"]))
        y = many(gated_delta_net, self.chunk, q * q.shape[-1] ** -0.5, k, v, g.transpose(1, 2), beta.transpose(1, 2))
        return F.linear(flat(rms(y, w["o_norm.weight"])) * F.silu(F.linear(u, w["g_proj.weight"])), w["o_proj.weight"])


class Mamba2:
    variants = [(c, conv) for c in (64, 128) for conv in (conv_by_library, conv_by_shifts)]

    def __init__(self, chunk, conv):
        self.chunk, self.conv = chunk, conv

    def __call__(self, w, u):
        I, n = w["norm.weight"].shape[0], (w["conv1d.weight"].shape[0] - w["norm.weight"].shape[0]) // 2
        z, xbc, dt = F.linear(u, w["in_proj.weight"]).split([I, I + 2 * n, HEADS], -1)
        x, B, C = self.conv(xbc, w["conv1d.weight"], w["conv1d.bias"]).split([I, n, n], -1)
        x, B, C = heads(x, HEADS), heads(B, 1).expand(-1, HEADS, -1, -1), heads(C, 1).expand(-1, HEADS, -1, -1)
        dt = F.softplus(dt + w["dt_bias"]).transpose(1, 2)
        y = many(mamba2, self.chunk, C, B, x, -dt * w["A_log"].exp()[:, None], dt) + w["D"][:, None, None] * x
        return F.linear(rms(flat(y) * F.silu(z), w["norm.weight"]), w["out_proj.weight"])


class Training:
    def __init__(self, start, layer):
        self.ids, self.targets, self.layer, self.steps = start["ids"], start["targets"], layer, 0
        self.w = {n: t.clone().requires_grad_() for n, t in start.items() if n not in ("ids", "targets")}
        self.parts = [{n.removeprefix(f"layers.{i}."): t for n, t in self.w.items() if n.startswith(f"layers.{i}.")} for i in range(BLOCKS)]
        self.own = [{n.removeprefix("attn."): t for n, t in p.items() if n.startswith("attn.")} for p in self.parts]
        matrices, vectors = [t for t in self.w.values() if t.dim() > 1], [t for t in self.w.values() if t.dim() == 1]
        self.optimiser = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
                                           lr=1e-3, betas=(0.9, 0.95), eps=1e-8, fused=True)

    def loss(self, ids, targets):
        x = F.embedding(ids, self.w["embeddings.weight"])
        for p, own in zip(self.parts, self.own):
            x = x + self.layer(own, rms(x, p["attn_norm.weight"]))
            u = rms(x, p["mlp_norm.weight"])
            x = x + F.linear(F.silu(F.linear(u, p["mlp.gate_proj.weight"])) * F.linear(u, p["mlp.up_proj.weight"]), p["mlp.down_proj.weight"])
        logits = F.linear(rms(x, self.w["norm.weight"]), self.w["lm_head.weight"])
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)

    def step(self):
        wall, own = time.perf_counter(), time.process_time()
        i = self.steps % len(self.ids)
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.loss(self.ids[i], self.targets[i])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.w.values(), 1.0, foreach=True)
        self.optimiser.step()
        value = loss.item()
        self.steps += 1
        return value, time.perf_counter() - wall, time.process_time() - own


class Ours:
    def __init__(self, layer, folder):
        self.path = os.path.join(folder, layer + ".safetensors")
        self.process = subprocess.Popen([PROGRAM, layer, str(THREADS), self.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline().strip() != "ready":
            sys.exit(f"{PROGRAM} did not start")

    def steps(self, count):
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return [tuple(map(float, self.process.stdout.readline().split())) for _ in range(count)]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def fastest(start, kind):  # of the variants, by a few steps each
    def seconds(v):
        t = Training(start, kind(*v))
        t.step()
        return min(t.step()[2] for _ in range(2))
    return min(kind.variants, key=seconds) if len(kind.variants) > 1 else kind.variants[0]


def said(variant):
    return ", ".join(v.__name__.replace("_", " ") if callable(v) else f"chunks of {v}" for v in variant) or "scaled_dot_product_attention"


def measure(name, kind, folder):
    ours = Ours(name, folder)
    start = read_safetensors(ours.path)
    if kind is Softmax:
        kind.variants = [(start["ids"].shape[-1], start["layers.0.attn.q_proj.weight"].shape[0] // HEADS)]
    variant = fastest(start, kind)
    training = Training(start, kind(*variant))
    both = {"ours": [], "torch": []}
    for _ in range(ROUNDS + 1):  # the first to warm up
        both["ours"].append(ours.steps(STEPS))
        both["torch"].append([training.step() for _ in range(STEPS)])
    ours.end()
    losses = [[s[0] for r in both[k] for s in r] for k in ("ours", "torch")]
    first, last = abs(losses[0][0] - losses[1][0]), abs(losses[0][-1] - losses[1][-1])
    assert first < 1e-5 and last < 2e-2, (name, "losses differ", first, last)
    def figures(k, what):
        of_rounds = [statistics.median(s[what] for s in r) for r in both[k][1:]]
        return 1e3 * statistics.median(of_rounds), 1e3 * min(s[what] for r in both[k][1:] for s in r)
    row = {"layer": name, "threads": THREADS, "torch": torch.__version__, "variant": "" if kind is Softmax else said(variant),
           "loss": losses[0][-1], "loss_torch": losses[1][-1]}
    for k in both:
        for what, column in ((1, "clock"), (2, "own")):
            row[f"{k}_{column}"], row[f"{k}_{column}_least"] = figures(k, what)
    return row


def main():
    torch.set_num_threads(THREADS)
    if not os.path.exists(PROGRAM):
        sys.exit(f"{PROGRAM} is missing: cmake --preset bench && cmake --build --preset bench --target bench_train_step")
    if not JSON:
        print(f"torch {torch.__version__}, {THREADS} thread(s), ms a step: median (least)\n"
              f"{'layer':<16}{'ours':>17}{'torch':>17}{'times':>7}   {'own time':>17}{'torch':>17}{'times':>7}  steps/s  loss, torch's")
    with tempfile.TemporaryDirectory() as folder:
        for name, kind in (("softmax", Softmax), ("gated_deltanet", GatedDeltaNet), ("mamba2", Mamba2)):
            if ONLY and name != ONLY:
                continue
            r = measure(name, kind, folder)
            if JSON:
                print(json.dumps(r), flush=True)
                continue
            text = f"{name:<16}"
            for c in ("clock", "own"):
                ours, peer = r[f"ours_{c}"], r[f"torch_{c}"]
                text += f"{ours:>8.1f} ({r[f'ours_{c}_least']:>6.1f}){peer:>8.1f} ({r[f'torch_{c}_least']:>6.1f}){peer / ours:>7.2f}   "
            print(f"{text}{1e3 / r['ours_clock']:>6.1f}  {r['loss']:.4f}, {r['loss_torch']:.4f}  {r['variant']}", flush=True)


main()
