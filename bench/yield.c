/* SPDX-License-Identifier: MIT */
/*
 * n tasks on one worker that only yield, round and round. Each has a context of its own,
 * in which a variable is bound, or (bare) all of them are in the one of the main task.
 */
#include "own.h"

#include <stdlib.h>

static NOOK_VAR_DEFINE(self);
static int stop;
static int bare;
static long tasks;
static long lost;

/* What the context is carried for: that the task finds its own value after a switch. */
static int yielder(void *arg)
{
    if (!bare) {
        BENCH_MUST(nook_var_set(&self, arg, NULL) == 0);
    }
    while (!stop) {
        MUST_BE_0(nook_yield());
    }
    if (!bare && nook_var_get_or(&self, NULL) != arg) {
        lost++;
    }
    return 0;
}

/* Each turn of the main task is a turn of all: n yields. */
static void yield(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        MUST_BE_0(nook_yield());
    }
}

static int main_task(void *arg)
{
    nook_task_options options = {.start = bare ? NOOK_START_SHARE : NOOK_START_COPY};
    size_t others = (size_t)tasks - 1;
    nook_task **other = calloc(others, sizeof(nook_task *));
    BENCH_MUST(other != NULL);
    BENCH_MUST(nook_var_set(&self, arg, NULL) == 0);
    for (size_t i = 0; i < others; i++) {
        BENCH_MUST(nook_task_spawn(&other[i], yielder, &other[i], &options) == 0);
    }
    BENCH_MUST(nook_yield() == 0);
    bench_measure();
    stop = 1;
    BENCH_MUST(nook_gather(other, others, NULL) == 0);
    for (size_t i = 0; i < others; i++) {
        nook_task_unref(other[i]);
    }
    BENCH_MUST(lost == 0 && nook_var_get_or(&self, NULL) == arg);
    free(other);
    return 0;
}

static void in_run(long n)
{
    tasks = n;
    BENCH_MUST(nook_run(main_task, &tasks, NULL, NULL) == 0);
}

static void in_bare_run(long n)
{
    bare = 1;
    in_run(n);
}

#define YIELD(name, make, size)                                                              \
    {                                                                                        \
        .metric = (name), .n = (size), .loop = yield, .operations = (size), .around = (make) \
    }

static const struct bench benches[] = {
    YIELD("yield", in_run, 2),
    YIELD("yield", in_run, 1000),
    YIELD("yield", in_run, 100000),
    YIELD("yield-bare", in_bare_run, 2),
    YIELD("yield-bare", in_bare_run, 1000),
    YIELD("yield-bare", in_bare_run, 100000),
};

OWN_MAIN(benches)
