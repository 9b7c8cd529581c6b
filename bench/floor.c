/* SPDX-License-Identifier: MIT */
/*
 * The floors of what one thread does alone: a call into a library, the flat context of
 * floor_lib.c, and the instructions and calls that a design would rather do without.
 */
#include "floor_lib.h"
#include "harness.h"

#include <stdlib.h>
#include <time.h>

static struct floor_var var;
static int values[2];
static long number;

static void with_slots(long n)
{
    size_t len = (size_t)n;
    struct floor_context *context = calloc(1, sizeof *context + len * sizeof(void *));
    BENCH_MUST(context != NULL);
    context->holders = 1;
    context->len = len;
    var.index = len - 1;
    (void)floor_swap(context);
    BENCH_MUST(floor_set(&var, &values[0]) == 0);
    bench_measure();
    floor_drop(floor_swap(NULL));
}

#define LOOP(name, body)                     \
    static void name(long n, size_t count)   \
    {                                        \
        (void)n;                             \
        for (size_t i = 0; i < count; i++) { \
            body                             \
        }                                    \
    }

LOOP(nothing, floor_nothing();)
LOOP(
    get, void *value = NULL; if (floor_get(&var, &value) != 0) {
        bench_failed("get", __FILE__, __LINE__);
    } bench_keep(value);)
LOOP(
    set, if (floor_set(&var, &values[i % 2]) != 0) { bench_failed("set", __FILE__, __LINE__); })
LOOP(
    first_set, struct floor_context *copy = floor_copy();
    if (floor_set(&var, &values[i % 2]) != 0) {
        bench_failed("set", __FILE__, __LINE__);
    } floor_drop(copy);)
LOOP(copy_drop, floor_drop(floor_copy());)
LOOP(swap_back, struct floor_context *was = floor_swap(NULL); (void)floor_swap(was);)
LOOP(add, number++; bench_keep(&number);)
LOOP(locked_add, __atomic_fetch_add(&number, 1, __ATOMIC_SEQ_CST);)
LOOP(allocate, void *memory = malloc(32); bench_keep(memory); free(memory);)
LOOP(read_clock, bench_keep((void *)(uintptr_t)bench_now());)

#define FIRST_SET(size)                                                                   \
    {                                                                                     \
        .metric = "floor-first-set", .n = (size), .loop = first_set, .around = with_slots \
    }

static const struct bench benches[] = {
    {.metric = "floor-call", .n = 1, .loop = nothing},
    {.metric = "floor-get", .n = 1, .loop = get, .around = with_slots},
    {.metric = "floor-set", .n = 1, .loop = set, .around = with_slots},
    FIRST_SET(1),
    FIRST_SET(8),
    FIRST_SET(32),
    FIRST_SET(100),
    FIRST_SET(1000),
    {.metric = "floor-copy-drop", .n = 1, .loop = copy_drop, .around = with_slots},
    {.metric = "floor-enter-exit", .n = 1, .loop = swap_back, .around = with_slots},
    {.metric = "floor-add", .n = 1, .loop = add},
    {.metric = "floor-locked-add", .n = 1, .loop = locked_add},
    {.metric = "floor-malloc", .n = 1, .loop = allocate},
    {.metric = "floor-clock", .n = 1, .loop = read_clock},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "hardware, " BENCH_C_LIBRARY ", " BENCH_COMPILER, benches,
                      BENCH_LEN(benches));
}
