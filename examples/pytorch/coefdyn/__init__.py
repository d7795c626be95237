# SPDX-License-Identifier: MIT
"""coefdyn's mixers as operators of PyTorch, with gradients.

    y = coefdyn.gated_deltanet(q, k, v, log_decay=g, beta=beta)
    y, state = coefdyn.gla(q, k, v, g, final=True)
    y = coefdyn.gla(q2, k2, v2, g2, initial=state)
    own = coefdyn.mixer("mixer<readout::linear, evolution::scalar, scaling::one, normalization::sqrt_dim>")

Tensors lie on the CPU or on CUDA. Every named mixer is an attribute; coefdyn.mixers() lists them, help(coefdyn.gla) says what one takes.
"""
import torch as _torch

if tuple(int(part) for part in _torch.__version__.split("+")[0].split(".")[:2]) < (2, 4):
    raise ImportError(f"coefdyn: expected PyTorch 2.4 or newer, given {_torch.__version__}; pip install --upgrade torch, then install coefdyn again.")

from .operators import Mixer, State, Stream, mixers, named
from .compiling import mixer
from .spectra import Spectrum, spectrum
from . import cuda, nn

for _name in mixers():
    globals()[_name] = named(_name)

__all__ = ["Mixer", "Spectrum", "State", "Stream", "cuda", "mixer", "mixers", "named", "nn", "spectrum", *mixers()]
