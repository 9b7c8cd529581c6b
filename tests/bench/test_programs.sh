#!/bin/sh
# SPDX-License-Identifier: MIT
# test_programs.sh FOLDER: each measuring program there can do what it lists, up to 1000 of
# anything, and gives as many numbers as it is asked for.
set -u
folder=$1
# shellcheck source=tests/checks.sh
. "$(dirname "$0")/../checks.sh"
measured=0

# measure PROGRAM METRIC N
measure()
{
    "$1" "$2" "$3" 2 >"$work/out" 2>"$work/err" </dev/null
    case $? in
    0)
        grep -Ec '^-?[0-9]+\.[0-9]+( [0-9]+\.[0-9]+)?$' "$work/out" | grep -q '^2$' ||
            fail "$(basename "$1") $2 $3 printed $(cat "$work/out")"
        measured=$((measured + 1))
        ;;
    77) echo "$(basename "$1") $2 $3: $(cat "$work/err")" ;;
    *) fail "$(basename "$1") $2 $3: $(cat "$work/err")" ;;
    esac
}

for program in "$folder"/*; do
    case $program in *.so | *.a) continue ;; esac
    if [ ! -f "$program" ] || [ ! -x "$program" ]; then continue; fi
    "$program" --list >"$work/list" </dev/null || fail "$program --list"
    sed 1d "$work/list" >"$work/entries"
    while read -r metric n; do
        # One for each loop: the others differ in n alone.
        case $n in 1 | 2) measure "$program" "$metric" "$n" ;; esac
    done <"$work/entries"
done
[ "$measured" -gt 40 ] || fail "only $measured things were measured"
passed "$measured things measured"
