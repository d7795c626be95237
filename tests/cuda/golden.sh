#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The golden vectors on a GPU: builds the units that `./run golden-pack DIR` left in build/golden-gpu for the card in this machine
# with all cores, and runs every case, each in a process of its own, since a fault on the device ends its process's use of it.
# tests/cuda/golden.sh nn: those of layers and models, which `./run golden-nn-pack DIR` left in build/golden-nn-gpu.
# Says skipped, and succeeds, where there is no such folder, no nvcc or no GPU. COEFDYN_GPU_ARCH=90a builds without a GPU.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
skip() { printf 'skipped: %s\n0 passed, 0 failed, 1 skipped\n' "$1"; exit 0; }
export kind=golden${1:+-$1} runner=golden${1:+_$1}_runner only=--units-only libraries=
export pack=build/$kind-gpu
[ "${1:-}" != nn ] || { only="" libraries=-lcublasLt; }
[ -d "$pack/units" ] || skip "no $pack, which ./run $kind-pack DIR writes"
command -v nvcc >/dev/null || skip "no nvcc"
arch=${COEFDYN_GPU_ARCH:-$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -1 | tr -d . || true)}
[ -n "$arch" ] || skip "no GPU"
[ "$arch" = 90 ] && arch=90a
export build=${COEFDYN_GPU_BUILD:-build/cuda-tests}/$kind
rm -rf "$build"
mkdir -p "$build/logs"
export flags="-std=c++20 -O2 -Iinclude -Itests/${kind/-/_} -gencode arch=compute_$arch,code=sm_$arch -diag-suppress 20013,20015 ${COEFDYN_GPU_FLAGS:-}"
compile() { # UNIT.cpp; the runner says why where there is no library
  local library
  library=$build/$(basename "$1" .cpp).so
  # shellcheck disable=SC2086
  nvcc $flags -shared -Xcompiler -fPIC -x cu -o "$library" "$1" $libraries >"$library.log" 2>&1 || rm -f "$library"
}
check() { # CASE.safetensors
  local name code=0
  name=$(basename "$1" .safetensors)
  # shellcheck disable=SC2086
  timeout "${COEFDYN_GOLDEN_SECONDS:-120}" "$pack/$runner" "$1" "$build" $only >"$build/logs/$name" 2>&1 || code=$?
  [ $code -le 1 ] || printf 'FAIL %s: the runner ended with code %s\n0 passed, 1 failed\n' "$name" $code >>"$build/logs/$name"
}
export -f compile check
started=$SECONDS
printf '%s\n' "$pack"/units/*.cpp | xargs -P "$(nproc)" -I{} bash -c 'compile {}'
echo "built $(find "$build" -name '*.so' | wc -l) $kind units for sm_$arch in $((SECONDS - started)) s"
nvidia-smi -L >/dev/null 2>&1 || skip "no GPU"
started=$SECONDS
printf '%s\n' "$pack"/cases/*.safetensors | xargs -P 8 -I{} bash -c 'check {}'
cat "$build"/logs/* | awk '
  /^[0-9]+ passed, [0-9]+ failed/ { passed += $1; failed += $3; skipped += $5; next }
  { print }
  END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped; exit failed > 0 }' && status=0 || status=1
echo "$kind ran in $((SECONDS - started)) s"
exit $status
