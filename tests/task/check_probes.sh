#!/bin/sh
# SPDX-License-Identifier: MIT
# check_probes.sh HAS_PROBES LIBRARY PROGRAM PAGE: the library has the probes that the page
# lists, each with as many arguments, and gdb stops at each of them with what is to be seen
# there.
#
# shellcheck disable=SC2016 # what is in single quotes is for gdb, awk or sed
set -u
has_probes=$1 library=$2 program=$3 page=$4
[ "$has_probes" = 1 ] || { echo "built without probes: no sys/sdt.h, or NOOK_PROBES=off"; exit 77; }
command -v readelf >/dev/null || { echo "no readelf"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# name and number of arguments, of the notes and of the page's table
readelf -n "$library" 2>/dev/null | awk '
    /Provider:/ { ours = $2 == "nook" }
    /Name:/ { name = $2 }
    /Arguments:/ && ours { print name, NF - 1 }' | sort -u >"$work/built"
sed -n 's/^| `\([a-z_]*\)` *| *\([^|]*[^ |]\) *|.*/\1 \2/p' "$page" |
    awk '{ name = $1; print name, gsub(/`[^`]*`/, "") }' | sort >"$work/told"
[ -s "$work/built" ] || { echo "FAILED: $library has no probes"; exit 1; }
diff "$work/told" "$work/built" || { echo "FAILED: $page tells of others than those of $library"; exit 1; }
echo "$(wc -l <"$work/built") probes, as $page tells"

command -v gdb >/dev/null || { echo "no gdb"; exit 77; }

# at NAME FORMAT ARGUMENT...: a breakpoint that prints and goes on
at()
{
    name=$1 format=$2
    shift 2
    printf 'break -probe-stap nook:%s\ncommands\nsilent\nprintf "%s: %s\\n"' "$name" "$name" "$format"
    for argument in "$@"; do
        printf ', %s' "$argument"
    done
    printf '\ncontinue\nend\n'
}

# A yield waits for nothing that has a name. A string among the arguments of printf would
# be put into the program, which gdb cannot do on every processor.
at_park()
{
    printf 'break -probe-stap nook:task_park\ncommands\nsilent\nif $_probe_arg1 == 0\n'
    printf 'printf "task_park: %%u for its turn\\n", %s\nelse\n' "${number}0"
    printf 'printf "task_park: %%u for %%s\\n", %s, %s\nend\ncontinue\nend\n' "${number}0" "${text}1"
}

number='(unsigned)$_probe_arg'
text='(char *)$_probe_arg'
{
    echo 'set debuginfod enabled off'
    echo 'break main' # by then a shared library is there, with its probes
    echo run
    at task_spawn '%u %s by %u' "${number}0" "${text}1" "${number}3"
    at task_start '%u %s' "${number}0" "${text}1"
    at task_switch '%u to %u' "${number}0" "${number}1"
    at_park
    at task_wake '%u %d' "${number}0" '(int)$_probe_arg1'
    at task_end '%u %d' "${number}0" '(int)$_probe_arg1'
    at context_copy '%d' '$_probe_arg0 != $_probe_arg1'
    at context_enter '%d' '$_probe_arg0 != $_probe_arg1'
    at context_exit '%d' '$_probe_arg0 != $_probe_arg1'
    at var_set '%s = %u' "${text}1" "${number}2"
    echo continue
} >"$work/commands"
gdb -nx -batch -x "$work/commands" "$program" >"$work/said" 2>&1
grep -q 'ptrace: Operation not permitted' "$work/said" && { echo "gdb may not trace"; exit 77; }
grep -E '^(task|context|var)_' "$work/said" >"$work/seen"
diff - "$work/seen" <<END && exit 0
task_spawn: 1 main by 0
task_start: 1 main
task_switch: 0 to 1
var_set: request_id = 7
context_copy: 1
task_spawn: 2 child by 1
task_start: 2 child
task_park: 1 for its turn
task_switch: 1 to 2
task_park: 2 for its turn
task_switch: 2 to 1
task_park: 1 for the end of a task
task_switch: 1 to 2
var_set: request_id = 8
context_copy: 1
context_enter: 1
task_park: 2 for a time
task_switch: 2 to 0
task_wake: 2 0
task_switch: 0 to 2
context_exit: 1
task_end: 2 42
task_wake: 1 0
task_switch: 2 to 1
task_end: 1 42
task_switch: 1 to 0
END
echo "FAILED: what gdb saw, above, is not what the program does"
grep -v -x -f "$work/seen" "$work/said" | tail -20
exit 1
