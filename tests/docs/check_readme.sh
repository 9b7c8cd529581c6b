#!/bin/sh
# SPDX-License-Identifier: MIT
# check_readme.sh NOOK FILE: what FILE says that a command prints is what it prints.
# A quotation is a block fenced by ```text whose lines that begin with `$ nook` are
# commands, each followed by its output.
set -eu
nook=$1 file=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
awk '/^```text$/ { quoting = 1; next } /^```$/ { quoting = 0 } quoting' "$file" >"$work/said"
grep '^\$ nook ' "$work/said" >"$work/commands" || {
    echo "$file quotes no command"
    exit 1
}
# A command in a block of another kind would never be run.
grep '^ *\$ nook ' "$file" | diff - "$work/commands" || {
    echo "$file quotes the commands above outside a block fenced by \`\`\`text"
    exit 1
}
while read -r _ _ words; do
    printf '$ nook %s\n' "$words"
    # shellcheck disable=SC2086 # words are words
    "$nook" $words </dev/null || echo "(exit status $?)"
done <"$work/commands" >"$work/printed"
diff "$work/said" "$work/printed"
