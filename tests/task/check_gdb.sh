#!/bin/sh
# SPDX-License-Identifier: MIT
# check_gdb.sh PROGRAM SCRIPT: what gdb shows of its tasks, in the process and in a core.
set -u
program=$1 script=$2
command -v gdb >/dev/null || { echo "no gdb"; exit 77; }
gdb -nx -batch -ex 'python import gdb.unwinder' 2>&1 | grep -q . && { echo "gdb without Python"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

gdb -nx -batch -ex 'set debuginfod enabled off' -ex 'set breakpoint pending on' \
    -ex 'break nook_dump' -ex 'run tree' -ex "source $script" \
    -ex 'nook tasks' -ex 'nook backtrace all' \
    -ex 'nook backtrace 99' -ex 'delete' -ex 'continue' "$program" >"$work/live" 2>&1
grep -q 'no debugging information' "$work/live" && { echo "no debugging information"; exit 77; }
grep -q 'ptrace: Operation not permitted' "$work/live" && { echo "gdb may not trace"; exit 77; }

# The kernel's core: gdb's own stops at the first guard. A system may put cores elsewhere.
# shellcheck disable=SC3045 # the shells of Linux have it
(cd "$work" && ulimit -c unlimited && "$program" abort >/dev/null 2>&1)
core=$(find "$work" -name 'core*' | head -1)
kinds=live
if [ -n "$core" ]; then
    kinds="live dead"
    gdb -nx -batch -ex 'set debuginfod enabled off' -ex "source $script" \
        -ex 'nook tasks' -ex 'nook backtrace all' "$program" "$core" >"$work/dead" 2>&1
else
    echo "no core file here: only the live process is looked at"
fi

# has FILE PATTERN
has()
{
    grep -q -- "$2" "$work/$1" && return
    echo "FAILED: nothing of $1 matches $2"
    failed=$((failed + 1))
}

for what in $kinds; do
    has "$what" '^nook: run 1, 5 tasks$'
    has "$what" '^  task [0-9]* "main": running, worker 1$'
    has "$what" '^    task [0-9]* "sleeper": parked, waits for the end of a task in sleeper (.*dump_program.c:[0-9]*), worker 1, spawned in populate ('
    has "$what" '^      task [0-9]* "grandchild": parked, waits for a time in grandchild ('
    has "$what" '^    #[0-9]* *nook_sleep at '
    has "$what" '^    #[0-9]* *grandchild at .*dump_program.c:[0-9]*$'
    # The frames of each task that is not running end where its stack does.
    awk '/^task / { n += / parked| ready/; last = "" }
         /^    #/ { last = $2 }
         /^    #/ && (last == "nook__switch_start" || last == "entry" || last == "__start_context") { ends++ }
         /broken|Backtrace stopped|Cannot access/ { broken++ }
         END { exit !(n == 4 && ends >= n && !broken) }' "$work/$what" ||
        { echo "FAILED: the backtraces of $what do not end cleanly"; failed=$((failed + 1)); }
done
has live '^nook: no such task$'
has live 'exited normally'

echo "$failed failures"
[ "$failed" -eq 0 ] || sed 's/^/    /' "$work"/live "$work"/dead*
[ "$failed" -eq 0 ]
