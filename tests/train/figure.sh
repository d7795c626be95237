#!/bin/sh
# SPDX-License-Identifier: MIT
# tests/train/figure.sh FIGURE: figures as a user meets them: what is wrong is one sentence and writes nothing; Ctrl-C saves the training that runs, the
# same command goes on with it, and once more it repeats nothing; table and pictures are written from what was kept.
# shellcheck source=tests/train/refused.sh
. "$(dirname "$0")/refused.sh"
figure=$program
refused 'no figure is called P1-4; there are P1-1, P1-2, P1-3, P1-5, P2-1, P2-2, P2-3, P2-4.' P1-4 --small
refused 'expected the name of a figure; there are P1-1' --small
refused '--full: the papers'"'"' sizes are not made yet; write ./run figure P2-1 --small.' P2-1 --full
refused '--jobs' P2-1 --jobs 0
"$figure" --list > list || fail "--list fails"
for name in P1-1 P1-2 P1-3 P1-5 P2-1 P2-2 P2-3 P2-4; do grep -q "^$name " list || fail "--list lacks $name"; done
[ "$(wc -l < list)" -eq 8 ] || fail "--list has other lines: $(cat list)"

set -- P2-3 --steps 150 --runs 1 --jobs 1 --out kept
"$figure" "$@" > first.log 2>&1 &
process=$!
until grep -qs '^step ' kept/P2-3/*/log.txt; do
  kill -0 $process 2> /dev/null || fail "the first call ended early: $(cat first.log)"
  sleep 0.05
done
kill -INT $process
code=0
wait $process || code=$?
[ $code -eq 2 ] || fail "exit code $code after Ctrl-C: $(cat first.log)"
grep -q 'the same command goes on' first.log || fail "it does not say that it was stopped: $(cat first.log)"
grep -q 'interrupted after step' kept/P2-3/*/log.txt || fail "the training was not told to stop"
[ ! -e kept/P2-3/table.txt ] || fail "a table of runs that are not finished"
"$figure" "$@" > second.log || fail "$(cat second.log)"
grep -q 'going on at step' kept/P2-3/*/log.txt || fail "the training began anew: $(cat kept/P2-3/*/log.txt)"
grep -q 'softmax: accuracy .* after 150 steps' second.log || fail "$(cat second.log)"
for file in table.txt table.json radius.gp phase.gp; do [ -s "kept/P2-3/$file" ] || fail "$file is missing"; done
grep -q '"seconds"' kept/P2-3/*/finished.json || fail "finished.json does not say how long it took"
cat kept/P2-3/*/log.txt > log.before
"$figure" "$@" > third.log || fail "$(cat third.log)"
grep -q '^softmax: finished before' third.log || fail "the third call does not know the run: $(cat third.log)"
cat kept/P2-3/*/log.txt | cmp -s - log.before || fail "the third call trained again"

"$figure" P1-5 --runs 2 --out kept > time.log || fail "$(cat time.log)"
cp -r kept/P1-5 before
"$figure" P1-5 --runs 2 --out kept > time.log || fail "$(cat time.log)"
[ "$(grep -c 'finished before' time.log)" -eq 2 ] || fail "a measurement is repeated: $(cat time.log)"
diff -r before kept/P1-5 > differences || fail "the second call changed files: $(cat differences)"

code=0
"$figure" all --out /dev/null > all.log 2>&1 || code=$?
[ $code -eq 1 ] || fail "exit code $code where every figure fails: $(cat all.log)"
[ "$(grep -c '^P[12]-[1-5]  failed: ' all.log)" -eq 8 ] || fail "not a line for each figure: $(cat all.log)"
echo "figures hold"
