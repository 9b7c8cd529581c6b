#!/bin/sh
# SPDX-License-Identifier: MIT
# check_dump.sh PROGRAM: runs each of its programs and reads what it reports.
set -u
program=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

fail()
{
    echo "FAILED: $1"
    sed 's/^/    /' "$work/out" | head -60
    failed=$((failed + 1))
}

# run WHAT
run()
{
    "$program" "$1" >"$work/out" 2>"$work/err" || fail "$1 ended with $?: $(cat "$work/err")"
}

# has WHAT PATTERN...: each matches a line.
has()
{
    what=$1
    shift
    for pattern; do
        grep -q -- "$pattern" "$work/out" || { fail "$what: no line matches $pattern"; return; }
    done
}

# below WHAT LINE PATTERN: among the lines of the task "LINE" is one that matches.
below()
{
    awk -v name="\"$2\":" '
        /^ *task [0-9]+ "/ { inside = index($0, name) > 0 }
        inside' "$work/out" >"$work/part"
    grep -q -- "$3" "$work/part" || fail "$1: nothing of $2 matches $3"
}

whole_tree()
{
    has "$1" '^nook: run [0-9]*: [13] workers\{0,1\}, 5 tasks$' \
        '^  task [0-9]* "main": running$' \
        '^    task [0-9]* "sleeper": parked, waits for the end of a task in sleeper (.*dump_program.c:[0-9]*)$' \
        '^      task [0-9]* "grandchild": parked, waits for a time in grandchild (.*dump_program.c:[0-9]*)$' \
        '^    task [0-9]* "waiter": parked, waits for a lock in waiter (.*dump_program.c:[0-9]*)$' \
        '^  task [0-9]* "orphan": parked, waits for a time in orphan'
    below "$1" sleeper '^      request_id = "alice"$'
    below "$1" sleeper '^      spawned in populate (.*dump_program.c:[0-9]*)$'
    below "$1" grandchild '^        request_id = "grand.child"$'
    below "$1" grandchild '^        secret = redacted$'
    below "$1" grandchild '^        plain = 0x1234$'
    below "$1" grandchild '^        worker [1-3], age [0-9]*\.[0-9]* s, parked 1 times, stack [1-9][0-9]* of [0-9]* KiB$'
    below "$1" orphan '^    spawned in parent (.*) by task [0-9]*, which has ended$'
    below "$1" main '^    secret = redacted$'
    [ "$(grep -c sesame "$work/out")" -eq 0 ] || fail "$1: the secret is shown"
}

for what in tree tree3; do
    run "$what"
    whole_tree "$what"
done

for what in thread thread3; do
    run "$what"
    [ "$(grep -c '^nook: run ' "$work/out")" -eq 20 ] || fail "$what: not 20 reports"
    [ "$(grep -c '"yielder": ready$' "$work/out")" -gt 0 ] || fail "$what: no ready task"
    [ "$(grep -c '"main"' "$work/out")" -eq 20 ] || fail "$what: not 20 main tasks"
    below "$what" sleeper '^      request_id = "alice"$'
    has "$what" 'spawned in until_over'
done

run signal
has signal '^  task [0-9]* "main": parked, waits for a time in signalled' '"orphan"'

run silent
has silent '^nook: run 1: 1 worker, which does not answer: a task has not parked for a second$'

for what in deadlock deadlock3; do
    run "$what"
    [ "$(sed 1q "$work/out")" = "deadlock of this" ] || fail "$what: no first line"
    has "$what" '^  task [0-9]* "main": parked, waits for a lock in lock_twice (' \
        '^    task [0-9]* "waiter": parked, waits for a lock in waiter ('
    [ "$(grep -c '^nook: ' "$work/out")" -eq 1 ] || fail "$what: not one report"
done

# Who kept a worker, the task once. Whom a busy machine keeps from running for as long, keeps a
# worker too, and passes for a callback where it is between two tasks; test_stall.c has a clock of
# its own, and sees that nobody else is reported, and a callback once.
for what in stall stall3; do
    run "$what"
    has "$what" '^keeper on worker [1-3] for 100 ms: stall_once_each:[1-9][0-9]*$' \
        '^a callback on worker [1-3] for 100 ms: ?:0$'
    [ "$(grep -c '^keeper ' "$work/out")" -eq 1 ] || fail "$what: keeper not once"
done

# Name, site, tasks, KiB. The deepest used 28 KiB in frames of a bit more than 1 KiB.
for what in census census3; do
    run "$what"
    awk '$1 == "main" && $2 == "?:0" && $3 == 1 { main = 1 }
         $2 ~ /^use_stacks:/ && $3 == 4 && $4 >= 28 && $4 <= 46 { deep = 1 }
         $2 ~ /^use_stacks:/ && $3 == 4 && $4 <= 8 { flat = 1 }
         END { exit !(main && deep && flat && NR == 3) }' "$work/out" || fail "$what: wrong use"
done

# A sanitizer makes an exit of the signal.
(cd "$work" && "$program" overflow >"$work/out" 2>&1) && fail "overflow: it went on"
has overflow 'nook: stack overflow in task "deep", spawned in overflow (.*dump_program.c:[0-9]*): its stack has 65536 bytes, and it reached [0-9]* below. Raise stack_size in the options of the task or of the run.$'

echo "$failed failures"
[ "$failed" -eq 0 ]
