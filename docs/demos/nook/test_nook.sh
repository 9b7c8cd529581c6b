#!/bin/sh
# SPDX-License-Identifier: MIT
# The program nook as a user runs it: test_nook.sh PATH-OF-NOOK
set -u
nook=$1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# expect STATUS WORD...: runs nook; its output is in $work/out and $work/err.
expect() {
    wanted=$1
    shift
    "$nook" "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ "$status" -eq "$wanted" ] || fail "nook $*: exit $status, not $wanted: $(cat "$work/err")"
}

# A usage error: exit 2, one line on stderr with a word that helps, nothing on stdout.
usage() {
    word=$1
    shift
    expect 2 "$@"
    [ "$(wc -l <"$work/err")" -eq 1 ] || fail "nook $*: not one line: $(cat "$work/err")"
    [ ! -s "$work/out" ] || fail "nook $*: printed something"
    grep -q -e "$word" "$work/err" || fail "nook $*: no '$word' in: $(cat "$work/err")"
}

printed() {
    grep -q -e "$1" "$work/out" || fail "no '$1' in: $(cat "$work/out")"
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

expect 0 help
printed '^usage: nook demo'
expect 0 --version
printed '^nook [0-9]'

# --- every schedule is run, and the counts are exact

expect 0 explore --tasks 2
printed '2 tasks, storage thread: 4 of 6 possible schedules leak'
expect 0 explore --tasks 4 --storage context
printed '4 tasks, storage context: 0 of 2520 possible schedules leak'
expect 0 explore --tasks 3
printed '3 tasks, storage thread: 84 of 90 possible schedules leak'
replay=$(sed -n 's/.*--replay //p' "$work/out")
[ -n "$replay" ] || fail "explore names no schedule to replay"

# --- the same string gives the same run

expect 0 explore --tasks 3 --replay "$replay"
printed 'LEAK'
printed "schedule $replay\$"
cp "$work/out" "$work/first"
expect 0 explore --tasks 3 --replay "$replay"
cmp -s "$work/out" "$work/first" || fail "a replay differs from the one before"
expect 0 explore --tasks 3 --storage context --replay "$replay"
printed '0 of 3 reads wrong'

expect 0 explore --tasks 6 --seed 7
cp "$work/out" "$work/first"
printed 'sampled'
expect 0 explore --tasks 6 --seed 7
cmp -s "$work/out" "$work/first" || fail "the same seed gave other schedules"

# --- counts

expect 0 leaks interleave child
printed '113280 of 113400'
expect 0 leaks --json interleave
object='{"case": "[a-z-]*", "storage": "[a-z]*", "wrong": [0-9]*, "of": [0-9]*, "unit": "[^"]*"}'
[ "$(grep -c "^  $object,\{0,1\}\$" "$work/out")" -eq 12 ] || fail "not 12 objects: $(cat "$work/out")"
[ "$(head -n 1 "$work/out")$(tail -n 1 "$work/out")" = '[]' ] || fail "not an array"

# --- the story: 80 columns, and no colour where nobody sees it

expect 0 demo interleave
awk 'length($0) > 80 { exit 1 }' "$work/out" || fail "demo interleave is wider than 80 columns"
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

[ "$failures" -eq 0 ] && echo "the program does what its help says"
[ "$failures" -eq 0 ]
