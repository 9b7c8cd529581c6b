#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What the scripts share that run programs and look at what they say. They source it; the
# last thing that they do is `passed WORDS`.
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

fail()
{
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# expect STATUS COMMAND...: its output is in $work/out and $work/err.
expect()
{
    wanted=$1
    shift
    "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ "$status" -eq "$wanted" ] || fail "$*: exit $status, not $wanted: $(cat "$work/err")"
}

# expect_usage PATTERN COMMAND...: exit 2, one line on stderr that matches, nothing on stdout.
expect_usage()
{
    pattern=$1
    shift
    expect 2 "$@"
    [ "$(wc -l <"$work/err")" -eq 1 ] || fail "$*: not one line: $(cat "$work/err")"
    [ ! -s "$work/out" ] || fail "$*: printed something"
    said "$pattern"
}

# said PATTERN, printed PATTERN: a line on stderr, or on stdout, matches.
said()
{
    grep -q -e "$1" "$work/err" || fail "no '$1' in: $(cat "$work/err")"
}

printed()
{
    grep -q -e "$1" "$work/out" || fail "no '$1' in: $(cat "$work/out")"
}

# passed WORDS: says them where nothing has failed; the script's status.
passed()
{
    [ "$failures" -eq 0 ] && echo "$*"
}
