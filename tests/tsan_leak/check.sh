#!/bin/sh
# SPDX-License-Identifier: MIT
# What ThreadSanitizer says of the program sharing:
#     check.sh ordered|unordered thread|context|handover COMMAND...
# (unordered: built so that a switch orders nothing).
set -u
switches=$1
case=$2
shift 2
# shellcheck source=tests/checks.sh
. "$(dirname "$0")/../checks.sh"

# says FILE WORDS: they are in it.
says() {
    grep -q -e "$2" "$work/$1" || fail "no '$2' in what it wrote"
}

TSAN_OPTIONS="exitcode=66 halt_on_error=0 color=never" "$@" "$case" >"$work/out" 2>"$work/err"
status=$?

# With the thread-local, one of two sees the other's page, whoever watches.
wrong=0
[ "$case" = thread ] && wrong=1
says out "^$wrong wrong\$"

if [ "$case" = thread ] && [ "$switches" = unordered ]; then
    [ "$status" -eq 66 ] || fail "exit $status, not 66: the leak is not reported"
    says err 'WARNING: ThreadSanitizer: data race'
    says err 'Location is TLS of main thread'
    says err "'alice'"
    says err "'bob'"
    # Nothing else is reported: each race is in that thread-local.
    races=$(grep -c 'WARNING: ThreadSanitizer' "$work/err")
    located=$(grep -c 'Location is TLS of main thread' "$work/err")
    [ "$races" -eq "$located" ] || fail "$races reports, $located of them of the thread-local"
else
    [ "$status" -eq 0 ] || fail "exit $status, not 0"
    [ ! -s "$work/err" ] || fail "something was reported"
fi

[ "$failures" -eq 0 ] || cat "$work/out" "$work/err"
passed "$case, switches $switches: as it should be"
