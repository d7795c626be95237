#!/bin/sh
# SPDX-License-Identifier: MIT
# plain.sh COMPILER PREFIX FOLDER [EIGEN]: the headers alone. A build that has been told nothing runs plain loops, and says so while it
# compiles, without a warning, and while it runs; with the one line in one file, and with the library's source, it has everything.
set -eu
compiler=$1 headers=$2/include out=$3/consumer_plain
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
build() { $compiler -std=c++20 -Wall -Wextra -Werror "-I$headers" "-I$here" "$@"; }
notes() { grep -c "no vector targets here" "$1" || true; }

build -DCONSUMER_PLAIN -c "$here/main.cpp" -o "$out/plain.o" 2> "$out/note"
build -DCOEFDYN_TARGETS=0 -c "$here/shared.cpp" -o "$out/shared.o" 2> "$out/no_note"
$compiler "$out/plain.o" "$out/shared.o" -o "$out/plain"
"$out/plain"
case $(uname -m) in
  x86_64 | aarch64) [ "$(notes "$out/note")" -ge 1 ] || { echo "no note"; exit 1; } ;;
esac
[ "$(notes "$out/no_note")" -eq 0 ] || { echo "a note that was answered"; exit 1; }

printf '#include <coefdyn/cpu/targets.hpp>\n#include "main.cpp"\n' > "$out/with_line.cpp"
build -c "$out/with_line.cpp" -o "$out/with_line.o" 2> "$out/no_note"
$compiler "$out/with_line.o" "$out/shared.o" -o "$out/with_line"
"$out/with_line"
[ "$(notes "$out/no_note")" -eq 0 ] || { echo "a note beside targets.hpp"; exit 1; }

if [ $# -gt 3 ]; then # where Eigen is
  $compiler -std=c++20 -Wall -Wextra -Werror "-I$headers" -isystem "$4" "$here/spectrum.cpp" -o "$out/spectrum"
  "$out/spectrum"
  $compiler -std=c++20 -DCOEFDYN_TARGETS=0 "-I$headers" -isystem "$4" "$here/convolution.cpp" -o "$out/convolution"
  "$out/convolution"
fi
