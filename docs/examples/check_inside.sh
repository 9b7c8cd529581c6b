#!/bin/sh
# SPDX-License-Identifier: MIT
# check_inside.sh PROGRAM PAGE: the page shows what the program prints, but for the
# sizes of stacks.
set -eu
program=$1 page=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$program" | sed 's/stack [0-9]* of [0-9]* KiB/stack/' >"$work/out"
awk '/^\$ build[^ ]*example_inside$/ { shown = 1; next } /^```$/ { shown = 0 } shown' "$page" |
    sed 's/stack [0-9]* of [0-9]* KiB/stack/' >"$work/page"
grep -q '^nook: run 1' "$work/out"
diff "$work/page" "$work/out"
