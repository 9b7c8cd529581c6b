#!/bin/sh
# SPDX-License-Identifier: MIT
# test_harness.sh FAKE: the command line of a measuring program, and what the harness makes
# of loops and figures that are known.
set -u
fake=$1
# shellcheck source=tests/checks.sh
. "$(dirname "$0")/../checks.sh"

# prints LINE...: exactly these.
prints()
{
    printf '%s\n' "$@" | diff - "$work/out" >"$work/diff" || fail "printed $(cat "$work/diff")"
}

# between LOW HIGH LINES: so many figures, all of them from LOW to HIGH.
between()
{
    awk -v low="$1" -v high="$2" -v lines="$3" '
        $1 < low || $1 > high { bad = 1 }
        END { exit bad || NR != lines }' "$work/out" || fail "not $3 from $1 to $2: $(cat "$work/out")"
}

for words in '' '--list now' 'doze' 'doze 1' 'doze one 1' 'doze -1 1' 'doze 1 0' 'doze 1 1 1' \
    '--count doze 1' '--count doze 1 0'; do
    # shellcheck disable=SC2086 # words are words
    expect 2 "$fake" $words
    said '^usage: '
    [ ! -s "$work/out" ] || fail "'$words' printed something"
done
expect 2 "$fake" doze 2 1
said "no metric 'doze' with n = 2"
expect 2 "$fake" dance 1 1
said "no metric 'dance'"
expect 2 "$fake" --count fresh 5 1
said "no loop of 'fresh'"

expect 0 "$fake" --list
sed 1q "$work/out" | grep -q '^# a fake 1.0, \(gcc\|clang\) [0-9]' || fail "no version first"
sed 1d "$work/out" | head -3 >"$work/three"
mv "$work/three" "$work/out"
prints "doze	1" "doze-half	1" "doze-nothing	1"

# A tenth of a millisecond, never less; how much more, the load of the machine decides.
expect 0 "$fake" doze 1 4
between 100000 100000000 4
expect 0 "$fake" doze-half 1 2
between 50000 50000000 2
said 'around ran 1 times, for 1'
# The base is the loop itself: what is left may be anything, but is not the loop's time
# in every sample, or nothing was subtracted.
expect 0 "$fake" doze-nothing 1 5
awk '$1 < 90000 { small = 1 } END { exit !small || NR != 5 }' "$work/out" ||
    fail "nothing was subtracted: $(cat "$work/out")"

# A pair a sample, of batches that take turns at being the first.
expect 0 "$fake" pair 1 3
awk '$1 < 50000 || $2 < 100000 || NF != 2 { bad = 1 } END { exit bad || NR != 3 }' "$work/out" ||
    fail "not 3 pairs: $(cat "$work/out")"
said '122112$'
# To wait until a thread sleeps takes a tenth of a millisecond here, and does not count.
"$fake" await 1 5 >"$work/out"
[ $? -eq 77 ] || awk '$1 < 50000 { small = 1 } END { exit !small || NR != 5 }' "$work/out" ||
    fail "the wait was counted: $(cat "$work/out")"

expect 0 "$fake" --count turns 7 5
prints 15
said '^turns 5 of 7$'
[ "$(grep -c '^turns' "$work/err")" -eq 1 ] || fail "more than one batch: $(cat "$work/err")"

expect 0 "$fake" fresh 5 3
prints 5.0000 5.0000 5.0000
expect 0 "$fake" fresh 0 1
prints 0.0000

expect 77 "$fake" cannot 3 1
said '^not with 3 of them$'
expect 77 "$fake" child-cannot 1 1
said '^not in a child of 1$'
[ ! -s "$work/out" ] || fail "a figure of what cannot be measured"
expect 1 "$fake" child-fails 1 1
said 'does not hold: n == 0'
expect 1 "$fake" forgetful 1 1
said 'does not hold'

passed "the harness says what it measures, and what it cannot"
