#!/bin/sh
# SPDX-License-Identifier: MIT
# check_sessions.sh ROOT BUILD PAGE...: what the pages say that a program in build/dev
# prints, alone or under gdb, is what it prints in BUILD. A session is a block fenced by
# ```text whose first line is `$ build/dev/...` or `$ gdb ...`. What differs from day to day
# is not compared: lines of files in lib/ and tests/, numbers of bytes, frames inside the
# library, and what gdb says before.
set -u
root=$1 build=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC3045 # dash and bash know it
ulimit -c 0
failed=0 compared=0 skipped=0

# stable: from a listing, what must be the same.
stable()
{
    sed -e "s|$root/||g" -e 's/\(\(lib\|tests\)\/[a-z0-9_/]*\.[chS]\):[0-9]*/\1/g' \
        -e 's/stack [0-9]* of [0-9]* KiB/stack/; s/reached [0-9]* below/reached below/' |
        awk '/^ *#[0-9]+ / { if ($4 ~ /^lib\// && $2 !~ /^nook_[a-z]/) next; sub(/#[0-9]+/, "#") } { print }'
}

# session FILE: one command, and its output as the page has it.
session()
{
    command=$(sed -n '1s/^\$ //p' "$1" | sed "s|build/dev/|$build/|g")
    case $command in
    gdb\ *)
        command -v gdb >/dev/null || { echo "skipped, no gdb: $command"; skipped=$((skipped + 1)); return; }
        command="gdb -nx -iex 'set debuginfod enabled off' ${command#gdb }"
        ;;
    esac
    sed 1d "$1" | stable >"$work/told"
    (cd "$root" && eval "exec $command") </dev/null >"$work/printed" 2>&1
    if grep -q 'ptrace: Operation not permitted\|without Python\|not supported in this copy' "$work/printed"; then
        echo "skipped, gdb may not, or cannot: $command"
        skipped=$((skipped + 1))
        return
    fi
    stable <"$work/printed" | tail -n "$(wc -l <"$work/told")" >"$work/seen"
    compared=$((compared + 1))
    diff "$work/told" "$work/seen" && [ -s "$work/told" ] && return
    echo "FAILED: $command"
    failed=$((failed + 1))
}

for page in "$@"; do
    rm -f "$work"/session.*
    awk -v to="$work/session." '
        /^```text$/ { quoting = 1; first = 1; next }
        /^```$/ { quoting = 0 }
        !quoting { next }
        first && /^\$ (build\/dev\/|gdb )/ { name = to (++n); wanted = 1 }
        first && !/^\$ (build\/dev\/|gdb )/ { wanted = 0 }
        { first = 0; if (wanted) print >name }' "$page"
    for file in "$work"/session.*; do
        [ -f "$file" ] || { echo "FAILED: $page has no session"; failed=$((failed + 1)); continue; }
        session "$file"
    done
    # A session in a block of another kind would never be run.
    [ "$(grep -c '^ *\$ \(build/dev/\|gdb \)' "$page")" -eq "$(find "$work" -name 'session.*' | wc -l)" ] ||
        { echo "FAILED: $page has sessions that are not run"; failed=$((failed + 1)); }
done
echo "$compared sessions compared, $skipped skipped, $failed failures"
[ "$failed" -eq 0 ] || exit 1
[ "$compared" -gt 0 ] || exit 77
