#!/bin/sh
# SPDX-License-Identifier: MIT
# tests/golden_models/run.sh PROGRAM DIR BUILD_DIR: runs golden_models over the models of DIR: folders with config.json and io.safetensors,
# archives *.tar.gz of a tar for each such folder, which are unpacked into BUILD_DIR, and files with what they should give beside them. The last line is `N passed, N failed, N skipped`.
set -eu
program=$1
checkpoints=$2
build=$3
rm -rf "$build"
mkdir -p "$build"
for archive in "$checkpoints"/*.tar.gz; do
  [ -f "$archive" ] || continue
  into=$build/$(basename "$archive" .tar.gz)
  mkdir -p "$into"
  tar -xzf "$archive" -C "$into"
  for one in "$into"/*.tar; do
    [ -f "$one" ] || continue
    tar -xf "$one" -C "$into"
    rm "$one"
  done
done
set --
for io in "$build"/*/*/io.safetensors "$checkpoints"/*/io.safetensors; do
  [ -f "$io" ] && set -- "$@" "$(dirname "$io")"
done
for file in "$checkpoints"/*.safetensors "$checkpoints"/*.bin; do
  case $file in *.tok[0-9]*.bin | */expected-logits-*) continue ;; esac
  [ -f "$file" ] && set -- "$@" "$file"
done
exec "$program" "$@"
