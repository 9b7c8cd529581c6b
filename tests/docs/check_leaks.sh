#!/bin/sh
# SPDX-License-Identifier: MIT
# check_leaks.sh NOOK PAGE: every case of the catalogue has its section on the page,
# in the catalogue's order, with its counts, and the counts are what nook prints.
set -eu
nook=$1 page=$2
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Its counts depend on the compiler: the page names the command and quotes nothing.
varies=cached-address

"$nook" leaks '?' 2>&1 | sed -n 's/.*cases: //p' | tr ' ' '\n' >"$work/cases"
[ -s "$work/cases" ] || {
    echo "nook names no cases"
    exit 1
}
sed -n 's/^### //p' "$page" | diff "$work/cases" - || {
    echo "the sections of $page are not the catalogue's cases"
    exit 1
}
grep -v -x "$varies" "$work/cases" | sed 's/^/$ nook leaks /' >"$work/wanted"
grep '^\$ nook leaks ' "$page" | diff "$work/wanted" - || {
    echo "$page does not quote the counts of each case"
    exit 1
}
sh "$here/check_readme.sh" "$nook" "$page"
