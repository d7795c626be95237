# SPDX-License-Identifier: MIT
"""Mixers as callables over tensors, NumPy arrays and whatever has DLPack."""
import ctypes
import json
import pathlib
from typing import NamedTuple, Optional

import torch

folder = pathlib.Path(__file__).parent
library_path = folder / "coefdyn_operators.so"
torch.ops.load_library(str(library_path))
library = ctypes.CDLL(str(library_path))
library.coefdyn_describe.restype = library.coefdyn_register.restype = ctypes.c_char_p
library.coefdyn_describe.argtypes = [ctypes.c_char_p]
library.coefdyn_register.argtypes = [ctypes.c_void_p]
library.coefdyn_load_on_gpu.argtypes, library.coefdyn_load_on_gpu.restype = [ctypes.c_void_p], None
library.coefdyn_add_on_gpu.argtypes, library.coefdyn_add_on_gpu.restype = [ctypes.c_char_p] * 2 + [ctypes.c_void_p] * 2, None


class Stream(NamedTuple):
    """A tensor that a mixer takes."""

    name: str
    axes: tuple  # of "B", "T", "2T", heads "Hq", "Hk", "H" (of the state), "Hy" (of y), inner "n", "d", "n/2", factors
    gate: bool  # float32 beside rows of bfloat16 and float16
    complex: bool
    meaning: str


class State(NamedTuple):
    """What a linear mixer keeps of the tokens behind it: S (N, H, n, d), z (N, H, n) of a sum, m (N, H) where S and z are kept
    multiplied by e^-m, and position (N). Gradients of S and z are those of S e^m and z e^m with m held."""

    S: torch.Tensor
    z: Optional[torch.Tensor]
    m: Optional[torch.Tensor]
    position: torch.Tensor

    def unscaled(self):
        """S without the factor e^-m."""
        return self.S if self.m is None else self.S * self.m.exp()[..., None, None]


def tensor(x):
    """x as a tensor: a tensor, an array of NumPy, anything with __dlpack__. Memory is shared where it can be."""
    if x is None or isinstance(x, torch.Tensor):
        return x
    if type(x).__module__.split(".")[0] == "numpy":
        return torch.from_numpy(x if all(s >= 0 for s in x.strides) and x.flags.writeable else x.copy())
    if hasattr(x, "__dlpack__"):
        return torch.from_dlpack(x)
    raise TypeError(f"coefdyn: expected a tensor, an array of NumPy or something with __dlpack__, given {type(x).__name__}")


class Mixer:
    """A mixer. Call it with its streams by position or name.

    cu_seqlens: N + 1 offsets of packed sequences (B = 1). initial: a State to begin with. final=True: returns (y, State).
    y is (B, T, Hy, d). Errors are ValueErrors with the library's sentence.
    """

    def __init__(self, name, description, expression=None, headers=(), over="real"):
        self.name, self.expression, self.headers, self.over = name, expression, headers, over
        self.include, self.form, self.cache = (), "automatic", None  # of a mixer compiled at run time
        self.streams = tuple(Stream(s["name"], tuple(s["axes"]), s["gate"], s["complex"], s["meaning"]) for s in description["streams"])
        self.linear, self.sums, self.stabilised = description["linear"], description["sums"], description["stabilised"]
        self.complex_state, self.complex_rows = description["complex_state"], description["complex_rows"]
        self.writes = description["writes"]
        self.operator = getattr(torch.ops.coefdyn, name).default
        self._names = tuple(s.name for s in self.streams)
        self.__name__ = name
        shapes = "\n".join(
            f"    {s.name:<11} ({', '.join(s.axes)}){' complex' if s.complex else ''}: {s.meaning}" for s in self.streams)
        self.__doc__ = f"{name}: its streams are\n\n{shapes}\n\n{Mixer.__doc__}"

    def __repr__(self):
        return f"coefdyn.{self.name}({', '.join(self._names)})"

    def _inputs(self, given, named):
        if len(given) > len(self._names):
            raise TypeError(f"coefdyn: {self.name}: expected at most {len(self._names)} tensors ({', '.join(self._names)}), given {len(given)}")
        inputs = list(given)
        for name in self._names[len(given):]:
            if name not in named:
                raise TypeError(f"coefdyn: {self.name}: expected the stream {name}; it takes {', '.join(self._names)}")
            inputs.append(named.pop(name))
        if named:
            raise TypeError(f"coefdyn: {self.name}: expected {', '.join(self._names)}, given {next(iter(named))}")
        return [tensor(x) for x in inputs]

    def __call__(self, *given, cu_seqlens=None, initial=None, final=False, **named):
        inputs = self._inputs(given, named)
        if not self.linear:
            if final or initial is not None:
                raise ValueError(f"coefdyn: {self.name}: expected no state: its readout is not linear (Lemma 1), what it keeps are the keys and values, given initial or final")
            return self.operator(*inputs, cu_seqlens=tensor(cu_seqlens))
        states = {}
        if initial is not None:
            states = {"initial_S": initial.S, "initial_position": initial.position}
            if self.sums:
                states["initial_z"] = initial.z
            if self.stabilised:
                states["initial_m"] = initial.m
        y, S, *rest = self.operator(*inputs, cu_seqlens=tensor(cu_seqlens), final=final, **states)
        if not final:
            return y
        z = rest[0] if self.sums else None
        m = rest[self.sums] if self.stabilised else None
        return y, State(S, z, m, rest[-1])


_named = {}


def mixers():
    """Names of the mixers that the package was built with."""
    return tuple(n for n in library.coefdyn_describe(None).decode().split() if not n.startswith("mixer_"))


def named(name):
    """The mixer of a name."""
    if name not in _named:
        text = library.coefdyn_describe(name.encode())
        if text is None:
            raise ValueError(f"coefdyn: mixer: expected one of {', '.join(mixers())}, given {name}")
        _named[name] = Mixer(name, json.loads(text))
    return _named[name]


def register(table, expression, headers, over):
    """A mixer whose table another library made."""
    refused = library.coefdyn_register(table)
    if refused is not None:
        raise ValueError(refused.decode())
    name = ctypes.string_at(ctypes.c_void_p.from_address(table + ctypes.sizeof(ctypes.c_void_p)).value).decode()
    _named[name] = Mixer(name, json.loads(library.coefdyn_describe(name.encode())), expression, headers, over)
    return _named[name]
