#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh PROGRAM EXAMPLE PAGE: the program prints EXAMPLE.out, and the page
# quotes EXAMPLE.c word for word, without its first line.
set -eu
program=$1 example=$2 page=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$program" >"$work/out"
diff "$example.out" "$work/out"
sed 1d "$example.c" >"$work/source"
awk -v source="$work/source" '
    BEGIN { while ((getline line < source) > 0) wanted = wanted line "\n" }
    /^```c$/ { quoting = 1; text = ""; next }
    /^```$/ { if (quoting && text == wanted) found = 1; quoting = 0 }
    quoting { text = text $0 "\n" }
    END { if (!found) { print FILENAME " does not quote the example as it is"; exit 1 } }
' "$page"
