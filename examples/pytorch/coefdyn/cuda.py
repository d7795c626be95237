# SPDX-License-Identifier: MIT
"""Mixers on CUDA. A mixer's calls are compiled by nvcc when it is first given tensors on CUDA, one type of numbers at a time, and kept where
coefdyn.mixer keeps its own. Ahead of that, and without a GPU where COEFDYN_GPU_ARCH says which ("90a"):

    python -m coefdyn cuda gla mamba2 --types float32 bfloat16        # no names: every named mixer
"""
import concurrent.futures
import ctypes
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time

import torch

from . import operators as _operators
from .compiling import abi, cache_folder, headers_text, kept

_unit = """// made by coefdyn.cuda
#include <coefdyn/coefdyn.hpp>
#include <coefdyn/interop/table.cuh>
{includes}
using namespace coefdyn;
{mixer}
extern "C" __attribute__((visibility("default"))) void coefdyn_{call}(const interop::table_call& c) {{
  interop::detail::typed_calls<interop::detail::on_gpu, the_mixer, {rows}, {over}, form::{form}>::{call}(c);
}}
"""
_rows = {"float32": "float", "float64": "double", "bfloat16": "bf16", "float16": "half"}
_calls = ("forward", "backward")
_lock = threading.Lock()
_loaded = {}  # libraries, by mixer and type of numbers


def types_of(mixer):
    """Types of numbers that a mixer has calls in, by their names in PyTorch; a complex mixer's are those of the parts."""
    return tuple(_rows)[:2] if mixer.complex_rows else tuple(_rows)


def nvcc():
    """nvcc, of $CUDACXX, $CUDA_HOME, PATH or /usr/local/cuda, with its version."""
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    places = (os.environ.get("CUDACXX"), home and f"{home}/bin/nvcc", shutil.which("nvcc"), "/usr/local/cuda/bin/nvcc")
    found = next((place for place in places if place and pathlib.Path(place).is_file()), None)
    if found is None:
        raise RuntimeError("coefdyn: CUDA: expected nvcc of CUDA 12.4 or newer, which compiles a mixer at its first call there, given none; "
                           "install NVIDIA's CUDA toolkit, or set CUDACXX to its nvcc")
    version = re.search(r"release (\d+)\.(\d+)", subprocess.run([found, "--version"], capture_output=True, text=True).stdout)
    version = tuple(map(int, version.groups())) if version else (0, 0)
    if version < (12, 4):
        raise RuntimeError(f"coefdyn: CUDA: expected nvcc of CUDA 12.4 or newer, given {'.'.join(map(str, version))} ({found}); set CUDACXX to a newer one")
    return found, version


def architectures():
    """Those of this machine's GPUs, or of $COEFDYN_GPU_ARCH: ("90a",)."""
    said = os.environ.get("COEFDYN_GPU_ARCH")
    if said:
        return tuple(said.replace(",", " ").split())
    found = sorted({torch.cuda.get_device_capability(i) for i in range(torch.cuda.device_count())}) if torch.cuda.is_available() else []
    if not found:
        raise RuntimeError('coefdyn: CUDA: expected a GPU that PyTorch reaches, or COEFDYN_GPU_ARCH="90a" to compile for one, given neither')
    return tuple(f"{major}{minor}" + ("a" if (major, minor) == (9, 0) else "") for major, minor in found)


def _compiled(mixer, rows, call, compiler, version, archs):
    """The library of one call of a mixer in one type of numbers."""
    if mixer.expression is None:
        made, over = f'using found = interop::detail::find_named<"{mixer.name}", mixers::all>::type;\nusing the_mixer = found::mixer_type;', "found::over"
    else:
        made, over = f"using the_mixer = {mixer.expression};", f"field::{mixer.over}"
    text = _unit.format(includes="\n".join(f'#include "{h}"' for h in mixer.headers), mixer=made, over=over, rows=_rows[rows], call=call,
                        form=mixer.form)
    options = ["-std=c++20", "-O2", "-shared", "-Xcompiler", "-fPIC,-fvisibility=hidden", "-diag-suppress", "20013,20015", abi]
    options += [f"-gencode=arch=compute_{a},code=sm_{a}" for a in archs] + [f"-I{_operators.folder / 'include'}", *(f"-I{i}" for i in mixer.include)]
    return kept(text, ".cu", [headers_text(mixer.headers, mixer.include), *map(str, version), *options], mixer.cache,
                lambda unit, out: [compiler, *options, str(unit), "-o", str(out)])


def prepare(*mixers, types=("float32", "bfloat16"), jobs=None, say=lambda line: print(line, file=sys.stderr, flush=True)):
    """Compiles mixers (or their names; none: every named one) for CUDA ahead of their first call, `jobs` units at a time; those that are kept
    already cost nothing."""
    for kind in types:
        if kind not in _rows:
            raise ValueError(f"coefdyn: types: expected some of {', '.join(_rows)}, given {kind}")
    chosen = [_operators.named(m) if isinstance(m, str) else m for m in mixers or _operators.mixers()]
    compiler, version = nvcc()
    archs, began = architectures(), time.time()
    wanted = [(m, rows, call) for m in chosen for rows in types if rows in types_of(m) for call in _calls]
    with concurrent.futures.ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
        work = {pool.submit(_compiled, *unit, compiler, version, archs): unit for unit in wanted}
        for count, done in enumerate(concurrent.futures.as_completed(work), 1):
            m, rows, call = work[done]
            try:
                done.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
            say(f"coefdyn: {count} of {len(wanted)}: {m.name}, {rows}, {call} ({time.time() - began:.0f} s)")


def _load(mixer, rows):
    if (mixer.name, rows) in _loaded:
        return
    compiler, version = nvcc()
    archs, began, told = architectures(), time.time(), []

    def tell():
        told.append(True)
        print(f"coefdyn: nvcc compiles {mixer.name} in {rows} for sm_{', sm_'.join(archs)}; kept in {mixer.cache or cache_folder()}", file=sys.stderr, flush=True)

    slow = threading.Timer(0.5, tell)  # those that are kept take less
    slow.start()
    try:
        with concurrent.futures.ThreadPoolExecutor(len(_calls)) as pool:
            libraries = [ctypes.CDLL(str(path)) for path in pool.map(lambda call: _compiled(mixer, rows, call, compiler, version, archs), _calls)]
    finally:
        slow.cancel()
    if told:
        print(f"coefdyn: {mixer.name} in {rows}: {time.time() - began:.0f} s", file=sys.stderr, flush=True)
    calls = [ctypes.cast(getattr(library, f"coefdyn_{call}"), ctypes.c_void_p) for library, call in zip(libraries, _calls)]
    _operators.library.coefdyn_add_on_gpu(mixer.name.encode(), rows.encode(), *calls)
    _loaded[mixer.name, rows] = libraries


_sentence = threading.local()


@ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p)
def _on_demand(name, rows):
    """What the operators call at the first call on a GPU; a sentence where it cannot be made."""
    try:
        with _lock:
            _load(_operators.named(name.decode()), rows.decode())
        return None
    except Exception as error:
        text = str(error)
        _sentence.text = ctypes.create_string_buffer((text if text.startswith("coefdyn: ") else f"coefdyn: CUDA: {error!r}").encode())
        return ctypes.addressof(_sentence.text)


_operators.library.coefdyn_load_on_gpu(_on_demand)
