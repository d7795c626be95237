#!/bin/sh
# SPDX-License-Identifier: MIT
# tests/golden_nn/run.sh DIR [BUILD_DIR]: checks layers and models against every layer_*.safetensors and model_*.safetensors of DIR, in double
# and in float, and tasks against every tasks*.safetensors. The last line is `N passed, N failed`; exit code 0 iff none failed. CXX, CXXFLAGS and JOBS are taken from the environment.
# tests/golden_nn/run.sh --pack DIR [BUILD_DIR]: checks nothing, and leaves in build/golden-nn-gpu the cases, the units' sources and the
# runner, which is all that tests/cuda/golden_nn.sh needs on a machine with a GPU.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
pack=
if [ "${1:-}" = --pack ]; then
  pack=$here/../../build/golden-nn-gpu
  shift
fi
cases=${1:?usage: run.sh [--pack] DIR [BUILD_DIR]}
build=${2:-$here/../../build/golden-nn}
jobs=${JOBS:-$(nproc)}
if [ ! -d "$cases" ]; then
  echo "$cases is absent: golden vectors of layers are skipped"
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
fi
compiler=${CXX:-g++}
launcher=$(command -v ccache || true)
mkdir -p "$build/units"
cmake -S "$here" -B "$build" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" ${launcher:+-DCMAKE_CXX_COMPILER_LAUNCHER="$launcher"} > "$build/cmake.log" 2>&1 || { cat "$build/cmake.log"; exit 2; }
ninja -C "$build" -j "$jobs" --quiet golden_nn_generate golden_nn_runner
if [ -n "$pack" ]; then
  rm -rf "$pack"
  mkdir -p "$pack/cases"
  find "$cases/" -maxdepth 1 \( -name 'layer_*.safetensors' -o -name 'model_*.safetensors' \) -exec cp -t "$pack/cases" {} +
  cp "$build/golden_nn_runner" "$pack"
  exec "$build/golden_nn_generate" "$cases" "$pack/units" nvcc
fi
eigen=$(pkg-config --cflags-only-I eigen3 2> /dev/null | sed 's/-I/-isystem /g' || true) # S4 by convolution, where it is
# shellcheck disable=SC2086
"$build/golden_nn_generate" "$cases" "$build/units" ${launcher:+"$launcher"} "$compiler" -std=c++20 -O0 -DCOEFDYN_TARGETS=0 $eigen ${CXXFLAGS:-} "-I$here/../../include" "-I$here"
# not optimised: a case is a dozen tokens, and compiling is what takes time; a type that the library refuses fails its own cases only
ninja -C "$build/units" -j "$jobs" -k 0 || echo "some layers did not compile; their cases fail below"
exec "$build/golden_nn_runner" "$cases" "$build/units"
