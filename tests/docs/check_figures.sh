#!/bin/sh
# SPDX-License-Identifier: MIT
# check_figures.sh ROOT: sizes and counts that pages and headers tell are those of the code.
# Where a line of code changes its page is named here, and both change together.
set -eu
cd "$1"

# page | what it says | file | where the figure comes from
figures='
docs/inside.md|until each holds 16,384 stacks|lib/task/stack.c|#define SLOTS_MOST 16384U
docs/inside.md|four times within the limit|lib/task/watchdog.c|LOOKS = 4
docs/inside.md|one for every 64 pages|lib/task/stack.c|AT_ONCE = 64
docs/inside.md|at most 16 for 20,000|tests/task/test_stack.c|MANY = 20000, FEW = 16
docs/io.md|before every 17th of them|lib/task/io.c|TURNS = 16
docs/io.md|from 1 ms to 64 ms|lib/task/io.c|pause < 64000000
docs/scheduling.md|a ring of 256 places|lib/task/run.h|NOOK__RING = 256
docs/scheduling.md|Every 61 switches|lib/task/real.c|BUDGET = 61
docs/scheduling.md|every 61st time in any case|lib/task/real.c|BUDGET = 61
docs/stacks.md|64 KiB unless you say otherwise|lib/task/stack.h|#define NOOK__STACK_DEFAULT ((size_t)64 * 1024)
docs/stacks.md|use 256 KiB|lib/task/stack.h|#define NOOK__STACK_DEFAULT ((size_t)256 * 1024)
docs/stacks.md|16 KiB at least|lib/task/run.c|STACK_LEAST = 16 * 1024
docs/stacks.md|up to 16,384 slots|lib/task/stack.c|#define SLOTS_MOST 16384U
docs/stacks.md|slots and 2 GiB|lib/task/stack.c|#define SLAB_BYTES_MOST ((size_t)2 * 1024 * 1024 * 1024)
docs/stacks.md|between 16 and|lib/task/stack.c|#define GUARD_SMALLEST ((size_t)16 * 1024)
docs/stacks.md|and 64 KiB|lib/task/stack.c|#define GUARD_LARGEST ((size_t)64 * 1024)
docs/stacks.md|64 at most|lib/task/stack.c|#define GUARDS_AT_ONCE 64U
docs/stacks.md|more than 128|lib/task/stack.h|#define NOOK__STACKS_WARM 128
docs/semantics-contextlocal.md|up to 8 watchers|lib/contextlocal/watcher.c|#define SLOTS 8
lib/include/nook/dump.h|255 sites are told apart|lib/task/census.c|MOST = 256
lib/include/nook/task.h|31 bytes at most are kept|lib/task/run.h|char name[32]
lib/include/nook/task.h|0: 1; at most 1,024|lib/task/run.c|WORKERS_MOST = 1024
lib/include/nook/task.h|0: 64 KiB; at least 16 KiB|lib/task/run.c|STACK_LEAST = 16 * 1024
bench/README.md|up to 16,384 contexts|lib/contextlocal/thread.c|sizeof(nook_context), 16384}
bench/README.md|up to 10,240 records|lib/task/run.h|NOOK__TASKS_KEPT = 10240
'

wrong=0 checked=0
while IFS='|' read -r page words file line; do
    [ -n "$page" ] || continue
    checked=$((checked + 1))
    tr -s '\n ' '  ' <"$page" | grep -qF -e "$words" || {
        echo "$page does not say: $words"
        wrong=1
    }
    grep -qF -e "$line" "$file" || {
        echo "$file has no more: $line; $page says: $words"
        wrong=1
    }
done <<END
$figures
END
[ "$wrong" -eq 0 ] || exit 1
echo "$checked figures, all as in the code"
