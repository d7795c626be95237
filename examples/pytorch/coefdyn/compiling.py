# SPDX-License-Identifier: MIT
"""Mixers without a name, compiled when the program runs and kept under a hash of their text."""
import ctypes
import fcntl
import functools
import hashlib
import os
import pathlib
import re
import shlex
import subprocess
import tempfile

import torch

from . import operators as _operators

_unit = """// made by coefdyn.mixer
#include <coefdyn/coefdyn.hpp>
#include <coefdyn/interop/table.hpp>
{includes}
using namespace coefdyn;
using the_mixer = {expression};
extern "C" const interop::mixer_table* coefdyn_table() {{
  static const interop::mixer_table table = interop::table_of<the_mixer, field::{over}, form::{form}>("{name}");
  return &table;
}}
"""
_loaded = {}
abi = f"-D_GLIBCXX_USE_CXX11_ABI={int(torch._C._GLIBCXX_USE_CXX11_ABI)}"


def cache_folder():
    """Where compiled mixers are kept: $XDG_CACHE_HOME/coefdyn, or ~/.cache/coefdyn."""
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "coefdyn"


def headers_text(headers, include):
    text = []
    for header in headers:
        for place in ("", *include):
            path = pathlib.Path(place) / header
            if path.is_file():
                text.append(path.read_text())
                break
    return "\n".join(text)


@functools.cache
def library_mark():
    """A hash of the library's headers, which the units are compiled from."""
    mark = hashlib.sha256()
    for path in sorted((_operators.folder / "include").rglob("*")):
        if path.is_file():
            mark.update(f"{path.relative_to(_operators.folder)}\0".encode() + path.read_bytes())
    return mark.hexdigest()


def kept(text, suffix, marks, cache, command):
    """The library that command(unit, out) makes of a unit's text, unless the cache has one of this text, of these marks and of this
    library. Several processes that want one compile it once. A compiler that is not there is a FileNotFoundError, what does not compile a
    ValueError."""
    folder = pathlib.Path(cache) if cache else cache_folder()
    target = folder / (hashlib.sha256("\0".join([text, library_mark(), *marks]).encode()).hexdigest()[:24] + ".so")
    if target.is_file():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with open(target.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_file():
            return target
        with tempfile.TemporaryDirectory(dir=folder) as work:
            unit, out = pathlib.Path(work) / ("unit" + suffix), pathlib.Path(work) / "unit.so"
            unit.write_text(text)
            done = subprocess.run(command(unit, out), capture_output=True, text=True)
            if done.returncode:
                sentence = re.search(r"(coefdyn: [^\"\n]*)", done.stderr)
                raise ValueError(sentence.group(1) if sentence else f"coefdyn: the unit does not compile:\n{(done.stderr or done.stdout)[:3000]}")
            os.replace(out, target)
    return target


def compiled(text, key, *, include=(), libraries=(), cache=None, compiler=None):
    """The library of a unit's text, compiled unless the cache has one of this text, these options and this library."""
    compiler = shlex.split(compiler or os.environ.get("CXX") or "g++")
    options = ["-std=c++20", "-O2", "-fPIC", "-shared", "-DCOEFDYN_TARGETS=1", abi]
    places = [f"-I{_operators.folder / 'include'}", *(f"-I{place}" for place in include)]
    targets = str(_operators.folder / "lib" / "libcoefdyn_targets.a")
    try:
        return kept(text, ".cpp", [key, *compiler, *options, *places], cache,
                    lambda unit, out: [*compiler, *options, *places, str(unit), "-o", str(out), targets, *libraries])
    except FileNotFoundError:
        raise RuntimeError(f"coefdyn: expected a C++20 compiler (g++ 12 or clang++ 19), given {compiler[0]}, which is not there; set CXX") from None


def mixer(expression, headers=(), *, over="real", form="automatic", include=(), cache=None, compiler=None):
    """The mixer of a C++ type, `"mixer<readout::linear, evolution::scalar, scaling::one, normalization::sqrt_dim>"`, compiled (10 s) unless
    the cache has it; for tensors on CUDA by nvcc as well, at the first of them (coefdyn.cuda). headers: of policies of your own, looked for
    in `include`. over: "complex" for complex q and k. form: that of its calls. Raises ValueError with the library's sentence for a type that
    is none."""
    for name, value, known in (("over", over, ("real", "complex")),
                               ("form", form, ("automatic", "definition", "parallel", "recurrent", "chunkwise"))):
        if value not in known:
            raise ValueError(f"coefdyn: {name}: expected one of {', '.join(known)}, given {value}")
    headers, include = tuple(str(h) for h in headers), tuple(os.path.abspath(i) for i in include) or (os.getcwd(),)
    key = headers_text(headers, include)
    mark = hashlib.sha256("\0".join([expression, over, form, *headers, key]).encode()).hexdigest()[:12]
    if mark not in _loaded:
        text = _unit.format(includes="\n".join(f'#include "{h}"' for h in headers), expression=expression, over=over, form=form,
                            name=f"mixer_{mark}")
        library = ctypes.CDLL(str(compiled(text, key, include=include, cache=cache, compiler=compiler)))
        library.coefdyn_table.restype = ctypes.c_void_p
        made = _operators.register(library.coefdyn_table(), expression, headers, over)
        made.include, made.form, made.cache = include, form, cache
        _loaded[mark] = made
    return _loaded[mark]
