#!/bin/sh
# SPDX-License-Identifier: MIT
# Functions of the library stay short: a body within 40 lines, of a kernel or a device function within 80. Those that are longer stand in
# long_functions.txt, "path function lines"; the list may only shrink, so one that has become shorter has to leave it, or give its new length.
#
#   tests/lint/run.sh [-u]       -u: writes the list anew
set -u
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/../.." || exit 1
list=tests/lint/long_functions.txt
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
long() { awk -v host=40 -v device=80 -f tests/lint/function_length.awk "$@" | sort; }

# What it has to find, and what not, in text made for it: a body of N lines.
body() { # BEFORE N
  printf '%s {\n' "$1"
  awk -v n="$2" 'BEGIN { for (i = 0; i < n; ++i) print "  f({i, [&] { return 1; }});  // }" }'
  printf '}\n'
}
{
  printf 'namespace a {\nconstexpr char brace = %s;\nconstexpr auto text = "{";\n' "'{'"
  body 'inline int short_one(int x)' 40
  body 'template <class T>
  requires(!T::fits && other<T>)
inline int long_one(T x) noexcept' 41
  printf 'struct type {\n  int member{3};\n'
  body '  type(int x) : member{x}, other(x)' 42
  body '  __device__ void short_step() const' 80
  body '  template <class Call>
  __device__ __forceinline__ auto long_step(const Call& call) -> decltype(call())' 81
  printf '};\n'
  body 'template <int n>
__global__ __launch_bounds__(n) void long_kernel(params p)' 82
  printf '}  // namespace a\n'
} >"$out/self.hpp"
found=$(long "$out/self.hpp" | sed 's/.* \(.*\) \(.*\)/\1 \2/' | tr '\n' ' ')
wanted="long_kernel 82 long_one 41 type::long_step 81 type::type 42 "
[ "$found" = "$wanted" ] || { printf 'in text made for it the check finds\n  %s\nnot\n  %s\n' "$found" "$wanted"; exit 1; }

find include -name '*.hpp' -o -name '*.cuh' | sort | xargs awk -v host=40 -v device=80 -f tests/lint/function_length.awk | sort >"$out/now"
[ "${1:-}" = -u ] && cp "$out/now" "$list"
grep -v '^#' "$list" >"$out/listed"
longer=$(comm -23 "$out/now" "$out/listed")
gone=$(comm -13 "$out/now" "$out/listed")
[ -z "$longer" ] || printf 'longer than 40 lines, or 80 on the device (tests/lint/run.sh):\n%s\n' "$longer"
[ -z "$gone" ] || printf 'update the list: %s has these, which have another length or are gone\n%s\n' "$list" "$gone"
[ -z "$longer$gone" ] || exit 1
printf '%s functions above the limits, as listed\n' "$(wc -l <"$out/now")"
