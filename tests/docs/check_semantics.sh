#!/bin/sh
# SPDX-License-Identifier: MIT
# usage: check_semantics.sh PROJECT
#
# Every numbered behaviour has a row in a table of docs/semantics-ROOM.md, and every
# test that a row names stands in the file that it names. A row is
#
#     | number | behaviour | `file`: `test`, `test`; `file`: `test`. Or words |
#
# Files are of tests/ROOM, else of tests. Where a section says "All in `file`", names
# without a file are of that one. `X1_...` stands for every test whose name begins so.
# docs/semantics.md says of each letter whose rule it is.
set -eu
cd "$1"
failed=0

complain()
{
    echo "FAILED: $*"
    failed=$((failed + 1))
}

# Family, first and last number. Those of the tasks are asked for once they have a page.
families='V 1 18  T 1 19  C 1 24  R 1 7  H 1 19  M 1 13  L 1 12  W 1 12  P 1 8  F 0 19'
[ ! -f docs/semantics-task.md ] || families="$families  A 1 39  G 1 12  D 1 10"

# said PAGE: "row NUMBER" for each row; in a row, "file FILE" and "test FILE,FILE NAME".
said()
{
    awk '
    /^#/ { section = "" }
    /^All in `/ { split($0, part, "`"); section = part[2] }
    /^\| *[A-Z][0-9]+ *\|/ {
        split($0, cell, "|")
        number = cell[2]
        gsub(/ /, "", number)
        text = $0
        sub(/^\|[^|]*\|[^|]*\|/, "", text)
        print "row", number, (text ~ /[A-Za-z]/ ? "told" : "empty")
        files = section
        after_file = 0
        while (match(text, /`[^`]*`/)) {
            word = substr(text, RSTART + 1, RLENGTH - 2)
            text = substr(text, RSTART + RLENGTH)
            if (word ~ /^[a-z_\/]+\.(c|sh|py)$/ || word ~ /^[a-z_]+\/run$/) {
                files = after_file ? files "," word : word
                after_file = 1
                print "file", word
            } else if (word ~ /^([A-Z][0-9]+_)+[A-Za-z0-9_.]+$/ ||
                       (word ~ /^[a-z]+_[a-z0-9]+_[a-z0-9_]+$/ && word !~ /^nook_/)) {
                after_file = 0
                print "test", (files == "" ? "-" : files), word
            }
        }
    }' "$1"
}

# path_of ROOM FILE
path_of()
{
    if [ -f "tests/$1/$2" ]; then echo "tests/$1/$2"; else echo "tests/$2"; fi
}

# stands_in NAME FILE: it is a word of the file, or begins one if it ends in "...".
stands_in()
{
    case $1 in
    *...) grep -q "\\<${1%...}[A-Za-z0-9_]" "$2" ;;
    *) grep -qw "$1" "$2" ;;
    esac
}

# check_test PAGE ROOM FILES NAME
check_test()
{
    if [ "$3" = - ]; then
        complain "$1: $4: in which file?"
        return
    fi
    for file in $(echo "$3" | tr , ' '); do
        path=$(path_of "$2" "$file")
        if [ -f "$path" ] && ! stands_in "$4" "$path"; then
            complain "$1: $path has no $4"
        fi
    done
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/rows"
tests=0
for page in docs/semantics-*.md; do
    room=${page#docs/semantics-}
    room=${room%.md}
    said "$page" >"$work/said"
    while read -r what one two; do
        case $what in
        row)
            echo "$one" >>"$work/rows"
            [ "$two" = told ] || complain "$page: $one says nothing"
            ;;
        file) [ -f "$(path_of "$room" "$one")" ] || complain "$page: there is no $one" ;;
        test)
            check_test "$page" "$room" "$one" "$two"
            tests=$((tests + 1))
            ;;
        esac
    done <"$work/said"
done

for word in $families; do
    case $word in
    [A-Z]) grep -q "^| $word |" docs/semantics.md || complain "docs/semantics.md does not say what $word is" ;;
    esac
done

# shellcheck disable=SC2086 # three words each
set -- $families
while [ $# -gt 0 ]; do
    n=$2
    while [ "$n" -le "$3" ]; do
        echo "$1$n"
        n=$((n + 1))
    done
    shift 3
done >"$work/numbers"
while read -r number; do
    grep -qx "$number" "$work/rows" || complain "$number has no row"
done <"$work/numbers"
while read -r number; do
    case $number in
    [AGD]*) [ -f docs/semantics-task.md ] || continue ;;
    esac
    grep -qx "$number" "$work/numbers" || complain "$number is no number"
done <"$work/rows"

echo "$(grep -c . "$work/rows") rows, $tests tests named, $failed failures"
[ "$tests" -gt 0 ] && [ "$failed" -eq 0 ]
