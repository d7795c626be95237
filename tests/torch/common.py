# SPDX-License-Identifier: MIT
"""What the tests of the package share: cases that are counted, comparisons, streams with random numbers in their ranges."""
import sys
import time
import traceback

import torch
from torch.autograd import gradcheck

import coefdyn

passed, failed = 0, []
started = time.time()


def case(name):
    """Runs the decorated function at once, as a case of this name."""

    def run(body):
        global passed
        try:
            body()
            passed += 1
        except Exception:
            failed.append(name)
            print(f"FAILED {name}\n{traceback.format_exc()}", flush=True)

    return run


def section(name):
    print(f"{name} ({time.time() - started:.0f} s)", flush=True)


def expect(truth, sentence):
    if not truth:
        raise AssertionError(sentence)


def same_bits(a, b, name):
    expect(a.shape == b.shape and a.dtype == b.dtype, f"{name}: {tuple(a.shape)} {a.dtype} beside {tuple(b.shape)} {b.dtype}")
    bits = lambda x: torch.view_as_real(x).contiguous().view(torch.uint8) if x.is_complex() else x.contiguous().view(torch.uint8)
    expect(torch.equal(bits(a.detach()), bits(b.detach())), f"{name}: other bits, by up to {(a - b).abs().max()}")


def refuses(kind, part, f):
    try:
        f()
    except kind as error:
        expect(part in str(error), f"expected '{part}' in: {error}")
        return
    raise AssertionError(f"expected {kind.__name__} with '{part}'")


def numbers(mixer, rows=torch.float64, B=2, T=5, H=2, Hq=None, n=4, d=3, seed=0):
    """Streams in their ranges: gates of float beside bfloat16 and float16."""
    draw = torch.Generator().manual_seed(seed)
    sizes = {"B": B, "T": T, "2T": 2 * T, "3T": 3 * T, "Hq": Hq or H, "Hk": H, "H": H, "Hy": Hq or H, "n": n, "d": d, "n/2": n // 2}
    out = []
    for s in mixer.streams:
        shape = [sizes[a] if a in sizes else int(a) for a in s.axes]
        normal = torch.randn(shape, dtype=torch.complex128 if s.complex else torch.float64, generator=draw)
        unit = torch.rand(shape, dtype=torch.float64, generator=draw)
        x = {"log_decay": -0.5 * unit - 0.01, "beta": unit, "delta": unit}.get(s.name)
        if x is None:
            x = 0.6 * normal / n if s.name in ("k", "z", "a", "c", "A") else normal
        low = rows in (torch.bfloat16, torch.float16)
        to = torch.float32 if low and s.gate else rows
        if s.complex:
            to = {torch.float32: torch.complex64, torch.float64: torch.complex128}[to]
        out.append(x.to(to))
    return out


def initial_state(mixer, B=2, H=2, n=4, d=3):
    draw = torch.Generator().manual_seed(1)
    kind = torch.complex128 if mixer.complex_state else torch.float64
    S = torch.randn(B, H, n, d, dtype=kind, generator=draw)
    z = torch.rand(B, H, n, dtype=torch.float64, generator=draw) + 1 if mixer.sums else None
    m = torch.randn(B, H, dtype=torch.float64, generator=draw).abs() if mixer.stabilised else None
    return coefdyn.State(S, z, m, torch.full((B,), 3))


def gradients_are_slopes(mixer, device="cpu", B=2, H=2, n=4, d=3, **sizes):
    """Gradients by finite differences in float64: of all streams, of what enters and of what is left where there is a state."""
    inputs = [x.to(device).requires_grad_() for x in numbers(mixer, B=B, H=H, n=n, d=d, **sizes)]
    if not mixer.linear:
        expect(gradcheck(lambda *x: mixer(*x), inputs), "slopes")
        return
    S, z, m, position = (t if t is None else t.to(device) for t in initial_state(mixer, B, H, n, d))
    entering = [t.requires_grad_() for t in (S, z) if t is not None]

    def f(*x):
        x, e = x[:len(inputs)], x[len(inputs):]
        y, s = mixer(*x, initial=coefdyn.State(e[0], e[1] if mixer.sums else None, m, position), final=True)
        return (y, s.unscaled()) if not mixer.sums else (y, s.unscaled(), s.z if s.m is None else s.z * s.m.exp()[..., None])

    expect(gradcheck(f, inputs + entering), "slopes")


def finish():
    """The last line, and the program's status."""
    print(f"{time.time() - started:.0f} s")
    print(f"{passed} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)
