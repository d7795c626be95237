# SPDX-License-Identifier: MIT
"""operators.py REFERENCE_FOLDER [GOLDEN_NN_FOLDER]: the package coefdyn against the C++ library, finite differences, opcheck, torch.compile
and layers of other implementations. The last line is "N passed, N failed"."""
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time
import unittest.mock

import torch
from torch.autograd import gradcheck
from torch.library import opcheck

import coefdyn
from common import case, expect, finish, gradients_are_slopes, initial_state, numbers, refuses, same_bits, section

torch.set_num_threads(1)  # of many small calls; threads have a case of their own
all_mixers = [coefdyn.named(name) for name in coefdyn.mixers()]
by_name = {m.name: m for m in all_mixers}


# ---- gradients are slopes -----------------------------------------------------------------------------------------------------

section("gradients")
for mixer in all_mixers:

    @case(f"gradcheck {mixer.name}")
    def _():
        gradients_are_slopes(mixer)


for name in ("gated_deltanet", "softmax_attention", "mamba2"):
    if name in by_name:

        @case(f"gradcheck {name}, grouped heads")
        def _():
            m = by_name[name]
            if name == "softmax_attention":
                gradients_are_slopes(m, Hq=4)
            else:  # two value heads share a query and key head
                x = numbers(m, H=2)
                for i in (0, 1):
                    x[i] = x[i][:, :, :1].clone()
                expect(gradcheck(lambda *x: m(*x), [t.requires_grad_() for t in x]), "slopes")


for name in ("gla", "mlstm", "softmax_attention", "lru"):
    if name in by_name:

        @case(f"gradcheck {name}, packed sequences")
        def _():
            m = by_name[name]
            x = [t.requires_grad_() for t in numbers(m, B=1, T=7)]
            for offsets in (torch.tensor([0, 3, 3, 7]), torch.tensor([0, 2, 7], dtype=torch.int32)):
                expect(gradcheck(lambda *x: m(*x, cu_seqlens=offsets), x), "slopes")


@case("a sequence in two parts has the gradients of the whole")
def _():
    m = by_name.get("mlstm") or next(x for x in all_mixers if x.linear)
    x = [t.requires_grad_() for t in numbers(m, T=9)]
    whole = torch.autograd.grad(m(*x).square().sum(), x)
    y1, state = m(*(t[:, :4] for t in x), final=True)
    parts = torch.autograd.grad(y1.square().sum() + m(*(t[:, 4:] for t in x), initial=state).square().sum(), x)
    for a, b, s in zip(whole, parts, m.streams):
        expect(torch.allclose(a, b, rtol=1e-10, atol=1e-12), f"{s.name}: {(a - b).abs().max()}")


# ---- the same bits as the C++ call ----------------------------------------------------------------------------------------------

types = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32, "float64": torch.float64,
         "complex64": torch.complex64, "complex128": torch.complex128, "int64": torch.int64}


def read_reference(path):
    content, at, out = path.read_bytes(), 0, {}
    while at < len(content):
        end = content.index(b"\n", at)
        name, kind, *shape = content[at:end].decode().split()
        shape = [int(e) for e in shape]
        count = 1
        for e in shape:
            count *= e
        size = count * torch.empty(0, dtype=types[kind]).element_size()
        out[name] = torch.frombuffer(bytearray(content[end + 1:end + 1 + size]), dtype=types[kind]).reshape(shape)
        at = end + 1 + size
    return out


def compare(mixer, want, spread=lambda x: x):
    inputs = [spread(want[s.name]).requires_grad_() for s in mixer.streams]
    state = None
    if mixer.linear:
        entering = [spread(want[k]).requires_grad_() for k in ("initial_S", "initial_z") if k in want]
        state = coefdyn.State(entering[0], entering[1] if mixer.sums else None, want.get("initial_m"), want["initial_position"])
        y, left = mixer(*inputs, initial=state, final=True)
    else:
        entering, y = [], mixer(*inputs)
    outs, slopes_ = [y], [spread(want["dy"])]
    if mixer.linear:
        for k, x in (("S", left.S), ("z", left.z), ("m", left.m), ("position", left.position)):
            if x is not None:
                same_bits(x, want["final_" + k], "final " + k)
        if not mixer.stabilised:
            outs += [x for x in (left.S, left.z) if x is not None]
            slopes_ += [spread(want[k]) for k in ("grad_final_S", "grad_final_z") if k in want]
    same_bits(y, want["y"], "y")
    for x, g, name in zip(inputs + entering, torch.autograd.grad(outs, inputs + entering, slopes_),
                          [s.name for s in mixer.streams] + ["initial_S", "initial_z"]):
        same_bits(g, want["grad_" + name], "gradient of " + name)


