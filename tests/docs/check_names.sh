#!/bin/sh
# SPDX-License-Identifier: MIT
# check_names.sh ROOT: what the Markdown files at ROOT, ROOT/docs and ROOT/bench name is
# there: functions, macros and options, tests, files, presets, and words of ./dev.
set -eu
cd "$1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pages=$(ls ./*.md docs/*.md bench/*.md)
: >"$work/missing"

# named WHAT PATTERN: each word of the pages that matches, once, into $work/WHAT.
named()
{
    # shellcheck disable=SC2086 # pages are words
    grep -ohE -e "$2" $pages | tr -d '`' | sort -u >"$work/$1"
    [ -s "$work/$1" ] || echo "no $1 found at all" >>"$work/missing"
}

# each WHAT COMMAND...: the command knows each of them.
each()
{
    what=$1
    shift
    while read -r word; do
        # shellcheck disable=SC2086 # there the pages are words
        "$@" "$word" >/dev/null || echo "there is no $what $word: $(grep -lwF -e "$word" $pages | tr '\n' ' ')"
    done <"$work/$what" >>"$work/missing"
}

declared()
{
    grep -rqw -e "$1" lib/include || grep -qE "(option|set)\($1 " CMakeLists.txt
}

tested()
{
    grep -rqw -e "$1" tests bench lib
}

# A path from ROOT, or its end. What is built or made up is not looked for.
kept()
{
    case $1 in build/* | */NAME.*) return ;; esac
    find . -name build -prune -o -path "*/$1" -print | grep .
}

preset()
{
    grep -q "\"name\": \"${1##* }\"" CMakePresets.json
}

# `./dev test PRESET`, else `./dev COMMAND`.
dev_word()
{
    case $1 in
    './dev test '*) sed -n "s/^presets='\(.*\)'/\1/p" dev ;;
    *) sed -n 's/.*usage "\(demo.*\), not .*/\1/p' dev ;;
    esac | tr ' ' '\n' | tr -d , | grep -x -e "${1##* }"
}

named name '\b(nook_[a-z0-9]|NOOK_[A-Z0-9])[A-Za-z0-9_]*[A-Za-z0-9]\b'
each name declared
# shellcheck disable=SC2016 # the page's backquotes
named test '`[A-Za-z0-9]+(_[A-Za-z0-9]+){3,}`'
grep -v '^nook_' "$work/test" >"$work/tests" && mv "$work/tests" "$work/test"
each test tested
# shellcheck disable=SC2016 # the page's backquotes
named file '`[A-Za-z0-9_./-]+\.(c|h|S|sh|py|pml|md|toml|txt|html|json)`'
each file kept
named preset '--preset [a-z0-9-]+'
each preset preset
named command '\./dev (test [a-z]|[a-z])[a-z-]*'
each command dev_word

if [ -s "$work/missing" ]; then
    cat "$work/missing"
    exit 1
fi
echo "$(cat "$work"/name "$work"/test "$work"/file "$work"/preset "$work"/command | wc -l) names, all there"
