#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds the GPU laws for the card in this machine with all cores and runs them: tests/cuda/run.sh [CASE_TYPE...]
# A name is a mixer's number in mixers.cuh and f32, f64, bf16 or f16, or a file here; without names f32 for all mixers, the others
# for eight and bf16 where a Hopper kernel serves, and all files.
# Without names golden.sh runs beside them. Says skipped, and succeeds, where there is no nvcc or no GPU. COEFDYN_GPU_ARCH=90a builds without
# a GPU.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
skip() { printf '%s\n0 passed, 0 failed, 1 skipped\n' "$1"; exit 0; }
command -v nvcc >/dev/null || skip "no nvcc"
arch=${COEFDYN_GPU_ARCH:-$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -1 | tr -d . || true)}
[ -n "$arch" ] || skip "no GPU"
[ "$arch" = 90 ] && arch=90a
build=${COEFDYN_GPU_BUILD:-build/cuda-tests}
mkdir -p "$build"
names=("$@")
if [ ${#names[@]} -eq 0 ]; then # what takes longest first
  names=(spectrum kernels delta channel step walk walk_gradients fast_calls calls long_rotations decode)
  for k in 3 4 6 13 14 16 31 34; do names+=("${k}_f64" "${k}_bf16"); done
  names+=(13_f16 31_f16)
  for k in 0 1 2 5 23 32 33 36 37 44 45 46; do names+=("${k}_bf16"); done
  for k in $(seq 0 46); do names+=("${k}_f32"); done
  if echo '#include <cublasLt.h>' | nvcc -x cu -E - >/dev/null 2>&1; then names=(nn_state_space nn_rwkv nn_delta nn_gated nn_attention nn_train nn "${names[@]}")
  else echo "layers: skipped, no cublasLt.h"; fi
fi
export build flags="-std=c++20 -O2 -Iinclude -gencode arch=compute_$arch,code=sm_$arch -diag-suppress 20013,20015 ${COEFDYN_GPU_FLAGS:-}"
compile() { # NAME
  local options="-DCASE=${1%_*} -DTYPE=${1#*_}" source=tests/cuda/case.cu
  if [ -f "tests/cuda/$1.cu" ]; then options="" source=tests/cuda/$1.cu; fi
  # shellcheck disable=SC2086
  if ! nvcc $flags $options -c -o "$build/$1.o" $source >"$build/$1.log" 2>&1; then
    rm -f "$build/$1.o"
    echo "failed to compile $1"
    grep -E -A2 'error|terminated' "$build/$1.log" | cut -c1-240 | head -6
    return 1
  fi
}
export -f compile
status=0
started=$SECONDS
printf '%s\n' main "${names[@]}" | xargs -P "$(nproc)" -I{} bash -c 'compile {}' || status=1
objects=("$build/main.o")
for name in "${names[@]}"; do if [ -f "$build/$name.o" ]; then objects+=("$build/$name.o"); fi; done
libraries=
[[ " ${names[*]} " != *" nn"* ]] || libraries=-lcublasLt
# shellcheck disable=SC2086
nvcc $flags -o "$build/laws" "${objects[@]}" $libraries
echo "built ${#objects[@]} objects for sm_$arch in $((SECONDS - started)) s"
nvidia-smi -L >/dev/null 2>&1 || skip "no GPU"
golden=""
if [ $# -eq 0 ]; then # its units compile beside the laws, which want one core
  (tests/cuda/golden.sh && tests/cuda/golden.sh nn) >"$build/golden.log" 2>&1 &
  golden=$!
fi
started=$SECONDS
"$build/laws" || status=1
echo "ran in $((SECONDS - started)) s"
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null || true)
if [ -n "$sanitizer" ] && [ "${COEFDYN_GPU_SANITIZE:-1}" = 1 ]; then
  for tool in memcheck racecheck; do
    # racecheck, far slower, does not follow the Hopper kernels' transaction barriers (bench/gpu_log.md)
    cases=(4_f32 10_f32 16_f32)
    [ "$tool" = racecheck ] || cases=(4 10 16 kernels nn)
    if COEFDYN_GPU_SMALL=1 timeout "${COEFDYN_GPU_SANITIZE_SECONDS:-120}" "$sanitizer" --tool "$tool" --error-exitcode 9 "$build/laws" "${cases[@]}" >"$build/$tool.log" 2>&1; then
      echo "compute-sanitizer $tool: $(tail -1 "$build/$tool.log")"
    elif grep -qiE 'not supported|unable to|permission|internal sanitizer' "$build/$tool.log"; then
      echo "compute-sanitizer $tool: skipped, the device refuses it"
    else
      echo "compute-sanitizer $tool: FAILED or out of time"
      grep -E '=========' "$build/$tool.log" | sort | uniq -c | sort -rn | head -12
      status=1
    fi
  done
fi
if [ -n "$golden" ]; then
  wait "$golden" || status=1
  cat "$build/golden.log"
fi
exit $status