section("bits")
references = sorted(pathlib.Path(sys.argv[1]).iterdir())
for path in references:
    if path.name.split(".")[0] in by_name:

        @case(f"bits of {path.name}")
        def _():
            compare(by_name[path.name.split(".")[0]], read_reference(path))


@case("every mixer has its reference")
def _():
    missing = set(by_name) - {p.name.split(".")[0] for p in references}
    expect(not missing, f"none for {', '.join(missing)}")


@case("any strides, any number of threads: the same bits")
def _():
    gaps = lambda x: torch.stack([x, torch.full_like(x, 7)], -1)[..., 0].detach()  # every second element
    turned = lambda x: x.detach().transpose(0, -1).contiguous().transpose(0, -1)
    for path in references:
        if path.name.startswith(("gla.", "softmax_attention.", "mlstm.", "s5.")) and path.name.endswith(".150"):
            for spread in (gaps, turned):
                for count in (1, 3):
                    torch.set_num_threads(count)
                    compare(by_name[path.name.split(".")[0]], read_reference(path), spread)
    torch.set_num_threads(1)


@case("float64, float32, bfloat16 and float16 rows agree")
def _():
    for m in all_mixers:
        exact = m(*numbers(m))
        for rows, bar in ((torch.float32, 1e-4), (torch.bfloat16, 0.15), (torch.float16, 0.03)):
            if m.complex_rows and rows != torch.float32:
                continue
            y = m(*numbers(m, rows))
            expect(y.dtype == rows, f"{m.name}: y of {y.dtype}")
            error = (y.double() - exact).abs().max() / exact.abs().max()
            expect(error < bar, f"{m.name}, {rows}: {error}")


# ---- PyTorch's own checks ---------------------------------------------------------------------------------------------------------

section("opcheck")
for mixer in all_mixers:

    @case(f"opcheck {mixer.name}")
    def _():
        inputs = [x.requires_grad_() for x in numbers(mixer, H=3)]
        named = {}
        if mixer.linear:
            state = initial_state(mixer, H=3)
            named = {"initial_S": state.S.requires_grad_(), "initial_position": state.position, "final": True}
            if mixer.sums:
                named["initial_z"] = state.z.requires_grad_()
            if mixer.stabilised:
                named["initial_m"] = state.m
        opcheck(mixer.operator, tuple(inputs), named)
        backward = getattr(torch.ops.coefdyn, mixer.name + "_backward").default
        dy = torch.randn_like(mixer(*numbers(mixer, H=3)))
        results = len(backward._schema.returns)
        none = [None] * (1 + mixer.sums + mixer.stabilised) if mixer.linear else []
        opcheck(backward, (dy, *none, *numbers(mixer, H=3)), {"wanted": [True] * len(inputs) + [False] * (results - len(inputs))},
                test_utils=("test_schema", "test_faketensor"))  # it has no gradients of its own


@case("a second derivative is refused")
def _():
    m = all_mixers[0]
    x = [t.requires_grad_() for t in numbers(m)]
    first = torch.autograd.grad(m(*x).square().sum(), x[0], create_graph=True)[0]
    refuses(RuntimeError, "", lambda: torch.autograd.grad(first.sum(), x[0]))


# ---- errors, other arrays -----------------------------------------------------------------------------------------------------------

section("errors and arrays")


@case("refusals are ValueErrors with the library's sentence")
def _():
    m = by_name.get("gated_deltanet") or next(x for x in all_mixers if x.linear)
    x = numbers(m)
    refuses(ValueError, "coefdyn: k: expected shape (2, 5, 2, 4), given shape (2, 4, 2, 4)", lambda: m(x[0], x[1][:, 1:], *x[2:]))
    refuses(ValueError, "coefdyn: v: expected a tensor of 4 axes, given 3 axes", lambda: m(*x[:2], x[2][0], *x[3:]))
    refuses(ValueError, "expected numbers of type float64, given float32", lambda: m(*x[:-1], x[-1].float()))
    refuses(ValueError, "coefdyn: cu_seqlens: expected last offset T = 5", lambda: m(*(t[:1] for t in x), cu_seqlens=torch.tensor([0, 4])))
    refuses(ValueError, "coefdyn: initial state S: expected shape (2, 2, 4, 3)", lambda: m(*x, initial=initial_state(m, n=5)))
    refuses(ValueError, "given int64", lambda: m(*(t.long() for t in x)))
    refuses(TypeError, "expected the stream", lambda: m(*x[:-1]))
    refuses(TypeError, "given gamma", lambda: m(*x, gamma=x[0]))
    refuses(TypeError, "__dlpack__", lambda: m("q", *x[1:]))
    refuses(ValueError, "coefdyn: mixer: expected one of", lambda: coefdyn.named("no_such_mixer"))
    if "softmax_attention" in by_name:
        s = by_name["softmax_attention"]
        refuses(ValueError, "Lemma 1", lambda: s(*numbers(s), final=True))


