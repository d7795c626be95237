# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# For tests of a program as a user meets it, to be sourced with its path as $1: goes into a folder of its own, which goes at the end.
set -eu
program=$1
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cd "$here"
fail() {
  echo "$1" >&2
  exit 1
}
# refused SENTENCE ARGUMENTS...: exit code 2, that sentence alone on stderr, nothing written.
refused() {
  want=$1
  shift
  code=0
  "$program" "$@" --out out > said 2> wrong || code=$?
  [ $code -eq 2 ] || fail "exit code $code of: $*"
  [ "$(wc -l < wrong)" -eq 1 ] || fail "more than a sentence of: $*: $(cat wrong)"
  grep -qF -- "$want" wrong || fail "expected '$want' of: $*, but it says: $(cat wrong)"
  [ ! -e out ] || fail "something is written by: $*"
}
