#!/bin/sh
# SPDX-License-Identifier: MIT
# The NEON kernels on a machine without them: cross compiles the products' tests and some laws for 64-bit ARM and runs them under
# emulation. Leaves with 77, "skipped", where a tool is missing (Debian: g++-aarch64-linux-gnu qemu-user).
#
#   tests/cpu/neon.sh [FOLDER]        FOLDER keeps the objects; left out: a temporary one
set -eu
compiler=aarch64-linux-gnu-g++ emulator=qemu-aarch64
for tool in $compiler $emulator; do
  command -v $tool > /dev/null || { echo "skipped: no $tool"; exit 77; }
done
root=$(cd "$(dirname "$0")/../.." && pwd)
out=${1:-$(mktemp -d)}
mkdir -p "$out"
[ $# -gt 0 ] || trap 'rm -rf "$out"' EXIT

# doctest and nothing else comes from this machine's headers
mkdir -p "$out/headers"
ln -sfn /usr/include/doctest "$out/headers/doctest"
flags="-std=c++20 -O1 -static -I$root/include -I$root/tests -idirafter $out/headers"
build() {  # program, sources under tests/
  program=$1 objects=
  shift
  for source in main.cpp "$@"; do
    object=$out/$program-$(echo "$source" | tr / _).o
    $compiler $flags -c "$root/tests/$source" -o "$object"
    objects="$objects $object"
  done
  $compiler $flags $objects -o "$out/$program"
}
build products cpu/products.cpp
$emulator "$out/products"
flags="$flags -DCOEFDYN_TARGETS=1"
build laws ../include/coefdyn/cpu/targets.cpp laws/forms_agree.cpp laws/gradients.cpp laws/same_bits.cpp support/problem.cpp support/subject.cpp \
  laws/mixers/rwkv7.cpp laws/mixers/rank_one.cpp laws/mixers/comba.cpp laws/mixers/rank_one_readouts.cpp
COEFDYN_REDUCED=1 $emulator "$out/laws" --test-case="forms agree*,gradients are*,inputs at time p*"