@case("sizes of zero and one")
def _():
    m = by_name.get("gla") or all_mixers[0]
    for sizes in (dict(T=0), dict(T=1), dict(B=0), dict(n=1, d=1), dict(d=0)):
        x = [t.requires_grad_() for t in numbers(m, **sizes)]
        y = m(*x)
        y.sum().backward()
        expect(all(t.grad.shape == t.shape and t.grad.isfinite().all() for t in x), f"{sizes}")


@case("arrays of NumPy, DLPack, streams by name")
def _():
    import numpy

    class exported:
        def __init__(self, x):
            self.x = x

        def __dlpack__(self, **options):
            return self.x.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.x.__dlpack_device__()

    m = by_name.get("gla") or all_mixers[0]
    x = numbers(m)
    y = m(*x)
    same_bits(m(*(t.numpy() for t in x)), y, "NumPy")
    same_bits(m(*(numpy.ascontiguousarray(t.numpy()[::-1])[::-1] for t in x)), y, "NumPy, reversed")
    same_bits(m(*(exported(t) for t in x)), y, "DLPack")
    same_bits(m(**{s.name: t for s, t in zip(m.streams, x)}), y, "by name")


@case("PyTorch before 2.4 is refused by a sentence")
def _():
    with tempfile.TemporaryDirectory() as folder:
        place = str(pathlib.Path(coefdyn.__file__).parents[1])
        (pathlib.Path(folder) / "torch").mkdir()
        (pathlib.Path(folder) / "torch" / "__init__.py").write_text('__version__ = "2.3.1+cpu"\n')
        done = subprocess.run([sys.executable, "-c", "import coefdyn"], env=dict(os.environ, PYTHONPATH=os.pathsep.join([folder, place])), capture_output=True, text=True)
        expect(done.returncode != 0 and "coefdyn: expected PyTorch 2.4 or newer, given 2.3.1+cpu" in done.stderr, done.stderr)


# ---- layers -------------------------------------------------------------------------------------------------------------------------

section("layers")


def golden(path):
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + size])
    facts = header.pop("__metadata__")
    kinds = {"F64": torch.float64, "F32": torch.float32, "I64": torch.int64}
    tensors = {}
    for name, t in header.items():
        a, b = (8 + size + at for at in t["data_offsets"])
        tensors[name] = torch.frombuffer(bytearray(content[a:b]), dtype=kinds[t["dtype"]]).reshape(t["shape"])
    return facts, tensors


class Arguments(dict):
    """A golden file's arguments, by position and by name, as numbers where they are."""

    def __init__(self, facts, *names):
        given = dict(zip(names, json.loads(facts["args"])), **json.loads(facts["kwargs"]))
        super().__init__((k, self.value(v)) for k, v in given.items())

    @staticmethod
    def value(text):
        if text in ("True", "False", "None"):
            return {"True": True, "False": False, "None": None}[text]
        try:
            return int(text)
        except ValueError:
            return text


def attention(facts):
    a = Arguments(facts, "D", "H", "Hkv")
    if set(a) - {"D", "H", "Hkv", "rope", "bias"}:
        return None  # other readouts
    return coefdyn.nn.Attention(a["D"], a["H"], a.get("Hkv"), a.get("bias", False), a.get("rope"))


def gated_deltanet(facts):
    a = Arguments(facts, "D", "H", "dk", "dv")
    return coefdyn.nn.GatedDeltaNet(a["D"], a["H"], a["dk"], a["dv"] / a["dk"], a.get("Hv"), a.get("negative", False))


def product(facts):
    a = Arguments(facts, "D", "H", "dk", "dv")
    return coefdyn.nn.GatedDeltaProduct(a["D"], a["H"], a["dk"], a["dv"] / a["dk"], a.get("m", 2), a.get("negative", True))


