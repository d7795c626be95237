# SPDX-License-Identifier: MIT
"""cuda.py: the operators on tensors of CUDA: against those of the CPU in float64, against the C++ call bit for bit, finite differences,
opcheck, torch.compile. The last line is "N passed, N failed". Needs a GPU that PyTorch reaches, and nvcc."""
import contextlib
import ctypes
import io
import os
import subprocess
import sys
import tempfile
import threading

import torch
from torch.library import opcheck

import coefdyn
from common import case, expect, finish, gradients_are_slopes, initial_state, numbers, refuses, same_bits, section
from coefdyn.compiling import kept

gpu = torch.device("cuda")
unnamed = "mixer<readout::linear, evolution::scalar, scaling::one, normalization::one>"
names = ("softmax_attention", "mamba2", "gated_deltanet", "gla", "rwkv7", "mlstm")
mixers = {name: coefdyn.named(name) for name in names}
mixers["unnamed"] = coefdyn.mixer(unnamed)
most = tuple(name for name in mixers if name != "mlstm")
by_type = {"float32": most, "bfloat16": most, "float64": ("softmax_attention", "mlstm"), "float16": ("gla",)}

# The call itself, from device pointers: what an operator's results are compared with.
direct = """// made by tests/torch/cuda.py
#include <coefdyn/coefdyn.hpp>
#include <coefdyn/cuda/backward.cuh>
using namespace coefdyn;
using M = mixers::{name};
using T = {type};
using gate = tokens<M, T>::types_type::gate;
extern "C" __attribute__((visibility("default"))) void call(void* const* in, void* y, void* const* slopes, void* dy, const long* e, void* stream) {{
  const idx B = e[0], L = e[1], H = e[2], n = e[3], d = e[4];
  const device::cuda on{{static_cast<cudaStream_t>(stream)}};
  tokens<M, T> x;
  gradients<M, T> g;
  x.q = view(static_cast<const T*>(in[0]), B, L, H, n), x.k = view(static_cast<const T*>(in[1]), B, L, H, n);
  x.v = view(static_cast<const T*>(in[2]), B, L, H, d);
  g.q = view(static_cast<T*>(slopes[0]), B, L, H, n), g.k = view(static_cast<T*>(slopes[1]), B, L, H, n);
  g.v = view(static_cast<T*>(slopes[2]), B, L, H, d);
  {gates}
  run(on, form::automatic{{}}, x, view(static_cast<T*>(y), B, L, H, d));
  backward(on, form::automatic{{}}, x, view(static_cast<const T*>(dy), B, L, H, d), g);
}}
"""
gates = "".join(f"x.{{{i}}} = view(static_cast<const gate*>(in[{3 + i}]), B, L, H), g.{{{i}}} = view(static_cast<gate*>(slopes[{3 + i}]), B, L, H);\n" for i in range(2))
directs = {("softmax_attention", "bfloat16", "bf16"): "", ("mamba2", "float32", "float"): gates.format("log_decay", "delta")}
direct_libraries = {}


def compile_directs():
    compiler, _ = coefdyn.cuda.nvcc()
    options = ["-std=c++20", "-O2", "-shared", "-Xcompiler", "-fPIC", "-diag-suppress", "20013,20015", f"-I{coefdyn.operators.folder / 'include'}"]
    options += [f"-gencode=arch=compute_{a},code=sm_{a}" for a in coefdyn.cuda.architectures()]

    def one(key):
        text = direct.format(name=key[0], type=key[2], gates=directs[key])
        direct_libraries[key] = ctypes.CDLL(str(kept(text, ".cu", options, None, lambda unit, out: [compiler, *options, str(unit), "-o", str(out)])))

    work = [threading.Thread(target=one, args=(key,)) for key in directs]
    for w in work:
        w.start()
    return work


# ---- compiling -------------------------------------------------------------------------------------------------------------------

section("compiling")


