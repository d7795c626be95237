#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds the package of examples/pytorch and the reference program, and runs operators.py: `./run torch-test`.
#
#   tests/torch/run.sh [GOLDEN_NN_FOLDER]       COEFDYN_TORCH_MIXERS="gla;mlstm": of these alone, for a quick try
#
# PyTorch comes from wherever pip is configured to look, into a virtual environment that is kept: COEFDYN_TORCH_VENV, or
# $XDG_CACHE_HOME/coefdyn/torch, or ~/.cache/coefdyn/torch (5 GB with PyTorch's default build).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
venv=${COEFDYN_TORCH_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/coefdyn/torch}
golden=${1:-../shared/golden_nn}
cores=$(nproc 2>/dev/null || echo 1)
export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$cores}
say() { printf '== %s\n' "$*"; }

if ! "$venv/bin/python" -c 'import torch, numpy, scikit_build_core' 2>/dev/null; then
  say "PyTorch into $venv"
  mkdir -p "$(dirname "$venv")"
  python3 -m venv "$venv"
  if ! "$venv/bin/pip" install --quiet --timeout 30 --retries 2 'torch>=2.4' numpy 'scikit-build-core>=0.10' setuptools; then
    echo "skipped: pip cannot install PyTorch here"
    exit 0
  fi
fi
say "the reference program"
cmake -S tests/torch -B build/torch/reference -G Ninja -DCMAKE_BUILD_TYPE=None --log-level=NOTICE \
  -DCOEFDYN_TORCH_MIXERS="${COEFDYN_TORCH_MIXERS:-}"
cmake --build build/torch/reference
rm -rf build/torch/vectors
mkdir -p build/torch/vectors
build/torch/reference/reference build/torch/vectors

say "the package"
"$venv/bin/pip" install --quiet --no-build-isolation --no-deps --force-reinstall -C build-dir="$PWD/build/torch/package" \
  -C cmake.build-type=None -C cmake.define.COEFDYN_TORCH_FLAGS=-O1 -C cmake.define.COEFDYN_TORCH_MIXERS="${COEFDYN_TORCH_MIXERS:-}" ./examples/pytorch

say "test"
"$venv/bin/python" tests/torch/operators.py build/torch/vectors "$golden"