def linear_attention(facts):
    a = Arguments(facts, "D", "H")
    return coefdyn.nn.LinearAttention(a["D"], a["H"], "elu" if a.get("feature", "elu1") == "elu1" else None)


def deltanet(facts):
    a = Arguments(facts, "D", "H")
    return coefdyn.nn.DeltaNet(a["D"], a["H"], use_gate=a.get("gate", False), allow_neg_eigval=a.get("negative", False))


def kda(facts):
    a = Arguments(facts, "D", "H", "dk", "dv")
    return coefdyn.nn.KimiDeltaAttention(a["D"], a["H"], a["dk"], a["dv"] / a["dk"])


def mamba2(facts):
    a = Arguments(facts, "D", "H", "n")
    return coefdyn.nn.Mamba2(a["D"], a["H"], a["n"], n_groups=a.get("groups", 1))


def rwkv6(facts):
    a = Arguments(facts, "D", "H")
    return coefdyn.nn.RWKV6Attention(a["D"], a["H"], a.get("expand_k", 0.5), proj_low_rank_dim=a.get("r", 8), gate_low_rank_dim=a.get("rw", 8))


def path_attention(facts):
    a = Arguments(facts, "D", "H")
    return coefdyn.nn.PaTHAttention(a["D"], a["H"], a.get("rank", 32))


def plain(kind):
    return lambda facts: kind(*Arguments(facts, "D", "H").values())


def hgrn2(facts, bound):
    a = Arguments(facts, "D", "H")
    return coefdyn.nn.HGRN2Attention(a["D"], a["H"], bound)


makers = {"Attention": attention, "GatedDeltaNet": gated_deltanet, "GatedDeltaProduct": product, "LinearAttention": linear_attention,
          "DeltaNet": deltanet, "KDA": kda, "Mamba2": mamba2, "PaTH": path_attention, "GLA": plain(coefdyn.nn.GatedLinearAttention),
          "SimpleGLA": plain(coefdyn.nn.SimpleGatedLinearAttention), "Retention": plain(coefdyn.nn.MultiScaleRetention),
          "RWKV6": rwkv6, "LRU": plain(coefdyn.nn.LRU), "S4": plain(coefdyn.nn.S4), "RWKV7": plain(coefdyn.nn.RWKV7Attention), "MLSTM": plain(coefdyn.nn.MLSTM), "HGRN2": hgrn2}
folder = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
if folder is None or not folder.is_dir():
    print("skipped: layers of other implementations: no folder of golden vectors")
else:
    for path in sorted(folder.glob("layer_*.safetensors")):
        facts, tensors = golden(path)
        maker = makers.get(facts["layer"])
        if facts["mixer"].split()[0] not in by_name:
            continue  # a package of some mixers only
        parameters = {k[6:]: t for k, t in tensors.items() if k.startswith("param.")}
        layer = None
        if maker is hgrn2:
            layer = hgrn2(facts, parameters.get("lower_bound"))
        elif maker is not None:
            layer = maker(facts)
        if layer is None:
            continue

        @case(f"{path.stem}: outputs and gradients")
        def _():
            layer.double().load_state_dict(parameters)
            u = tensors["u"].requires_grad_()
            o = layer(u)
            o = o[0] if isinstance(o, tuple) else o
            error = ((o - tensors["o"]).abs().max() / tensors["o"].abs().max()).item()
            expect(error < 1e-10, f"o differs by {error}")
            o.backward(tensors["grad_o"])
            got = dict({name: p.grad for name, p in layer.named_parameters()}, u=u.grad)
            expect(set(got) == {k[5:] for k in tensors if k.startswith("grad.")}, "the file's gradients are of other parameters")
            for name, g in got.items():
                want = tensors["grad." + name]
                error = ((g - want).abs().max() / want.abs().max().clamp_min(1e-12)).item()
                expect(error < 1e-9, f"gradient of {name} differs by {error}")


