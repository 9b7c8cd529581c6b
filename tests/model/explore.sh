#!/bin/sh
# SPDX-License-Identifier: MIT
#
# explore.sh [--large] [cc]
#
# Has Spin explore the models of this directory, prints the states of each, and
# fails where one has an error, or a broken variant has none. 77 without Spin.
# --large: also the largest scenarios, and three workers: hours, and more than 20 GiB.

set -u
here=$(cd "$(dirname "$0")" && pwd)
large=0
if [ "${1:-}" = --large ]; then
    large=1
    shift
fi
cc=${1:-cc}
command -v spin >/dev/null || {
    echo "no spin here"
    exit 77
}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0

# explore flags-of-pan flags-of-cc definitions... : leaves what pan says in ./said
explore()
{
    pan=$1
    how=$2
    model=$3
    shift 3
    # shellcheck disable=SC2086 # the flags are several words
    spin -a "$@" "$here/$model.pml" >made 2>&1 &&
        "$cc" -O0 -w -DCOLLAPSE $how -o pan pan.c >>made 2>&1 &&
        ./pan $pan -m1000000 -w20 >said 2>&1
    if ! grep -q 'errors: ' said 2>/dev/null || grep -qi 'max search depth too small\|out of memory' said; then
        cat made said
        echo "FAIL: $model $*: not explored to the end"
        exit 1
    fi
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' said)
}

# No execution ends wrong, and none goes on for ever.
holds()
{
    explore "" -DSAFETY "$@"
    first=$states
    cycles=no
    if grep -q 'errors: 0' said; then
        explore -l -DNP "$@"
        grep -q 'errors: 0' said || cycles=some
    else
        cycles="not asked"
    fi
    if grep -q 'errors: 0' said; then
        echo "holds   $*: $first states, $cycles cycle"
    else
        grep '^pan:1:' said
        echo "FAIL: $* ($cycles cycle)"
        failed=1
    fi
}

# The fault is found: a model that could not see it would prove nothing.
broken()
{
    expected=$1
    shift
    explore "" -DSAFETY "$@"
    if grep -q "^pan:1: $expected" said; then
        echo "broken  $*: found after $states states: $(sed -n 's/^pan:1: //p' said)"
    else
        echo "FAIL: $*: the fault was not found"
        failed=1
    fi
}

for scenario in 1 2 4 5 7 8 9 10 12; do
    holds run -DSCENARIO=$scenario
done
asleep="invalid end state"
wrong="assertion violated"
broken "$wrong" run -DBROKEN=1 -DSCENARIO=1  # rest() does not look into its inbox: a false deadlock
broken "$wrong" run -DBROKEN=2 -DSCENARIO=1  # who is given work still counts as idle
broken "$asleep" run -DBROKEN=3 -DSCENARIO=4 # the poller is not interrupted
broken "$asleep" run -DBROKEN=4 -DSCENARIO=8 # who leaves the watch calls nobody
broken "$wrong" run -DBROKEN=5 -DSCENARIO=10 # who roams registers its wait before it leaves
broken "$asleep" run -DBROKEN=6 -DSCENARIO=9 # who puts something into a ring wakes nobody
broken "$wrong" run -DBROKEN=7 -DSCENARIO=2  # a job does not count against the verdict
broken "$asleep" run -DBROKEN=9 -DSCENARIO=4 # who only looks takes the sleeper's call
broken "$wrong" run -DBROKEN=10 -DSCENARIO=2 # a job stops counting before its message is delivered
broken "$asleep" run -DBROKEN=11 -DSCENARIO=1 # the end is not told to who sleeps
broken "$asleep" run -DBROKEN=12 -DSCENARIO=1 # who sends looks first whether the worker sleeps
broken "$asleep" run -DBROKEN=15 -DSCENARIO=1 # who falls asleep does not look once more
broken "$asleep" run -DBROKEN=14 -DSCENARIO=10 # who gives up the search does not look once more

holds steal
broken "$wrong" steal -DBROKEN=1 # a thief reads what it has taken after it moved the head
broken "$wrong" steal -DBROKEN=2 # the head is moved whoever moved it meanwhile
broken "$wrong" steal -DBROKEN=3 # who takes an event does not mind who bound it
broken "$wrong" steal -DBROKEN=4 # the tail is moved before the slot is written

holds reader
holds reader -DFENCE=1
broken "$wrong" reader -DBROKEN=1           # the reader has no barrier
broken "$wrong" reader -DBROKEN=2           # it does not wait for the write
broken "$wrong" reader -DBROKEN=3           # the owner does not step back
broken "$wrong" reader -DFENCE=1 -DBROKEN=4 # no barrier, and the owner has no fence

holds turn
holds turn -DMOVES=1 -DOTHERS=1
holds turn -DKEEPS=1 -DOTHERS=1
broken "$wrong" turn -DBROKEN=1           # sharing has no barrier
broken "$wrong" turn -DBROKEN=2           # it does not wait for the turn's end
broken "$wrong" turn -DBROKEN=3           # home does not look again
broken "$wrong" turn -DBROKEN=4           # who drops does not look inside
broken "$wrong" turn -DBROKEN=5 -DMOVES=1 -DOTHERS=1 # who leaves for home takes no lock
broken "$wrong" turn -DBROKEN=6           # who is inside is not counted
broken "$wrong" turn -DBROKEN=7           # home takes itself for let in
broken "$wrong" turn -DBROKEN=8 -DENTERS=3 # the turn is left as it was when shared
broken "$wrong" turn -DBROKEN=9 -DKEEPS=1 -DOTHERS=1  # who enters does not ask whether it is kept
broken "$wrong" turn -DBROKEN=10 -DKEEPS=1 -DOTHERS=1 # who keeps it does not ask who is inside

if [ $large = 1 ]; then
    holds run -DSCENARIO=3
    holds run -DSCENARIO=6
    holds steal -DR=4 -DE=5
    for scenario in 1 2 3 4 5 6 7 8 9 10 11 12; do
        holds run -DW=3 -DSCENARIO=$scenario
    done
    holds steal -DW=3
    holds steal -DR=4 -DE=6
    broken "$asleep" run -DW=3 -DBROKEN=13 -DSCENARIO=11 # the last one to find something wakes nobody
    broken "$asleep" run -DW=3 -DBROKEN=8 -DSCENARIO=7 # a watcher that sees no descriptor passes for one that does
fi
exit $failed
