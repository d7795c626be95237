#!/bin/sh
# SPDX-License-Identifier: MIT
# Compiles every listing of the pages and of the doc blocks in headers: what stands between a line "```cpp" and a line "```".
#
#   tests/listings/run.sh COMPILER [FLAG...]        FLAGs: include folders and the like beside the library's own
#
# A listing with an #include line and no words is a file of its own. Another is a fragment: declarations after <coefdyn/coefdyn.hpp>, the header it
# stands in, and `using namespace coefdyn`. Words after "cpp" say otherwise:
#   statements    the body of a function
#   with NAME     after tests/listings/NAME.hpp, which declares in namespace coefdyn::listing what the fragment takes for granted
#   continues     goes on in the scope of the listing before it in the page
# "```cuda", with the same words, is compiled by nvcc where there is one. Other fences say what they hold (sh, cmake, text) and are left
# alone; one that does not, and a statement in a header's doc block outside of a fence, is a fault.
set -u
compiler=$1
shift
root=$(cd "$(dirname "$0")/../.." && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cd "$root" || exit 1
pages=$(find README.md include examples bench -name '*.md' | sort)
headers=$(find include -name '*.hpp' -o -name '*.cuh' | sort)
status=0

# One file for each context, in which every listing has a namespace, and one for each that stands alone.
for file in $pages $headers; do
  awk -v file="$file" -v out="$out" -f tests/listings/extract.awk "$file" || status=1
done
count=0
for unit in "$out"/*.cpp "$out"/*.cu; do
  [ -f "$unit" ] || continue
  count=$((count + $(grep -c '^#line' "$unit")))
  case $unit in
    *.cu)
      command -v nvcc > /dev/null || continue
      nvcc -std=c++20 -DCOEFDYN_TARGETS=0 -Iinclude -Itests/listings -diag-suppress 20013,20015,177,550 -ptx -o /dev/null "$unit" || status=1
      ;;
    *) "$compiler" -std=c++20 -fsyntax-only -DCOEFDYN_TARGETS=0 -Iinclude -Itests/listings "$@" "$unit" || status=1 ;;
  esac
done
echo "$count listings"
[ "$count" -gt 0 ] || status=1
exit $status
