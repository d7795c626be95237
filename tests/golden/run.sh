#!/bin/sh
# SPDX-License-Identifier: MIT
# tests/golden/run.sh [DIR [BUILD_DIR]]: checks the library against every .safetensors case of DIR; without one, of cases/ here: one
# a form of structure, from an oracle in float64 that shares no code with the library. The last line is `N passed, N failed`; exit
# code 0 iff none failed. CXX, CXXFLAGS and JOBS are taken from the environment.
# tests/golden/run.sh --pack [DIR [BUILD_DIR]]: checks nothing, and leaves in build/golden-gpu the cases, the units' sources and the
# runner, which is all that tests/cuda/golden.sh needs on a machine with a GPU.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
pack=
if [ "${1:-}" = --pack ]; then
  pack=$here/../../build/golden-gpu
  shift
fi
cases=${1:-$here/cases}
build=${2:-$here/../../build/golden}
jobs=${JOBS:-$(nproc)}
if [ ! -d "$cases" ]; then
  echo "$cases is absent: golden vectors are skipped"
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
fi
compiler=${CXX:-g++}
launcher=$(command -v ccache || true)
mkdir -p "$build/units"
cmake -S "$here" -B "$build" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" ${launcher:+-DCMAKE_CXX_COMPILER_LAUNCHER="$launcher"} > "$build/cmake.log" 2>&1 || { cat "$build/cmake.log"; exit 2; }
ninja -C "$build" -j "$jobs" --quiet golden_generate golden_runner
if [ -n "$pack" ]; then
  rm -rf "$pack"
  mkdir -p "$pack/cases"
  find "$cases/" -maxdepth 1 -name '*.safetensors' -exec cp -t "$pack/cases" {} +
  cp "$build/golden_runner" "$pack"
  exec "$build/golden_generate" "$cases" "$pack/units"
fi
eigen=$(sed -n 's/^EIGEN3_INCLUDE_DIR:PATH=//p' "$build/CMakeCache.txt")
# shellcheck disable=SC2086
"$build/golden_generate" "$cases" "$build/units" ${launcher:+"$launcher"} "$compiler" -std=c++20 -O1 -DCOEFDYN_TARGETS=0 ${CXXFLAGS:-} "-I$here/../../include" "-I$here" -isystem "$eigen"
# a combination that the library refuses fails its own cases only
ninja -C "$build/units" -j "$jobs" -k 0 || echo "some combinations did not compile; their cases fail below"
exec "$build/golden_runner" "$cases" "$build/units"