@case("ahead of time every unit once, on demand the rest, which is said")
def _():
    work, lines, m, told = compile_directs(), [], mixers["unnamed"], io.StringIO()
    ahead = [(name, rows) for rows, which in by_type.items() for name in which if (name, rows) != ("unnamed", "float32")]
    for rows in by_type:
        those = [mixers[name] for name, r in ahead if r == rows]
        work.append(threading.Thread(target=lambda those=those, rows=rows: coefdyn.cuda.prepare(*those, types=(rows,), say=lines.append)))
        work[-1].start()
    x = [t.to(gpu) for t in numbers(m, torch.float32)]
    with contextlib.redirect_stderr(told):
        m(*x), m(*x)
    for w in work:
        w.join()
    print(f"    {told.getvalue().splitlines()}", flush=True)
    expect(told.getvalue().count("nvcc compiles") <= 1, told.getvalue())
    expect(len(lines) == 2 * len(ahead), f"{len(lines)} of {2 * len(ahead)} units were compiled")
    expect(len(direct_libraries) == len(directs), f"{len(direct_libraries)} of {len(directs)} direct calls were compiled")


@case("a later program finds what is kept")
def _():
    kept_before = set(coefdyn.compiling.cache_folder().glob("*.so"))
    again = f"import coefdyn, torch; m = coefdyn.mixer({unnamed!r}); x = torch.zeros(1, 3, 1, 4, device='cuda'); print(m(x, x, x, x[..., 0]).sum().item())"
    done = subprocess.run([sys.executable, "-c", again], capture_output=True, text=True)
    expect(done.returncode == 0 and done.stdout == "0.0\n" and "nvcc compiles" not in done.stderr, done.stdout + done.stderr)
    expect(set(coefdyn.compiling.cache_folder().glob("*.so")) == kept_before, "compiled again")


@case("without nvcc a sentence says what to install")
def _():
    with tempfile.TemporaryDirectory() as folder:
        text = ("import coefdyn, torch; x = torch.zeros(1, 3, 1, 4, device='cuda')\n"
                "try: coefdyn.gla(x, x, x, x)\nexcept RuntimeError as e: print(e)")
        old = os.path.join(folder, "nvcc")
        with open(old, "w") as script:
            script.write("#!/bin/sh\necho release 11.8\n")
        os.chmod(old, 0o755)
        env = dict(os.environ, XDG_CACHE_HOME=folder, CUDACXX=old)
        done = subprocess.run([sys.executable, "-c", text], env=env, capture_output=True, text=True)
        expect("coefdyn: CUDA: expected nvcc of CUDA 12.4 or newer, given 11.8" in done.stdout, done.stdout + done.stderr)


# ---- numbers ---------------------------------------------------------------------------------------------------------------------

bars = {"float64": 1e-11, "float32": 2e-4, "bfloat16": 0.03, "float16": 0.01}


def close(got, want, bar, name):
    error = ((got.detach().cpu().to(want.dtype) - want).abs().max() / want.abs().max().clamp_min(1e-3)).item() if want.numel() else 0.0
    expect(got.shape == want.shape and error <= bar, f"{name}: {error:.2g} of its largest, {tuple(got.shape)} beside {tuple(want.shape)}")


def everything(m, x, entering, slopes, offsets=None):
    """y, what the state ends as, and all gradients of a call."""
    x = [t.detach().requires_grad_() for t in x]
    outs, inputs = [], list(x)
    if entering is None:
        outs.append(m(*x, cu_seqlens=offsets))
    else:
        entering = entering._replace(S=entering.S.detach().requires_grad_(), z=entering.z if entering.z is None else entering.z.detach().requires_grad_())
        inputs += [t for t in (entering.S, entering.z) if t is not None]
        y, left = m(*x, cu_seqlens=offsets, initial=entering, final=True)
        expect(left.position.device == y.device, f"position on {left.position.device}")
        outs += [y, left.unscaled()]
        if left.z is not None:
            outs.append(left.z if left.m is None else left.z * left.m.exp()[..., None])
    if slopes is None:
        draw = torch.Generator().manual_seed(9)
        slopes = [torch.randn(t.shape, dtype=torch.float64, generator=draw).to(torch.bfloat16).double() for t in outs]
    return outs + list(torch.autograd.grad(outs, inputs, [s.to(t.device, t.dtype) for s, t in zip(slopes, outs)])), slopes


