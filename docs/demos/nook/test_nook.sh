#!/bin/sh
# SPDX-License-Identifier: MIT
# The program nook as a user runs it: test_nook.sh PATH-OF-NOOK
set -u
nook=$1
# shellcheck source=tests/checks.sh
. "$(dirname "$0")/../../../tests/checks.sh"

# usage WORD ARGUMENT...: what it says of them has the word in it.
usage()
{
    word=$1
    shift
    expect_usage "$word" "$nook" "$@"
}

# --- bad usage says what was expected

usage 'expected demo, leaks or explore'
usage 'expected demo, leaks or explore' dance
usage 'cases: interleave' demo nothing
usage 'cases: interleave' leaks --xml
usage 'one case' demo child interleave
usage 'needs a case' demo --step
usage 'from 2 to 8' explore --tasks 1
usage 'from 2 to 8' explore --tasks 9
usage 'from 2 to 8' explore --tasks 3x
usage 'from 2 to 8' explore --tasks ''
usage 'thread, task or context' explore --storage cured
usage 'a number' explore --seed -1
usage 'a number' explore --seed 99999999999999999999999
usage 'needs a value' explore --seed
usage 'not both' explore --seed 1 --replay 0
usage 'replay' explore --replay '!'
usage 'replay' explore --tasks 2 --replay zzzzzzzzzzzz
usage 'help' help me

expect 0 "$nook" help
printed '^usage: nook demo'
expect 0 "$nook" --version
printed '^nook [0-9]'

# --- every schedule is run, and the counts are exact

expect 0 "$nook" explore --tasks 2
printed '2 tasks, storage thread: 4 of 6 possible schedules leak'
expect 0 "$nook" explore --tasks 4 --storage context
printed '4 tasks, storage context: 0 of 2520 possible schedules leak'
expect 0 "$nook" explore --tasks 3
printed '3 tasks, storage thread: 84 of 90 possible schedules leak'
replay=$(sed -n 's/.*--replay //p' "$work/out")
[ -n "$replay" ] || fail "explore names no schedule to replay"

# --- the same string gives the same run

expect 0 "$nook" explore --tasks 3 --replay "$replay"
printed 'LEAK'
printed "schedule $replay\$"
cp "$work/out" "$work/first"
expect 0 "$nook" explore --tasks 3 --replay "$replay"
cmp -s "$work/out" "$work/first" || fail "a replay differs from the one before"
expect 0 "$nook" explore --tasks 3 --storage context --replay "$replay"
printed '0 of 3 reads wrong'

expect 0 "$nook" explore --tasks 6 --seed 7
cp "$work/out" "$work/first"
printed 'sampled'
expect 0 "$nook" explore --tasks 6 --seed 7
cmp -s "$work/out" "$work/first" || fail "the same seed gave other schedules"

# --- counts

"$nook" leaks '?' 2>&1 | sed -n 's/.*cases: //p' | tr ' ' '\n' >"$work/cases"
[ "$(wc -l <"$work/cases")" -ge 20 ] || fail "few cases: $(cat "$work/cases")"
expect 0 "$nook" leaks child pinned
[ "$(grep -c ' of ' "$work/out")" -eq 4 ] || fail "not two cases and two headings: $(cat "$work/out")"

# --- JSON: every case keeps its promise, and a program can read it

cat >"$work/check.py" <<'END'
import json, sys
rows = json.load(open(sys.argv[1]))
cases = open(sys.argv[2]).read().split()
seen, cured = {}, set()
for row in rows:
    assert list(row) == ["case", "storage", "wrong", "of", "unit"], row
    assert row["storage"] in ("thread", "task", "context", "cured"), row
    assert type(row["wrong"]) is int and type(row["of"]) is int, row
    assert 0 <= row["wrong"] <= row["of"] and row["of"] > 0, row
    assert row["unit"], row
    seen.setdefault(row["case"], {}).setdefault(row["storage"], []).append(row["wrong"])
assert list(seen) == cases, sorted(set(cases) ^ set(seen))
for case, storages in seen.items():
    clean = "cured" if "cured" in storages else "context"
    assert sum(storages[clean]) == 0, (case, clean)
    leaking = [n for storage, n in storages.items() if storage != clean]
    assert sum(map(sum, leaking)) > 0, (case, "leaks nowhere")
    assert clean != "cured" or sum(storages["context"]) > 0, (case, "needs no cure")
END
expect 0 "$nook" leaks --json
[ ! -s "$work/err" ] || fail "nook leaks complains: $(cat "$work/err")"
if command -v python3 >/dev/null; then
    python3 "$work/check.py" "$work/out" "$work/cases" || fail "the JSON is not as it should be"
fi
expect 0 "$nook" leaks --json child-writes callback
object='{"case": "[a-z-]*", "storage": "[a-z]*", "wrong": [0-9]*, "of": [0-9]*, "unit": "[^"]*"}'
[ "$(grep -c "^  $object,\{0,1\}\$" "$work/out")" -eq 6 ] || fail "not 6 objects: $(cat "$work/out")"
[ "$(head -n 1 "$work/out")$(tail -n 1 "$work/out")" = '[]' ] || fail "not an array"

# --- the story: a screen for each case, 80 columns, and no colour where nobody sees it

narrow() {
    awk 'length($0) > 80 { print; wide = 1 } END { exit wide }' "$work/out" || fail "$1 is wider than 80 columns"
}

expect 0 "$nook" demo
narrow demo
awk '/^-- / { name = $2; lines = 0 } name != "" && name != "all" && ++lines > 40 { print name; long = 1 } END { exit long }' \
    "$work/out" || fail "a case of nook demo takes more than 40 lines"
sed -n 's/^-- \([a-z-]*\) -*$/\1/p' "$work/out" | diff "$work/cases" - || fail "nook demo leaves cases out"
sed '1,/^-- all cases/d' "$work/out" >"$work/table"
grep -q '^Where thread-locals leak' "$work/table" || fail "nook demo does not end with the table"
grep -q '113280 of 113400' "$work/table" || fail "the table lacks a count"
while read -r case; do
    grep -q "^$case  " "$work/table" || fail "the table lacks $case"
    [ "$case" != interleave ] || continue # it is short, was seen above, and takes long
    expect 0 "$nook" demo "$case"
    narrow "demo $case"
    printed "^-- $case "
done <"$work/cases"
expect 0 "$nook" demo child
printed 'LOST'
expect 0 "$nook" demo stack-order
printed 'LEAK'
escape=$(printf '\033')
grep -q "$escape" "$work/out" && fail "colour in a pipe"
if command -v script >/dev/null; then
    TERM=xterm NO_COLOR='' script -qec "'$nook' explore --tasks 2 --replay '$replay'; '$nook' leaks child" /dev/null >"$work/out" </dev/null
    grep -q "$escape" "$work/out" || fail "no colour on a terminal"
    TERM=xterm NO_COLOR=1 script -qec "'$nook' leaks child" /dev/null >"$work/out" </dev/null
    grep -q "$escape" "$work/out" && fail "colour in spite of NO_COLOR"
fi
yes '' | "$nook" demo child --step >"$work/out" || fail "demo child --step"
printed 'child'

# --- a full disk is no success

if [ -w /dev/full ]; then
    "$nook" leaks child >/dev/full 2>/dev/null && fail "no error for a full disk"
fi

passed "the program does what its help says"
