#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds the package of examples/pytorch with a few mixers and tests its operators on CUDA (cuda.py): the end of `./run gpu-test`. Says
# skipped, and succeeds, where there is no nvcc, no CMake or no PyTorch that reaches a GPU. COEFDYN_TORCH_PYTHON: the interpreter, python3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=${COEFDYN_TORCH_PYTHON:-python3}
skip() { printf "PyTorch's operators on CUDA: skipped, %s\n" "$1"; exit 0; }
for tool in nvcc cmake ninja "$python"; do command -v "$tool" >/dev/null || skip "no $tool"; done
"$python" -c 'import torch; torch.zeros(1, device="cuda")' 2>/dev/null || skip "$python has no PyTorch that reaches a GPU"
echo "PyTorch's operators on CUDA"
mkdir -p build/torch
cmake -S examples/pytorch -B build/torch/cuda -G Ninja -DCMAKE_BUILD_TYPE=None --log-level=ERROR -DCMAKE_INSTALL_PREFIX="$PWD/build/torch/cuda-package" \
  -DPython_EXECUTABLE="$(command -v "$python")" -DCOEFDYN_TORCH_FLAGS=-O1 \
  "-DCOEFDYN_TORCH_MIXERS=softmax_attention;mamba2;gated_deltanet;gla;rwkv7;mlstm"
cmake --build build/torch/cuda >build/torch/cuda.log 2>&1 || { tail -30 build/torch/cuda.log; exit 1; }
rm -rf build/torch/cuda-package build/torch/cuda-cache # what nvcc has kept is compiled again: the library may have changed
cmake --install build/torch/cuda >/dev/null
cp -r examples/pytorch/coefdyn build/torch/cuda-package/
echo "built the package in $SECONDS s"
XDG_CACHE_HOME=$PWD/build/torch/cuda-cache PYTHONPATH=build/torch/cuda-package "$python" tests/torch/cuda.py
