# SPDX-License-Identifier: MIT
"""Eigenvalues and coefficients of a mixer on given streams, in float64 on the CPU, with pictures where matplotlib is there."""
import ctypes
import os
import pathlib

import torch

from . import operators as _operators
from .compiling import compiled

_unit = """// made by coefdyn.spectrum
#include <coefdyn/coefdyn.hpp>
#include <coefdyn_pytorch/spectrum_unit.hpp>
{includes}
using namespace coefdyn;
{mixer}
extern "C" int coefdyn_spectrum(interop::spectrum_call* c, char* sentence, unsigned long room) {{
  return interop::spectrum_of<the_mixer, {over}>(c, sentence, room);
}}
"""
_loaded = {}


class _Array(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("of", ctypes.c_int), ("rank", ctypes.c_int), ("extents", ctypes.c_int64 * 5),
                ("strides", ctypes.c_int64 * 5), ("given", ctypes.c_bool)]


class _Call(ctypes.Structure):
    _fields_ = [("streams", ctypes.POINTER(_Array)), ("eigenvalues", ctypes.c_void_p), ("coefficients", ctypes.c_void_p),
                ("degree_one_part", ctypes.c_bool)]


def _eigen():
    for place in (os.environ.get("EIGEN3_INCLUDE_DIR"), "/usr/include/eigen3", "/usr/local/include/eigen3"):
        if place and (pathlib.Path(place) / "Eigen" / "Core").is_file():
            return place
    raise RuntimeError("coefdyn: spectrum: expected Eigen's headers (Debian: libeigen3-dev; or set EIGEN3_INCLUDE_DIR), given none")


def _library(mixer):
    if mixer.name not in _loaded:
        if mixer.expression is None:
            found = f'using found = interop::detail::find_named<"{mixer.name}", mixers::all>::type;\nusing the_mixer = found::mixer_type;'
            over = "found::over"
        else:
            found, over = f"using the_mixer = {mixer.expression};", f"field::{mixer.over}"
        text = _unit.format(includes="\n".join(f'#include "{h}"' for h in mixer.headers), mixer=found, over=over)
        library = ctypes.CDLL(str(compiled(text, mixer.name, include=(*mixer.include, _eigen()))))
        library.coefdyn_spectrum.argtypes = [ctypes.POINTER(_Call), ctypes.c_char_p, ctypes.c_ulong]
        _loaded[mixer.name] = library
    return _loaded[mixer.name]


class Spectrum:
    """eigenvalues (B, Hy, T, n) of the map from token to token, NaN at the first one and where a row has no weight; coefficients (B, Hy, T, T writes) or None; degree_one_part: whether the
    eigenvalues are the degree-one part of the lift's (a nonlinear readout beside an evolution)."""

    def __init__(self, name, eigenvalues, coefficients, degree_one_part):
        self.name, self.eigenvalues, self.coefficients, self.degree_one_part = name, eigenvalues, coefficients, degree_one_part

    def __repr__(self):
        return f"Spectrum({self.name}, largest |lambda| {self.eigenvalues.abs().nan_to_num(0).max().item():.4g})"

    def plot(self, path=None, sequence=0, head=0):
        """Eigenvalues in the complex plane beside log |alpha_ij| of one head; returns matplotlib's figure, and writes it to `path`."""
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise ImportError("coefdyn: Spectrum.plot: expected matplotlib, given none; pip install matplotlib") from None
        figure = Figure(figsize=(9, 4), layout="constrained")
        left, right = figure.subplots(1, 2)
        points = self.eigenvalues[sequence, head].reshape(-1)
        turn = torch.linspace(0, 2 * torch.pi, 200)
        left.plot(turn.cos(), turn.sin(), color="0.8")
        left.scatter(points.real, points.imag, s=4)
        left.set(title=f"{self.name}: eigenvalues", xlabel="Re", ylabel="Im", aspect="equal")
        if self.coefficients is not None:
            shown = self.coefficients[sequence, head].abs().clamp_min(1e-12).log10()
            figure.colorbar(right.imshow(shown, aspect="auto", cmap="viridis"), ax=right, label="log10 |alpha|")
            right.set(title="coefficients", xlabel="write j", ylabel="token i")
        if path is not None:
            figure.savefig(path)
        return figure


def spectrum(mixer, *given, coefficients=True, **streams):
    """The Spectrum of a mixer (a coefdyn.Mixer or a name) on streams as its call takes them; v may be left out. The first call for a
    mixer compiles it (20 s; needs Eigen's headers), later ones find it in the cache. Coefficients take T^2 numbers a head."""
    mixer = _operators.named(mixer) if isinstance(mixer, str) else mixer
    if "v" not in streams and len(given) < 3:
        k = _operators.tensor(streams["k"] if "k" in streams else given[1])
        streams["v"] = torch.ones(1, dtype=torch.float64).expand(*k.shape[:3], 1)
    inputs = []
    for stream, x in zip(mixer.streams, mixer._inputs(given, streams)):
        inputs.append(x.detach().to("cpu", torch.complex128 if stream.complex else torch.float64).resolve_conj())
    q, k, v = inputs[:3]
    for x, name in ((q, "q"), (k, "k"), (v, "v")):
        if x.dim() != 4:
            raise ValueError(f"coefdyn: {name}: expected a tensor of 4 axes, given {x.dim()} axes")
    arrays = (_Array * len(inputs))()
    for a, x in zip(arrays, inputs):
        a.data, a.of, a.rank, a.given = x.data_ptr() if x.numel() else None, 5 if x.is_complex() else 3, x.dim(), True
        for axis in range(min(x.dim(), 5)):
            a.extents[axis], a.strides[axis] = x.size(axis), x.stride(axis)
    B, T, heads, n = q.shape[0], q.shape[1], max(q.shape[2], v.shape[2]), q.shape[3]
    eigenvalues = torch.full((B, heads, T, n), complex("nan"), dtype=torch.complex128)
    alpha = torch.empty(B, heads, T, T * mixer.writes, dtype=torch.float64) if coefficients else None
    call = _Call(arrays, eigenvalues.data_ptr(), alpha.data_ptr() if coefficients else None, False)
    sentence = ctypes.create_string_buffer(2000)
    if _library(mixer).coefdyn_spectrum(ctypes.byref(call), sentence, len(sentence)):
        raise ValueError(sentence.value.decode())
    return Spectrum(mixer.name, eigenvalues, alpha, call.degree_one_part)
