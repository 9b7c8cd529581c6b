#!/bin/sh
# SPDX-License-Identifier: MIT
# test_echo.sh SERVER: many clients at once get back what they sent, each connection's
# lines carry its own request id, also where two take turns, SIGTERM ends the server in an
# orderly way, and the program is as short as docs/io.md says.
set -eu
server=$1
clients=24
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || :; rm -rf "$work"' EXIT

fail()
{
    echo "FAILED: $*"
    cat "$work/log"
    exit 1
}

# until_true COMMAND...: within 30 seconds.
until_true()
{
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || fail "in vain: $*"
        sleep 0.1
    done
}

lines()
{
    grep -c ": $1\$" "$work/log" || :
}

has_lines()
{
    [ "$(lines "$2")" -eq "$1" ]
}

# Listens, or has ended because somebody has the port.
answers_or_ended()
{
    ! kill -0 "$pid" || socat -u OPEN:/dev/null "TCP:127.0.0.1:$port"
}

start_server()
{
    port=$((20000 + $$ % 10000))
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        port=$((port + 7))
        "$server" "$port" 2>"$work/log" &
        pid=$!
        until_true answers_or_ended
        kill -0 "$pid" 2>/dev/null && return
        wait "$pid" && fail "the server ended by itself, and well"
    done
    fail "no free port"
}

# client NUMBER: says its piece, and stays until everybody is there.
client()
{
    {
        cat "$work/sent.$1"
        while [ ! -e "$work/go" ]; do sleep 0.1; done
    } | socat -t 60 - "TCP:127.0.0.1:$port" >"$work/got.$1"
}

start_server
until_true has_lines 1 goodbye # of the one who looked whether it listens
pids=
for number in $(seq "$clients"); do
    seq "$number" $((number * 2000)) >"$work/sent.$number"
    client "$number" &
    pids="$pids $!"
done
until_true has_lines $((clients + 1)) hello
has_lines 1 goodbye || fail "somebody was not served at the same time as the others"
touch "$work/go"
for client in $pids; do
    wait "$client" || fail "a client ended with an error"
done
for number in $(seq "$clients"); do
    cmp "$work/sent.$number" "$work/got.$number" || fail "client $number got something else"
done
until_true has_lines $((clients + 1)) goodbye
for id in $(seq $((clients + 1))); do
    [ "$(grep "^request $id: " "$work/log" | tr '\n' ' ')" = "request $id: hello request $id: goodbye " ] ||
        fail "the lines of request $id"
done

# got WORD NAME: the client has it back.
got()
{
    [ "$(tail -n 1 "$work/got.$2")" = "$1" ]
}

# Two take turns, and the first to come is the last to go.
mkfifo "$work/alice" "$work/bob"
socat -t 60 - "TCP:127.0.0.1:$port" <"$work/alice" >"$work/got.alice" &
alice=$!
exec 3>"$work/alice"
until_true has_lines $((clients + 2)) hello
socat -t 60 - "TCP:127.0.0.1:$port" <"$work/bob" >"$work/got.bob" &
bob=$!
exec 4>"$work/bob"
until_true has_lines $((clients + 3)) hello
for turn in 1 2 3; do
    echo "alice $turn" >&3
    until_true got "alice $turn" alice
    echo "bob $turn" >&4
    until_true got "bob $turn" bob
done
exec 4>&-
wait "$bob"
until_true has_lines $((clients + 2)) goodbye
exec 3>&-
wait "$alice"
until_true has_lines $((clients + 3)) goodbye
[ "$(tail -n 4 "$work/log")" = "request $((clients + 2)): hello
request $((clients + 3)): hello
request $((clients + 3)): goodbye
request $((clients + 2)): goodbye" ] || fail "the lines of two that take turns"

# One is still connected, says nothing, and gets the end of it.
mkfifo "$work/silent"
socat -t 60 - "TCP:127.0.0.1:$port" <"$work/silent" >"$work/got.silent" &
silent=$!
exec 3>"$work/silent"
until_true has_lines $((clients + 4)) hello
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
pid=
exec 3>&-
wait "$silent" || :
[ "$status" -eq 0 ] || fail "the server ended with status $status"
[ "$(tail -n 1 "$work/log")" = "request $((clients + 4)): goodbye" ] ||
    fail "the last connection had no goodbye"

code=$(sed 1d "$(dirname "$0")/echo.c" | grep -v '^#include' | grep -c '[^[:space:]]')
[ "$code" -le 40 ] || fail "$code lines, not 40"
echo "$clients clients at once, $code lines"
