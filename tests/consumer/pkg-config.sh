#!/bin/sh
# SPDX-License-Identifier: MIT
# pkg-config.sh COMPILER PREFIX FOLDER: builds and runs the consumer against an installation that was moved, with what pkg-config
# says of it alone. Leaves with 77, "skipped", where there is no pkg-config.
set -eu
compiler=$1 prefix=$2 out=$3/consumer_pkg-config
command -v pkg-config > /dev/null || { echo "skipped: no pkg-config"; exit 77; }
here=$(cd "$(dirname "$0")" && pwd)
rm -rf "$out"
mkdir -p "$out"
cp -r "$prefix" "$out/moved"
PKG_CONFIG_PATH=$(dirname "$(find "$out/moved" -name coefdyn.pc)")
export PKG_CONFIG_PATH
pkg-config --print-errors --exists "coefdyn >= 0.1"
# shellcheck disable=SC2046
$compiler -std=c++20 $(pkg-config --cflags coefdyn) -o "$out/consumer" "$here/main.cpp" "$here/shared.cpp" $(pkg-config --libs coefdyn)
"$out/consumer"
pkg-config --print-errors --exists "coefdyn-spectrum >= 0.1"
# shellcheck disable=SC2046
$compiler -std=c++20 $(pkg-config --cflags coefdyn-spectrum) -o "$out/spectrum" "$here/spectrum.cpp" $(pkg-config --libs coefdyn-spectrum)
"$out/spectrum"
# shellcheck disable=SC2046
$compiler -std=c++20 $(pkg-config --cflags coefdyn-convolution) -o "$out/convolution" "$here/convolution.cpp" $(pkg-config --libs coefdyn-convolution)
"$out/convolution"