@case("layers in bfloat16 and under autocast: float's outputs, nearly")
def _():
    torch.manual_seed(0)
    made = {"rwkv6": coefdyn.nn.RWKV6Attention(32, 2), "s5": coefdyn.nn.LRU(32, 6), "s4": coefdyn.nn.S4(32, 6), "gated_deltanet": coefdyn.nn.GatedDeltaNet(32, 2, 16, 1.0),
            "softmax_rope_half": coefdyn.nn.Attention(32, 2), "mlstm": coefdyn.nn.MLSTM(32, 2)}
    for name, layer in made.items():
        if name not in by_name:
            continue
        u = torch.randn(2, 20, 32)
        want = layer(u).detach()

        def compare(kind, o):
            o.float().square().sum().backward()
            error = ((o.float() - want).abs().max() / want.abs().max()).item()
            expect(error < 0.1, f"{name}, {kind}: {error}")

        with torch.autocast("cpu", torch.bfloat16):
            o = layer(u)
        compare("autocast", o)
        layer.zero_grad()
        o = layer.to(torch.bfloat16)(u.bfloat16())
        expect(o.dtype == torch.bfloat16, f"{name}: {o.dtype}")
        compare("bfloat16", o)
        expect(all(p.grad.isfinite().all() for p in layer.parameters()), f"{name}: gradients")


class Model(torch.nn.Module):
    """Two layers over token ids."""

    def __init__(self, vocabulary=8, width=32):
        super().__init__()
        self.embed = torch.nn.Embedding(vocabulary, width)
        self.first = coefdyn.nn.GatedDeltaNet(width, 2, 16, 1.0) if "gated_deltanet" in by_name else torch.nn.Identity()
        self.second = coefdyn.nn.GatedLinearAttention(width, 2) if "gla" in by_name else torch.nn.Identity()
        self.norms = torch.nn.ModuleList(coefdyn.nn.RMSNorm(width) for _ in range(3))
        self.head = torch.nn.Linear(width, vocabulary)

    def forward(self, ids):
        u = self.embed(ids)
        u = u + self.first(self.norms[0](u))
        u = u + self.second(self.norms[1](u))
        return self.head(self.norms[2](u))


