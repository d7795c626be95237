#!/bin/sh
# SPDX-License-Identifier: MIT
# What must not compile: each file as it stands, which has to, and once for every `// expects: sentence` with COEFDYN_MUST_FAIL as 1, 2, ..
# and the file's `// flags:`, where the sentence has to be the compiler's first error, and its only one but for clang, which says no more of a
# class of which an assertion failed.
#
#   tests/compile_fail/run.sh COMPILER FILE...        leaves with 77, "skipped", where there is no such compiler
set -u
compiler=$1
shift
command -v "$compiler" > /dev/null || { echo "skipped: no $compiler"; exit 77; }
include=$(cd "$(dirname "$0")/../../include" && pwd)
said=$(mktemp)
trap 'rm -f "$said"' EXIT
status=0
fault() {
  echo "$1"
  cut -c1-400 "$said" | head -20
  status=1
}
compile() { LC_ALL=C "$compiler" -std=c++20 -fsyntax-only -DCOEFDYN_TARGETS=0 -fmessage-length=0 "-I$include" "$@" > "$said" 2>&1; }
for file; do
  compile "$file" || fault "$file: does not compile without its mistake"
  flags=$(sed -n 's|^// flags: ||p' "$file")
  cases=$(grep -c '^// expects: ' "$file")
  [ "$cases" -gt 0 ] || fault "$file: does not say what it expects"
  case=0
  while [ "$case" -lt "$cases" ]; do
    case=$((case + 1))
    sentence=$(sed -n 's|^// expects: ||p' "$file" | sed -n "${case}p")
    if compile "-DCOEFDYN_MUST_FAIL=$case" $flags "$file"; then fault "$file, case $case: compiles"; fi
    grep -m 1 'error:' "$said" | grep -qF "$sentence" || fault "$file, case $case: the first error is not: $sentence"
    case $compiler in
      *clang*) ;;
      *) [ "$(grep -c ': error:' "$said")" -eq 1 ] || fault "$file, case $case: more than one error" ;;
    esac
  done
done
exit $status
