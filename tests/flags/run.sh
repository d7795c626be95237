#!/bin/sh
# SPDX-License-Identifier: MIT
# The library under the flags of other people's builds: warnings that it does not use itself, no exceptions, no run-time types, and both
# using-directives.
#
#   tests/flags/run.sh COMPILER        leaves with 77, "skipped", where there is no such compiler
set -u
compiler=$1
command -v "$compiler" > /dev/null || { echo "skipped: no $compiler"; exit 77; }
here=$(cd "$(dirname "$0")" && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
status=0
fault() { echo "$1"; status=1; }
compile() { "$compiler" -std=c++20 -DCOEFDYN_TARGETS=0 "-I$here/../../include" "$@"; }

warnings="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Werror"
compile $warnings -fsyntax-only "$here/everything.cpp" || fault "warnings"
compile $warnings -fsyntax-only -fno-exceptions -fno-rtti "$here/everything.cpp" || fault "without exceptions and run-time types"
echo '#include <coefdyn/cpu/targets.hpp>' | compile $warnings -fsyntax-only -x c++ - || fault "warnings of targets.hpp"
compile -fsyntax-only "$here/both_usings.cpp" || fault "using namespace std, then coefdyn"
compile -fsyntax-only -DCOEFDYN_SECOND "$here/both_usings.cpp" || fault "using namespace coefdyn, then std"

# Without exceptions an error ends the program (128 + SIGABRT) with its sentence.
compile -fno-exceptions -fno-rtti "$here/refused.cpp" -o "$out/refused" || fault "a program without exceptions"
"$out/refused" 2> "$out/said"
[ $? -eq 134 ] || fault "a refused call without exceptions does not abort"
grep -qF "coefdyn: log_decay: expected shape (1, 8, 2), given shape (1, 8, 3)" "$out/said" || fault "its sentence is missing: $(cat "$out/said")"
exit $status