def train(model, steps=60):
    """Learns to go on with sequences that repeat every third token."""
    draw = torch.Generator().manual_seed(3)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(steps):
        ids = torch.randint(0, 8, (16, 3), generator=draw).repeat(1, 8)
        logits = model(ids[:, :-1])
        loss = torch.nn.functional.cross_entropy(logits[:, 2:].flatten(0, 1), ids[:, 3:].flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


@case("a model of two layers trains under torch.compile")
def _():
    torch.manual_seed(0)
    plain_model = Model()
    traced = Model()
    traced.load_state_dict(plain_model.state_dict())
    a, b = train(plain_model, 5), train(torch.compile(traced, fullgraph=True), 60)
    expect(all(abs(x - y) < 1e-3 for x, y in zip(a, b)), f"losses {a} beside {b[:5]}")
    print(f"    loss {b[0]:.3f} to {b[-1]:.3f} in 60 steps", flush=True)
    expect(b[-1] < b[0] - 1.5, f"the loss fell from {b[0]} to {b[-1]} only")


# ---- mixers without a name, spectra ---------------------------------------------------------------------------------------------------

section("mixers compiled at run time, spectra")


@case("a mixer compiled at run time is the named one, and is found again")
def _():
    with tempfile.TemporaryDirectory() as cache:
        text = "mixer<readout::linear, evolution::diagonal, scaling::one, normalization::sqrt_dim>"
        began = time.time()
        m = coefdyn.mixer(text, cache=cache)
        print(f"    compiled in {time.time() - began:.0f} s", flush=True)
        if "gla" in by_name:
            x = numbers(m)
            same_bits(m(*x), by_name["gla"](*x), "y")
        expect(gradcheck(lambda *x: m(*x), [t.requires_grad_() for t in numbers(m)]), "slopes")
        expect(coefdyn.mixer(text, cache=cache) is m, "compiled again in one program")
        again = ("import coefdyn; "
                 f"m = coefdyn.mixer({text!r}, cache={cache!r}); print(m.linear)")
        nothing_to_compile_with = dict(os.environ, PATH=cache)
        done = subprocess.run([sys.executable, "-c", again], env=nothing_to_compile_with, capture_output=True, text=True)
        expect(done.stdout == "True\n", f"the cache was not used: {done.stderr}")


@case("a mixer with a policy of one's own; what is none is refused by its sentence")
def _():
    with tempfile.TemporaryDirectory() as folder:
        header = pathlib.Path(folder) / "cube.hpp"
        header.write_text("struct cube { static constexpr bool is_linear = false; template <class R> static R apply(R s) { return s * s * s; } };\n")
        m = coefdyn.mixer("mixer<cube, evolution::identity, scaling::one, normalization::one>", headers=["cube.hpp"], include=[folder], cache=folder)
        q, k, v = numbers(m)
        weights = torch.einsum("bihn,bjhn->bhij", q, k).pow(3).tril()
        expect(torch.allclose(m(q, k, v), torch.einsum("bhij,bjhd->bihd", weights, v), rtol=1e-12, atol=1e-12), "y")
        refuses(ValueError, "coefdyn: ", lambda: coefdyn.mixer("mixer<readout::linear, readout::linear, scaling::one, normalization::one>", cache=folder))
        refuses(ValueError, "coefdyn: form: expected", lambda: coefdyn.mixer("mixers::gla", form="fast"))


@case("for CUDA: compiled once, refusals in sentences")
def _():
    m = all_mixers[0]
    with tempfile.TemporaryDirectory() as folder:
        nvcc, count = pathlib.Path(folder) / "nvcc", pathlib.Path(folder) / "count"

        def stand_in(release, work):
            nvcc.write_text(f'#!/bin/bash\nif [ "$1" = --version ]; then echo release {release}; exit; fi\n{work}\n')
            nvcc.chmod(0o755)

        def prepare(kind, archs="90a"):
            lines = []
            with unittest.mock.patch.dict(os.environ, XDG_CACHE_HOME=folder, CUDACXX=str(nvcc), COEFDYN_GPU_ARCH=archs):
                coefdyn.cuda.prepare(m, types=(kind,), say=lines.append)
            return lines

        stand_in("13.0", f'echo >> {count}; [[ "$*" == *arch=compute_90a* ]] && touch "${{@: -1}}"')
        for _ in range(2):
            lines = prepare("float32")
            expect(len(lines) == 2 and f"2 of 2: {m.name}, float32" in lines[1], f"{lines}")
            expect(count.read_text().count("\n") == 2, "forward and backward are not compiled once")
        stand_in("13.0", "echo 'error: static assertion failed with \"coefdyn: a sentence.\"' >&2; exit 1")
        refuses(ValueError, "coefdyn: a sentence.", lambda: prepare("float64"))
        stand_in("11.8", "exit 1")
        refuses(RuntimeError, "coefdyn: CUDA: expected nvcc of CUDA 12.4 or newer, given 11.8", lambda: prepare("float64"))
        refuses(ValueError, "coefdyn: types: expected some of float32,", lambda: prepare("half"))
        if not torch.cuda.is_available():
            stand_in("13.0", "exit 1")
            refuses(RuntimeError, "coefdyn: CUDA: expected a GPU that PyTorch reaches", lambda: prepare("float64", ""))
        env = dict(os.environ, CUDACXX=str(nvcc), PYTHONPATH=os.pathsep.join(sys.path))
        done = subprocess.run([sys.executable, "-m", "coefdyn", "cuda", "--types", "half"], env=env, capture_output=True, text=True)
        expect(done.returncode == 1 and done.stderr.startswith("coefdyn: types: expected"), done.stderr)


@case("eigenvalues and coefficients of a mixer")
def _():
    name = "gla" if "gla" in by_name else next(m.name for m in all_mixers if m.linear)
    m = by_name[name]
    x = numbers(m)
    s = coefdyn.spectrum(m, *x)
    if name == "gla":
        want = x[3].exp().permute(0, 2, 1, 3)[:, :, 1:]
        expect(s.eigenvalues[:, :, 0].isnan().all(), "the first token has a spectrum")
        expect(torch.allclose(s.eigenvalues[:, :, 1:].real.sort(-1).values, want.sort(-1).values, rtol=1e-12), "eigenvalues")
    y = torch.einsum("bhij,bjhd->bihd", s.coefficients, x[2])
    expect(torch.allclose(y, m(*x), rtol=1e-10, atol=1e-12), "coefficients times values are not y")
    without = {t.name: v for t, v in zip(m.streams, x) if t.name != "v"}
    same_bits(coefdyn.spectrum(name, **without).eigenvalues[:, :, 1:], s.eigenvalues[:, :, 1:], "without values")
    refuses(ValueError, "coefdyn: ", lambda: coefdyn.spectrum(m, x[0], x[1][:, 1:], *x[2:]))
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        refuses(ImportError, "expected matplotlib", s.plot)
        return
    with tempfile.TemporaryDirectory() as folder:
        s.plot(pathlib.Path(folder) / "spectrum.png")
        expect((pathlib.Path(folder) / "spectrum.png").stat().st_size > 1000, "no picture")


finish()