def moved(state, to, kind):
    return None if state is None else coefdyn.State(*(None if t is None else t.to(to) if t.dtype == torch.int64 else t.to(to, kind) for t in state))


def compare(name, rows, sizes, packed):
    m, kind = mixers[name], getattr(torch, rows)
    low = kind in (torch.bfloat16, torch.float16)
    x = numbers(m, kind, **sizes)
    B, H = sizes["B"], sizes["H"]
    offsets = torch.tensor(packed) if packed else None
    state = initial_state(m, len(packed) - 1 if packed else B, H, sizes["n"], sizes["d"]) if m.linear else None
    state = moved(moved(state, "cpu", torch.float32), "cpu", torch.float64)
    want, slopes = everything(m, [t.double() for t in x], state, None, offsets)
    got, _ = everything(m, [t.to(gpu) for t in x], moved(state, gpu, torch.float32 if low else kind), slopes, offsets)
    for i, (a, b) in enumerate(zip(got, want)):
        expect(a.is_cuda, f"result {i} on {a.device}")
        close(a, b, bars[rows], f"result {i}")
    return got


section("beside the CPU in float64")
for rows, which in by_type.items():
    for name in which:
        for label, sizes, packed in (("70 tokens", dict(B=2, T=70, H=2, n=8, d=6), None), ("256 tokens", dict(B=1, T=256, H=2, n=64, d=64), None),
                                     ("packed", dict(B=1, T=150, H=2, n=64, d=64), [0, 1, 1, 97, 150])):

            @case(f"{name}, {rows}, {label}: y, state, gradients")
            def _():
                compare(name, rows, sizes, packed)


@case("grouped queries, grouped values")
def _():
    m = mixers["softmax_attention"]
    x = numbers(m, torch.float32, T=70, H=2, Hq=4, n=16, d=16)
    want, slopes = everything(m, [t.double() for t in x], None, None)
    for a, b in zip(everything(m, [t.to(gpu) for t in x], None, slopes)[0], want):
        close(a, b, bars["float32"], "softmax_attention")
    m = mixers["gated_deltanet"]
    x = numbers(m, torch.float32, T=70, H=4, n=16, d=16)
    x[0], x[1] = x[0][:, :, :2].clone(), x[1][:, :, :2].clone()
    want, slopes = everything(m, [t.double() for t in x], None, None)
    for a, b in zip(everything(m, [t.to(gpu) for t in x], None, slopes)[0], want):
        close(a, b, bars["float32"], "gated_deltanet")


@case("any strides; offsets of packed sequences on either device: the same numbers")
def _():
    for name in ("softmax_attention", "gla", "gated_deltanet"):
        m = mixers[name]
        x = [t.to(gpu) for t in numbers(m, torch.float32, B=1, T=100, n=16, d=16)]
        for spread in (lambda t: torch.stack([t, torch.full_like(t, 7)], -1)[..., 0], lambda t: t.transpose(0, -1).contiguous().transpose(0, -1)):
            for offsets in (None, torch.tensor([0, 33, 100]), torch.tensor([0, 33, 100], device=gpu, dtype=torch.int32)):
                want, slopes = everything(m, x, None, None, offsets.cpu() if offsets is not None else None)
                for a, b in zip(everything(m, [spread(t) for t in x], None, slopes, offsets)[0], want):
                    close(a, b.cpu(), 1e-5, name)


@case("sizes of zero and one")
def _():
    m = mixers["gla"]
    for sizes in (dict(T=0), dict(T=1), dict(B=0), dict(n=1, d=1), dict(d=0)):
        x = [t.to(gpu).requires_grad_() for t in numbers(m, torch.float32, **sizes)]
        m(*x).sum().backward()
        expect(all(t.grad.shape == t.shape and t.grad.isfinite().all() for t in x), f"{sizes}")


