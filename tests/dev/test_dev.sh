#!/bin/sh
# SPDX-License-Identifier: MIT
# test_dev.sh PATH-OF-DEV: bad usage, and machines that lack something, on a copy of
# the script that can see only the tools named here.
set -u
dev=$1
# shellcheck source=tests/checks.sh
. "$(dirname "$0")/../checks.sh"

# usage WORD ARGUMENT...: what it says of them has the word in it.
usage()
{
    word=$1
    shift
    expect_usage "$word" "$dev" "$@"
}

usage 'expected demo, leaks, explore, test, bench, lint or help'
usage "not 'dance'" dance
usage "not ''" ''
usage 'expected presets out of: dev clang' test fast
usage 'expected presets out of: dev clang' test dev --long
usage 'no word after lint' lint now

expect 0 "$dev" help
grep -q '^usage: ./dev demo' "$work/out" || fail "no usage in the help"
! grep -E '.{81}' "$work/out" || fail "the help is wider than 80 columns"
cd / || exit 1
expect 0 "$dev" --help

# A machine that has the shell's own tools and those named.
mkdir -p "$work/a clone" "$work/bin"
cp "$dev" "$work/a clone/dev"
for tool in sh env id date mkdir cat getconf dirname; do
    ln -s "$(command -v "$tool")" "$work/bin/$tool"
done

tool()
{
    printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1"
    chmod +x "$work/bin/$1"
}

expect 1 env PATH="$work/bin" "$work/a clone/dev" demo
said "install these first, they go by Debian's names here: cmake ninja-build gcc libc6-dev pkg-config libsqlite3-dev clang\$"

# Not root, and no sudo.
tool apt-get 'exit 0'
rm "$work/bin/id"
tool id 'echo 1000'
expect 1 env PATH="$work/bin" "$work/a clone/dev" lint
said 'neither root nor sudo; as root, run: apt-get install cmake '

# With sudo: what is installed is said, with the reason; the lists are fetched only
# when apt does not find something; and what is still missing afterwards is an error.
tool sudo "echo \"\$@\" >>'$work/sudo'; exec \"\$@\""
tool apt-get "[ \"\$1\" = update ] && : >'$work/updated'; [ -e '$work/updated' ]"
expect 1 env PATH="$work/bin" "$work/a clone/dev" demo
said '^dev: installing with apt-get and sudo:$'
said '^  cmake  *configures the build$'
said 'installed, and still not found: cmake'
grep -q '^apt-get update$' "$work/sudo" || fail "no apt-get update: $(cat "$work/sudo")"
[ "$(grep -c update "$work/sudo")" -eq 1 ] || fail "apt-get update ran more than once"
grep -q '^env DEBIAN_FRONTEND=noninteractive apt-get install -y .* cmake ninja-build gcc' "$work/sudo" ||
    fail "no apt-get install: $(cat "$work/sudo")"

# apt says no: its words are shown.
tool apt-get 'echo "no such archive"; exit 100'
expect 1 env PATH="$work/bin" "$work/a clone/dev" demo
said 'no such archive'

# Everything is there, but CMake is too old.
for name in ninja gcc pkg-config clang apt-get; do
    tool "$name" "echo $name >>'$work/called'"
done
tool cmake 'echo cmake version 3.22.1'
ln -s "$(command -v sed)" "$work/bin/sed"
expect 1 env PATH="$work/bin" "$work/a clone/dev" demo
said 'expected CMake 3.25 or newer, found 3.22'
grep -q apt-get "$work/called" && fail "apt-get was called though nothing is missing"

passed "dev says what it expects and what it installs"
