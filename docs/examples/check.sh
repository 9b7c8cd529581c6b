#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh PROGRAM EXAMPLE PAGE: the program prints EXAMPLE.out, and the page quotes
# EXAMPLE.c.
set -eu
program=$1 example=$2 page=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$program" >"$work/out"
diff "$example.out" "$work/out"
sh "$(dirname "$0")/quoted.sh" "$example.c" "$page"