for key in directs:

    @case(f"the bits of the C++ call: {key[0]}, {key[1]}")
    def _():
        m, (B, T, H, n) = mixers[key[0]], (2, 300, 4, 64)
        x = [t.to(gpu).contiguous().requires_grad_() for t in numbers(m, getattr(torch, key[1]), B=B, T=T, H=H, n=n, d=n)]
        y = m(*x)
        dy = torch.randn_like(y)
        slopes = torch.autograd.grad(y, x, dy)
        want_y, want = torch.full_like(y, torch.nan), [torch.full_like(t, torch.nan) for t in x]
        pointers = lambda tensors: (ctypes.c_void_p * len(tensors))(*(t.data_ptr() for t in tensors))
        direct_libraries[key].call(pointers(x), ctypes.c_void_p(want_y.data_ptr()), pointers(want), ctypes.c_void_p(dy.data_ptr()),
                                   (ctypes.c_long * 5)(B, T, H, n, n), ctypes.c_void_p(torch.cuda.current_stream().cuda_stream))
        same_bits(y, want_y, "y")
        for a, b, s in zip(slopes, want, m.streams):
            same_bits(a, b, "gradient of " + s.name)


for name in by_type["float64"]:

    @case(f"gradcheck {name}")
    def _():
        gradients_are_slopes(mixers[name], gpu)


# ---- streams, memory, devices ------------------------------------------------------------------------------------------------------

section("streams, memory, errors")


@case("work goes to the current stream, forward and back")
def _():
    m = mixers["gated_deltanet"]
    good = [t.to(gpu) for t in numbers(m, torch.bfloat16, T=200, n=64, d=64)]
    want, slopes = everything(m, good, None, None)
    slopes = [t.to(gpu) for t in slopes]  # a copy from the host would wait
    side = torch.cuda.Stream()
    late = [torch.full_like(t, torch.nan) for t in good]
    torch.cuda.synchronize()
    with torch.cuda.stream(side):  # inputs are NaN until the stream has slept
        torch.cuda._sleep(200_000_000)
        for to, t in zip(late, good):
            to.copy_(t)
        got, _ = everything(m, late, None, slopes)
        expect(not side.query(), "the calls were waited for")
    side.synchronize()
    for a, b in zip(got, want):
        same_bits(a, b, "on another stream")


@case("results and workspaces are PyTorch's memory, and given back")
def _():
    m = mixers["gla"]
    x = [t.to(gpu).requires_grad_() for t in numbers(m, torch.float32, T=1000, H=4, n=64, d=64)]
    y = m(*x)
    torch.autograd.grad(y, x, y.detach(), retain_graph=True)
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    slopes = torch.autograd.grad(y, x, y.detach(), retain_graph=True)
    left, peak = torch.cuda.memory_allocated() - before, torch.cuda.max_memory_allocated() - before
    expect(left == sum(t.numel() * 4 for t in slopes), f"{left} bytes are kept of gradients of {sum(t.numel() * 4 for t in slopes)}")
    expect(peak > left, f"{peak} bytes at most beside {left} of gradients: no workspace of PyTorch's memory")


@case("a call is captured in a CUDA graph")
def _():
    m = mixers["mamba2"]
    x = [t.to(gpu) for t in numbers(m, torch.bfloat16, T=200, n=64, d=64)]
    m(*x)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = m(*x)
    for t in x[:3]:
        t.mul_(0.5)
    graph.replay()
    torch.cuda.synchronize()
    same_bits(y, m(*x), "replayed")


