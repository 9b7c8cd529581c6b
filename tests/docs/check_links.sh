#!/bin/sh
# SPDX-License-Identifier: MIT
# check_links.sh ROOT: every relative link in the Markdown files at ROOT and under
# ROOT/docs leads to a file or folder there, and its #fragment to a heading of it. And
# README.md leads to every page of ROOT/docs, or to the page that it is a part of.
set -eu
cd "$1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# links FILE: the targets of inline links and of link definitions, outside code.
links()
{
    awk '
    /^ *```/ { code = !code; next }
    code { next }
    {
        gsub(/`[^`]*`/, "")
        if (match($0, /^ *\[[^]]*\]: */))
            print substr($0, RLENGTH + 1)
        while (match($0, /\]\([^) ]*/)) {
            print substr($0, RSTART + 2, RLENGTH - 2)
            $0 = substr($0, RSTART + RLENGTH)
        }
    }' "$1"
}

# fragments FILE: what its headings are called in links; repeated ones are numbered.
fragments()
{
    awk '
    /^ *```/ { code = !code; next }
    code || !/^##* / { next }
    {
        sub(/^#* */, "")
        $0 = tolower($0)
        gsub(/[^a-z0-9 _-]/, "")
        gsub(/ /, "-")
        print seen[$0]++ ? $0 "-" seen[$0] - 1 : $0
    }' "$1"
}

# broken FILE TARGET: says why, unless the link is good.
broken()
{
    path=${2%%#*} fragment=
    case $2 in *'#'*) fragment=${2#*#} ;; esac
    case $path in
    '') path=$1 ;;
    /*) echo "$1: $2 is not relative"; return ;;
    *) path=$(dirname "$1")/$path ;;
    esac
    if [ ! -e "$path" ]; then
        echo "$1: $2 leads nowhere"
    elif [ -n "$fragment" ] && ! fragments "$path" | grep -q -x -e "$fragment"; then
        echo "$1: $2 names no heading"
    fi
}

checked=0
for file in *.md docs/*.md; do
    links "$file" >"$work/links"
    while read -r target; do
        case $target in
        *://* | mailto:*) continue ;;
        esac
        checked=$((checked + 1))
        broken "$file" "$target" >>"$work/broken"
    done <"$work/links"
done
for page in docs/*.md; do
    case $page in
    docs/semantics-*) links docs/semantics.md | sed 's|^|docs/|' ;;
    *) links README.md ;;
    esac | grep -q -x -e "$page" || echo "nothing leads to $page" >>"$work/broken"
done
if [ -s "$work/broken" ]; then
    cat "$work/broken"
    exit 1
fi
[ "$checked" -gt 0 ]
echo "$checked links, all good"