@case("tensors of two devices, other types: sentences")
def _():
    m = mixers["gated_deltanet"]
    here = numbers(m, torch.float32)
    there = [t.to(gpu) for t in here]
    refuses(ValueError, "coefdyn: k: expected a tensor on cuda:0, as q is, given one on cpu", lambda: m(there[0], here[1], *there[2:]))
    refuses(ValueError, "coefdyn: k: expected a tensor on cpu, as q is, given one on cuda:0", lambda: m(here[0], there[1], *here[2:]))
    refuses(ValueError, "coefdyn: initial_S: expected a tensor on cuda:0, as q is, given one on cpu", lambda: m(*there, initial=moved(initial_state(m), "cpu", torch.float32)))
    refuses(ValueError, "coefdyn: q: expected rows of bfloat16, float16, float32 or float64, given int64", lambda: m(*(t.long() for t in there)))
    refuses(ValueError, "coefdyn: k: expected shape (2, 5, 2, 4), given shape (2, 4, 2, 4)", lambda: m(there[0], there[1][:, 1:], *there[2:]))
    refuses(ValueError, "coefdyn: cu_seqlens: expected last offset T = 5", lambda: m(*(t[:1] for t in there), cu_seqlens=torch.tensor([0, 4])))


# ---- PyTorch's own checks ------------------------------------------------------------------------------------------------------------

section("opcheck, torch.compile")
for name in names:

    @case(f"opcheck {name}")
    def _():
        m, rows = mixers[name], torch.float32 if name in by_type["float32"] else torch.float64
        inputs = [x.to(gpu).requires_grad_() for x in numbers(m, rows, H=3)]
        named = {}
        if m.linear:
            state = moved(initial_state(m, H=3), gpu, rows)
            named = {"initial_S": state.S.requires_grad_(), "initial_position": state.position, "final": True}
            if m.sums:
                named["initial_z"] = state.z.requires_grad_()
            if m.stabilised:
                named["initial_m"] = state.m
        opcheck(m.operator, tuple(inputs), named)
        backward = getattr(torch.ops.coefdyn, name + "_backward").default
        inputs = [x.detach() for x in inputs]
        none = [None] * (1 + m.sums + m.stabilised) if m.linear else []
        results = len(backward._schema.returns)
        opcheck(backward, (torch.randn_like(m(*inputs)), *none, *inputs), {"wanted": [True] * len(inputs) + [False] * (results - len(inputs))},
                test_utils=("test_schema", "test_faketensor"))


class Model(torch.nn.Module):
    """A layer over token ids."""

    def __init__(self, vocabulary=8, width=64):
        super().__init__()
        self.embed, self.layer = torch.nn.Embedding(vocabulary, width), coefdyn.nn.GatedDeltaNet(width, 2, 32, 1.0)
        self.norm, self.head = coefdyn.nn.RMSNorm(width), torch.nn.Linear(width, vocabulary)

    def forward(self, ids):
        u = self.embed(ids)
        return self.head(self.norm(u + self.layer(u)))


def train(model, autocast, steps):
    draw = torch.Generator().manual_seed(3)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(steps):
        ids = torch.randint(0, 8, (16, 3), generator=draw).repeat(1, 8).to(gpu)
        with torch.autocast("cuda", torch.bfloat16, enabled=autocast):
            logits = model(ids[:, :-1])
        loss = torch.nn.functional.cross_entropy(logits[:, 2:].flatten(0, 1).float(), ids[:, 3:].flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


@case("a model trains, under torch.compile and under autocast")
def _():
    torch.manual_seed(0)
    models = [Model().to(gpu) for _ in range(3)]
    for model in models[1:]:
        model.load_state_dict(models[0].state_dict())
    plain = train(models[0], False, 5)
    traced = train(torch.compile(models[1], fullgraph=True), False, 40)
    low = train(models[2], True, 5)
    expect(all(abs(a - b) < 1e-3 for a, b in zip(plain, traced)), f"losses {plain} beside {traced[:5]}")
    expect(all(abs(a - b) < 0.05 for a, b in zip(plain, low)), f"losses {plain} beside {low}, bfloat16")
    print(f"    loss {traced[0]:.3f} to {traced[-1]:.3f} in 40 steps", flush=True)
    expect(traced[-1] < traced[0] - 1.0, f"the loss fell from {traced[0]} to {traced[-1]} only")


finish()
